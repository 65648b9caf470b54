"""What a pass is, and what it gets to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from rilaas.core import InvalidInput
from rilaas.infer.target import Target
from rilaas.optimize.network import Network
from rilaas.optimize.samples import Samples

Tell = Callable[[float, str], None]
"""Progress of one pass: the share that is done, from 0 to 1, and what is being done in a few words."""


def silent(share: float, words: str) -> None:
    """Nobody listens."""


@dataclass(frozen=True, eq=False)
class Context:
    """What a pass gets besides the network.

    Attributes:
        target: What the variant is made for, where the pass's class says ``sees_target = True``. All others get
            onnxruntime on the CPU with as many threads: what they make serves every target, and is made once.
        original: The float network before the recipe: the teacher.
        training: See ``Data``; None where there are no data.
        calibration: See ``Data``.
        validation: See ``Data``.
        seed: Everything random is drawn from it.
        tell: Progress; call it at least once a second in long work, so that Ctrl-C and a progress line work.
    """

    target: Target
    original: Network
    training: Samples | None = None
    calibration: Samples | None = None
    validation: Samples | None = None
    seed: int = 0
    tell: Tell = field(default=silent)

    def part(self, name: str, needed_by: str) -> Samples:
        """The samples of a part.

        Args:
            name: ``training``, ``calibration`` or ``validation``.
            needed_by: Name of the pass.

        Raises:
            InvalidInput: There are none.
        """
        found: Samples | None = getattr(self, name)
        if found is None:
            raise InvalidInput(
                f"The pass {needed_by} needs {name} data, and there are none.",
                "Give recordings of what the robot saw with --dataset.",
            )
        return found


class Pass(Protocol):
    """A pure function from a network to a network; a frozen dataclass whose fields are its configuration.

    Fields are ``bool``, ``int``, ``float``, ``str`` or tuples of these, with defaults, so that TOML sets them; their
    bounds are checked in ``__post_init__`` (``InvalidInput``: what would have been right). The docstring names the
    source of the method and the unit of each field.

    Attributes:
        name: As recipes write it: ``family.method``, such as ``quantize.static``.
        needs: Which parts of the data it needs: of ``training``, ``calibration``, ``validation``.
        version: Raised when its result changes for the same input, so that nobody gets an old one from the cache.
    """

    name: ClassVar[str]
    needs: ClassVar[frozenset[str]]
    version: ClassVar[int]

    def apply(self, network: Network, context: Context) -> Network:
        """The new network; the given one stays as it is. The same arguments give the same bytes.

        Raises:
            InvalidInput: The configuration does not fit the network; it says what would.
            MissingDependency: A package is not installed.
            ModelFailed: It diverged: a loss or a weight is not finite, or the result does not compute.
        """
        ...


def check_share(name: str, value: float, *, low: float = 0.0, high: float = 1.0) -> None:
    """Raise ``InvalidInput`` where a field of a pass is not within its bounds."""
    if not low <= value <= high:
        raise InvalidInput(f"{name} = {value:g} is not within {low:g} and {high:g}.")
