"""Which server answers a request: the load-balancing policies, one per file.

Takes a request and what is known of the servers; returns a server's name. No I/O, no clock, no threads.
Imports core only.
"""

from rilaas.balance.check import check_balancer
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import (
    STATUSES,
    WARM_UP,
    Balancer,
    LoadReport,
    Outcome,
    Request,
    ServerView,
    Weighing,
    candidates,
)
from rilaas.balance.random_choice import RandomChoice
from rilaas.balance.registry import BALANCERS, LEARNED, NEEDS_FILE, Setting, make_balancer
from rilaas.balance.round_robin import RoundRobin

__all__ = [
    "BALANCERS",
    "LEARNED",
    "NEEDS_FILE",
    "STATUSES",
    "WARM_UP",
    "Balancer",
    "LeastConnections",
    "LoadReport",
    "Outcome",
    "RandomChoice",
    "Request",
    "RoundRobin",
    "ServerView",
    "Setting",
    "Weighing",
    "candidates",
    "check_balancer",
    "make_balancer",
]
