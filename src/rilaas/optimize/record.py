"""What a variant's folder says about itself: ``variant.json``, format 1.

::

    {
      "format": 1,
      "variant": "balanced",
      "parent": {"name": "lane-following", "ref": "lane-following:3", "digest": "sha256:..."},
      "recipe": {"name", "description", "source", "target", "threads", "digest",
                 "passes": [{"name", "version", fields of the pass}]},
      "seed": 0,
      "data_digest": "...",                 what passes could see; '' where they saw nothing
      "machine": {"cpu", "cores", "os", "python", "features": ["AVX-512 VNNI", ...]},
      "versions": {"onnxruntime": "1.31.1", ...},
      "measured": {"size_bytes": ..., ...}, see Figures; null where it was not measured
      "gate": {"limits": {...}, "violations": [{"limit", "allowed", "got", "words"}], "passed": true}
    }                                       "passed" is null where it was not judged; numbers that are none are null

No time stands in it, so that the same work gives the same folder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from rilaas.core import InvalidModelFolder
from rilaas.optimize.gate import Gate, Violation, mse_ratio
from rilaas.optimize.measured import Measured
from rilaas.store import ModelFolder
from rilaas.store.variant_file import record_of

FORMAT = 1
_TEXT_BYTES = 4096
_MAX_LIST = 100


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured, beside the float model in the same run; NaN where nobody knows.

    Attributes:
        size_bytes: Of the weights [bytes].
        gzip_bytes: Of them after gzip [bytes].
        parameters: How many.
        macs: Multiplications of one sample.
        sparsity: Share of weights that are 0.
        unique_weights: Largest number of distinct values in one tensor.
        load_s: From file to first answer [s].
        p50_s: Median time of the weights [s].
        p90_s: 90th percentile [s].
        p99_s: 99th percentile [s].
        total_p50_s: Median of the whole policy [s].
        total_p99_s: 99th percentile of the whole policy [s].
        calls: Times measured.
        speedup: Median of the float model against this one's.
        smaller: Size of the float model against this one's.
        mse: Mean squared error on the test part.
        mse_ratio: Against the float model's; see ``gate.mse_ratio``.
        largest_difference: Of any output from the float model's.
        samples: Test samples.
        integer: 1 where it computes with integers, 0 where it should and does not, NaN where nobody can tell.
        load_average: Of the machine meanwhile.
    """

    size_bytes: float
    gzip_bytes: float
    parameters: float
    macs: float
    sparsity: float
    unique_weights: float
    load_s: float
    p50_s: float
    p90_s: float
    p99_s: float
    total_p50_s: float
    total_p99_s: float
    calls: float
    speedup: float
    smaller: float
    mse: float
    mse_ratio: float
    largest_difference: float
    samples: float
    integer: float
    load_average: float


@dataclass(frozen=True, slots=True)
class Record:
    """``variant.json`` as values; a stranger may have written it, so it is believed in nothing but its shape.

    Attributes:
        variant: What it is called.
        parent_name: The model that it was made from.
        parent_ref: As it was asked for; may be ''.
        parent_digest: ``sha256:...`` of it.
        recipe: Name of the recipe.
        recipe_digest: Hash of target and passes.
        target: ``device/runtime/precision``.
        passes: Rows of the recipe.
        source: Document and row that the recipe reproduces, or ''.
        seed: Of everything random.
        data_digest: Of what passes could see.
        machine: Facts on the machine that made it, without its name.
        versions: Of packages.
        measured: None where it was not measured.
        limits: Of the gate.
        violations: Limits that it does not keep.
        passed: Whether it keeps all; None where it was not judged.
    """

    variant: str
    parent_name: str
    parent_ref: str
    parent_digest: str
    recipe: str
    recipe_digest: str
    target: str
    passes: tuple[Mapping[str, Any], ...]
    source: str
    seed: int
    data_digest: str
    machine: Mapping[str, Any]
    versions: Mapping[str, str]
    measured: Figures | None
    limits: Mapping[str, Any]
    violations: tuple[Violation, ...]
    passed: bool | None


def judged(
    measured: Measured,
    reference: Measured,
    gate: Gate,
    violations: Sequence[Violation],
    *,
    ref: str = "",
    seed: int = 0,
    data_digest: str = "",
) -> dict[str, Any]:
    """What ``write_variant`` takes as ``record``, of a variant that was measured and judged.

    Args:
        measured: The variant.
        reference: The float model, in the same run.
        gate: The limits.
        violations: What ``gate.check`` found.
        ref: Reference of the original, such as ``lane-following:3``.
        seed: Of everything random.
        data_digest: ``Data.digest``, or ''.
    """
    limits = {key: value for key, value in asdict(gate).items() if value is not None}
    told = [{key: _plain(value) for key, value in asdict(each).items()} for each in violations]
    return {
        "ref": ref,
        "seed": seed,
        "data_digest": data_digest,
        "measured": {key: _plain(value) for key, value in asdict(figures_of(measured, reference)).items()},
        "gate": {"limits": limits, "violations": told, "passed": not told},
    }


