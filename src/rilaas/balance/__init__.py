"""Which server answers a request: the load-balancing policies, one per file.

Takes a request and what is known of the servers; returns a server's name. A choice does no I/O, reads no
clock and starts no thread: files are read where a policy is made, the clock where its state is kept.
Imports core and numpy only; ``comparison`` imports report too.
"""

from rilaas.balance.c3 import C3
from rilaas.balance.check import check_balancer
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.least_connections_per_model import LeastConnectionsPerModel
from rilaas.balance.least_model_time import LeastModelTime
from rilaas.balance.peak_ewma import PeakEwma
from rilaas.balance.power_of_two_choices import PowerOfTwoChoices
from rilaas.balance.prequal import Prequal
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
from rilaas.balance.round_robin_shared import RoundRobinShared
from rilaas.balance.shortest_expected_delay import ShortestExpectedDelay
from rilaas.balance.weighted_least_connections import WeightedLeastConnections

__all__ = [
    "BALANCERS",
    "C3",
    "LEARNED",
    "NEEDS_FILE",
    "STATUSES",
    "WARM_UP",
    "Balancer",
    "LeastConnections",
    "LeastConnectionsPerModel",
    "LeastModelTime",
    "LoadReport",
    "Outcome",
    "PeakEwma",
    "PowerOfTwoChoices",
    "Prequal",
    "RandomChoice",
    "Request",
    "RoundRobin",
    "RoundRobinShared",
    "ServerView",
    "Setting",
    "ShortestExpectedDelay",
    "Weighing",
    "WeightedLeastConnections",
    "candidates",
    "check_balancer",
    "make_balancer",
]
