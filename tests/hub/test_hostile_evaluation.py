"""Evaluations that somebody means ill with: models, suites and people that change while the hub drives."""

import pytest

from tests.hub.drive_parts import fresh, push_hooks, started

pytestmark = pytest.mark.django_db
HOOKS = """
import numpy

class Model:
    def __init__(self, folder, session):
        self.count = 0

    def reset(self):
        self.count = 0

    def predict(self, inputs):
        self.count += inputs["image"].any()
        if self.count > 3:
            {act}
        return {{"wheels": numpy.full((1, 2), 0.2, numpy.float32)}}
"""
NAN = 'return {"wheels": numpy.full((1, 2), numpy.nan, numpy.float32)}'
HUGE = 'return {"wheels": numpy.zeros((40_000_000, 2), numpy.float32)}'
OTHER = 'return {"wheels": numpy.zeros((3, 5, 7), numpy.float32)}'
TEXT = 'return {"wheels": "left, please"}'
WORDS = r'raise ValueError("<script> \\0 and \ud800 " + "x" * 10**6)'


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (NAN, "The policy gave wheels (nan, nan)"),
        (HUGE, "too large"),
        (OTHER, "wheels"),
        (TEXT, "wheels"),
        (WORDS, "<script>"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("raise RecursionError", "RecursionError"),
    ],
    ids=["nan", "huge", "other", "text", "words", "exit", "recursion"],
)
def test_a_model_that_answers_something_else_ends_with_its_reason_and_the_worker_goes_on(
    alice, worker, tmp_path, browser, act, told
):
    push_hooks(alice, tmp_path / "seeing", HOOKS.format(act=act))
    evaluation = started(alice)
    worker.do_all()
    failed = fresh(evaluation)
    assert (failed.job.state, failed.verdict) == ("failed", "failed")
    assert told in failed.job.error["message"]
    assert failed.episodes.count() == 3
    for path in ("", ".json", "/episodes/0", "/episodes/0.json"):
        assert browser(alice).get(f"/evaluations/{evaluation.pk}{path}").status_code == 200
    assert browser(alice).get(f"/api/v1/evaluations/{evaluation.pk}/report.html").status_code == 200
    again = started(alice)
    worker.do_all()
    assert fresh(again).job.error["message"] == failed.job.error["message"]
