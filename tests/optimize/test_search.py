"""A search tries all a little and the best for long, and decides the same when it is repeated."""

import sys
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from rilaas.core import InvalidInput, MissingDependency, ModelFailed
from rilaas.infer.target import Target
from rilaas.optimize import rung
from rilaas.optimize import search as searching
from rilaas.optimize.cache import Cache
from rilaas.optimize.candidates import Body, Candidate, bodies, candidates
from rilaas.optimize.gate import Gate
from rilaas.optimize.measured import Driven
from rilaas.optimize.pareto import pareto_ranks
from rilaas.optimize.passes import registry
from rilaas.optimize.rung import Rungs
from rilaas.optimize.search import search
from rilaas.optimize.trial import Trial, run_trials
from tests.optimize.small_robot import CALLS, Seen, data_of, edited, small_robot

ORT = Target()
BASE_S = 1e-3


@dataclass(frozen=True)
class Learn(Seen):
    """A training whose error shrinks with epochs: an offset of the answers."""

    name: ClassVar[str] = "test.learn"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "validation"})
    version: ClassVar[int] = 1
    epochs: int = 1
    error: float = 1.0

    def work(self, network, context):
        LEARNED.append((self.error, self.epochs))
        by = np.float32(self.error / self.epochs)
        return edited(network, lambda name, array: array + by if name == "o.b" else array)


@dataclass(frozen=True)
class Fail(Seen):
    name: ClassVar[str] = "test.fail"
    needs: ClassVar[frozenset[str]] = frozenset()
    version: ClassVar[int] = 1
    epochs: int = 1

    def work(self, network, context):
        raise ModelFailed("It diverged on purpose.")


LEARNED = []


@pytest.fixture(scope="module")
def subject(tmp_path_factory):
    return small_robot(tmp_path_factory.mktemp("small") / "small")


@pytest.fixture(scope="module")
def data(subject):
    return data_of(subject)


@pytest.fixture(autouse=True)
def passes(monkeypatch):
    CALLS.clear()
    LEARNED.clear()
    module = sys.modules[__name__]
    monkeypatch.setitem(sys.modules, "rilaas.optimize.passes.of_test", module)
    ours = {"test.learn": ("of_test", "Learn"), "test.fail": ("of_test", "Fail")}
    monkeypatch.setattr(registry, "PASSES", {**registry.PASSES, **ours})


def learner(name, error):
    return Candidate(Body(name, (("test.learn", {"error": error}),), True), "", ORT)


def still():
    return Candidate(Body("as-is"), "", ORT)


@pytest.fixture
def clockless(monkeypatch):
    """Trials whose times are known: 1 ms for all but those that a test names."""
    times = {}

    def trials(networks, original, validation, **more):
        found = run_trials(networks, original, validation)
        return {
            name: Trial(each.mse, each.base_mse, times.get(name, BASE_S), BASE_S, each.size_bytes)
            for name, each in found.items()
        }

    monkeypatch.setattr(rung, "run_trials", trials)
    return times


def climb(subject, data, those, place, *, deadline_s=None, **more):
    rungs = Rungs(subject, data, Gate(), Cache(place), **more)
    return rungs, rungs.climb(those, deadline_s)


def test_the_best_go_on_and_the_others_do_not(subject, data, clockless, tmp_path):
    those = [still(), *(learner(f"l{error}", float(error)) for error in range(1, 7))]
    _, tried = climb(subject, data, those, tmp_path)
    epochs = {}
    for error, number in LEARNED:
        epochs.setdefault(error, []).append(number)
    assert epochs == {1.0: [2, 6, 32], 2.0: [2, 6, 32], 3.0: [2], 4.0: [2], 5.0: [2], 6.0: [2]}
    longest = {each.candidate.body.name: each.epochs for each in tried}
    assert longest == {"as-is": 0, "l1": 32, "l2": 32, "l3": 2, "l4": 2, "l5": 2, "l6": 2}


def test_a_fast_one_goes_on_though_its_error_is_not_the_least(subject, data, clockless, tmp_path):
    those = [learner(f"l{error}", float(error)) for error in range(1, 5)]
    clockless["l4-onnxruntime-fp32"] = BASE_S / 10
    _, tried = climb(subject, data, those, tmp_path)
    assert {each.candidate.body.name for each in tried if each.epochs == 32} == {"l1", "l4"}


def test_what_is_slower_than_the_deadline_goes_no_further(subject, data, clockless, tmp_path):
    those = [learner(f"l{error}", float(error)) for error in range(1, 5)]
    clockless["l1-onnxruntime-fp32"] = 2 * BASE_S
    _, tried = climb(subject, data, those, tmp_path, deadline_s=1.5 * BASE_S)
    assert {each.candidate.body.name for each in tried if each.epochs == 32} == {"l2", "l3"}


