"""The trainings by the name of the policy that they are for."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.learn.balancing.trainer import Trainer

TRAINERS: Mapping[str, tuple[str, str]] = {
    "q_learning": ("rilaas.learn.balancing.q_learning", "train_q_learning"),
    "marginal_cost": ("rilaas.learn.balancing.price_training", "train_marginal_cost"),
    "deep_q": ("rilaas.learn.balancing.deep_q", "train_deep_q"),
}
"""Module and function, imported when they are asked for: one may need torch, the next not."""


def trainer_of(name: str) -> Trainer:
    """The training of a policy.

    Raises:
        InvalidInput: There is none of that name.
        MissingDependency: It needs a package that is not installed.
    """
    if name not in TRAINERS:
        raise InvalidInput(f"There is no training of a policy {name!r}.", did_you_mean(name, TRAINERS))
    module, function = TRAINERS[name]
    try:
        trainer: Trainer = getattr(importlib.import_module(module), function)
    except ModuleNotFoundError as error:
        raise MissingDependency(
            f"Training {name} needs the package {error.name}.", "Install it: pip install 'rilaas[learn]'."
        ) from None
    return trainer
