"""What one optimization makes: variants by recipes or by a search, measured, driven, and held against their gates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from rilaas.core import InvalidInput, InvalidModelFolder, MissingDependency, ModelFailed, RilaasError
from rilaas.infer import example_inputs
from rilaas.infer.target import Target
from rilaas.learn.workshop.drive import Drive
from rilaas.optimize.cache import Cache
from rilaas.optimize.candidates import default_targets
from rilaas.optimize.engine import Made, make
from rilaas.optimize.gate import Gate, check
from rilaas.optimize.measure import CALLS, REFERENCE, ROUNDS, Entry, measure, own_target
from rilaas.optimize.measured import Driven, Measured
from rilaas.optimize.passes.contract import Tell, silent
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.record import judged
from rilaas.optimize.row import EAGER as EAGER_TARGET
from rilaas.optimize.row import Row
from rilaas.optimize.samples import Data, Samples
from rilaas.optimize.search import GATE, search
from rilaas.optimize.sensitivity import LayerError, layer_sensitivity
from rilaas.optimize.subject import Subject
from rilaas.optimize.variant import write_variant
from rilaas.store import ModelFolder

FLOAT, EAGER = REFERENCE, "eager"
"""Names of the model as it came, and of the same on torch eager: what others hold themselves against."""

_NO_SAMPLES = "There are no samples: errors are on inputs drawn at random, and tell little."
_DRAWN = 64  # samples where nobody gave any


@dataclass(eq=False)
class Workshop:
    """One optimization.

    Attributes:
        subject: The model.
        data: Samples in four parts; None where there are none.
        cache: Of passes.
        place: A folder for variants, until it is clear which are kept.
        drive: Drives variants; None where nobody drives.
        seed: Everything random is drawn from it.
        threads: That each variant computes with.
        calls: Of each variant in a round of measuring.
        rounds: Of measuring.
        tell: Progress of the step at hand.
        step: Called with the name of each step before it begins.
        say: What a person wants to know, line by line.
        made: Variants by name.
        absent: Why a recipe gave none, by its name.
        recommended: What a search recommends; '' where nothing keeps gate and deadline, None before any search.
    """

    subject: Subject
    data: Data | None
    cache: Cache
    place: Path
    drive: Drive | None = None
    seed: int = 0
    threads: int = 1
    calls: int = CALLS
    rounds: int = ROUNDS
    tell: Tell = silent
    step: Callable[[str], None] = lambda name: None
    say: Callable[[str], None] = lambda line: None
    made: dict[str, Made] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    recommended: str | None = None

    def make(self, recipes: Sequence[Recipe]) -> None:
        """Follow recipes. Where there are several, one that cannot be followed here is told and left out.

        Raises:
            InvalidInput: Two have one name, or one that is taken.
            RilaasError: None can be followed; the first one's error.
        """
        failed: list[RilaasError] = []
        names = [recipe.name for recipe in recipes]
        if len({FLOAT, EAGER, *names}) != len(names) + 2:
            raise InvalidInput(f"Two models would have one name: {', '.join([FLOAT, EAGER, *names])}.", "Rename one.")
        for recipe in recipes:
            self.step(f"recipe {recipe.name}")
            start = time.monotonic()
            try:
                made = make(recipe, self.subject, self.data, cache=self.cache, seed=self.seed, tell=self.tell)
            except (MissingDependency, InvalidInput, ModelFailed) as error:
                if len(recipes) == 1:
                    raise
                failed.append(error)
                self.absent[recipe.name] = str(error)
                self.say(f"{recipe.name}: left out. {error}")
                continue
            self.made[recipe.name] = made
            cached = sum(step.was_cached for step in made.steps)
            of = f", {cached} of {len(made.steps)} passes from the cache" if cached else ""
            self.say(f"{recipe.name} for {recipe.target}: made in {time.monotonic() - start:.1f} s{of}")
        if failed and len(failed) == len(recipes):
            what = f"None of the {len(recipes)} recipes can be followed. {recipes[0].name}: {failed[0].message}"
            raise type(failed[0])(what, failed[0].hint)

    def rows(self, *, with_eager: bool = True) -> list[Row]:
        """Measure, drive and judge all that was made, the float model first."""
        entries = [*self._references(with_eager), *(self._entry(name, made) for name, made in self.made.items())]
        self.step(f"measuring {len(entries)} models beside each other")
        measured = measure(
            entries, self._test(), calls=self.calls, rounds=self.rounds, seed=self.seed, tell=self.tell
        )
        if self.data is None:
            measured = [replace(measured[0], notes=(*measured[0].notes, _NO_SAMPLES)), *measured[1:]]
        driven = self._driven(entries, measured)
        rows = []
        for each in measured:
            made, own = self.made.get(each.name), driven.get(each.name)
            if made is None:
                rows.append(Row(each, own))
                continue
            broken = check(made.recipe.gate, each, measured[0], own, driven.get(FLOAT))
            rows.append(Row(each, own, made.recipe, tuple(broken), made.steps))
        return rows

    def search(
        self,
        targets: Sequence[Target] = (),
        *,
        deadline_s: float | None = None,
        budget_s: float | None = None,
        gate: Gate = GATE,
    ) -> tuple[list[Row], tuple[str, ...]]:
        """Look for recipes instead of following some; see ``rilaas.optimize.search``.

        Returns:
            The float model and the finalists, measured, driven and judged; and names of those that no other beats.

        Raises:
            InvalidInput: There are no samples.
        """
        if self.data is None:
            raise InvalidInput("A search needs samples of what the robot saw.", "Give them with --dataset.")
        self.step("search")
        found = search(
            self.subject,
            self.data,
            deadline_s=deadline_s,
            targets=targets or default_targets(self.threads),
            seed=self.seed,
            judge=self.drive,
            cache=self.cache,
            budget_s=budget_s,
            gate=gate,
            tell=self.tell,
        )
        self.say(f"tried {found.tried} networks; {found.recommended or 'none'} is recommended")
        self.recommended = found.recommended
        self.made |= found.made
        self.absent |= found.dropped
        return list(found.rows), found.front

    def sensitivity(self) -> list[LayerError] | None:
        """What int8 costs in each layer alone; None where there are no samples, or the network is none of float."""
        if self.data is None:
            return None
        self.step("layers one by one")
        network, data = self.subject.network, self.data
        try:
            return layer_sensitivity(network, data.calibration, data.validation, seed=self.seed, tell=self.tell)
        except (InvalidInput, InvalidModelFolder) as error:
            self.say(f"Layers are not told apart: {error}")
            return None

    def write(self, row: Row, base: Row, into: Path, ref: str) -> ModelFolder:
        """A variant as a model folder with its record.

        Args:
            row: It.
            base: The float model.
            into: The folder that it becomes.
            ref: What the original is called.
        """
        assert row.recipe is not None
        record = judged(
            row.measured,
            base.measured,
            row.recipe.gate,
            row.violations,
            ref=ref,
            seed=self.seed,
            data_digest=self.data.digest if self.data is not None else "",
        )
        return write_variant(self.subject, self.made[row.name], into, name=row.name, record=record)

    def _test(self) -> Samples:
        if self.data is not None:
            return self.data.test
        signature = self.subject.folder.manifest.signature
        drawn: list[dict[str, Any]] = [example_inputs(signature, seed=seed) for seed in range(_DRAWN)]
        self.say(_NO_SAMPLES)
        raw = {name: np.concatenate([each[name] for each in drawn]) for name in signature.inputs}
        return Samples(raw, self.subject.preprocess)

    def _references(self, with_eager: bool) -> list[Entry]:
        """The model as it came, and on torch eager where torch is there."""
        own = replace(own_target(self.subject.folder), threads=self.threads)
        entries = [Entry(FLOAT, self.subject.folder, own)]
        eager = Target.parse(EAGER_TARGET, threads=self.threads)
        if with_eager and str(eager) != str(own) and not eager.missing():
            try:
                made = make(Recipe(EAGER, eager), self.subject, self.data)
                entries.append(self._entry(EAGER, made))
            except RilaasError as error:  # an operator that our converter lacks: variants do not need it
                self.absent[EAGER] = str(error)
        return entries

    def _entry(self, name: str, made: Made) -> Entry:
        folder = write_variant(self.subject, made, self.place / name, name=name, record={})
        return Entry(name, folder, made.recipe.target)

    def _driven(self, entries: Sequence[Entry], measured: Sequence[Measured]) -> dict[str, Driven]:
        driven: dict[str, Driven] = {}
        for entry, each in zip(entries, measured, strict=True):
            if self.drive is not None and entry.name != EAGER and np.isfinite(each.difference).all():
                self.step(f"{entry.name} drives")
                driven[entry.name] = self.drive(entry.name, entry.folder, each.total_s)
        return driven
