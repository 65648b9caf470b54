"""Training that goes on from the weights that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context
from rilaas.optimize.passes.training import Hooks, Learning, fit
from rilaas.optimize.passes.training_keep import keep_weights
from rilaas.optimize.passes.training_module import network_of, open_module


@dataclass(frozen=True)
class Finetune(Learning):
    """Train on; weights that are pruned or clustered stay so.

    Attributes:
        epochs: See ``Learning``, as all other fields.
    """

    name: ClassVar[str] = "finetune"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "validation"})
    version: ClassVar[int] = 1

    epochs: int = 5
    rate: str = "cosine"
    patience: int = 3

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        trained = open_module(network, self.name)
        hooks = Hooks()
        keep_weights(trained, hooks)
        fit(trained, self, context, self.name, hooks=hooks)
        return network_of(trained, context)
