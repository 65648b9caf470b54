"""The request interceptor: robots' requests in, each forwarded to the server that will answer soonest.

Authenticates by SSH-key tokens, authorizes by robot and model, limits rates, balances, retries.
A process at the edge, or a part of the robot's client. Imports serve (never a replica's part), store, balance,
wire, observe, core.
"""

from rilaas.route.access import (
    AccessSource,
    FileAccess,
    Grant,
    Registered,
    RobotAccess,
    SourceStatus,
    read_access,
)
from rilaas.route.balancing import Balancing, Protection
from rilaas.route.config import DEFAULT_PORT, HubConfig, RouteConfig, ServerConfig, TlsConfig, read_route_config
from rilaas.route.decision import fetch_decision
from rilaas.route.interceptor import Interceptor
from rilaas.route.running import Running, front_of, start_interceptor
from rilaas.route.upstream import Server, Upstream

__all__ = [
    "DEFAULT_PORT",
    "AccessSource",
    "Balancing",
    "FileAccess",
    "Grant",
    "HubConfig",
    "Interceptor",
    "Protection",
    "Registered",
    "RobotAccess",
    "RouteConfig",
    "Running",
    "Server",
    "ServerConfig",
    "SourceStatus",
    "TlsConfig",
    "Upstream",
    "fetch_decision",
    "front_of",
    "read_access",
    "read_route_config",
    "start_interceptor",
]
