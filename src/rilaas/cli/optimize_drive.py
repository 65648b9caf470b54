"""Variants of ``rilaas optimize`` in closed loop, with a line for each episode."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rilaas.cli.output import Output
from rilaas.cli.progress import SuiteProgress
from rilaas.store import ModelFolder

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Suite
    from rilaas.optimize.measured import Driven


@dataclass(frozen=True, slots=True)
class Judge:
    """Drives variants through a suite.

    Attributes:
        suite: What they are put through.
        output: Where progress goes.
        threads: Of each variant.
    """

    suite: Suite
    output: Output
    threads: int = 1

    def __call__(self, name: str, folder: ModelFolder, total_s: NDArray[np.float64]) -> Driven:
        """Drive one; see ``rilaas.learn.workshop.drive``."""
        from rilaas.learn.workshop import drive

        progress = SuiteProgress(self.suite, self.output)
        self.output.progress_done()
        self.output.talk(
            f"{name} drives {self.suite.name}, with a median latency of {1e3 * np.median(total_s):.3g} ms"
        )
        return drive(
            name,
            folder,
            self.suite,
            total_s,
            threads=self.threads,
            on_episode=progress.episode,
            on_frame=progress.frame,
        )