def test_a_budget_shortens_the_last_rung_and_never_ends_with_nothing(subject, data, clockless, tmp_path):
    those = [still(), *(learner(f"l{error}", float(error)) for error in range(1, 4))]
    rungs, tried = climb(subject, data, those, tmp_path, budget_s=1e-6)
    assert [each.candidate.body.name for each in tried] == ["as-is", "l1"]
    assert max(number for _, number in LEARNED) <= 6
    assert "the budget was spent before 2 epochs" in rungs.dropped["l3-onnxruntime-fp32"]


def test_what_fails_is_left_out_with_its_reason_and_tried_once(subject, data, clockless, tmp_path):
    body = Body("broken", (("test.fail", {}),), True)
    rungs, tried = climb(subject, data, [still(), Candidate(body, "a", ORT), Candidate(body, "b", ORT)], tmp_path)
    assert [each.candidate.name for each in tried] == ["as-is-onnxruntime-fp32"]
    assert sorted(rungs.dropped.values()) == ["It diverged on purpose.", "broken failed"]
    assert [name for name, _, _ in CALLS] == ["test.fail"]


def test_a_repeated_climb_trains_nothing_and_ends_the_same(subject, data, tmp_path):
    those = [still(), *(learner(f"l{error}", float(error)) for error in range(1, 5))]
    first = climb(subject, data, those, tmp_path, budget_s=1000.0)[1]
    LEARNED.clear()
    again = climb(subject, data, those, tmp_path, budget_s=1000.0)[1]
    assert LEARNED == []
    assert [(each.candidate.name, each.epochs, each.trial) for each in again] == [
        (each.candidate.name, each.epochs, each.trial) for each in first
    ]


@pytest.fixture
def few(monkeypatch):
    """A search over three candidates; one of them is too far off to keep the gate."""
    those = [still(), learner("near", 1e-3), learner("far", 100.0)]
    monkeypatch.setattr(searching, "candidates", lambda targets: those)
    monkeypatch.setattr(searching, "measure", lambda *given, **more: MEASURE(*given, calls=2, rounds=2, **more))


MEASURE = searching.measure


def judge_of(asked, scores):
    def judge(name, folder, total_s):
        asked.append(name)
        assert len(total_s)
        assert folder.path.is_dir()
        each = scores.get(name, 90.0)
        return Driven(name, {"driving_score": np.full(8, each)}, {}, np.full(8, 20.0), suite="lf")

    return judge


def test_a_search_recommends_what_keeps_the_gate_and_tells_the_front(subject, data, few):
    told = []
    found = search(subject, data, deadline_s=None, targets=[ORT], tell=lambda *said: told.append(said))
    names = [row.name for row in found.rows]
    assert names[0] == "float"
    assert set(names[1:]) == set(found.made) == {f"{each}-onnxruntime-fp32" for each in ("as-is", "near", "far")}
    broken = {row.name: [each.limit for each in row.violations] for row in found.rows[1:]}
    assert broken["as-is-onnxruntime-fp32"] == []
    assert "max_mse_ratio" in broken["far-onnxruntime-fp32"]
    assert found.recommended in {"as-is-onnxruntime-fp32", "near-onnxruntime-fp32"}
    assert set(found.front) <= set(names)
    assert found.front
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_only_what_keeps_the_gate_is_driven_and_a_lost_score_counts(subject, data, few):
    asked = []
    judge = judge_of(asked, {"near-onnxruntime-fp32": 50.0})
    gate = Gate(max_mse_ratio=1.02, max_score_loss=2.0)
    found = search(subject, data, deadline_s=None, targets=[ORT], judge=judge, gate=gate)
    assert asked[0] == "float"
    assert set(asked) == {"float", "as-is-onnxruntime-fp32", "near-onnxruntime-fp32"}
    broken = {row.name: [each.limit for each in row.violations] for row in found.rows[1:]}
    assert broken["near-onnxruntime-fp32"] == ["max_score_loss"]
    assert found.recommended == "as-is-onnxruntime-fp32"


def test_what_was_not_driven_is_not_recommended_in_place_of_what_drove_badly(subject, data, few, monkeypatch):
    monkeypatch.setattr(searching, "_DRIVEN", 1)
    judge = judge_of([], dict.fromkeys(("near-onnxruntime-fp32", "as-is-onnxruntime-fp32"), 50.0))
    gate = Gate(max_mse_ratio=1.02, max_score_loss=2.0)
    found = search(subject, data, deadline_s=None, targets=[ORT], judge=judge, gate=gate)
    assert sum(row.driven is not None for row in found.rows) == 2
    assert found.recommended == ""


