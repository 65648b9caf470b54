"""One call of ``rilaas optimize``: variants made, measured beside each other, driven, held against their gates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rilaas.cli.optimize_drive import Judge
from rilaas.cli.optimize_options import OptimizeOptions
from rilaas.cli.output import Output
from rilaas.core import InvalidInput, MissingDependency, ModelFailed, RilaasError

if TYPE_CHECKING:
    from rilaas.optimize.cache import Cache
    from rilaas.optimize.engine import Made
    from rilaas.optimize.measure import Entry
    from rilaas.optimize.measured import Driven, Measured
    from rilaas.optimize.recipe import Recipe
    from rilaas.optimize.row import Row
    from rilaas.optimize.samples import Data, Samples
    from rilaas.optimize.subject import Subject
    from rilaas.store import ModelFolder

FLOAT, EAGER = "float", "eager"
_EVERY_S = 0.2
SEARCHED = ("cpu/openvino/int8", "cpu/openvino/bf16", "cpu/onnxruntime/int8", "cpu/onnxruntime/fp32")
"""Where a search looks unless somebody names targets."""
_DRAWN = 64  # samples where nobody gave any


@dataclass(eq=False)
class Session:
    """What is made in one call.

    Attributes:
        subject: The model.
        data: Samples in four parts; None where there are none.
        options: Of this call.
        cache: Of passes.
        output: Where the talk goes.
        place: A folder for variants until it is clear which are kept.
        judge: Drives variants; None where nobody drives.
        threads: Of each variant.
        made: Variants by name.
        absent: Why a recipe gave none, by its name.
    """

    subject: Subject
    data: Data | None
    options: OptimizeOptions
    cache: Cache
    output: Output
    place: Path
    judge: Judge | None = None
    threads: int = 1
    made: dict[str, Made] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def make(self, recipes: Sequence[Recipe]) -> None:
        """Follow recipes. Where there are several, one that cannot be followed here is told and left out.

        Raises:
            RilaasError: The only one cannot be followed.
        """
        from rilaas.optimize.engine import make

        for number, recipe in enumerate(recipes, 1):
            count = f"{number} of {len(recipes)}, " if len(recipes) > 1 else ""
            start = time.monotonic()
            try:
                made = make(
                    recipe,
                    self.subject,
                    self.data,
                    cache=self.cache,
                    seed=self.options.seed,
                    tell=teller(self.output, f"{count}{recipe.name}"),
                )
            except (MissingDependency, InvalidInput, ModelFailed) as error:
                self.output.progress_done()
                if len(recipes) == 1:
                    raise
                self.absent[recipe.name] = str(error)
                self.output.talk(f"  {recipe.name}: left out. {error}")
                continue
            self.output.progress_done()
            self.made[recipe.name] = made
            cached = sum(step.was_cached for step in made.steps)
            of = f", {cached} of {len(made.steps)} passes from the cache" if cached else ""
            self.output.talk(f"  {recipe.name} for {recipe.target}: made in {time.monotonic() - start:.1f} s{of}")

    def rows(self) -> list[Row]:
        """Measure, drive and judge everything that was made, the float model first."""
        from rilaas.optimize.gate import check
        from rilaas.optimize.measure import measure
        from rilaas.optimize.row import Row

        entries = [*self._references(), *(self._entry(name, made) for name, made in self.made.items())]
        self.output.talk(f"measuring {len(entries)} models beside each other")
        measured = measure(entries, self._test(), seed=self.options.seed, tell=teller(self.output, "measuring"))
        self.output.progress_done()
        driven = self._drive(entries, measured)
        base, base_driven = measured[0], driven.get(FLOAT)
        rows = []
        for each in measured:
            made = self.made.get(each.name)
            if made is None:
                rows.append(Row(each, driven.get(each.name)))
                continue
            broken = check(made.recipe.gate, each, base, driven.get(each.name), base_driven)
            rows.append(Row(each, driven.get(each.name), made.recipe, tuple(broken), made.steps))
        return rows

    def search(self) -> tuple[list[Row], tuple[str, ...]]:
        """Look for recipes instead of following some.

        Returns:
            The float model and the finalists, measured, driven and judged; and names of those that no other beats.
        """
        from rilaas.infer.target import Target
        from rilaas.optimize.gate import Gate
        from rilaas.optimize.search import GATE, search

        options = self.options
        if self.data is None:
            raise InvalidInput("A search needs samples of what the robot saw.", "Give them with --dataset.")
        limits = options.limits
        gate = replace(GATE, **{name: getattr(Gate.of(limits), name) for name in limits})
        found = search(
            self.subject,
            self.data,
            deadline_s=options.deadline_s,
            targets=[Target.parse(text, threads=self.threads) for text in options.target or SEARCHED],
            seed=options.seed,
            judge=self.judge,
            cache=self.cache,
            budget_s=60.0 * options.budget_min,
            gate=gate,
            tell=teller(self.output, "searching"),
        )
        self.output.progress_done()
        self.output.talk(f"tried {found.tried} networks; {found.recommended or 'none'} is recommended")
        self.made |= found.made
        self.absent |= found.dropped
        return list(found.rows), found.front

    def folder(self, name: str) -> Path:
        """Where a variant lies for the time of this call."""
        return self.place / name

    def _test(self) -> Samples:
        if self.data is not None:
            return self.data.test
        from rilaas.infer import example_inputs
        from rilaas.optimize.samples import Samples

        signature = self.subject.folder.manifest.signature
        rows = [example_inputs(signature, seed=seed) for seed in range(_DRAWN)]
        raw = {name: np.concatenate([row[name] for row in rows]) for name in signature.inputs}
        self.output.talk(
            "There are no samples: errors are on inputs drawn at random, and tell little. See --dataset."
        )
        return Samples(raw, self.subject.preprocess)

    def _references(self) -> list[Entry]:
        """The model as it came, and on torch eager where torch is there."""
        from rilaas.infer.target import Target
        from rilaas.optimize.engine import make
        from rilaas.optimize.measure import Entry
        from rilaas.optimize.recipe import Recipe

        manifest = self.subject.folder.manifest
        own = Target("cpu", manifest.backend, manifest.precision, self.threads)
        entries = [Entry(FLOAT, self.subject.folder, own)]
        eager = Target("cpu", "torch", "fp32", self.threads)
        if str(eager) != str(own) and not eager.missing():
            try:
                made = make(Recipe(EAGER, eager), self.subject, self.data)
                entries.append(Entry(EAGER, self._written(EAGER, made), eager))
            except RilaasError as error:  # an operator that our converter lacks: the variants do not need it
                self.absent[EAGER] = str(error)
        return entries

    def _entry(self, name: str, made: Made) -> Entry:
        from rilaas.optimize.measure import Entry

        return Entry(name, self._written(name, made), made.recipe.target)

    def _written(self, name: str, made: Made) -> ModelFolder:
        from rilaas.optimize.variant import write_variant

        return write_variant(self.subject, made, self.folder(name), name=name, record={})

    def _drive(self, entries: Sequence[Entry], measured: Sequence[Measured]) -> dict[str, Driven]:
        if self.judge is None:
            return {}
        chosen = [
            pair for pair in zip(entries, measured, strict=True) if pair[0].name != EAGER or self.options.published
        ]
        return {
            entry.name: self.judge(entry.name, entry.folder, each.total_s)
            for entry, each in chosen
            if np.isfinite(each.difference).all()
        }


def recipes_of(options: OptimizeOptions, threads: int) -> list[Recipe]:
    """The recipes that were asked for, with the target and the limits of the command line.

    Raises:
        NotFound: There is no such recipe.
        InvalidInput: One is wrong, or two have one name.
    """
    from rilaas.infer.target import Target
    from rilaas.optimize.gate import Gate
    from rilaas.optimize.recipe import read_recipe, recipe_names

    names: list[str] = list(options.preset)
    for text in options.recipe:
        found = recipe_names(text) if "*" in text else (text,)
        if not found:
            raise InvalidInput(f"No recipe is called like {text!r}.", f"Ours: {', '.join(recipe_names())}.")
        names += found
    recipes = [read_recipe(name, threads=threads) for name in dict.fromkeys(names)]
    if options.target:
        recipes = [each.on(Target.parse(options.target[0], threads=threads)) for each in recipes]
    if limits := options.limits:
        gate = Gate.of(limits)
        changed = {name: getattr(gate, name) for name in limits}
        recipes = [replace(each, gate=replace(each.gate, **changed)) for each in recipes]
    if options.name:
        recipes = [replace(each, name=options.name) for each in recipes]
    taken: set[str] = {FLOAT, EAGER}
    for each in recipes:
        if each.name in taken:
            raise InvalidInput(f"Two models would be called {each.name!r}.", "Give the recipe another name.")
        taken.add(each.name)
    return recipes


def teller(output: Output, what: str) -> Callable[[float, str], None]:
    """Progress of long work as a line that moves on a terminal."""
    last_s = 0.0

    def tell(share: float, words: str) -> None:
        nonlocal last_s
        now = time.monotonic()
        if now - last_s >= _EVERY_S:
            last_s = now
            output.progress(f"{what}: {100 * share:3.0f} %, {words}")

    return tell
