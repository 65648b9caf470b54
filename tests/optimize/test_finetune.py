"""Training that goes on, and what all training passes have in common."""

import itertools
import time

import numpy as np
import pytest
import torch

from rilaas.core import InvalidInput, ModelFailed
from rilaas.optimize.passes.finetune import Finetune
from rilaas.optimize.passes.training_goal import Goal
from rilaas.optimize.samples import Samples
from tests.optimize.learning_task import context, mse, samples, untrained_network, weights


@pytest.fixture(scope="module")
def network():
    return untrained_network()


SHORT = {"epochs": 2, "learning_rate": 3e-3, "batch": 32}


def test_training_lowers_the_error_and_leaves_the_given_network_as_it_is(network):
    before = bytes(network.data)
    made = Finetune(epochs=6, learning_rate=3e-3, batch=32).apply(network, context(network))
    assert mse(made) < 0.2 * mse(network)
    assert network.data == before


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(network):
    first, second, other = (Finetune(**SHORT).apply(network, context(network, seed=seed)) for seed in (0, 0, 1))
    assert first.data == second.data
    assert first.data != other.data


def test_training_changes_neither_the_threads_nor_the_chance_of_torch(network):
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    Finetune(**SHORT).apply(network, context(network))
    assert torch.equal(torch.rand(3), wanted)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("rate", [1e6, 1e30])
def test_a_training_that_diverges_fails_and_says_what_to_lower(network, rate):
    with pytest.raises(ModelFailed, match=r"finetune diverged.*learning_rate"):
        Finetune(epochs=3, learning_rate=rate, patience=0).apply(network, context(network))


def test_an_interrupt_passes_through(network):
    def interrupt(share: float, words: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Finetune(**SHORT).apply(network, context(network, tell=interrupt))


def test_progress_grows_from_0_and_is_told_within_large_batches(network, monkeypatch):
    ticks = itertools.count()
    monkeypatch.setattr(time, "monotonic", lambda: float(next(ticks)))  # every look at the clock is a second
    told = []
    Finetune(epochs=2, batch=256, patience=0).apply(
        network, context(network, tell=lambda share, words: told.append((share, words)))
    )
    shares = [share for share, _ in told]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len([words for _, words in told if words.startswith("epoch 1 of 2")]) == 4  # a batch is four parts


def test_parts_of_a_batch_give_the_gradient_of_the_whole(network, monkeypatch):
    from rilaas.optimize.passes import training

    settings = Finetune(epochs=1, batch=64, learning_rate=1e-3, patience=0)
    plain = _without_normalization()
    whole = settings.apply(plain, context(plain))
    monkeypatch.setattr(training, "_PART", 16)
    parts = settings.apply(plain, context(plain))
    for name, value in weights(whole).items():
        np.testing.assert_allclose(weights(parts)[name], value, atol=2e-5)


def _without_normalization():
    from rilaas.optimize.passes.fold import FoldNormalization

    network = untrained_network()
    return FoldNormalization().apply(network, context(network))


def test_patience_ends_with_the_best_weights_of_the_validation_part(network):
    # Targets of the validation part that the training leads away from: the first weights are the best.
    away = samples(64, 3)
    wrong = Samples(away.raw, away.preprocess, {"command": -10 * away.targets["command"]})
    settings = Finetune(epochs=6, learning_rate=3e-3, batch=32, patience=1)
    kept = settings.apply(network, context(network, validation=wrong))
    for name, value in weights(network).items():
        np.testing.assert_array_equal(weights(kept)[name], value)


def test_without_targets_the_float_network_is_the_goal(network):
    silent = samples(256, 1, targets=False)
    other = untrained_network(seed=2)
    made = Finetune(epochs=10, learning_rate=3e-3, batch=32, patience=0).apply(
        other, context(network, training=silent, validation=samples(64, 3, targets=False))
    )
    from tests.optimize.learning_task import answers

    test = samples(64, 4)
    gap = [((answers(each, test) - answers(network, test)) ** 2).mean() for each in (made, other)]
    assert gap[0] < 0.2 * gap[1]


def test_targets_that_are_missing_or_of_another_shape_are_told(network):
    with pytest.raises(InvalidInput, match=r"no targets.*teacher"):
        Finetune(toward="targets").apply(network, context(network, training=samples(64, 1, targets=False)))
    given = samples(64, 1)
    misnamed = Samples(given.raw, given.preprocess, {"wheels": given.targets["command"]})
    with pytest.raises(InvalidInput, match="no target for the output 'command'"):
        Finetune().apply(network, context(network, training=misnamed))
    wide = Samples(given.raw, given.preprocess, {"command": np.zeros((64, 3), np.float32)})
    with pytest.raises(InvalidInput, match=r"shape \(\d+, 3\)"):
        Finetune(patience=0).apply(network, context(network, training=wide))


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"batch": 0},
        {"share": 1.5},
        {"loss": "l2"},
        {"toward": "nothing"},
        {"rate": "linear"},
        {"mix": 0.5, "toward": "targets"},
        {"shift": 0.1, "toward": "targets"},
        {"repeat": 0},
    ],
    ids=lambda wrong: "-".join(f"{key}={value}" for key, value in wrong.items()),
)
def test_a_configuration_that_cannot_be_is_refused(wrong):
    with pytest.raises(InvalidInput):
        Finetune(**wrong)


