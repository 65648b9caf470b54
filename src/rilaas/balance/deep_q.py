"""Deep Q-learning: the document's agents with a small network in the table's place.

Source: Mnih et al., Human-level control through deep reinforcement learning, Nature 518, 2015, on the state, actions
and reward of Tanwani et al., RILaaS, section V. Training needs torch (``rilaas.learn.balancing``); here the network
is evaluated in numpy, and stays as it was trained.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rilaas.balance.counted_state import Counts, ServerSet, check_card, check_trained_for, weigh_q
from rilaas.balance.learned_file import read_learned
from rilaas.balance.least_connections import LeastConnections
from rilaas.balance.protocol import Outcome, Request, ServerView, Weighing, candidates
from rilaas.core import InvalidInput

if TYPE_CHECKING:
    from rilaas.balance.registry import Setting

KIND = "deep_q"
SCALE = 8.0  # requests: inputs are counts in this unit
MOST = 32  # requests: more are counted as these, about four times what a training meets
_RULE = "The largest Q of this model's network: reward to be expected from this placement and those that follow."
_LAYERS = 3


class QNetwork:
    """A multilayer perceptron with two hidden layers of rectified linear units: Q = W3 relu(W2 relu(W1 x)) + b.

    Args:
        layers: Weights (outputs, inputs) float32 and biases (outputs,) float32 of each layer.

    Raises:
        InvalidInput: The layers do not follow from each other.
    """

    def __init__(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        for i, (weight, bias) in enumerate(layers):
            follows = not i or weight.shape[1:] == layers[i - 1][1].shape
            if weight.ndim != 2 or bias.shape != weight.shape[:1] or not follows:
                raise InvalidInput(f"Layer {i + 1} of the network has shapes {weight.shape} and {bias.shape}.")
        *hidden, (weight, bias) = [(np.asarray(w, np.float32), np.asarray(b, np.float32)) for w, b in layers]
        self._hidden, self._weight, self._bias = hidden, weight, bias

    @property
    def shape(self) -> tuple[int, int]:
        """Inputs and outputs."""
        return (self._hidden[0][0] if self._hidden else self._weight).shape[1], self._bias.shape[0]

    def values(self, state: Counts) -> list[float]:
        """(N,) Q of each server in a state."""
        x = inputs_of(state)
        for weight, bias in self._hidden:
            x = np.maximum(weight @ x + bias, 0.0)
        values: list[float] = (self._weight @ x + self._bias).tolist()
        return values


def inputs_of(state: Counts) -> np.ndarray:
    """(2 N,) float32: counts in units of ``SCALE``, at most ``MOST`` of each."""
    inputs: np.ndarray = np.minimum(np.array(state, np.float32), MOST) / np.float32(SCALE)
    return inputs


class DeepQ:
    """One trained network per model; it does not go on learning.

    What it does where the networks do not help is least connections among all servers, counted in ``fallbacks`` by
    its reason and told by ``weighing``: a server that they were not trained with, a model without a network. A
    server that fails, is slow or silent is chosen on: nothing is learned from outcomes, only the requests that fill
    up there count; taking it out stays the interceptor's work. One that is gone counts as idle and is not chosen.

    Args:
        servers: Names of the servers that the networks were trained with, in their order.
        networks: By model: 2 N inputs, N outputs.

    Raises:
        InvalidInput: A network has another shape.
    """

    def __init__(self, servers: Sequence[str], networks: Mapping[str, QNetwork]) -> None:
        for model, network in networks.items():
            if network.shape != (2 * len(servers), len(servers)):
                raise InvalidInput(
                    f"The network of model {model!r} has {network.shape[0]} inputs and {network.shape[1]} outputs; "
                    f"{len(servers)} servers need {2 * len(servers)} and {len(servers)}."
                )
        self.fallbacks: Counter[str] = Counter()
        self._set, self._networks = ServerSet(servers), dict(networks)
        self._fallback = LeastConnections()
        self._last: tuple[Sequence[ServerView], Counts, Sequence[float]] | None = None
        self._why = ""  # the last choice was least connections
        self._card: Mapping[str, Any] = {}

    @classmethod
    def of(cls, setting: Setting) -> DeepQ:
        """As the registry makes it.

        Raises:
            InvalidInput: There is no file: it is nothing without one.
        """
        if setting.path is None:
            raise InvalidInput(
                f"The balancing policy {KIND!r} needs the file that it was trained into.",
                f"Train one: rilaas learn balancer --policy {KIND} --out FILE; then write {KIND}=FILE.",
            )
        return cls.read(setting.path)

    @classmethod
    def read(cls, path: Path) -> DeepQ:
        """One that was trained.

        Args:
            path: File of ``rilaas learn balancer --policy deep_q``.

        Raises:
            NotFound: There is no such file.
            InvalidInput: It is not one of these, or was trained for other features.
        """
        arrays, card = read_learned(path, KIND)
        check_card(card, KIND, path)
        try:
            networks = {
                model: QNetwork([(arrays[f"{i}.weight{k}"], arrays[f"{i}.bias{k}"]) for k in range(_LAYERS)])
                for i, model in enumerate(card["models"])
            }
            made = cls(card["servers"], networks)
        except (KeyError, InvalidInput) as error:
            raise InvalidInput(
                f"{path} does not hold what its card says: {error}.",
                f"Train anew: rilaas learn balancer --policy {KIND} --out {path}.",
            ) from None
        made._card = card
        return made

    def check_servers(self, servers: Collection[str]) -> None:
        """Check that it was trained for these servers, before a deployment relies on it.

        Raises:
            InvalidInput: It was trained for others; the message says for which.
        """
        if self._card:
            check_trained_for(self._card, KIND, servers)

    def choose(self, request: Request, servers: Sequence[ServerView]) -> str:
        """See ``Balancer.choose``."""
        left = candidates(request, servers)
        state, network = self._set.counts(request.model, servers), self._networks.get(request.model)
        if state is None or network is None:
            is_new = "a server is there that it was not trained with"
            self._why = is_new if state is None else "this model has no network"
            self.fallbacks[self._why] += 1
            return self._fallback.choose(request, left)
        values = network.values(state)
        self._last, self._why = (left, state, values), ""
        place = self._set.place
        return max(left, key=lambda server: values[place[server.name]]).name

    def observe(self, outcome: Outcome) -> None:
        """Nothing is learned."""

    def weighing(self) -> Weighing | None:
        """See ``Balancer.weighing``: p and q of the state, and Q."""
        if self._why:
            told = self._fallback.weighing()
            return told and Weighing(told.servers, told.figures, f"Least connections, because {self._why}.")
        return weigh_q(self._set, *self._last, _RULE) if self._last is not None else None

    def guard(self) -> dict[str, float]:
        """``fallback``: 1 where the last choice was least connections; ``fallbacks``: how many were."""
        return {"fallback": float(bool(self._why)), "fallbacks": float(sum(self.fallbacks.values()))}
