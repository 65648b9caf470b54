"""Deploying: what the hub wants on a server, made so and kept so, whether the hub is there or not.

Takes placements and model archives, drives a ``Runtime`` (processes now) and reports back; also keeps the processes
of the services themselves. May import serve, store, wire, observe, core.
"""

from rilaas.deploy.agent import Agent, Announced
from rilaas.deploy.archive_cache import ArchiveCache
from rilaas.deploy.placement import Placement, PlacementReport
from rilaas.deploy.process_runtime import ProcessRuntime
from rilaas.deploy.processes import Processes
from rilaas.deploy.reconciler import Reconciler
from rilaas.deploy.runtime import Running, Runtime
from rilaas.deploy.service_process import ServiceProcess

__all__ = [
    "Agent",
    "Announced",
    "ArchiveCache",
    "Placement",
    "PlacementReport",
    "ProcessRuntime",
    "Processes",
    "Reconciler",
    "Running",
    "Runtime",
    "ServiceProcess",
]