def test_the_float_model_is_measured_with_as_many_threads_as_the_others(subject, data, monkeypatch):
    two, asked = Target(threads=2), []
    monkeypatch.setattr(searching, "candidates", lambda targets: [Candidate(Body("as-is"), "", two)])

    def trials(networks, original, *given, **more):
        asked.extend([original[1]] * len(networks))
        return {name: Trial(1.0, 1.0, BASE_S, BASE_S, 1) for name in networks}

    monkeypatch.setattr(rung, "run_trials", trials)

    def measured(entries, *given, **more):
        asked.extend(each.target for each in entries)
        return MEASURE(entries, *given, calls=1, rounds=1, **more)

    monkeypatch.setattr(searching, "measure", measured)
    search(subject, data, deadline_s=None, targets=[two])
    assert {target.threads for target in asked} == {2}


def test_a_trial_with_another_preprocessing_is_made_anew(subject, data, tmp_path):
    cache, networks = Cache(tmp_path), {"same": (subject.network, ORT)}

    def tried(preprocess):
        validation = replace(data.validation, preprocess=preprocess)
        return run_trials(networks, (subject.network, ORT), validation, cache=cache)["same"].mse

    def darker(inputs):
        return {"input": subject.preprocess(inputs)["input"] * np.float32(0.1)}

    assert tried(subject.preprocess) != tried(darker)


def test_a_deadline_that_nothing_keeps_recommends_nothing(subject, data, few):
    found = search(subject, data, deadline_s=1e-9, targets=[ORT])
    assert found.recommended == ""
    assert all("max_p99_s" in [each.limit for each in row.violations] for row in found.rows[1:])


def test_passes_never_see_the_test_part(subject, data, few, monkeypatch):
    search(subject, data, deadline_s=None, targets=[ORT])
    assert all(parts == {"training", "validation"} for _, parts, _ in CALLS)
    assert CALLS


def test_an_interrupted_search_keeps_what_it_has_finished(subject, data, tmp_path, monkeypatch):
    those = [still(), learner("one", 1.0), learner("two", 2.0)]
    work = Learn.work

    def interrupted(self, network, context):
        if self.error == 2.0:
            raise KeyboardInterrupt
        return work(self, network, context)

    monkeypatch.setattr(Learn, "work", interrupted)
    with pytest.raises(KeyboardInterrupt):
        climb(subject, data, those, tmp_path)
    monkeypatch.setattr(Learn, "work", work)
    LEARNED.clear()
    climb(subject, data, those, tmp_path)
    assert (1.0, 2) not in LEARNED
    assert (2.0, 2) in LEARNED


def test_targets_that_are_absent_are_left_out_and_without_any_the_reason_is_told(subject, data, few, monkeypatch):
    absent = Target.parse("cpu/openvino/int8")
    monkeypatch.setattr(Target, "missing", lambda self: "not installed." if self == absent else "")
    with pytest.raises(MissingDependency, match="cpu/openvino/int8: not installed"):
        search(subject, data, deadline_s=None, targets=[absent])
    assert search(subject, data, deadline_s=None, targets=[absent, ORT]).rows


def test_numbers_that_make_no_sense_are_refused(subject, data):
    with pytest.raises(InvalidInput, match="budget_s = 0"):
        search(subject, data, deadline_s=None, targets=[ORT], budget_s=0.0)


def test_where_nothing_can_be_made_the_reasons_are_told(subject, data, monkeypatch):
    body = Body("broken", (("test.fail", {}),), False)
    monkeypatch.setattr(searching, "candidates", lambda targets: [Candidate(body, "", ORT)])
    with pytest.raises(ModelFailed, match="broken-onnxruntime-fp32: It diverged on purpose"):
        search(subject, data, deadline_s=None, targets=[ORT])


def test_every_candidate_of_ours_is_a_recipe_with_a_name_of_its_own():
    targets = [Target.parse(f"cpu/{name}") for name in ("openvino/int8", "openvino/bf16", "onnxruntime/fp32")]
    those = candidates(targets)
    assert {each.trains for each in bodies()} == {True, False}
    assert len({each.name for each in those}) == len(those)
    for each in those:
        recipe = each.recipe(7, Gate())
        assert recipe.target == each.target
        assert {made.epochs for made in recipe.passes if hasattr(made, "epochs")} <= {7}


def test_pareto_ranks_peel_fronts_and_keep_equals_together():
    costs = [(1, 4), (2, 2), (4, 1), (3, 3), (2, 2), (5, 5), (float("nan"), 0.5)]
    assert pareto_ranks(costs).tolist() == [0, 0, 0, 1, 0, 2, 0]
    assert pareto_ranks([]).tolist() == []
