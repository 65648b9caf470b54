"""What a suite's report shows: ways on their maps, camera frames, scores, infractions, round trips."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import cv2
import numpy as np

from rilaas.evaluate.driving.judge.drawing import Panel, Trace, draw_maps
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode, round_trips
from rilaas.evaluate.driving.objective.score import METRICS
from rilaas.report import Figure, distance_chart, infraction_chart, latency_chart, score_chart

SCORE = "driving_score"

_STRIP_GAP_PX = 3
_STRIP_GREY = 120  # where an episode has fewer frames: neither theme's background
_STRIP_QUALITY = 88


def figures(
    episodes: Sequence[ScoredEpisode],
    by_map: Mapping[str, Sequence[ScoredEpisode]],
    reference_m: Mapping[tuple[str, int], float] | None,
    deadline_s: float | None = None,
) -> Iterator[Figure]:
    """The pictures of a report.

    Args:
        episodes: All of them.
        by_map: The same by the name of their map.
        reference_m: What somebody else drove [m], by scenario and seed.
        deadline_s: After which an answer was lost [s]; None where nothing was.
    """
    if by_map:
        yield _map_figure(by_map)
    if strip := _strip(by_map):
        yield strip
    scored = [episode for episode in episodes if episode.result.is_scored]
    if scored:
        reference = [episode.reference(reference_m) for episode in scored] if reference_m else None
        rows = [episode.row for episode in scored]
        if any(SCORE in row.metrics for row in rows):
            yield score_chart(rows, metric=SCORE, unit=METRICS[SCORE].unit)
        yield distance_chart(rows, reference=reference)
    if counts := infraction_counts(episodes):
        yield infraction_chart(counts, len(scored))
    if by_server := round_trips(episodes):
        yield latency_chart(by_server, deadline_s=deadline_s)


def infraction_counts(episodes: Sequence[ScoredEpisode]) -> dict[str, Counter[str]]:
    """How often each kind of rule was broken, by kind and scenario."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for episode in episodes:
        for infraction in episode.infractions:
            counts[infraction.kind][episode.result.scenario.name] += 1
    return dict(counts)


def _map_figure(by_map: Mapping[str, Sequence[ScoredEpisode]]) -> Figure:
    panels = []
    for name, part in by_map.items():
        ways = [
            Trace(
                poses=e.result.poses,
                failed=e.failed,
                label=f"{e.result.scenario.name}, seed {e.result.seed}: {e.result.status}",
                actors=e.result.actors,
                signals=e.result.signals,
                infractions=e.infractions,
            )
            for e in part
        ]
        failed = sum(episode.failed for episode in part)
        panels.append(Panel(part[0].tile_map, ways, f"{name}: {len(part)} driven, {failed} failed"))
    alt = f"Maps from above with the ways that were driven. {'; '.join(panel.title for panel in panels)}."
    caption = "Each episode's way from its dot to the robot's body; red are failures and stretches out of lane."
    if any(episode.infractions for part in by_map.values() for episode in part):
        caption += " A red diamond is where a rule was broken, its letter says which."
    return Figure("Ways driven", draw_maps(panels), "image/svg+xml", alt, caption)


def _strip(by_map: Mapping[str, Sequence[ScoredEpisode]]) -> Figure | None:
    """Camera frames in rows, one row for each map: of its worst episode."""
    rows, told = [], []
    for name, part in by_map.items():
        worst = min(part, key=lambda e: (not e.failed, e.scores.get(SCORE, e.scores.get("driven_lane_m", 0.0))))
        if worst.result.frames:
            rows.append([frame for _, frame in worst.result.frames])
            stamps = ", ".join(f"{t_s:.0f}" for t_s, _ in worst.result.frames)
            scenario = worst.result.scenario.name
            where = name if scenario == name else f"{name} ({scenario})"
            told.append(f"{where}, seed {worst.result.seed}, at {stamps} s")
    if not rows:
        return None
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    gap = _STRIP_GAP_PX
    sheet = np.full((len(rows) * (height + gap) - gap, columns * (width + gap) - gap, 3), _STRIP_GREY, np.uint8)
    for j, row in enumerate(rows):
        for i, frame in enumerate(row):
            y, x = j * (height + gap), i * (width + gap)
            sheet[y : y + height, x : x + width] = frame
    data = cv2.imencode(".jpg", sheet[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, _STRIP_QUALITY])[1].tobytes()
    alt = f"{sum(map(len, rows))} camera frames."
    return Figure("What the robot saw", data, "image/jpeg", alt, f"Worst episode on each map: {'; '.join(told)}.")
