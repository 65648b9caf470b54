"""Seeing it run: Prometheus metrics with their endpoint, one-line structured logs, a recorder for policies.

Takes numbers, events and policies; gives text, JSON and .npz files. Imports core only, and needs numpy only.
"""

from rilaas.observe.endpoint import MetricsEndpoint, serve_metrics
from rilaas.observe.histogram import LATENCY_BUCKETS_S, Histogram
from rilaas.observe.logs import log_event, set_up_logs
from rilaas.observe.metrics import Counter, Gauge
from rilaas.observe.recorder import Call, Recorded, read_episode
from rilaas.observe.registry import Registry

__all__ = [
    "LATENCY_BUCKETS_S",
    "Call",
    "Counter",
    "Gauge",
    "Histogram",
    "MetricsEndpoint",
    "Recorded",
    "Registry",
    "log_event",
    "read_episode",
    "serve_metrics",
    "set_up_logs",
]
