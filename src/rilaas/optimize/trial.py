"""Many networks tried quickly on the validation part: what a search decides by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass

import numpy as np

from rilaas.infer.session import Session
from rilaas.infer.target import Target, processor_features
from rilaas.optimize.cache import Cache, key_of
from rilaas.optimize.engine import versions_of
from rilaas.optimize.measure import times_of
from rilaas.optimize.network import Network
from rilaas.optimize.opened import open_network, outputs_of
from rilaas.optimize.samples import Samples

_CALLS, _ROUNDS = 20, 5
_ROWS = 8
_TOGETHER = 24  # networks that are open at once


@dataclass(frozen=True, slots=True)
class Trial:
    """What one network does.

    Attributes:
        mse: Mean squared error on the validation part; against the float model where there are no targets.
        base_mse: The float model's own.
        p50_s: Median time [s].
        base_p50_s: The float model's, in the same rounds [s].
        size_bytes: Of the file [bytes].
    """

    mse: float
    base_mse: float
    p50_s: float
    base_p50_s: float
    size_bytes: int


def run_trials(
    networks: Mapping[str, tuple[Network, Target]],
    original: tuple[Network, Target],
    validation: Samples,
    *,
    cache: Cache | None = None,
    seed: int = 0,
) -> dict[str, Trial]:
    """Try networks beside the original, in rounds that alternate.

    Args:
        networks: By name, with where they run.
        original: The float network, with where it runs.
        validation: What is asked.
        cache: Where figures of earlier trials are found: a search that is repeated decides the same.
        seed: Draws the order.
    """
    keys = {name: _key(*each, original, validation) for name, each in networks.items()}
    found = {}
    for name, key in keys.items():
        if cache is not None and (said := cache.note(key)) is not None and set(said) == set(Trial.__slots__):
            found[name] = Trial(**said)
    fresh = [name for name in networks if name not in found]
    for at in range(0, len(fresh), _TOGETHER):
        some = {name: networks[name] for name in fresh[at : at + _TOGETHER]}
        for name, trial in _tried(some, original, validation, seed).items():
            found[name] = trial
            if cache is not None:
                cache.put_note(keys[name], asdict(trial))
    return found


def _key(network: Network, target: Target, original: tuple[Network, Target], validation: Samples) -> str:
    return key_of(
        {
            "trial": 1,
            "network": network.digest,
            "target": [str(target), target.threads],
            "original": [original[0].digest, str(original[1]), original[1].threads],
            "data": [validation.digest, validation.seen],
            "versions": versions_of(),
            "processor": processor_features(),
        }
    )


def _tried(
    networks: Mapping[str, tuple[Network, Target]], original: tuple[Network, Target], validation: Samples, seed: int
) -> dict[str, Trial]:
    names = ["", *networks]
    with ExitStack() as stack:
        opened = [stack.enter_context(open_network(*each)) for each in (original, *networks.values())]
        inputs = [validation.inputs([row]) for row in range(min(_ROWS, len(validation)))]
        times: list[list[float]] = [[] for _ in names]
        draw = np.random.default_rng(seed)
        for _ in range(_ROUNDS):
            for index in draw.permutation(len(names)):
                times[index] += times_of(opened[index].run, inputs, _CALLS)
        errors = _errors(opened, validation)
    p50_s = [float(np.median(each)) for each in times]
    return {
        name: Trial(errors[index], errors[0], p50_s[index], p50_s[0], len(networks[name][0].data))
        for index, name in enumerate(names)
        if index
    }


def _errors(opened: Sequence[Session], validation: Samples) -> list[float]:
    base = outputs_of(opened[0], validation)
    wanted = validation.targets or base
    found = []
    for index, session in enumerate(opened):
        own = base if not index else outputs_of(session, validation)
        squares = [
            ((own[name] - wanted[name]).astype(np.float64) ** 2).reshape(len(own[name]), -1) for name in wanted
        ]
        found.append(float(np.concatenate(squares, axis=1).mean()))
    return found
