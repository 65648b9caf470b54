"""The tile world for drivers who do not look: what is not drawn takes no time."""

import numpy as np

from rilaas.evaluate.driving import World
from rilaas.evaluate.driving.view.appearance import Appearance


class UndrawnWorld(World):
    """Moves as the tile world does; its frames are black."""

    def __init__(self, scenario):
        super().__init__(scenario, appearance=Appearance())  # the fixed look's ground is drawn once for all worlds

    def frame(self, number):
        return np.zeros((120, 160, 3), np.uint8)
