"""Reports that are written down, not driven."""

import pytest

from rilaas.report import Episode, Provenance, Report, Table, summarize

DIRECTIONS = {"driving_score": ("", "higher"), "traffic_law_cost": ("", "lower"), "speed_m_per_s": ("m/s", "")}


@pytest.fixture
def make_report():
    """Make a report of one scenario with the seeds 1, 2, ... from values by metric; None is an absent one."""

    def make(digest="sha256:1", suite="lf", first_seed=1, simulator="", latency="", **values):
        count = max(len(column) for column in values.values())
        episodes = tuple(
            Episode(
                "oval",
                first_seed + i,
                "completed",
                {name: float(column[i]) for name, column in values.items() if column[i] is not None},
                absent={name: "nobody ahead" for name, column in values.items() if column[i] is None},
            )
            for i in range(count)
        )
        metrics = {
            name: summarize([v for v in column if v is not None], *DIRECTIONS.get(name, ("m", "higher")))
            for name, column in values.items()
        }
        told = {"simulator": simulator, "latency": latency}
        world = tuple((name, value) for name, value in told.items() if value)
        table = Table("Suite", ("", "value"), (("suite", suite), ("digest", digest), *world))
        source = Provenance("1", "", tuple(range(count)), {}, "c")
        return Report("evaluation", "measured", metrics, source, episodes=episodes, tables=(table,))

    return make
