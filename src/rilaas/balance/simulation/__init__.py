"""Balancing, simulated: discrete events over servers with slots, networks, loads and disturbances.

Takes a cluster, a load and a policy; returns one row per request. Deterministic by seed, with common random numbers.
Imports core and the balancing protocol only.
"""

from rilaas.balance.simulation.cluster import Cluster, Disturbance, SimServer
from rilaas.balance.simulation.cluster_file import read_cluster
from rilaas.balance.simulation.document import PROFILES
from rilaas.balance.simulation.duration import Duration
from rilaas.balance.simulation.load import Load, OpenLoad, Profile, Robots, Trace
from rilaas.balance.simulation.load_file import read_load
from rilaas.balance.simulation.rate import Rate, Sinusoid, Steps
from rilaas.balance.simulation.run import Run
from rilaas.balance.simulation.simulate import simulate
from rilaas.balance.simulation.stepwise import Question, Stepwise
from rilaas.balance.simulation.suite import LoadSuite, read_suite

__all__ = [
    "PROFILES",
    "Cluster",
    "Disturbance",
    "Duration",
    "Load",
    "LoadSuite",
    "OpenLoad",
    "Profile",
    "Question",
    "Rate",
    "Robots",
    "Run",
    "SimServer",
    "Sinusoid",
    "Steps",
    "Stepwise",
    "Trace",
    "read_cluster",
    "read_load",
    "read_suite",
    "simulate",
]
