"""Recipes are followed step by step; nothing is made twice, and what cannot be is told before any work."""

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from rilaas.core import InvalidInput, MissingDependency, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize.cache import Cache
from rilaas.optimize.engine import make
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.time_left import TimeLeft
from tests.optimize.small_robot import CALLS, Diverge, Interrupt, Rename, Round, Scale, data_of, edited, small_robot

ORT = Target()


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return small_robot(tmp_path_factory.mktemp("small") / "small")


@pytest.fixture(scope="module")
def data(subject):
    return data_of(subject)


@pytest.fixture(autouse=True)
def forget():
    CALLS.clear()


def named(name, kind=Scale):
    """A pass of that name; what it does is beside the point."""
    return type("Named", (kind,), {"name": name})()


def test_a_recipe_without_passes_gives_the_network_as_it_was(subject):
    made = make(Recipe("as-is", ORT), subject, None)
    assert made.network.digest == subject.network.digest
    assert made.steps == ()


def test_passes_are_applied_in_order_and_the_original_stays(subject, data):
    before = subject.network.data
    recipe = Recipe("two", ORT, (Scale(1.5), Round()))
    made = make(recipe, subject, data)
    assert [step.name for step in made.steps] == ["finetune", "quantize.round"]
    assert made.network.digest == made.steps[-1].digest != subject.network.digest
    assert subject.network.data is before


def test_a_pass_sees_the_parts_it_asks_for_and_never_another(subject, data):
    make(Recipe("two", ORT, (Scale(1.5), Round())), subject, data)
    assert [seen for _, seen, _ in CALLS] == [{"training", "validation"}, {"calibration"}]


def test_each_part_that_a_pass_sees_is_that_part_and_no_other(subject, data, monkeypatch):
    seen = {}

    def work(self, network, context):
        seen.update({part: getattr(context, part) for part in ("training", "calibration", "validation")})
        return network

    monkeypatch.setattr(Round, "work", work)
    monkeypatch.setattr(Round, "needs", frozenset({"training", "calibration", "validation"}))
    make(Recipe("one", ORT, (Round(),)), subject, data)
    assert seen == {part: getattr(data, part) for part in seen}


def test_a_second_run_takes_everything_from_the_cache(subject, data, tmp_path):
    cache, recipe = Cache(tmp_path), Recipe("two", ORT, (Scale(1.5), Round()))
    first = make(recipe, subject, data, cache=cache)
    again = make(recipe, subject, data, cache=cache)
    assert len(CALLS) == 2
    assert [step.was_cached for step in first.steps] == [False, False]
    assert [step.was_cached for step in again.steps] == [True, True]
    assert again.network.digest == first.network.digest


def test_recipes_share_what_they_begin_with_whatever_their_target(subject, data, tmp_path):
    cache, other = Cache(tmp_path), replace(ORT, precision="int8")
    make(Recipe("a", ORT, (Scale(1.5), Round(0.01))), subject, data, cache=cache)
    made = make(Recipe("b", other, (Scale(1.5), Round(0.02))), subject, data, cache=cache)
    assert [step.was_cached for step in made.steps] == [True, False]
    assert {target for _, _, target in CALLS} == {str(ORT)}


def test_a_pass_that_looks_at_the_target_says_so_and_is_made_for_each(subject, data, tmp_path):
    @dataclass(frozen=True)
    class Fitted(Round):
        sees_target: ClassVar[bool] = True

    cache, other = Cache(tmp_path), replace(ORT, precision="int8")
    for target in (ORT, other):
        assert not make(Recipe("a", target, (Fitted(),)), subject, data, cache=cache).steps[0].was_cached
    assert [target for _, _, target in CALLS] == [str(ORT), str(other)]


@pytest.mark.parametrize("change", ["field", "version", "data", "seed"])
def test_anything_that_a_result_depends_on_makes_it_anew(subject, data, tmp_path, change):
    @dataclass(frozen=True)
    class Later(Round):
        version: ClassVar[int] = 2

    cache, recipe = Cache(tmp_path), Recipe("one", ORT, (Round(),))
    make(recipe, subject, data, cache=cache)
    seed = 0
    if change == "field":
        recipe = replace(recipe, passes=(Round(0.02),))
    elif change == "version":
        recipe = replace(recipe, passes=(Later(),))
    elif change == "data":
        data = replace(data, calibration=data.calibration.take(slice(0, 12)))
    else:
        seed = 1
    assert not make(recipe, subject, data, cache=cache, seed=seed).steps[0].was_cached


def test_a_pass_after_another_network_or_for_another_model_is_made_anew(subject, data, tmp_path):
    """Recipes and models share a cache: none sees another's weights, and none another's teacher."""
    cache = Cache(tmp_path)
    plain = make(Recipe("one", ORT, (Round(),)), subject, data, cache=cache)
    after = make(Recipe("two", ORT, (Scale(1.5), Round())), subject, data, cache=cache)
    assert not after.steps[1].was_cached
    assert after.network.digest != plain.network.digest
    half = edited(subject.network, lambda name, array: array * np.float32(0.5 if name == "o.w" else 1))
    back = make(Recipe("three", ORT, (Scale(2.0), Round())), replace(subject, network=half), data, cache=cache)
    assert back.network.digest == plain.network.digest  # the same pass on the same network,
    assert not back.steps[1].was_cached  # but of a model that would have taught something else


def test_data_that_a_pass_does_not_see_leave_the_cache_valid(subject, data, tmp_path):
    cache, recipe = Cache(tmp_path), Recipe("one", ORT, (Round(),))
    make(recipe, subject, data, cache=cache)
    other = replace(data, training=data.training.take(slice(0, 12)))
    assert make(recipe, subject, other, cache=cache).steps[0].was_cached


