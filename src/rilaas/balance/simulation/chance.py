"""What chance decides, drawn before any policy acts: so every policy meets the same luck.

Request number i has a probability for its inference and one for its way through the network. What durations they
become depends on the server that is chosen, and on nothing else: common random numbers.
"""

from __future__ import annotations

import numpy as np

from rilaas.balance.simulation.normal import SMALLEST_U, normal_quantile

Luck = tuple[float, float, float, float, float]
"""Of a request: probability and normal quantile of its inference, the same of its network, quantile of jitter."""

_FIRST_BLOCK = 512  # the next are twice as long each


class Chance:
    """Luck by index, drawn in blocks; the same for the same seed and stream, however many are asked for.

    Args:
        seed: Of the run.
        stream: Tells what it is drawn for.
    """

    def __init__(self, seed: int, stream: int) -> None:
        self._rng = np.random.default_rng([stream, seed])
        self._drawn: list[Luck] = []

    def __getitem__(self, index: int) -> Luck:
        while index >= len(self._drawn):
            self._draw()
        return self._drawn[index]

    def _draw(self) -> None:
        u = np.clip(self._rng.random((max(_FIRST_BLOCK, len(self._drawn)), 3)), SMALLEST_U, None)
        z = normal_quantile(u)
        columns = (u[:, 0], z[:, 0], u[:, 1], z[:, 1], z[:, 2])
        self._drawn.extend(zip(*(column.tolist() for column in columns), strict=True))
