"""Intervals that do not promise more than was measured: frames of one recording and calls of one round are alike."""

from dataclasses import replace

import numpy as np
import pytest

from rilaas.infer.target import Target
from rilaas.optimize.bootstrap import ratio_interval
from rilaas.optimize.gate import mse_ratio
from rilaas.optimize.measure import Entry, measure
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.dynamic import QuantizeDynamic
from rilaas.optimize.report_tables import samples_words
from rilaas.optimize.row import Row, speedup
from rilaas.optimize.samples import Samples
from rilaas.store import read_model_folder
from tests.optimize.report_rows import row
from tests.optimize.small_robot import samples_of, small_robot

ORT = Target()
RECORDINGS, FRAMES = 20, 30


def errors(seed):
    """Squared errors of a variant and of the float model; a recording has a factor of its own, 1 in the mean."""
    draw = np.random.default_rng(seed)
    under = draw.chisquare(2, (RECORDINGS, FRAMES))
    factor = draw.uniform(0.6, 1.4, (RECORDINGS, 1))
    return (factor * under).ravel(), under.ravel()


NUMBERS = np.repeat(np.arange(RECORDINGS), FRAMES)


def test_more_frames_of_the_same_recordings_do_not_make_it_surer():
    over, under = errors(0)
    more = ratio_interval(np.repeat(over, 7), np.repeat(under, 7), np.repeat(NUMBERS, 7))
    once = ratio_interval(over, under, NUMBERS)
    assert (more.low, more.high) == pytest.approx((once.low, once.high))
    assert more.n == 7 * once.n


def test_nineteen_of_twenty_intervals_hold_the_truth_where_recordings_are_drawn():
    def held(recordings):
        found = [ratio_interval(*errors(seed), recordings) for seed in range(60)]
        return np.mean([each.low <= 1.0 <= each.high for each in found])

    assert held(NUMBERS) > 0.85
    assert held(np.arange(len(NUMBERS))) < 0.75  # frame by frame: a third promises what it does not keep


def test_without_recordings_neighbours_are_drawn_together():
    over, under = errors(1)
    alone, blocks = (ratio_interval(over, under, given) for given in (np.arange(len(over)), None))
    assert blocks.high - blocks.low > 1.3 * (alone.high - alone.low)
    one = ratio_interval(over, under, np.zeros(len(over), np.int64))
    assert (one.low, one.high) == (blocks.low, blocks.high)  # a single recording says nothing about others


def test_calls_of_one_round_are_drawn_together():
    draw = np.random.default_rng(0)
    slow = np.repeat(draw.uniform(1.0, 1.5, 10), 100)  # what else runs hits a whole round of one variant
    own = replace(row("a").measured, compute_s=1e-3 * slow, rounds=10)
    base = replace(row("b").measured, compute_s=np.full(1000, 2e-3), rounds=10)
    rounds, single = speedup(own, base), speedup(replace(own, rounds=1000), replace(base, rounds=1000))
    assert rounds.mean == single.mean
    assert rounds.high - rounds.low > 2.0 * (single.high - single.low)


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return small_robot(tmp_path_factory.mktemp("small") / "small")


def test_what_is_measured_knows_its_recordings_and_rounds(subject):
    test = replace(samples_of(subject, 12, 9), groups=np.repeat([3, 5, 8], 4))
    (found,) = measure([Entry("float", subject.folder, ORT)], test, calls=2, rounds=3)
    assert found.rounds == 3
    assert found.recordings.tolist() == test.groups.tolist()
    assert samples_words(Row(found)) == "12 test samples of 3 recordings"
    assert mse_ratio(found, found).mean == 1.0


def test_errors_are_those_of_samples_that_are_asked_one_by_one(subject, tmp_path):
    """Dynamic ranges span the whole batch: a dark picture beside a bright one loses its digits."""
    quantized = QuantizeDynamic(min_macs=0).apply(subject.network, Context(ORT, subject.network))
    small_robot(tmp_path / "v")
    (tmp_path / "v" / "weights.onnx").write_bytes(quantized.data)
    folder = read_model_folder(tmp_path / "v")
    draw = np.random.default_rng(0)
    images = 127 + draw.integers(-120, 120, (16, 8, 8, 3)) // np.where(np.arange(16) % 2, 60, 1)[:, None, None, None]
    test = Samples({"image": images.astype(np.uint8)}, subject.preprocess)
    entries = [Entry("float", subject.folder, ORT), Entry("v", folder, Target(precision="int8"))]
    together = measure(entries, test, calls=1, rounds=1)[1].difference
    alone = [measure(entries, test.take([at]), calls=1, rounds=1)[1].difference for at in range(16)]
    assert together == pytest.approx(np.concatenate(alone), abs=1e-7)
