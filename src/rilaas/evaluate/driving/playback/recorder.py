"""Recordings of a run in a folder, written while episodes come: memory holds one film at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from rilaas.core import InvalidInput, did_you_mean
from rilaas.evaluate.driving.judge.scored_episode import ScoredEpisode
from rilaas.evaluate.driving.playback.recording import Origin, record
from rilaas.report import Report
from rilaas.report.playback import SUFFIX, Recording, read_recording, to_page, write_recording

FORMATS = ("mcap", "rrd")
"""What a recording can be exported to besides its own file and its page."""

_SCORES = ("driving_score", "driven_lane_m")  # the first that an episode has says how bad it was
_NAME_BYTES, _SEED_DIGITS = 120, 40  # of a file's name
_Export = Callable[[Recording, Path], None]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which episodes to keep.

    Attributes:
        worst: So many of the worst; None for all.

    Example:
        >>> Choice.parse("worst:3")
        Choice(worst=3)
    """

    worst: int | None

    @classmethod
    def parse(cls, text: str) -> Choice:
        """Read ``all`` or ``worst:COUNT``.

        Raises:
            InvalidInput: It is something else.
        """
        if text == "all":
            return cls(None)
        mode, _, count = text.partition(":")
        if mode == "worst" and count.isdecimal() and int(count) > 0:
            return cls(int(count))
        raise InvalidInput(
            f"{text!r} does not say which episodes to record.", did_you_mean(text, ("all", "worst:COUNT"))
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording on the disk.

    Attributes:
        scenario: Of its episode.
        seed: Of its episode.
        index: The episode's place in the suite's run, from 0.
        badness: Sorts the worst first.
        path: Its file; the page and the exports lie beside it.
    """

    scenario: str
    seed: int
    index: int
    badness: tuple[bool, bool, float]
    path: Path

    def beside(self, suffix: str) -> Path:
        """A file of the same episode with another suffix, such as ``.html``."""
        return self.path.with_name(self.path.name.removesuffix(SUFFIX) + suffix)


class Recorder:
    """Writes what ``run_suite`` gives to ``on_episode``.

    Args:
        folder: Where to; it is made. Files of the same names are replaced.
        choice: Which episodes stay.
        origin: What all of them share.
        formats: Some of ``FORMATS``.

    Raises:
        InvalidInput: The folder cannot be made, or a format is unknown.
        MissingDependency: A format's package is not installed: told before anything is driven.
    """

    def __init__(self, folder: Path, choice: Choice, origin: Origin, formats: tuple[str, ...] = ()) -> None:
        self._folder, self._choice, self._origin = folder, choice, origin
        self._exports = {name: _export(name) for name in formats}
        self._kept: list[Kept] = []
        self._count = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInput(f"The folder {folder} cannot be made: {error.strerror}.") from None

    @property
    def kept(self) -> list[Kept]:
        """What lies in the folder now, in the order of the run."""
        return sorted(self._kept, key=lambda each: each.index)

    def add(self, episode: ScoredEpisode) -> None:
        """An episode is done: keep it if it is among the worst, and drop what is not any more.

        Raises:
            InvalidInput: The file cannot be written.
        """
        index, self._count = self._count, self._count + 1
        result, worst = episode.result, self._choice.worst
        if not len(result.t_s) or (worst is not None and not result.is_scored):
            return
        badness = _badness(episode)
        if worst is not None and len(self._kept) >= worst:
            best = max(self._kept, key=lambda each: (each.badness, each.index))
            if badness >= best.badness:
                return
            self._kept.remove(best)
            best.path.unlink(missing_ok=True)
        name = _file_name(result.scenario.name, result.seed)
        taken = {each.path.name for each in self._kept}
        while f"{name}{SUFFIX}" in taken:  # two worlds of one name
            name = f"{name}-{index}"
        kept = Kept(result.scenario.name, result.seed, index, badness, self._folder / f"{name}{SUFFIX}")
        _write(kept.path, write_recording(record(episode, self._origin)))
        self._kept.append(kept)

    def finish(self, report_path: Path | None = None) -> None:
        """Write a page for each recording, and the exports.

        Args:
            report_path: The report's page, which the pages lead back to; None where there is none.

        Raises:
            InvalidInput: A file cannot be written.
        """
        back = "" if report_path is None else _link(report_path, self._folder)
        for each in self.kept:
            recording = read_recording(each.path.read_bytes())
            _write(each.beside(".html"), to_page(recording, back=back).encode())
            for name, export in self._exports.items():
                export(recording, each.beside(f".{name}"))

    def linked(self, report: Report, report_path: Path) -> Report:
        """The report with links from its episodes to their pages.

        Args:
            report: Of the run.
            report_path: Where its page will lie.
        """
        links: Mapping[int, str] = {
            each.index: _link(each.beside(".html"), report_path.parent) for each in self._kept
        }
        return replace(
            report,
            episodes=tuple(
                replace(episode, link=links.get(index, "")) for index, episode in enumerate(report.episodes)
            ),
        )

    def files(self) -> Iterator[Path]:
        """What was written, recording by recording."""
        for each in self.kept:
            yield from (path for path in (each.path, each.beside(".html")) if path.is_file())
            yield from (each.beside(f".{name}") for name in self._exports)


def check_formats(formats: Iterable[str]) -> None:
    """See whether recordings can be exported, before anything is driven.

    Raises:
        InvalidInput: A format is unknown.
        MissingDependency: Its package is not installed.
    """
    for name in formats:
        _export(name)


def _file_name(scenario: str, seed: int) -> str:
    """What a disk takes as a name: no separators, and with all suffixes less than 255 bytes."""
    words = re.sub(r"[^\w.-]+", "-", scenario).encode()[:_NAME_BYTES].decode(errors="ignore")
    return f"{words}-{str(seed)[:_SEED_DIGITS]}"


def _badness(episode: ScoredEpisode) -> tuple[bool, bool, float]:
    """Sorts failures first, then the lowest score; an episode that cannot be scored comes last."""
    score = next((episode.scores[name] for name in _SCORES if name in episode.scores), 0.0)
    return not episode.result.is_scored, not episode.failed, score


def _export(name: str) -> _Export:
    if name == "mcap":
        from rilaas.evaluate.driving.playback.mcap_file import write_mcap

        return write_mcap
    if name == "rrd":
        from rilaas.evaluate.driving.playback.rerun_file import write_rrd

        return write_rrd
    raise InvalidInput(f"There is no format {name!r} of recordings.", did_you_mean(name, FORMATS))


def _link(target: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(target.absolute(), folder.absolute())).as_posix())


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None
