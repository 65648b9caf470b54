"""Recordings of a driving model at work, with the expert's answers: data to optimize it with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rilaas.core import InvalidInput, Policy, Signature
from rilaas.evaluate.driving.episode.rollout import DRIVING_SIGNATURE
from rilaas.evaluate.driving.view.view import Frame
from rilaas.infer import load
from rilaas.infer.backends import backend_named
from rilaas.infer.hooks import read_hooks
from rilaas.learn.controls import THROTTLE_STEER_BRAKE, THROTTLE_STEERING, Array, Controls, wheels_of
from rilaas.learn.demonstration import RECORDING_SEEDS, Command, Recording, demonstrate, varied_scenario
from rilaas.store import ModelFolder, read_model_folder

MAPS = ("oval", "s_bends", "zigzag")
"""Those that our models were trained on; ``held_out_heart`` is nobody's."""
FRAMES = 5_000
LEAST_FRAMES = 300
_STREAM = 0x4EC0
_TOLERANCE = 1e-3  # of a duty cycle: float32 and rounding inside hooks
_MOST_EPISODES_A_FRAME = 0.2  # an episode that gives fewer than 5 frames is none

_PROBE = np.array([[0.5, 0.0], [0.3, 0.2], [0.55, -0.3], [0.4, 0.45], [0.25, -0.45]], np.float32)
"""Throttle and steering that the expert may answer."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedDemonstrations:
    """Frames that a model met, and what the expert would have done.

    Attributes:
        image: (N, 120, 160, 3) uint8: camera frames, RGB.
        command: (N, 2) float32: throttle and steering; see ``Command``.
        recording: (N,) int64: which episode a frame comes from.
        answers: What the network was to answer, by the names of its own outputs, (N, K) float32; {} where nobody
            knows how its numbers become wheels.
    """

    image: NDArray[np.uint8]
    command: NDArray[np.float32]
    recording: NDArray[np.int64]
    answers: Mapping[str, NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.image)

    @property
    def inputs(self) -> dict[str, NDArray[np.generic]]:
        """Fields of a data set, by name."""
        return {"image": self.image, "recording": self.recording}

    @property
    def expected(self) -> dict[str, NDArray[np.float32]]:
        """Expected outputs of a data set, by name: the robot's ``wheels``, and those of the network."""
        return {"wheels": wheels_of(self.command), **self.answers}

    def write(self, path: Path | str) -> None:
        """Write an .npz file that ``rilaas optimize --dataset`` and ``rilaas evaluate --dataset`` read.

        The same recordings give the same bytes; a frame takes 58 kB.
        """
        arrays = {f"inputs/{name}": array for name, array in self.inputs.items()}
        arrays |= {f"expected/{name}": array for name, array in self.expected.items()}
        with Path(path).open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]


def record_demonstrations(
    folder: ModelFolder | Path | str,
    *,
    frames: int = FRAMES,
    seed: int = 0,
    maps: Sequence[str] = MAPS,
    recording: Recording = Recording(expert_share=0.5, duration_s=6.0),  # noqa: B008  # frozen
    on_progress: Callable[[int, int], None] | None = None,
) -> RecordedDemonstrations:
    """Drive in the tile world, with varied looks, and let the expert say at each frame what it would do.

    The model and the expert drive in turns, so that the frames are those which the model meets, its mistakes
    included. The worlds' seeds are neither those of training nor those of suites. The same arguments give the same
    frames on the same machine.

    Args:
        folder: A model folder that takes ``image`` and gives ``wheels``; its code runs with this process's rights.
        frames: How many.
        seed: Everything random is drawn from it.
        maps: Where to drive, in turn.
        recording: How an episode is recorded, and which share of it the expert drives.
        on_progress: Called after each frame with the number of frames done and wanted.

    Raises:
        InvalidInput: It is no driving model, or too few frames or no map are asked for.
        ModelFailed: The model failed while it drove.
    """
    folder = folder if isinstance(folder, ModelFolder) else read_model_folder(folder)
    if frames < LEAST_FRAMES or not maps:
        raise InvalidInput(f"{frames} frames on {len(maps)} maps are asked for.", f"Record {LEAST_FRAMES} or more.")
    policy = load(folder)
    check_drives(folder.manifest.name, policy.signature)
    answers_of = answers_as(folder)
    rng = np.random.default_rng([seed, _STREAM])
    kept = _Kept(frames, on_progress)
    episode = 0
    while not kept.is_full:
        if episode > 20 + _MOST_EPISODES_A_FRAME * frames:
            raise InvalidInput(f"{episode} episodes gave {len(kept.images)} frames.", "Record longer episodes.")
        scenario = varied_scenario(maps[episode % len(maps)], recording.duration_s, rng, RECORDING_SEEDS)
        policy.reset()
        for frame, command in demonstrate(scenario, recording, _driver(policy), rng):
            kept.add(frame, command, episode)
            if kept.is_full:
                break
        episode += 1
    commands = np.array(kept.commands, np.float32)
    return RecordedDemonstrations(
        np.stack(kept.images), commands, np.array(kept.episodes, np.int64), answers_of(commands)
    )


