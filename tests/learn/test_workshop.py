"""A variant drives with the times of its whole policy, and these reach the world."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rilaas.evaluate.driving import read_suite
from rilaas.infer.target import Target
from rilaas.learn.workshop import Workshop, drive
from rilaas.optimize.cache import Cache
from rilaas.optimize.measured import Driven
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder
from tests.optimize.small_robot import data_of, small_robot

FOLDER = Path(__file__).resolve().parents[2] / "models" / "lane-following"


def test_measured_times_become_the_latency_of_the_world():
    suite = read_suite("quick-look")
    suite = replace(suite, scenarios=(replace(suite.scenarios[0], duration_s=3.0),))
    quick, slow = (
        drive("v", read_model_folder(FOLDER), suite, np.full(5, seconds)).frequency_hz[0] for seconds in (1e-3, 0.4)
    )
    assert slow <= 2.5
    assert quick > 5.0


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workshop whose model needs 3 ms to make its input ready, and what its drives were given."""
    place = tmp_path_factory.mktemp("workshop")
    small_robot(place / "small")
    hooks = place / "small" / "hooks.py"
    hooks.write_text(hooks.read_text().replace("    return {", "    time.sleep(0.003)\n    return {", 1))
    hooks.write_text("import time\n" + hooks.read_text())
    subject = read_subject(read_model_folder(place / "small"))
    given = {}

    def driving(name, folder, total_s):
        given[name] = total_s
        return Driven(name, {"driving_score": np.full(4, 90.0)}, {}, np.full(4, 20.0), suite="s")

    workshop = Workshop(
        subject, data_of(subject), Cache(place / "cache"), place / "v", drive=driving, calls=2, rounds=2
    )
    workshop.place.mkdir()
    workshop.make([Recipe("same", Target())])
    return workshop.rows(with_eager=False), given


def test_a_drive_is_given_the_times_of_the_whole_policy_with_its_preprocessing(made):
    rows, given = made
    assert [row.name for row in rows] == list(given) == ["float", "same"]
    for row in rows:
        assert given[row.name] is row.measured.total_s
        assert row.measured.total_s.min() >= 0.003
        assert row.measured.compute_s.min() < 0.003