def test_a_pass_without_data_says_what_it_needs(network):
    with pytest.raises(InvalidInput, match="finetune needs training data"):
        Finetune().apply(network, context(network, training=None))


def test_class_numbers_and_scores_of_a_teacher_are_goals_of_cross_entropy():
    answer = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    goal = Goal(("classes",), "cross_entropy", None, 0.0)
    numbers = float(goal.distance([answer], [(1.0, [torch.tensor([0, 1])])]))
    assert numbers == pytest.approx(float(torch.nn.functional.cross_entropy(answer, torch.tensor([0, 1]))))
    scores = float(goal.distance([answer], [(1.0, [answer * 10])]))
    assert scores == pytest.approx(numbers, rel=0.01)  # ten times the scores are almost sure


def test_a_teachers_weight_mixes_both_goals():
    answer, wanted, taught = (torch.full((2, 1), value) for value in (0.0, 1.0, 3.0))
    goal = Goal(("a",), "mse", None, 0.25)
    assert float(goal.distance([answer], [(0.75, [wanted]), (0.25, [taught])])) == pytest.approx(0.75 + 0.25 * 9)


def test_mixtures_and_light_need_the_teacher_and_are_drawn_anew_each_time(network):
    from rilaas.optimize.passes.training_batch import Batches

    batches = Batches(samples(64, 1), np.random.default_rng(0), mix=1.0, jitter=0.2)
    rows = np.arange(16)
    (first, targets), (second, _) = batches.of(rows), batches.of(rows)
    plain = samples(64, 1).inputs(rows)["input"]
    assert targets is None
    assert not np.allclose(first["input"], second["input"])
    assert not np.allclose(first["input"], plain)
    assert first["input"].dtype == np.float32
    still, answers = Batches(samples(64, 1), np.random.default_rng(0)).of(rows)
    np.testing.assert_array_equal(still["input"], plain)
    assert answers is not None


def test_shifted_pictures_are_moved_by_whole_pixels_and_repeat_their_border():
    from rilaas.optimize.passes.training_batch import Batches

    size = (8, 10)
    plain = np.arange(80, dtype=np.float32).reshape(1, 1, *size)
    batches = Batches(Samples({"input": np.repeat(plain, 64, 0)}), np.random.default_rng(0), shift=0.2)
    moved, targets = batches.of(np.arange(64))
    assert targets is None
    seen = set()
    for picture in moved["input"][:, 0]:
        seen.add(float(picture[4, 5]))
        rows, columns = np.unravel_index(int(picture[4, 5]), size)
        down, right = rows - 4, columns - 5
        assert abs(down) <= 2
        assert abs(right) <= 2
        wanted = plain[0, 0][np.clip(np.arange(8) + down, 0, 7)][:, np.clip(np.arange(10) + right, 0, 9)]
        np.testing.assert_array_equal(picture, wanted)
    assert len(seen) > 10
