"""From a recipe and a model to a variant's network, step by step; what was made before comes from the cache."""

from __future__ import annotations

import importlib.metadata
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rilaas.core import ModelFailed, RilaasError
from rilaas.infer.target import Target, processor_features
from rilaas.optimize.cache import Cache, key_of
from rilaas.optimize.network import Network
from rilaas.optimize.order import check_can_be_made
from rilaas.optimize.passes.contract import Context, Pass, Tell, silent
from rilaas.optimize.passes.registry import fields_of
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.samples import Data, Samples
from rilaas.optimize.soundness import check_interface, check_weights_are_finite
from rilaas.optimize.subject import Subject
from rilaas.optimize.time_left import TimeLeft

_VERSIONED = (
    "numpy",
    "onnx",
    "onnxruntime",
    "openvino",
    "torch",
    "torchao",
    "torch-pruning",
    "nncf",
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "ai-edge-litert",
)
_SILENT = ("LICENSE", "README.md", "model.toml")  # of a model folder: no hook reads these
_SHARES = {"training": 20.0, "calibration": 2.0}  # of the time, roughly: training takes ten times what ranges take


@dataclass(frozen=True, slots=True)
class Step:
    """One pass that was applied.

    Attributes:
        name: Of the pass.
        seconds: What it took when it was made [s].
        was_cached: Whether that was an earlier time.
        digest: Of the network that it gave.
    """

    name: str
    seconds: float
    was_cached: bool
    digest: str


@dataclass(frozen=True, eq=False)
class Made:
    """A variant's network and how it came to be.

    Attributes:
        recipe: What was followed.
        network: The result; its inputs and outputs are float and called as the original's.
        steps: One for each pass.
    """

    recipe: Recipe
    network: Network
    steps: tuple[Step, ...]


def make(
    recipe: Recipe,
    subject: Subject,
    data: Data | None,
    *,
    cache: Cache | None = None,
    seed: int = 0,
    tell: Tell = silent,
) -> Made:
    """Follow a recipe.

    Args:
        recipe: What to do.
        subject: The model; it stays as it is.
        data: What passes may learn from; may be None where no pass needs any.
        cache: Where results of passes are kept and found again, by the content of what they were made from.
        seed: Everything random is drawn from it.
        tell: Progress over the whole recipe, with an estimate of the time left in its words.

    Raises:
        MissingDependency: The target or a package of a pass is not there.
        InvalidInput: The order of the passes cannot be, data are missing, or a configuration does not fit.
        ModelFailed: A pass diverged, or the runtime cannot compute the result.
    """
    check_can_be_made(recipe, data)
    keys = _Keys(subject, data, seed)
    network, steps = subject.network, []
    progress = _Progress(recipe.passes, tell)
    for index, each in enumerate(recipe.passes):
        target = _target_of(each, recipe.target)
        key = keys.of(each, network, target)
        kept = cache.get(key) if cache is not None else None
        progress.begin(index, was_cached=kept is not None)
        if kept is not None:
            network = kept.network
            steps.append(Step(each.name, kept.seconds, True, network.digest))
            continue
        start = time.monotonic()
        network = _apply(each, network, _context(target, subject, data, seed, each.needs, progress.tell))
        seconds = time.monotonic() - start
        if cache is not None:
            cache.put(key, network, seconds)
        steps.append(Step(each.name, seconds, False, network.digest))
    check_interface(network, subject.network, recipe.target, _some(data))
    progress.done()
    return Made(recipe, network, tuple(steps))


def versions_of(names: Sequence[str] = _VERSIONED) -> dict[str, str]:
    """Installed versions of packages; those that are not there are left out."""
    found = {name: _version(name) for name in names}
    return {name: version for name, version in found.items() if version}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _apply(made: Pass, network: Network, context: Context) -> Network:
    try:
        result = made.apply(network, context)
    except RilaasError:
        raise
    except Exception as error:  # toolkits raise anything where a graph is one that they do not know
        said, last = " ".join(str(error).split()), traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}, line {last.lineno}"
        raise ModelFailed(
            f"The pass {made.name} failed on this network: {type(error).__name__}: {said:.500} (in {place}).",
            "Leave the pass away, or try another that does the same; RILAAS_DEBUG=1 shows the traceback.",
        ) from error
    check_weights_are_finite(result, made.name)
    return result


def _context(
    target: Target, subject: Subject, data: Data | None, seed: int, needs: frozenset[str], tell: Tell
) -> Context:
    """What a pass sees: the parts that it asks for and no others."""
    parts: dict[str, Any] = {part: getattr(data, part) for part in needs} if data is not None else {}
    return Context(target, subject.network, **parts, seed=seed, tell=tell)


def _target_of(made: Pass, target: Target) -> Target:
    """What a pass sees of the target: nothing unless it says so, so that what it gives serves every target."""
    return target if getattr(made, "sees_target", False) else Target(threads=target.threads)


def _some(data: Data | None) -> Samples | None:
    return data.validation.take(slice(0, 4)) if data is not None else None


class _Keys:
    """Keys of the cache: a hash of everything that the result of a pass depends on."""

    def __init__(self, subject: Subject, data: Data | None, seed: int) -> None:
        self._data = data
        silent = {*_SILENT, subject.folder.manifest.weights}
        self._code = [f"{each.path} {each.sha256}" for each in subject.folder.files if each.path not in silent]
        self._said: Mapping[str, Any] = {
            "format": 1,
            "original": subject.network.digest,
            "seed": seed,
            "versions": versions_of(),
            "processor": processor_features(),  # sums are rounded in another order on another processor
        }

    def of(self, made: Pass, network: Network, target: Target) -> str:
        """Of a pass that is applied to a network for a target."""
        seen: dict[str, Any] = {}
        if self._data is not None and made.needs:
            # what the network sees of a sample is the work of the folder's own code, and of what that reads
            seen = {"code": self._code, **{part: getattr(self._data, part).digest for part in sorted(made.needs)}}
        return key_of(
            {
                **self._said,
                "network": network.digest,
                "pass": [made.name, made.version, fields_of(made)],
                "target": [str(target), target.threads],
                "data": seen,
            }
        )


class _Progress:
    """Shares of single passes as a share of the recipe, with the time left."""

    def __init__(self, passes: Sequence[Pass], tell: Tell) -> None:
        self._names = [each.name for each in passes]
        self._costs = [max((_SHARES.get(part, 1.0) for part in each.needs), default=1.0) for each in passes]
        self._tell, self._index = TimeLeft(tell), 0

    def begin(self, index: int, *, was_cached: bool) -> None:
        """A pass begins, or was found in the cache and costs nothing."""
        self._index = index
        if was_cached:
            self._costs[index] = 0.0
            self._say(0.0, "from the cache")
            self._tell.begin_at(self._overall(0.0))
        else:
            self.tell(0.0, "")

    def tell(self, share: float, words: str) -> None:
        """See ``Tell``, of the pass that was begun."""
        self._say(min(1.0, max(0.0, share)), words)

    def done(self) -> None:
        """All passes are through."""
        self._tell(1.0, "done")

    def _say(self, share: float, words: str) -> None:
        place = f"pass {self._index + 1} of {len(self._names)}, {self._names[self._index]}"
        self._tell(self._overall(share), f"{place}{': ' if words else ''}{words}")

    def _overall(self, share: float) -> float:
        total = sum(self._costs) or 1.0
        return (sum(self._costs[: self._index]) + share * self._costs[self._index]) / total
