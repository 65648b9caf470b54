"""An optimization, inside its box: recipes are followed, variants measured beside each other, driven and judged.

The model's own code runs in this very process: all that comes out of it (variants, figures, verdicts) is no more to
be believed than the model's owner. It knows nothing of Django; ``hub.worker.optimization`` is its other end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.core.toml import parse_toml
from rilaas.evaluate.driving import Progress, Suite, read_suite
from rilaas.evaluate.driving.scenario.turns import with_episodes
from rilaas.learn.workshop import Drive, Workshop, drive, recorded_samples
from rilaas.optimize.cache import Cache
from rilaas.optimize.dataset import read_samples
from rilaas.optimize.measured import Driven
from rilaas.optimize.recipe import Recipe, read_recipe, recipe_of
from rilaas.optimize.report import build_report
from rilaas.optimize.row import Row, front_of
from rilaas.optimize.samples import Data, Samples, split
from rilaas.optimize.subject import Subject, read_subject
from rilaas.report import Report
from rilaas.store import ModelFolder, pack, read_model_folder
from rilaas.store.dataset import Dataset

MOST_SAMPLES = 8000  # of a data set: a camera frame of 58 kB each is then half a GB

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
    recipes = _recipes(job)
    steps = _Steps(say, _weights(job, recipes))
    steps.begin("samples")
    data = _data(job, subject, place, steps)
    workshop = Workshop(
        subject,
        data,
        Cache(place / "cache"),
        Path(job["own"], "variants"),
        _driver(job, steps) if job["suite"] else None,
        seed=job["seed"],
        calls=job["calls"],
        rounds=job["rounds"],
        tell=steps.tell,
        step=steps.begin,
        say=steps.line,
    )
    workshop.make(recipes)
    rows = workshop.rows(with_eager=job["eager"])
    for row in rows:
        for violation in row.violations:
            steps.line(violation.words)
    (out / "report.json").write_text(_report(job, workshop, rows).to_json(), encoding="utf-8")
    say({"made": list(_packed(job, workshop, rows, out))})


def _recipes(job: Mapping[str, Any]) -> list[Recipe]:
    recipes = [read_recipe(name) for name in job["recipes"]]
    if job["recipe_toml"]:
        recipes.append(recipe_of(parse_toml(job["recipe_toml"], "the recipe"), "the recipe"))
    return [replace(recipe, name=job["name"]) if job["name"] else recipe for recipe in recipes]


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

    def begin(self, name: str) -> None:
        """The next step begins."""
        self._done += 1
        self._name = name
        self.line(f"{name[:1].upper()}{name[1:]}.")
        self.tell(0.0, "")

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
    steps.line(f"Samples: {data.words}.")
    return data


def _given(job: Mapping[str, Any], subject: Subject) -> Samples:
    with Dataset(job["dataset"]) as dataset:
        return read_samples([dataset], subject, most=MOST_SAMPLES)


def _recorded(job: Mapping[str, Any], subject: Subject, place: Path, steps: _Steps) -> Samples:
    def show(done: int, total: int) -> None:
        steps.tell(done / total, f"{done:,} of {total:,} frames recorded")

    return recorded_samples(subject, place / "recordings", frames=job["frames"], seed=job["seed"], on_progress=show)


def _driver(job: Mapping[str, Any], steps: _Steps) -> Drive:
    suite = with_episodes(read_suite(job["suite"]), job["episodes"])

    def one(name: str, folder: ModelFolder, total_s: NDArray[np.float64]) -> Driven:
        way = _Way(suite, steps)
        return drive(name, folder, suite, total_s, on_episode=way.episode, on_frame=way.frame)

    return one


@dataclass(eq=False)
class _Way:
    """How far a variant is in its suite."""

    suite: Suite
    steps: _Steps
    done: int = 0

    def episode(self, progress: Progress) -> None:
        """An episode is over."""
        self.done = progress.done

    def frame(self, t_s: float) -> None:
        """A camera frame, at the episode's time [s]."""
        durations = [scenario.duration_s for scenario in self.suite.scenarios]
        share = (sum(durations[: self.done]) + t_s) / sum(durations)
        self.steps.tell(share, f"episode {self.done + 1} of {len(durations)}")


def _report(job: Mapping[str, Any], workshop: Workshop, rows: Sequence[Row]) -> Report:
    is_integer = any(made.recipe.target.precision == "int8" for made in workshop.made.values())
    return build_report(
        rows,
        subject=job["subject"],
        front=front_of(rows),
        sensitivity=workshop.sensitivity() if is_integer else None,
        absent=workshop.absent,
        command=job["command"],
        seeds=[job["seed"]],
    )


def _packed(
    job: Mapping[str, Any], workshop: Workshop, rows: Sequence[Row], out: Path
) -> Iterator[dict[str, str | bool]]:
    """Write each variant with its record, as an archive; gives names, and whether the gate failed."""
    for row in rows:
        if row.recipe is not None:
            folder = workshop.write(row, rows[0], workshop.place / row.name, job["ref"])
            pack(folder, out / f"{row.name}.tar.gz")
            yield {"name": row.name, "failed": bool(row.violations)}