def figures_of(measured: Measured, reference: Measured) -> Figures:
    """A variant's figures, beside the float model's."""
    weight, integer = measured.weight, measured.is_really_integer
    return Figures(
        **asdict(weight),
        load_s=measured.load_s,
        p50_s=measured.p50_s,
        p90_s=float(np.percentile(measured.compute_s, 90)),
        p99_s=measured.p99_s,
        total_p50_s=float(np.percentile(measured.total_s, 50)),
        total_p99_s=float(np.percentile(measured.total_s, 99)),
        calls=len(measured.compute_s),
        speedup=reference.p50_s / measured.p50_s,
        smaller=reference.weight.size_bytes / weight.size_bytes,
        mse=measured.mse,
        mse_ratio=mse_ratio(measured, reference).mean,
        largest_difference=float(np.abs(measured.difference).max()),
        samples=len(measured.squared_error),
        integer=math.nan if integer is None else float(integer),
        load_average=measured.load_average,
    )


def read_record(folder: ModelFolder) -> Record | None:
    """What a model folder says about how it was made; None where it is no variant.

    Raises:
        InvalidModelFolder: Its ``variant.json`` is not of format 1; the message says where.
    """
    said = record_of(folder)
    if not said:
        return None
    if said.get("format") != FORMAT:
        raise InvalidModelFolder(
            f"variant.json has the format {said.get('format')!r:.40}; this version reads {FORMAT}.", "Update rilaas."
        )
    parent, recipe, gate = (_typed(said, key, dict) for key in ("parent", "recipe", "gate"))
    measured = said.get("measured")
    rows = _typed(recipe, "passes", list)
    passed = gate.get("passed")
    if passed is not None and type(passed) is not bool:
        raise _wrong("gate.passed", passed)
    if not all(isinstance(row, dict) and isinstance(row.get("name"), str) for row in rows) or len(rows) > _MAX_LIST:
        raise _wrong("recipe.passes", rows)
    found = _typed(gate, "violations", list)
    if passed and found:
        raise InvalidModelFolder("variant.json says that the gate was passed, and lists violations.")
    return Record(
        variant=_typed(said, "variant", str),
        parent_name=_typed(parent, "name", str),
        parent_ref=_typed(parent, "ref", str),
        parent_digest=_typed(parent, "digest", str),
        recipe=_typed(recipe, "name", str),
        recipe_digest=_typed(recipe, "digest", str),
        target=_typed(recipe, "target", str),
        passes=tuple(rows),
        source=_typed(recipe, "source", str),
        seed=_typed(said, "seed", int),
        data_digest=_typed(said, "data_digest", str),
        machine=_typed(said, "machine", dict),
        versions={key: str(value)[:_TEXT_BYTES] for key, value in _typed(said, "versions", dict).items()},
        measured=None if measured is None else _figures(_typed(said, "measured", dict)),
        limits=_typed(gate, "limits", dict),
        violations=tuple(_violation(each) for each in found[:_MAX_LIST]),
        passed=passed,
    )


def _figures(table: Mapping[str, Any]) -> Figures:
    names = [each.name for each in fields(Figures)]
    return Figures(**{name: _number(table.get(name), f"measured.{name}") for name in names})


def _violation(table: Any) -> Violation:
    if not isinstance(table, dict):
        raise _wrong("gate.violations", table)
    allowed, got = (_number(table.get(key), f"violations.{key}") for key in ("allowed", "got"))
    return Violation(_typed(table, "limit", str), allowed, got, _typed(table, "words", str))


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e300:
        raise _wrong(where, value)
    return float(value)


def _typed(table: Mapping[str, Any], key: str, kind: type) -> Any:
    value = table.get(key)
    if type(value) is not kind or (isinstance(value, str) and len(value) > _TEXT_BYTES):
        raise _wrong(key, value)
    return value


def _wrong(where: str, value: Any) -> InvalidModelFolder:
    return InvalidModelFolder(f"variant.json: {where} = {value!r:.80} is not what format {FORMAT} has there.")


def _plain(value: Any) -> Any:
    """A number as JSON takes it; None where it is none."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
