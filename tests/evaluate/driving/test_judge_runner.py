from dataclasses import replace
from functools import partial

from rilaas.evaluate.driving import Latency
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
