"""All passes by name; each module is imported when a recipe asks for it."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, get_args, get_origin, get_type_hints

from rilaas.core import InvalidInput, did_you_mean
from rilaas.optimize.passes.contract import Pass

# name: module of this package and class
PASSES: Mapping[str, tuple[str, str]] = {
    "cast.bfloat16": ("cast", "CastBfloat16"),
    "cast.float16": ("cast", "CastFloat16"),
    "cluster.weights": ("cluster", "ClusterWeights"),
    "distill": ("distill", "Distill"),
    "finetune": ("finetune", "Finetune"),
    "fold.normalization": ("fold", "FoldNormalization"),
    "prune.structured": ("prune_structured", "PruneStructured"),
    "prune.unstructured": ("prune_unstructured", "PruneUnstructured"),
    "quantize.aware": ("aware", "QuantizeAware"),
    "quantize.dynamic": ("dynamic", "QuantizeDynamic"),
    "quantize.integer_only": ("static", "QuantizeIntegerOnly"),
    "quantize.nncf": ("nncf", "QuantizeNncf"),
    "quantize.pt2e": ("pt2e", "QuantizePt2e"),
    "quantize.static": ("static", "QuantizeStatic"),
    "shape.fix": ("shape", "ShapeFix"),
    "tensorflow.aware": ("tensorflow.aware", "Aware"),
    "tensorflow.cluster_aware": ("tensorflow.aware", "ClusterAware"),
    "tensorflow.convert": ("tensorflow.post_training", "Convert"),
    "tensorflow.dynamic": ("tensorflow.post_training", "DynamicRange"),
    "tensorflow.float16": ("tensorflow.post_training", "Float16"),
    "tensorflow.integer": ("tensorflow.post_training", "Integer"),
    "tensorflow.integer_float": ("tensorflow.post_training", "IntegerFloat"),
    "tensorflow.prune": ("tensorflow.pruning", "Prune"),
    "tensorflow.prune_aware": ("tensorflow.aware", "PruneAware"),
    "tensorflow.prune_cluster_aware": ("tensorflow.aware", "PruneClusterAware"),
    "tensorflow.prune_dynamic": ("tensorflow.pruning", "PruneDynamic"),
}


def make_pass(name: str, fields: Mapping[str, Any], where: str = "") -> Pass:
    """A pass from its name and configuration, as TOML has them.

    Args:
        name: A key of ``PASSES``.
        fields: Values of its fields; what is left out keeps its default.
        where: What errors begin with.

    Raises:
        InvalidInput: There is no such pass or field, or a value is of the wrong type or out of bounds.
    """
    if name not in PASSES:
        raise InvalidInput(f"{where}There is no pass {name!r}.", did_you_mean(name, PASSES))
    module, attribute = PASSES[name]
    kind = getattr(importlib.import_module(f"rilaas.optimize.passes.{module}"), attribute)
    hints = get_type_hints(kind)
    valid = [each.name for each in dataclasses.fields(kind)]
    values = {}
    for key, value in fields.items():
        if key not in valid:
            raise InvalidInput(f"{where}The pass {name} has no field {key!r}.", did_you_mean(key, valid))
        values[key] = _converted(f"{where}{name}: {key}", hints[key], value)
    try:
        made: Pass = kind(**values)
    except InvalidInput as error:
        raise InvalidInput(f"{where}{error.message}", error.hint) from None
    return made


def fields_of(made: Pass) -> dict[str, Any]:
    """All fields of a pass with their values, as JSON takes them."""
    return {
        each.name: list(value) if isinstance(value := getattr(made, each.name), tuple) else value
        for each in dataclasses.fields(made)  # type: ignore[arg-type]
    }


def _converted(what: str, kind: Any, value: Any) -> Any:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise InvalidInput(f"{what} = {value!r}; it has to be a list.")
        return tuple(_converted(what, get_args(kind)[0], each) for each in value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise InvalidInput(f"{what} = {value!r}; it has to be of type {kind.__name__}.")
    return value
