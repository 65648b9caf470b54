"""Variants in closed loop, each with its own measured latency, on the same scenarios and seeds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rilaas.cli.output import Output
from rilaas.cli.progress import SuiteProgress
from rilaas.optimize.measured import Driven
from rilaas.report import Figure
from rilaas.store import ModelFolder

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Progress, ScoredEpisode, Suite

_LATENCIES = 1000  # so many measured ones are drawn from
_SHOWN = 4  # variants whose ways are drawn side by side


@dataclass(eq=False)
class Judge:
    """Drives variants through a suite and keeps what they did.

    Attributes:
        suite: What they are put through.
        output: Where progress goes.
        threads: Of each variant.
    """

    suite: Suite
    output: Output
    threads: int = 1
    _episodes: dict[str, list[ScoredEpisode]] = field(default_factory=dict)

    def __call__(self, name: str, folder: ModelFolder, total_s: NDArray[np.float64]) -> Driven:
        """Drive one.

        Args:
            name: What it is called.
            folder: The variant.
            total_s: (N,) measured times of its whole policy, from which its latency in the world is drawn [s].
        """
        from rilaas.evaluate.driving import Latency, run_suite
        from rilaas.infer import load

        progress, episodes = SuiteProgress(self.suite, self.output), self._episodes.setdefault(name, [])
        episodes.clear()

        def on_episode(done: Progress) -> None:
            episodes.append(done.episode)
            progress.episode(done)

        latency = Latency.drawn(total_s[:_LATENCIES])
        self.output.talk(f"{name} drives {self.suite.name}, latency {latency.text}")
        report = run_suite(
            load(folder, threads=self.threads),
            self.suite,
            latency=latency,
            on_episode=on_episode,
            on_frame=progress.frame,
        )
        if len(episodes) < len(self.suite.scenarios):
            raise KeyboardInterrupt
        names = [key for key, metric in report.metrics.items() if metric.n]
        scores = {key: np.array([each.scores.get(key, np.nan) for each in episodes]) for key in names}
        return Driven(
            name,
            scores,
            {key: report.metrics[key].unit for key in names},
            scores.get("inference_frequency_hz", np.full(len(episodes), np.nan)),
            {f"{each.result.scenario.name}, seed {each.result.seed}": each.result.poses for each in episodes},
            suite=f"{self.suite.name} ({self.suite.digest})",
        )

    def trajectories(self, names: list[str]) -> Figure | None:
        """The ways of some variants side by side: of the map on which they differ most, one panel each."""
        from rilaas.evaluate.driving.judge.drawing import Panel, Trace, draw_maps

        shown = [name for name in names if self._episodes.get(name)][:_SHOWN]
        if not shown:
            return None
        town = _most_different([self._episodes[name] for name in shown])
        panels = []
        for name in shown:
            part = [each for each in self._episodes[name] if each.tile_map.name == town]
            failed = sum(each.failed for each in part)
            ways = [Trace(each.result.poses, each.failed, f"{name}, seed {each.result.seed}") for each in part]
            panels.append(Panel(part[0].tile_map, ways, f"{name}: {len(part)} driven, {failed} failed"))
        return Figure(
            "Ways of the variants side by side",
            draw_maps(panels),
            "image/svg+xml",
            f"The map {town} from above, once for each of {', '.join(shown)}, with the ways that it drove.",
            f"The same scenarios and seeds on {town}, where they differ most; red are failures and stretches out of "
            "lane.",
        )


def _most_different(driven: list[list[ScoredEpisode]]) -> str:
    """The map on which the driving scores of several variants are furthest apart."""
    spread: dict[str, float] = {}
    for together in zip(*driven, strict=False):
        scores = [each.scores.get("driving_score", 0.0) for each in together]
        town = together[0].tile_map.name
        spread[town] = max(spread.get(town, 0.0), max(scores) - min(scores))
    return max(spread, key=lambda town: spread[town])
