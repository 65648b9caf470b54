"""From the tables of ``model.toml`` to a ``Manifest``, noting every mistake on the way."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from rilaas.core import DATATYPES, InvalidInput, ModelRef, Signature, SignatureMismatch, TensorSpec, did_you_mean
from rilaas.store.manifest import BACKENDS, PRECISIONS, SENSITIVITIES, Batching, Limits, Manifest, Placement
from rilaas.store.mistake import Mistakes

_TEXTS = ("name", "task", "description", "backend", "weights", "hooks", "precision")
_TABLES = ("inputs", "outputs", "batching", "limits", "placement")
_REQUIRED = ("name", "task", "backend", "inputs", "outputs")
_TENSOR_KEYS = ("datatype", "shape", "unit", "meaning")
_MAX_TENSOR_BYTES = 2**30
_TYPE_NAMES: dict[type, str] = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def manifest_of(data: Mapping[str, Any], mistakes: Mistakes) -> Manifest:
    """Build the manifest; what is wrong goes into ``mistakes``, and the value is then not to be used."""
    _refuse_unknown(data, (*_TEXTS, *_TABLES), (), mistakes)
    for key in _REQUIRED:
        if key not in data:
            mistakes.at_key((), f"{key!r} is missing.")
    text = {key: _value(data, (key,), str, "", mistakes) for key in _TEXTS}
    text["precision"] = text["precision"] or "fp32"
    for key in ("name", "task"):
        if isinstance(data.get(key), str) and not _is_name(text[key]):
            mistakes.at_key(
                (key,),
                f"{key} = {text[key]!r} is no name: lower-case letters, digits, '.', '_' and '-', at most 64, "
                f"beginning and ending with a letter or digit.",
            )
    _refuse_other("backend", text["backend"], BACKENDS, (), mistakes)
    _refuse_other("precision", text["precision"], PRECISIONS, (), mistakes)
    signature = Signature(_tensors(data, "inputs", mistakes), _tensors(data, "outputs", mistakes))
    return Manifest(
        **text,
        signature=signature,
        batching=_batching(data, signature, mistakes),
        limits=_limits(data, mistakes),
        placement=_placement(data, mistakes),
    )


def _tensors(data: Mapping[str, Any], side: str, mistakes: Mistakes) -> dict[str, TensorSpec]:
    specs = {}
    tables = _value(data, (side,), dict, {}, mistakes)
    if side in data and isinstance(data[side], dict) and not tables:
        mistakes.at_key((side,), f"a model has at least one of its {side}: [{side}.NAME].")
    for name, table in tables.items():
        where = (side, name)
        if not isinstance(table, dict):
            mistakes.at_key(where, f"{side}.{name} is {_type_of(table)}; write a table: [{side}.{name}].")
        elif not name or len(name) > 128 or not name.isprintable():
            mistakes.at_key(where, f"{name!r} is no name of a tensor: 1 to 128 printable signs.")
        elif (spec := _tensor(name, table, where, mistakes)) is not None:
            specs[name] = spec
    return specs


def _tensor(name: str, table: Mapping[str, Any], where: tuple[str, ...], mistakes: Mistakes) -> TensorSpec | None:
    _refuse_unknown(table, _TENSOR_KEYS, where, mistakes)
    for key in ("datatype", "shape"):
        if key not in table:
            mistakes.at_key(where, f"{'.'.join(where)} has no {key}.")
    datatype = _value(table, (*where, "datatype"), str, "", mistakes)
    shape = _value(table, (*where, "shape"), list, [], mistakes)
    unit = _value(table, (*where, "unit"), str, "", mistakes)
    meaning = _value(table, (*where, "meaning"), str, "", mistakes)
    if datatype and datatype not in DATATYPES:
        mistakes.at_key(
            (*where, "datatype"), f"there is no datatype {datatype!r}. {did_you_mean(datatype.upper(), DATATYPES)}"
        )
        datatype = ""
    if not all(type(size) is int and (size == -1 or size > 0) for size in shape):
        mistakes.at_key((*where, "shape"), f"shape = {shape} has sizes that are neither -1 (free) nor above 0.")
        return None
    if not datatype or not isinstance(table.get("shape"), list):
        return None
    if math.prod(abs(size) for size in shape) * DATATYPES[datatype].itemsize > _MAX_TENSOR_BYTES:
        mistakes.at_key(
            (*where, "shape"), f"shape = {shape} is more than {_MAX_TENSOR_BYTES >> 30} GiB of {datatype}."
        )
        return None
    try:
        return TensorSpec(name, datatype, tuple(shape), unit, meaning)
    except SignatureMismatch as error:
        mistakes.at_key((*where, "shape"), str(error))
        return None


def _batching(data: Mapping[str, Any], signature: Signature, mistakes: Mistakes) -> Batching | None:
    if "batching" not in data:
        return None
    table = _value(data, ("batching",), dict, {}, mistakes)
    _refuse_unknown(table, ("max_size", "max_wait_s"), ("batching",), mistakes)
    for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs)):
        for name, spec in specs.items():
            if spec.shape[:1] != (-1,):
                mistakes.at_key(
                    (side, name, "shape"),
                    f"[batching] joins requests along the first axis, which is not free in {spec}: begin with -1.",
                )
    max_size = _number(table, "batching", "max_size", int, 8, 2, 1024, mistakes)
    max_wait_s = _number(table, "batching", "max_wait_s", float, 0.002, 0.0, 1.0, mistakes)
    return Batching(int(max_size), max_wait_s)


def _limits(data: Mapping[str, Any], mistakes: Mistakes) -> Limits:
    default = Limits()
    table = _value(data, ("limits",), dict, {}, mistakes)
    _refuse_unknown(table, ("memory_bytes", "cpus", "answer_s"), ("limits",), mistakes)
    memory = _number(table, "limits", "memory_bytes", int, default.memory_bytes, 64 * 2**20, 2**40, mistakes)
    cpus = _number(table, "limits", "cpus", int, default.cpus, 1, 1024, mistakes)
    answer_s = _number(table, "limits", "answer_s", float, default.answer_s, 0.1, 86_400.0, mistakes)
    return Limits(int(memory), int(cpus), answer_s)


def _placement(data: Mapping[str, Any], mistakes: Mistakes) -> Placement:
    table = _value(data, ("placement",), dict, {}, mistakes)
    _refuse_unknown(table, ("sensitivity",), ("placement",), mistakes)
    sensitivity = _value(table, ("placement", "sensitivity"), str, Placement().sensitivity, mistakes)
    _refuse_other("sensitivity", sensitivity, SENSITIVITIES, ("placement",), mistakes)
    return Placement(sensitivity)


def _value(table: Mapping[str, Any], keys: tuple[str, ...], kind: type, default: Any, mistakes: Mistakes) -> Any:
    value = table.get(keys[-1], default)
    if type(value) is not kind:
        mistakes.at_key(keys, f"{'.'.join(keys)} is {_type_of(value)}; it has to be {_TYPE_NAMES[kind]}.")
        return default
    return value


def _number(
    table: Mapping[str, Any],
    of: str,
    key: str,
    kind: type,
    default: float,
    low: float,
    high: float,
    mistakes: Mistakes,
) -> float:
    value: Any = table.get(key, default)
    if not isinstance(value, (int, float)) or (
        type(value) is not kind and not (kind is float and type(value) is int)
    ):
        mistakes.at_key((of, key), f"{of}.{key} is {_type_of(value)}; it has to be {_TYPE_NAMES[kind]}.")
        return default
    if not low <= value <= high:
        mistakes.at_key((of, key), f"{of}.{key} = {value} is not within {low} and {high}.")
        return default
    return float(value) if kind is float else int(value)


def _refuse_unknown(
    table: Mapping[str, Any], valid: tuple[str, ...], where: tuple[str, ...], mistakes: Mistakes
) -> None:
    for key in table:
        if key not in valid:
            of = f" in [{'.'.join(where)}]" if where else ""
            mistakes.at_key((*where, key), f"unknown key {key!r}{of}. {did_you_mean(key, valid)}")


def _refuse_other(key: str, value: str, valid: tuple[str, ...], where: tuple[str, ...], mistakes: Mistakes) -> None:
    if value and value not in valid:
        mistakes.at_key((*where, key), f"there is no {key} {value!r}. {did_you_mean(value, valid)}")


def _type_of(value: object) -> str:
    if isinstance(value, bool):
        return f"{str(value).lower()} (true or false)"
    return f"{_TYPE_NAMES.get(type(value), f'of type {type(value).__name__}')}"


def _is_name(text: str) -> bool:
    try:
        return ModelRef(text).name == text
    except InvalidInput:
        return False
