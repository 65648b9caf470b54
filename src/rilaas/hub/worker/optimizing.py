"""An optimization, inside its box: recipes are followed, variants measured beside each other, driven and judged.

The model's own code runs in this very process: all that comes out of it (variants, figures, verdicts) is no more to
be believed than the model's owner. It knows nothing of Django; ``hub.worker.optimization`` is its other end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder
from rilaas.core.toml import parse_toml
from rilaas.hub.worker.optimizing_drive import drive
from rilaas.infer.target import Target
from rilaas.optimize.cache import Cache
from rilaas.optimize.dataset import read_samples, samples_of
from rilaas.optimize.engine import Made, make
from rilaas.optimize.gate import check
from rilaas.optimize.measure import REFERENCE, Entry, measure
from rilaas.optimize.measured import Driven, Measured
from rilaas.optimize.recipe import Recipe, read_recipe, recipe_of
from rilaas.optimize.record import judged
from rilaas.optimize.report import build_report
from rilaas.optimize.row import EAGER, Row
from rilaas.optimize.samples import Data, Samples, split
from rilaas.optimize.sensitivity import LayerError, layer_sensitivity
from rilaas.optimize.subject import Subject, read_subject
from rilaas.optimize.variant import write_variant
from rilaas.report import Report
from rilaas.store import ModelFolder, pack, read_model_folder
from rilaas.store.dataset import Dataset

MOST_SAMPLES = 8000  # of a data set: a camera frame of 58 kB each is then half a GB
_TORCH = "torch-eager"
_RECORDED = "recorded.npz"

Say = Callable[[dict[str, Any]], None]


def run(job: Mapping[str, Any], say: Say) -> None:
    """Do a whole optimization; variants and report are in the folder ``out`` of the job's own.

    Args:
        job: As ``hub.worker.optimization`` wrote it.
        say: Is told ``{"share", "words"}``, ``{"line"}``, and in the end ``{"made": [...]}``.

    Raises:
        RilaasError: It cannot be done, for a reason in words.
    """
    place, out = Path(job["place"]), Path(job["own"], "out")
    out.mkdir(parents=True)
    subject = read_subject(read_model_folder(job["folder"]))
    recipes = [*(read_recipe(name) for name in job["recipes"])]
    if job["recipe_toml"]:
        recipes.append(recipe_of(parse_toml(job["recipe_toml"], "the recipe"), "the recipe"))
    steps = _Steps(say, _weights(job, recipes))
    with steps.next("samples"):
        data = _data(job, subject, place, steps)
    work = _Work(job, subject, recipes, data, place, steps)
    rows = work.rows()
    report = work.report(rows)
    (out / "report.json").write_text(report.to_json(), encoding="utf-8")
    say({"made": [{"name": name, "failed": failed} for name, failed in work.pack(out, rows)]})


def _weights(job: Mapping[str, Any], recipes: Sequence[Recipe]) -> list[float]:
    """Shares of the time, roughly: samples, each recipe, measuring, each drive, layers."""
    makes = [40.0 if "training" in recipe.needs else 2.0 for recipe in recipes]
    drives = [0.4 * job["episodes"]] * (len(recipes) + 1) if job["suite"] else []
    return [job["frames"] / 100.0 if job["frames"] else 1.0, *makes, 7.0, *drives, 2.0]


@dataclass(eq=False)
class _Steps:
    """Progress over everything."""

    say: Say
    weights: list[float]
    _done: int = -1
    _name: str = ""
    _said: str = ""
    _pass: str = ""

    @contextmanager
    def next(self, name: str) -> Iterator[None]:
        """The next step begins, and ends with the ``with``."""
        self._done += 1
        self._name = name
        self.line(f"{name[:1].upper()}{name[1:]}.")
        self.tell(0.0, "")
        yield
        self.tell(1.0, "")

    def tell(self, share: float, words: str) -> None:
        """Progress of this step, from 0 to 1."""
        own = self.weights[self._done] if self._done < len(self.weights) else 1.0
        share = (sum(self.weights[: self._done]) + own * min(1.0, max(0.0, share))) / sum(self.weights)
        text = f"{self._name}: {words}" if words else self._name
        pass_ = words.partition(":")[0]  # "pass 2 of 4, finetune: epoch 3 of 10, about 20 s left"
        if pass_.startswith("pass ") and pass_ != self._pass:
            self._pass = pass_
            self.line(f"{self._name}, {pass_}.")
        key = f"{share:.3f}{text}"
        if key != self._said:
            self._said = key
            self.say({"share": min(1.0, share), "words": text[:300]})

    def line(self, text: str) -> None:
        """A line of the log."""
        self.say({"line": text[:1000]})


def _data(job: Mapping[str, Any], subject: Subject, place: Path, steps: _Steps) -> Data:
    samples = _given(job, subject) if job["dataset"] else _recorded(job, subject, place, steps)
    data = split(samples, seed=job["seed"])
    toward = "what was expected" if samples.targets is not None else "the float model's answers"
    counts = ", ".join(
        f"{len(getattr(data, part)):,} {part}" for part in ("training", "calibration", "validation", "test")
    )
    steps.line(f"Samples: {counts}. Errors are against {toward}.")
    return data


def _given(job: Mapping[str, Any], subject: Subject) -> Samples:
    with Dataset(job["dataset"]) as dataset:
        return read_samples([dataset], subject, most=MOST_SAMPLES)


def _recorded(job: Mapping[str, Any], subject: Subject, place: Path, steps: _Steps) -> Samples:
    """Frames that the model meets when it drives, with the expert's answers; kept for the next time."""
    from rilaas.learn.record import record_demonstrations

    path = place / f"{job['frames']}-{job['seed']}-{_RECORDED}"
    if not path.is_file():
        made = record_demonstrations(
            subject.folder,
            frames=job["frames"],
            seed=job["seed"],
            on_progress=lambda done, total: steps.tell(done / total, f"{done:,} of {total:,} frames recorded"),
        )
        made.write(path.with_suffix(".partial"))
        path.with_suffix(".partial").replace(path)
    with np.load(path, allow_pickle=False) as file:
        fields = {name: file[name] for name in file.files}
    sides: dict[str, dict[str, Any]] = {"inputs": {}, "expected": {}}
    for name, array in fields.items():
        side, _, key = name.partition("/")
        sides[side][key] = array
    groups = sides["inputs"].pop("recording").astype(np.int64)
    return samples_of(sides["inputs"], sides["expected"], groups, subject)