@pytest.mark.parametrize(("file", "text"), [("scale.py", "FACTOR = 100.0\n"), ("scale.csv", "100.0\n")])
def test_a_changed_preprocessing_makes_everything_anew_that_saw_samples(data, subject, tmp_path, file, text):
    cache, recipe = Cache(tmp_path / "cache"), Recipe("one", ORT, (Round(),))
    make(recipe, subject, data, cache=cache)
    small_robot(tmp_path / "small")
    (tmp_path / "small" / file).write_text(text)
    from rilaas.optimize.subject import read_subject
    from rilaas.store import read_model_folder

    other = read_subject(read_model_folder(tmp_path / "small"))
    assert other.network.digest == subject.network.digest
    assert not make(recipe, other, data, cache=cache).steps[0].was_cached


def test_a_damaged_entry_is_made_again(subject, data, tmp_path):
    cache, recipe = Cache(tmp_path), Recipe("one", ORT, (Round(),))
    first = make(recipe, subject, data, cache=cache)
    for path in tmp_path.rglob("*.network"):
        path.write_bytes(path.read_bytes()[:-10])
    again = make(recipe, subject, data, cache=cache)
    assert not again.steps[0].was_cached
    assert again.network.digest == first.network.digest


def test_what_was_finished_before_an_interruption_is_not_made_again(subject, data, tmp_path):
    cache = Cache(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        make(Recipe("a", ORT, (Scale(1.5), Interrupt())), subject, data, cache=cache)
    made = make(Recipe("b", ORT, (Scale(1.5), Round())), subject, data, cache=cache)
    assert [step.was_cached for step in made.steps] == [True, False]


def test_progress_rises_to_one_and_names_the_pass(subject, data):
    told = []
    make(Recipe("two", ORT, (Scale(1.5), Round())), subject, data, tell=lambda *said: told.append(said))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert any("pass 1 of 2, finetune: half" in words for _, words in told)


def test_without_data_a_recipe_that_needs_some_says_so_before_any_work(subject):
    with pytest.raises(InvalidInput, match=r"needs calibration data for quantize\.round.*--dataset"):
        make(Recipe("one", ORT, (Round(),)), subject, None)
    assert CALLS == []


def test_a_target_that_is_absent_is_told_before_any_work(subject, data, monkeypatch):
    monkeypatch.setattr(Target, "missing", lambda self: "there is no card.")
    with pytest.raises(MissingDependency, match="cpu/onnxruntime/fp32 is not available here: there is no card"):
        make(Recipe("one", ORT, (Round(),)), subject, data)
    assert CALLS == []


@pytest.mark.parametrize(
    ("names", "target"),
    [
        (("quantize.static", "finetune"), "cpu/onnxruntime/int8"),
        (("quantize.static", "quantize.dynamic"), "cpu/onnxruntime/int8"),
        (("cast.float16", "quantize.static"), "cpu/onnxruntime/int8"),
        (("quantize.static", "tensorflow.convert"), "cpu/litert/int8"),
        (("tensorflow.convert", "fold.normalization"), "cpu/litert/fp32"),
        (("shape.fix", "finetune"), "cpu/onnxruntime/fp32"),
    ],
    ids=" then ".join,
)
def test_an_order_that_cannot_be_is_told_before_any_work(subject, data, names, target, monkeypatch):
    monkeypatch.setattr(Target, "missing", lambda self: "")
    recipe = Recipe("wrong", Target.parse(target), tuple(map(named, names)))
    with pytest.raises(InvalidInput, match=f"{names[1]} cannot stand after {names[0]}"):
        make(recipe, subject, data)
    assert CALLS == []


def test_litert_needs_a_pass_that_writes_its_file_and_no_other_runtime_takes_one(subject, data, monkeypatch):
    monkeypatch.setattr(Target, "missing", lambda self: "")
    with pytest.raises(InvalidInput, match="no pass of the recipe makes one"):
        make(Recipe("a", Target.parse("cpu/litert/fp32"), (Round(),)), subject, data)
    with pytest.raises(InvalidInput, match="which onnxruntime does not run"):
        make(Recipe("a", ORT, (named("tensorflow.convert"),)), subject, data)
    assert CALLS == []


def test_a_pass_that_diverges_is_named_and_nothing_of_it_is_kept(subject, data, tmp_path):
    with pytest.raises(ModelFailed, match=r"The pass finetune diverged: the weights f\.w are not finite"):
        make(Recipe("one", ORT, (Diverge(),)), subject, data, cache=Cache(tmp_path))
    assert not list(tmp_path.rglob("*.network"))


def test_a_pass_that_breaks_the_interface_is_told(subject, data):
    with pytest.raises(ModelFailed, match="its outputs are wheels; the original has command"):
        make(Recipe("one", ORT, (Rename(),)), subject, data)


def test_a_network_whose_answers_overflow_is_refused(subject, data):
    with pytest.raises(ModelFailed, match="answers command with values that are not finite"):
        make(Recipe("one", ORT, (Scale(3e38),)), subject, data)


def test_without_data_a_finished_network_is_still_run_once(subject):
    with pytest.raises(ModelFailed, match="its outputs are wheels"):
        make(Recipe("one", ORT, (Rename(),)), subject, None)


def test_the_time_left_is_told_from_what_was_done_since_the_cache(monkeypatch):
    now, told = [100.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    tell = TimeLeft(lambda *said: told.append(said))
    tell.begin_at(0.5)
    now[0] += 10.0
    tell(0.75, "epoch 3, about 3 s left")
    now[0] += 290.0
    tell(0.75, "epoch 3")
    assert told == [(0.75, "epoch 3, about 10 s left"), (0.75, "epoch 3, about 5 min left")]
