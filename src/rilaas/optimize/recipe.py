"""A recipe: which passes in which order, for which target. TOML that a person can read.

::

    name = "balanced"                        # a name: lower case, digits, dots, dashes
    description = "int8 with min-max ranges" # one sentence
    source = ""                              # the document and row that it reproduces, or ''
    target = "cpu/openvino/int8"             # device/runtime/precision

    [[pass]]
    name = "fold.normalization"

    [[pass]]
    name = "quantize.static"
    ranges = "minmax"                        # fields of the pass; see docs/optimizing.md

    [gate]                                   # limits that a variant has to keep; see ``Gate``
    max_mse_ratio = 1.05
"""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, did_you_mean
from rilaas.core.ref import ModelRef
from rilaas.core.toml import parse_toml, read_toml
from rilaas.infer.target import Target
from rilaas.optimize.gate import Gate
from rilaas.optimize.passes.contract import Pass
from rilaas.optimize.passes.registry import fields_of, make_pass

_KEYS = ("name", "description", "source", "target", "pass", "gate")
PRESETS = ("fast", "balanced", "max", "smallest")


@dataclass(frozen=True, slots=True)
class Recipe:
    """An ordered list of passes for a target.

    Attributes:
        name: What variants made by it are called, unless somebody says otherwise.
        target: What it is for.
        passes: In order; none where the runtime alone makes the difference.
        description: A sentence for people.
        source: The document and row that it reproduces, or ''.
        gate: What its variants have to keep.
    """

    name: str
    target: Target
    passes: tuple[Pass, ...] = ()
    description: str = ""
    source: str = ""
    gate: Gate = field(default_factory=Gate)

    @property
    def needs(self) -> frozenset[str]:
        """Parts of the data that its passes need."""
        return frozenset().union(*(each.needs for each in self.passes))

    @property
    def digest(self) -> str:
        """Hexadecimal hash of target and passes with all their fields: the same recipe whatever it is called."""
        said = {"target": str(self.target), "threads": self.target.threads, "passes": self.as_rows()}
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def as_rows(self) -> list[dict[str, Any]]:
        """Its passes with all their fields, as JSON takes them."""
        return [{"name": each.name, "version": each.version, **fields_of(each)} for each in self.passes]

    def on(self, target: Target) -> Recipe:
        """The same passes for another target."""
        return replace(self, target=target)


def read_recipe(text: str, *, threads: int = 1) -> Recipe:
    """A recipe by the name of one of ours, or from a TOML file.

    Args:
        text: A name, such as ``balanced`` or ``paper.torch.static_quan``, or the path of a file.
        threads: Of the target.

    Raises:
        NotFound: There is no such recipe or file.
        InvalidInput: It is not one; the message names the file and the pass.
    """
    path = Path(text)
    if path.suffix == ".toml" or path.is_file():
        return recipe_of(read_toml(path), str(path), threads=threads)
    own = _own_files()
    if text not in own:
        raise NotFound(f"There is no recipe {text!r}. {did_you_mean(text, own)}", "Or give the path of a TOML file.")
    return recipe_of(parse_toml(own[text].read_text(encoding="utf-8"), text), text, threads=threads)


def recipe_names(pattern: str = "*") -> tuple[str, ...]:
    """Names of our recipes that match a pattern, such as ``paper.torch.*``."""
    return tuple(sorted(name for name in _own_files() if fnmatch.fnmatchcase(name, pattern)))


def recipe_of(data: Mapping[str, Any], where: str, *, threads: int = 1) -> Recipe:
    """A recipe from parsed TOML.

    Args:
        data: The file's tables.
        where: What errors call it.
        threads: Of the target.

    Raises:
        InvalidInput: Something in it is wrong.
    """
    for key in data:
        if key not in _KEYS:
            raise InvalidInput(f"{where}: unknown key {key!r}.", did_you_mean(key, _KEYS))
    for key in ("name", "target"):
        if not isinstance(data.get(key), str):
            raise InvalidInput(f"{where}: {key!r} is missing, or no text.", 'Write for example name = "mine".')
    rows = data.get("pass", [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidInput(f"{where}: passes are written as tables.", "Write [[pass]] before each.")
    passes = []
    for number, row in enumerate(rows, 1):
        if not isinstance(row.get("name"), str):
            raise InvalidInput(f"{where}: pass {number} has no name.", 'Write for example name = "quantize.static".')
        fields = {key: value for key, value in row.items() if key != "name"}
        passes.append(make_pass(row["name"], fields, f"{where}, pass {number}: "))
    try:
        check_name(data["name"])
        target = Target.parse(data["target"], threads=threads)
        gate = Gate.of(data.get("gate", {}))
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", error.hint) from None
    words = {key: str(data.get(key, "")) for key in ("description", "source")}
    return Recipe(data["name"], target, tuple(passes), gate=gate, **words)


def check_name(name: str) -> None:
    """Refuse what a variant cannot be called.

    Raises:
        InvalidInput: It is no part of a model reference.
    """
    try:
        ModelRef("model", variant=name or " ")
    except InvalidInput:
        raise InvalidInput(
            f"A variant cannot be called {name!r}.",
            "Write lower case letters, digits, dots and dashes, such as int8-pruned.",
        ) from None


def _own_files() -> dict[str, Any]:
    folder = resources.files("rilaas.optimize") / "recipes"
    return {file.name.removesuffix(".toml"): file for file in folder.iterdir() if file.name.endswith(".toml")}
