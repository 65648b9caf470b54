"""A report with something of everything."""

import pytest

from rilaas.report import (
    Episode,
    Provenance,
    Report,
    Table,
    distance_chart,
    interval_chart,
    latency_chart,
    summarize,
)


@pytest.fixture
def report():
    episodes = tuple(
        Episode(
            "loop", seed, "left the road" if seed == 3 else "done", {"driven_lane_m": 10.0 + seed}, failed=seed == 3
        )
        for seed in range(6)
    )
    latency = {"edge": [0.005, 0.006, 0.007], "cloud": [0.08, 0.09, 0.2]}
    metrics = {
        "driven_lane_m": summarize([e.metrics["driven_lane_m"] for e in episodes], "m", "higher"),
        "lane_time_share": summarize([1.0, 0.5, 1.0], "1", "higher"),
        "round_trip_s": summarize([v for part in latency.values() for v in part], "s", "lower", servers=latency),
    }
    source = Provenance(
        "0.1.0", "a" * 40 + "-dirty", (0, 1, 2, 3, 4, 5), {"cpu": "X1", "cores": 2}, "rilaas up --demo"
    )
    return Report(
        kind="demo",
        verdict="failed",
        summary="Six episodes.",
        metrics=metrics,
        episodes=episodes,
        tables=(Table("Steps", ("step", "p50 [ms]"), (("queue", 0.125), ("wire", None), ("all", 12.5)), "A note."),),
        figures=(
            distance_chart(episodes, reference=[12.0] * 6),
            latency_chart(latency, deadline_s=0.1),
            interval_chart({"a": metrics["driven_lane_m"]}, title="Driven"),
        ),
        provenance=source,
    )