@dataclass(eq=False)
class _Work:
    """The recipes of one job."""

    job: Mapping[str, Any]
    subject: Subject
    recipes: Sequence[Recipe]
    data: Data
    place: Path
    steps: _Steps
    made: dict[str, Made] = field(default_factory=dict)
    folders: dict[str, ModelFolder] = field(default_factory=dict)

    def rows(self) -> list[Row]:
        """Make, measure, drive and judge; the original comes first."""
        for name, recipe in self._named():
            with self.steps.next(f"recipe {recipe.name}"):
                self._make(name, recipe)
        manifest = self.subject.folder.manifest
        entries = [
            Entry(REFERENCE, self.subject.folder, Target("cpu", manifest.backend, manifest.precision)),
            *(Entry(name, self.folders[name], made.recipe.target) for name, made in self.made.items()),
        ]
        with self.steps.next("measuring"):
            entries += self._eager(manifest.backend) if self.job["eager"] else []
            measured = measure(
                entries,
                self.data.test,
                calls=self.job["calls"],
                rounds=self.job["rounds"],
                seed=self.job["seed"],
                tell=self.steps.tell,
            )
        driven = self._driven(measured)
        base = measured[0]
        rows = [Row(base, driven.get(REFERENCE))]
        for each in measured[1:]:
            if each.name == _TORCH:
                rows.append(Row(each, recipe=_eager_recipe()))
                continue
            made = self.made[each.name]
            own = driven.get(each.name)
            found = tuple(check(made.recipe.gate, each, base, own, driven.get(REFERENCE)))
            rows.append(Row(each, own, made.recipe, found, made.steps))
            for violation in found:
                self.steps.line(violation.words)
        return rows

    def report(self, rows: Sequence[Row]) -> Report:
        """Everything in one report."""
        return build_report(
            rows,
            subject=self.job["subject"],
            front=_front(rows),
            sensitivity=self._sensitivity(),
            command=self.job["command"],
            seeds=[self.job["seed"]],
        )

    def pack(self, out: Path, rows: Sequence[Row]) -> Iterator[tuple[str, bool]]:
        """Write each variant with its record, as an archive; gives names, and whether the gate failed."""
        base = rows[0].measured
        for row in rows:
            if row.name not in self.made:
                continue
            assert row.recipe is not None
            record = judged(
                row.measured,
                base,
                row.recipe.gate,
                row.violations,
                ref=self.job["ref"],
                seed=self.job["seed"],
                data_digest=self.data.digest,
            )
            folder = write_variant(
                self.subject, self.made[row.name], self._folder(row.name), name=row.name, record=record
            )
            pack(folder, out / f"{row.name}.tar.gz")
            yield row.name, bool(row.violations)

    def _named(self) -> Iterator[tuple[str, Recipe]]:
        names = [self.job["name"] or recipe.name for recipe in self.recipes]
        if len(set(names)) != len(names):
            raise InvalidInput(f"Two recipes have one name: {', '.join(names)}.", "Call your own another name.")
        return zip(names, self.recipes, strict=True)

    def _make(self, name: str, recipe: Recipe) -> None:
        cache = Cache(self.place / "cache")
        made = make(recipe, self.subject, self.data, cache=cache, seed=self.job["seed"], tell=self.steps.tell)
        cached = [step.name for step in made.steps if step.was_cached]
        spent = ", ".join(f"{step.name} {step.seconds:.1f} s" for step in made.steps if not step.was_cached)
        kept = f"; from the cache: {', '.join(cached)}" if cached else ""
        self.steps.line(f"{name}: {spent or 'nothing new'}{kept}.")
        self.made[name] = made
        self.folders[name] = write_variant(self.subject, made, self._folder(name), name=name, record={})

    def _folder(self, name: str) -> Path:
        return Path(self.job["own"], "variants", name) / self.subject.folder.manifest.name

    def _eager(self, backend: str) -> list[Entry]:
        """The float model on torch eager, which others hold themselves against, where torch is there."""
        recipe = _eager_recipe()
        if backend == "torch" or recipe.target.missing():
            return []
        made = make(recipe, self.subject, self.data)
        folder = write_variant(self.subject, made, self._folder(_TORCH), name=_TORCH, record={})
        return [Entry(_TORCH, folder, recipe.target)]

    def _sensitivity(self) -> list[LayerError]:
        """What int8 does to each layer, where a recipe makes int8."""
        if all(recipe.target.precision != "int8" for recipe in self.recipes):
            return []
        with self.steps.next("layers one by one"):
            network, data = self.subject.network, self.data
            try:
                return layer_sensitivity(network, data.calibration, data.validation, tell=self.steps.tell)
            except (InvalidInput, InvalidModelFolder) as error:  # a network that is not float any more, say
                self.steps.line(f"Layers are not told apart: {error.message}")
                return []

    def _driven(self, measured: Sequence[Measured]) -> dict[str, Driven]:
        """In closed loop, each with its own measured latency; nothing where no suite was asked for."""
        driven: dict[str, Driven] = {}
        if not self.job["suite"]:
            return driven
        for each in measured:
            if each.name == _TORCH:
                continue
            folder = self.folders.get(each.name, self.subject.folder)
            with self.steps.next(f"{each.name} drives"):
                driven[each.name] = drive(
                    each.name, folder, self.job["suite"], self.job["episodes"], each.total_s, self.steps.tell
                )
        return driven


def _eager_recipe() -> Recipe:
    return Recipe(_TORCH, Target.parse(EAGER))


def _front(rows: Sequence[Row]) -> list[str]:
    """Names of those that keep their gate and that no other one beats in time and error."""
    kept = [(row.measured.p50_s, row.measured.mse, row.name) for row in rows if not row.violations]
    return [
        name
        for time_s, mse, name in kept
        if not any(t <= time_s and m <= mse and (t < time_s or m < mse) for t, m, _ in kept)
    ]
