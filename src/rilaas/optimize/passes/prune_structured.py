"""Whole channels are taken out, together with everything that depends on them."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from rilaas.core import InvalidInput, MissingDependency, did_you_mean
from rilaas.optimize.network import Network
from rilaas.optimize.passes.contract import Context, check_share
from rilaas.optimize.passes.training import Learning, fit
from rilaas.optimize.passes.training_module import TrainedModule, network_of, one_thread, open_module, tensors_of

_MOST_OF_A_LAYER = 0.95  # a global ranking may take no more than this share of one layer
# Layers of no more channels than this stay whole. They cost nothing and all goes through them: taking 6 of the 10
# neurons before PilotNet's outputs multiplied its error by 9, and training did not heal it.
_NARROW = 16


@dataclass(frozen=True)
class PruneStructured(Learning):
    """Take out the channels whose weights have the smallest L2 norm over all layers that share them, then train on.

    Unlike zeros strewn over a tensor this makes any runtime faster. Outputs of the network keep all their elements,
    and layers of up to 16 channels stay whole.
    Source: G. Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023 (package torch-pruning).

    Attributes:
        ratio: Share of channels to take out.
        scope: ``layer``: that share of each layer; ``global``: of all layers together, by normalized norm.
        ratios: Other shares for some layers, such as ``features.0=0.25``, or with a pattern: ``control.*=0.8``.
            They count where ``scope`` is ``layer``.
        round_to: Channels that are left are a multiple of this, and at least this; vector units like 4, 8 or 16.
        steps: In how many steps the channels go; after each the rest is trained for its part of ``epochs``.
    """

    name: ClassVar[str] = "prune.structured"
    needs: ClassVar[frozenset[str]] = frozenset({"training", "validation"})
    version: ClassVar[int] = 1

    epochs: int = 20
    learning_rate: float = 1e-3
    rate: str = "cosine"
    mix: float = 0.5
    shift: float = 0.08
    jitter: float = 0.15
    repeat: int = 4
    ratio: float = 0.5
    scope: str = "layer"
    ratios: tuple[str, ...] = ()
    round_to: int = 4
    steps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("ratio", self.ratio, high=0.99)
        if self.scope not in ("layer", "global"):
            raise InvalidInput(f"scope = {self.scope!r} does not exist.", "Write layer or global.")
        if self.round_to < 1 or self.steps < 1:
            raise InvalidInput("round_to and steps are 1 or more.")
        _read_ratios(self.ratios)

    def apply(self, network: Network, context: Context) -> Network:
        """See ``Pass``."""
        trained = open_module(network, self.name)
        with one_thread(context.seed):
            pruner = self._pruner(trained, context)
        for step in range(self.steps):
            with one_thread(context.seed):
                pruner.step()
            part = self.epochs * (step + 1) // self.steps - self.epochs * step // self.steps
            progress = (step / self.steps, (step + 1) / self.steps)
            if part:
                fit(trained, replace(self, epochs=part), context, self.name, progress=progress, salt=step)
        made = network_of(trained, context)
        _check_smaller(network, made, self)
        return made

    def _pruner(self, trained: TrainedModule, context: Context) -> Any:
        try:
            import torch_pruning
        except ImportError as error:
            raise MissingDependency(
                "The pass prune.structured needs torch-pruning.", "Install it with: pip install 'rilaas[optimize]'"
            ) from error
        layers = trained.layers
        whole = _output_layers(trained) | {name for name, layer in layers.items() if _channels(layer) <= _NARROW}
        shares = {layer: self._share_of(name, layer) for name, layer in layers.items() if name not in whole}
        for pattern, _ in _read_ratios(self.ratios):
            if not fnmatch.filter(layers, pattern):
                raise InvalidInput(f"No layer is called {pattern!r}.", did_you_mean(pattern, layers))
        samples = context.part("training", self.name)
        examples = tensors_of(trained, samples.inputs([0, min(1, len(samples) - 1)]))
        return torch_pruning.pruner.BasePruner(
            trained.module,
            tuple(examples),
            torch_pruning.importance.GroupMagnitudeImportance(p=2),
            global_pruning=self.scope == "global",
            pruning_ratio=self.ratio if self.scope == "global" else 0.0,
            pruning_ratio_dict=shares if self.scope == "layer" else None,
            max_pruning_ratio=_MOST_OF_A_LAYER,
            iterative_steps=self.steps,
            ignored_layers=[layers[name] for name in sorted(whole)],
            round_to=self.round_to if self.scope == "global" else None,
        )

    def _share_of(self, name: str, layer: torch.nn.Module) -> float:
        """Of a layer's channels, so that a multiple of ``round_to`` is left; the package's rounding keeps more."""
        own = [each for pattern, each in _read_ratios(self.ratios) if fnmatch.fnmatch(name, pattern)]
        ratio = own[0] if own else self.ratio
        channels = _channels(layer)
        left = max(1, round(channels * (1 - ratio) / self.round_to)) * self.round_to
        return max(0.0, 1 - (left + 0.5) / channels) if left < channels else 0.0


def _channels(layer: torch.nn.Module) -> int:
    return int(layer.out_features if isinstance(layer, torch.nn.Linear) else layer.out_channels)  # type: ignore[arg-type]


def _read_ratios(ratios: tuple[str, ...]) -> list[tuple[str, float]]:
    found = []
    for text in ratios:
        pattern, _, value = text.partition("=")
        try:
            ratio = float(value)
        except ValueError:
            raise InvalidInput(f"ratios has {text!r}.", "Write for example features.0=0.25.") from None
        check_share(pattern, ratio, high=0.99)
        found.append((pattern, ratio))
    return found


def _output_layers(trained: TrainedModule) -> set[str]:
    """Layers whose channels are elements of an output: nothing with weights of its own stands behind them."""
    graph: torch.fx.Graph = trained.module.graph  # type: ignore[assignment]
    layers = trained.layers
    found: set[str] = set()
    seen: set[torch.fx.Node] = set()
    waiting = [node for node in graph.nodes if node.op == "output"]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.op == "call_module" and node.target in layers:
            found.add(str(node.target))
        else:
            waiting.extend(node.all_input_nodes)
    return found


def _check_smaller(before: Network, after: Network, settings: PruneStructured) -> None:
    """Raise ``InvalidInput`` where nothing was won: rounding may have kept what ``ratio`` wanted to take."""
    from rilaas.optimize.product import products_of

    macs = [sum(each.macs for each in products_of(each.to_onnx())) for each in (before, after)]
    if settings.ratio and macs[1] >= macs[0]:
        raise InvalidInput(
            f"Nothing was pruned: the network still has {macs[1]:,} multiplications a sample.",
            f"Raise ratio, which is {settings.ratio:g}, or lower round_to, which is {settings.round_to}.",
        )