def check_drives(name: str, signature: Signature) -> None:
    """Raise ``InvalidInput`` where a model is not one that drives from a camera frame."""
    for side in ("inputs", "outputs"):
        wanted, own = getattr(DRIVING_SIGNATURE, side), getattr(signature, side)
        for key, spec in wanted.items():
            if set(own) != set(wanted) or not own[key].accepts(spec.datatype, (1, *spec.shape[1:])):
                raise InvalidInput(
                    f"{name} is no driving model: its {side} are {'; '.join(map(str, own.values()))}, and one that "
                    f"drives has {spec}.",
                    "Nobody can record its data here: give recordings of what the robot saw with --dataset.",
                )


def answers_as(folder: ModelFolder) -> Callable[[Array], dict[str, Array]]:
    """How a folder's network says throttle and steering.

    Of the known ways (``learn.controls``) that one is taken which the folder's own postprocessing turns into the
    wheels that the expert means.

    Returns:
        A function from throttle and steering, (N, 2), to the network's outputs by name, (N, K); it gives {} where no
        known way fits, as the name of an output alone says nothing.
    """
    manifest = folder.manifest
    if manifest.backend == "python" or not manifest.weights:
        return lambda commands: {}
    session = backend_named(manifest.backend).open(folder.path / manifest.weights)
    postprocess = read_hooks(folder).postprocess if manifest.hooks else None
    if len(session.outputs) != 1:
        return lambda commands: {}
    ((name, spec),) = session.outputs.items()
    for controls in (THROTTLE_STEERING, THROTTLE_STEER_BRAKE):
        if spec.shape[1:] == (len(controls.names),) and postprocess is not None:
            try:
                wheels = postprocess({name: controls.encode(_PROBE)})["wheels"]
            except Exception:  # a stranger's code: it does not take this, so this is not its way
                continue
            if np.shape(wheels) == _PROBE.shape and np.abs(wheels - wheels_of(_PROBE)).max() < _TOLERANCE:
                return _named(name, controls)
    return lambda commands: {}


def _named(name: str, controls: Controls) -> Callable[[Array], dict[str, Array]]:
    return lambda commands: {name: controls.encode(commands)}


def _driver(policy: Policy) -> Callable[[Frame], Command]:
    def drive(frame: Frame) -> Command:
        left, right = policy.predict({"image": frame[None]}).tensors["wheels"][0].tolist()
        return 0.5 * (left + right), 0.5 * (right - left)

    return drive


@dataclass(slots=True, eq=False)
class _Kept:
    """Frames so far."""

    wanted: int
    on_progress: Callable[[int, int], None] | None
    images: list[Frame] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    episodes: list[int] = field(default_factory=list)

    @property
    def is_full(self) -> bool:
        return len(self.images) >= self.wanted

    def add(self, frame: Frame, command: Command, episode: int) -> None:
        self.images.append(frame)
        self.commands.append(command)
        self.episodes.append(episode)
        if self.on_progress is not None:
            self.on_progress(len(self.images), self.wanted)
