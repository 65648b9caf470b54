"""What runs beside the requests in the hub's process: reading metrics, writing samples."""

from __future__ import annotations

from rilaas.hub.metrics.collector import Collector
from rilaas.hub.metrics.window import Window

WINDOW = Window()
"""What this process has read."""


def start_background() -> Collector:
    """Begin to read the services' metrics and to write samples behind the requests; ``stop_background`` ends both."""
    from rilaas.hub.actions.sample import SAMPLES

    SAMPLES.start()
    collector = Collector(WINDOW)
    collector.start()
    return collector


def stop_background(collector: Collector) -> None:
    """End both; what was accepted is written first."""
    from rilaas.hub.actions.sample import SAMPLES

    collector.stop()
    SAMPLES.stop()
