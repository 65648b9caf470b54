"""The recipes that a command line asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rilaas.cli.optimize_options import OptimizeOptions
from rilaas.core import NotFound, did_you_mean

if TYPE_CHECKING:
    from rilaas.optimize.gate import Gate
    from rilaas.optimize.recipe import Recipe


def recipes_of(options: OptimizeOptions, threads: int) -> list[Recipe]:
    """Those that were asked for, with the target and the limits of the command line.

    Raises:
        NotFound: There is no such recipe.
        InvalidInput: One is wrong.
    """
    from rilaas.infer.target import Target
    from rilaas.optimize.recipe import read_recipe, recipe_names

    names: list[str] = list(options.preset)
    for text in options.recipe:
        found = recipe_names(text) if "*" in text else (text,)
        if not found:
            raise NotFound(f"No recipe is called like {text!r}.", did_you_mean(text, recipe_names()))
        names += found
    recipes = [read_recipe(name, threads=threads) for name in dict.fromkeys(names)]
    if options.target:
        recipes = [each.on(Target.parse(options.target[0], threads=threads)) for each in recipes]
    if options.name:
        recipes = [replace(each, name=options.name) for each in recipes]
    return [replace(each, gate=limited(each.gate, options)) for each in recipes]


def limited(gate: Gate, options: OptimizeOptions) -> Gate:
    """A gate with the limits of the command line in place of its own.

    Raises:
        InvalidInput: One is no limit.
    """
    from rilaas.optimize.gate import Gate

    said = Gate.of(options.limits)
    return replace(gate, **{name: getattr(said, name) for name in options.limits})
