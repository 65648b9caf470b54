"""The tables, a file a noun. Rows are written by ``hub.actions`` only."""

from rilaas.hub.models.dataset import Dataset, DatasetVersion
from rilaas.hub.models.deployment import Deployment, Placement
from rilaas.hub.models.evaluation import Episode, Evaluation
from rilaas.hub.models.event import AuditEvent
from rilaas.hub.models.job import Job, Run
from rilaas.hub.models.model import Alias, LatencyMeasurement, Model, Variant, Version
from rilaas.hub.models.person import AccessToken, EntryLink, Person
from rilaas.hub.models.policy import PolicyChange, PolicyEpoch
from rilaas.hub.models.recording import Recording
from rilaas.hub.models.robot import Robot, RobotKey, Subscription
from rilaas.hub.models.sample import MetricSample
from rilaas.hub.models.server import Interceptor, Server

__all__ = [
    "AccessToken",
    "Alias",
    "AuditEvent",
    "Dataset",
    "DatasetVersion",
    "Deployment",
    "EntryLink",
    "Episode",
    "Evaluation",
    "Interceptor",
    "Job",
    "LatencyMeasurement",
    "MetricSample",
    "Model",
    "Person",
    "Placement",
    "PolicyChange",
    "PolicyEpoch",
    "Recording",
    "Robot",
    "RobotKey",
    "Run",
    "Server",
    "Subscription",
    "Variant",
    "Version",
]
