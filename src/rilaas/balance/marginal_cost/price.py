"""The learned price of a placement: a small network, shared by all servers and models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rilaas.balance.learned_file import read_learned
from rilaas.balance.marginal_cost.feature import NAMES, ORDER, VERSION
from rilaas.core import InvalidInput

Floats = NDArray[np.float64]
KIND = "marginal_cost"
SHIPPED = Path(__file__).with_name("price.npz")
LAYERS = ("w1", "b1", "w2", "b2", "w3", "b3")


class Price:
    """``max(0, w3 relu(w2 relu(w1 x + b1) + b2) + b3)``: later requests' lost time per second of service placed.

    Args:
        layers: Weights (F, H), (H, H), (H, 1) and biases (H,), (H,), (1,), float64, by the names of ``LAYERS``.
        card: Where they come from.

    Raises:
        InvalidInput: The shapes do not fit, or the network was trained on other features.
    """

    def __init__(self, layers: Mapping[str, Floats], card: Mapping[str, Any]) -> None:
        self.card = dict(card)
        if card.get("features") != VERSION:
            raise InvalidInput(
                f"This price was trained on version {card.get('features')} of the features, not on {VERSION}.",
                "Train it again: rilaas learn balancer --policy marginal_cost.",
            )
        missing = [name for name in LAYERS if name not in layers]
        if missing:
            raise InvalidInput(f"The price has no {', '.join(missing)}; it is not one of marginal_cost.")
        w1, b1, w2, b2, w3, b3 = (np.asarray(layers[name], np.float64) for name in LAYERS)
        width = b1.size
        shapes = [each.shape for each in (w1, b1, w2, b2, w3, b3)]
        wanted = [(len(NAMES), width), (width,), (width, width), (width,), (width, 1), (1,)]
        if shapes != wanted:
            raise InvalidInput(f"The price's layers have shapes {shapes}; they should have {wanted}.")
        # Transposed, with the biases as the weights of a row of ones.
        self._first = np.concatenate([w1[list(ORDER)], b1[None]]).T.copy()
        self._second = np.concatenate([w2, b2[None]]).T.copy()
        self._third = np.concatenate([w3, b3[None]])[:, 0].copy()

    def __call__(self, x: Floats) -> Floats:
        """Price of each column of a view's inputs (F + 1, N): (N,) dimensionless, at least 0."""
        hidden = np.ones((len(self._third), x.shape[1]))
        np.matmul(self._first, x, out=hidden[:-1])
        np.maximum(hidden, 0.0, out=hidden)
        hidden[:-1] = self._second @ hidden
        np.maximum(hidden, 0.0, out=hidden)
        price: Floats = self._third @ hidden
        return np.maximum(price, 0.0, out=price)


def read_price(path: Path = SHIPPED) -> Price:
    """The price in a file that ``rilaas learn balancer`` wrote; the one that comes with rilaas by default.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not a price, or not one for these features.
    """
    arrays, card = read_learned(path, KIND)
    return Price(arrays, card)
