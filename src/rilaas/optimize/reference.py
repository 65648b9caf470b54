"""The page ``docs/passes.md``: ``python -m rilaas.optimize.reference > docs/passes.md``."""

from __future__ import annotations

import inspect
import sys
from typing import Any

from rilaas.optimize.passes.registry import PASSES, fields_of, make_pass
from rilaas.optimize.recipe import read_recipe, recipe_names

_INTRODUCTION = """\
# Passes and recipes

Made by `python -m rilaas.optimize.reference > docs/passes.md`; a test says that it is current. How they are used is
in [optimizing.md](optimizing.md).

## Passes

A pass takes a network and gives a new one. In a recipe it is a table `[[pass]]` with its `name` and those fields that
are to differ from what stands here.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for name in PASSES:
        made = make_pass(name, {})
        words = inspect.getdoc(type(made)) or ""
        summary, _, _ = words.partition("Attributes:")
        text = [f"### {name}", "", _without_markup(summary.strip()), ""]
        text += [f"Needs: {', '.join(sorted(made.needs)) or 'no data'}.", ""]
        if fields := fields_of(made):
            meanings = {key: text for base in reversed(type(made).__mro__) for key, text in _meanings(base).items()}
            text += ["| field | default | meaning |", "| --- | --- | --- |"]
            text += [f"| `{key}` | {_toml(value)} | {meanings.get(key, '')} |" for key, value in fields.items()]
            text.append("")
        parts.append("\n".join(text))
    return "\n".join([*parts, _recipes()])


def _recipes() -> str:
    rows = ["## Recipes", "", "| recipe | target | passes | what it does |", "| --- | --- | --- | --- |"]
    for name in recipe_names():
        recipe = read_recipe(name)
        passes = ", ".join(f"`{each.name}`" for each in recipe.passes) or "none"
        rows.append(f"| `{name}` | {recipe.target} | {passes} | {recipe.description} |")
    return "\n".join([*rows, ""])


def _meanings(kind: type) -> dict[str, str]:
    """Fields by name from the part ``Attributes`` of a class's own docstring."""
    _, _, text = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:")
    found: dict[str, str] = {}
    key = ""
    for line in text.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent <= 4 and ":" in line:
            key, _, words = line.strip().partition(":")
            found[key] = words.strip()
        elif line.strip() and key:
            found[key] += f" {line.strip()}"
        else:
            key = ""
    return {key: _without_markup(words).replace("|", "\\|") for key, words in found.items()}


def _without_markup(text: str) -> str:
    return text.replace("``", "`")


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`"


if __name__ == "__main__":
    sys.stdout.write(page())
