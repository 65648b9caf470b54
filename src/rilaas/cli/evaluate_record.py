"""``rilaas evaluate --record``: the episodes of a run as files that can be played, exported, and kept at the hub."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from rilaas.cli.config import Settings
from rilaas.cli.evaluate_simulator import TILE_WORLD
from rilaas.cli.output import Output
from rilaas.cli.policy import is_remote
from rilaas.cli.sending import send_parts
from rilaas.core import InvalidInput, ModelRef, did_you_mean
from rilaas.report import Report, provenance
from rilaas.store import Shelf, read_model_folder
from rilaas.wire import HubConnection

if TYPE_CHECKING:
    from rilaas.evaluate.driving import Latency, Progress, Suite
    from rilaas.evaluate.driving.playback.recorder import Recorder

_F = TypeVar("_F", bound=Callable[..., Any])
_FORMATS = ("mcap", "rrd")


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """What was asked for.

    Attributes:
        folder: Where recordings go.
        episodes: As ``Choice.parse`` reads it.
        formats: Formats to export to.
        rate_hz: Pictures in a second.
    """

    folder: Path
    episodes: str
    formats: tuple[str, ...]
    rate_hz: float


_OPTIONS = (
    click.option(
        "--record",
        type=click.Path(path_type=Path, file_okay=False),
        metavar="FOLDER",
        help="Write recordings of episodes, each with a page that plays it.",
    ),
    click.option(
        "--record-episodes",
        default="worst:3",
        show_default=True,
        metavar="worst:N|all",
        help="Which of them to keep.",
    ),
    click.option(
        "--record-hz",
        default=10.0,
        show_default=True,
        type=click.FloatRange(0.0, 100.0),
        metavar="N",
        help="Pictures in a second, at most.",
    ),
    click.option("--format", "record_format", default="", metavar="mcap,rrd", help="Export recordings to these too."),
)


def record_options(command: _F) -> _F:
    """Give a verb these flags; it gets ``record: RecordOptions | None``."""

    @functools.wraps(command)
    def wrapped(*args: Any, **given: Any) -> Any:
        folder, episodes = given.pop("record"), given.pop("record_episodes")
        rate_hz, formats = given.pop("record_hz"), _formats(given.pop("record_format"))
        if folder is None and formats:
            raise InvalidInput("Recordings are exported where there are some.", "Add --record FOLDER.")
        record = None if folder is None else RecordOptions(folder, episodes, formats, rate_hz)
        return command(*args, record=record, **given)

    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[return-value]


def _formats(text: str) -> tuple[str, ...]:
    formats = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for name in formats:
        if name not in _FORMATS:
            raise InvalidInput(f"Recordings are not exported to {name!r}.", did_you_mean(name, _FORMATS))
    return formats


class RunRecording:
    """The recordings of one run.

    Args:
        options: What was asked for.
        settings: Of this call.
        output: Where the talk goes.

    Raises:
        InvalidInput: The options make no sense, or the folder cannot be made.
        MissingDependency: A format's package is not installed.
    """

    def __init__(self, options: RecordOptions, settings: Settings, output: Output) -> None:
        from rilaas.evaluate.driving.playback.recorder import Choice, check_formats

        self._options, self._settings, self._output = options, settings, output
        self._choice = Choice.parse(options.episodes)
        check_formats(options.formats)
        self._recorder: Recorder | None = None

    @property
    def film_hz(self) -> float:
        """Pictures in a second."""
        return self._options.rate_hz

    def begin(self, policy: str, suite: Suite, latency: Latency, simulator: str = TILE_WORLD) -> None:
        """A run begins.

        Args:
            policy: As it was written on the command line.
            suite: What is driven.
            latency: Where latencies come from.
            simulator: Whose world it is, by its name in the registry.
        """
        from rilaas.evaluate.driving.playback.recorder import Recorder
        from rilaas.evaluate.driving.playback.recording import Origin

        seeds = sorted({scenario.seed for scenario in suite.scenarios})
        name, deadline_s = _identity(policy, self._settings), self._settings.deadline
        world = "" if simulator == TILE_WORLD else simulator
        origin = Origin(name, suite, latency.text, deadline_s, provenance(seeds), world)
        self._recorder = Recorder(self._options.folder, self._choice, origin, self._options.formats)

    def episode(self, progress: Progress) -> None:
        """After each episode."""
        if self._recorder is not None:
            self._recorder.add(progress.episode)

    def finish(self, report: Report, page: Path | None) -> Report:
        """Write pages and exports.

        Args:
            report: Of the run.
            page: Where its page will lie; None where there will be none.

        Returns:
            The report, with links to the episodes' pages where it has a page.
        """
        if self._recorder is None:
            return report
        self._recorder.finish(page)
        kept = self._recorder.kept
        size = sum(path.stat().st_size for path in self._recorder.files())
        count = f"{len(kept)} recording{'' if len(kept) == 1 else 's'}"
        self._output.talk(f"wrote {count} to {self._options.folder} ({1e-6 * size:.1f} MB)")
        if kept:
            self._output.talk(f"look at the worst: {min(kept, key=lambda each: each.badness).beside('.html')}")
        return report if page is None else self._recorder.linked(report, page)

    def send(self, hub: HubConnection, evaluation: str) -> None:
        """Send the recordings to the hub, as those of an evaluation that it keeps.

        Args:
            hub: An open connection.
            evaluation: The address of the evaluation's page.
        """
        number = evaluation.rstrip("/").rpartition("/")[2]
        for each in self._recorder.kept if self._recorder is not None else ():
            data = each.path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            send_parts(hub, each.path, sha256, len(data), self._output)
            address = f"/api/v1/evaluations/{number}/episodes/{each.index}/recording"
            hub.post(address, {"sha256": sha256, "size_bytes": len(data)})
            self._output.talk(f"its recording: {evaluation.rstrip('/')}/episodes/{each.index}")


def open_recording(options: RecordOptions | None, settings: Settings, output: Output) -> RunRecording | None:
    """The recordings of a run, where some were asked for; see ``RunRecording``."""
    return None if options is None else RunRecording(options, settings, output)


def without_links(report: Report) -> Report:
    """A report as another machine can use it: its pages do not lie there."""
    return replace(report, episodes=tuple(replace(episode, link="") for episode in report.episodes))


def _identity(text: str, settings: Settings) -> str:
    """What drives, with its version: a recording without would be of nobody."""
    if is_remote(text, settings):
        return f"{ModelRef.parse(text)} at {settings.target}"
    here = Path(text)
    folder = read_model_folder(here) if here.exists() else Shelf(settings.home).folder(ModelRef.parse(text))
    return f"{folder.manifest.name} ({folder.version})"
