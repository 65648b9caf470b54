import os
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest

from rilaas.evaluate.driving import Latency, Suite, World, run_suite
from rilaas.evaluate.driving.judge.runner import Runner
from tests.evaluate.driving.test_judge import LOOP, FollowYellow


class Counted(FollowYellow):
    """Leaves a byte in a file for each answer."""

    def __init__(self, folder):
        self.path = folder / "answers"

    def predict(self, inputs, *, deadline_s=None):
        with self.path.open("ab") as file:
            file.write(b".")
        return super().predict(inputs, deadline_s=deadline_s)


def test_who_ends_a_run_in_several_processes_does_not_wait_for_the_drives_that_go_on(tmp_path):
    """The second drive lasts an hour, 72,000 answers; the first one 4 s, 80 answers. After the first one the run is
    ended, and the second one ends where it is: with hardly more answers than the other one had by then."""
    scenarios = (LOOP[0], replace(LOOP[1], duration_s=3600.0))
    run = Runner(partial(Counted, tmp_path), Latency.none()).run(scenarios, workers=2)
    assert next(run).result.status == "completed"
    run.close()
    assert 80 <= (tmp_path / "answers").stat().st_size < 40_000


@contextmanager
def dies(folder, times, scenario):
    """In the world of seed 2 the process is gone at once, as when it is killed for its memory; so many times."""
    deaths = folder / "deaths"
    count = len(deaths.read_bytes()) if deaths.exists() else 0
    if scenario.seed == 2 and count < times:
        with deaths.open("ab") as file:
            file.write(b".")
        os._exit(9)
    yield World(scenario)


@pytest.mark.parametrize(
    ("times", "statuses"),
    [(1, ["completed"] * 3), (99, ["completed", "infrastructure_failure", "completed"])],
)
def test_a_process_that_dies_takes_no_other_episode_with_it(tmp_path, times, statuses):
    """The episode is driven again in a fresh process, and given up after two of these; the others are as ever."""
    suite = Suite("s", "", tuple(replace(each, duration_s=1.0) for each in LOOP))
    report = run_suite(FollowYellow, suite, workers=2, simulator=partial(dies, tmp_path, times), retry_after_s=0.0)
    assert [episode.status for episode in report.episodes] == statuses
    assert any("A process that drove died" in str(row) for t in report.tables for row in t.rows)
    plain = {episode.seed: episode for episode in run_suite(FollowYellow, suite).episodes}
    assert all(plain[each.seed] == each for each in report.episodes if each.status == "completed")
