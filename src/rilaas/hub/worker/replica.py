"""Replicas of variants for jobs: started apart from everything else, kept warm for a minute."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rilaas.core import ModelFailed, NotFound, Prediction, Tensors
from rilaas.hub.blob_store import home, model_blobs
from rilaas.hub.models import Variant
from rilaas.hub.worker.work import StopWork, Work
from rilaas.serve.policy import ReplicaPolicy, replica_policy
from rilaas.store import Limits, read_model_folder, unpack

_log = logging.getLogger("rilaas.hub.worker")

WARM_S = 60.0
_MAX_WARM = 2
_LOOK_S = 0.05
MAX_ANSWER_S = 600.0  # whatever a manifest allows: a model that hangs keeps no lane of the worker for a day
_MAX_DEATHS = 3  # in a row, before a model is given up


@dataclass(slots=True)
class _Held:
    """A replica that answers."""

    key: tuple[str, int]  # digest of the variant, and for whom it was started
    policy: ReplicaPolicy
    stack: ExitStack
    until: float = 0.0

    @property
    def is_alive(self) -> bool:
        return self.policy.launched.process.poll() is None


class WarmReplicas:
    """Replicas that are kept for the next job of the same variant and the same person.

    A model's code may keep what it was sent; what one person sends is not to be in an answer for another.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[_Held] = []

    def take(self, key: tuple[str, int]) -> _Held | None:
        """One that is warm, for the caller alone; None where there is none."""
        with self._lock:
            for held in self._held:
                if held.key == key:
                    self._held.remove(held)
                    break
            else:
                return None
        if held.is_alive:
            return held
        held.stack.close()
        return None

    def keep(self, held: _Held) -> None:
        """Keep one for a while."""
        held.until = time.monotonic() + WARM_S
        with self._lock:
            self._held.append(held)
            extra = self._held[:-_MAX_WARM]
            self._held = self._held[-_MAX_WARM:]
        for old in extra:
            old.stack.close()

    def drop_old(self) -> None:
        """End those that nobody asked for any more."""
        now = time.monotonic()
        with self._lock:
            old = [held for held in self._held if held.until < now]
            self._held = [held for held in self._held if held.until >= now]
        for held in old:
            held.stack.close()

    def close(self) -> None:
        """End all."""
        with self._lock:
            held, self._held = self._held, []
        for each in held:
            each.stack.close()


WARM = WarmReplicas()


class Asked:
    """A variant's model during one job; started again where its process died."""

    def __init__(self, work: Work, variant: Variant) -> None:
        self._work, self._variant = work, variant
        self._held: _Held | None = None
        self._deaths = 0
        self.signature = self._ready().policy.signature

    def predict(self, inputs: Tensors) -> Prediction:
        """Ask the model, which remembers nothing of earlier questions; see ``go_on``."""
        self.reset()
        return self.go_on(inputs)

    def reset(self) -> None:
        """The model forgets everything; one whose process died is started again.

        Raises:
            StopWork: The attempt is to end.
            RilaasError: It cannot be loaded.
        """
        self._ready().policy.reset()

    def go_on(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """Ask the model, which remembers what it was asked since ``reset``.

        Raises:
            StopWork: The attempt is to end; the model was broken off.
            RilaasError: See ``ReplicaPolicy.predict``.
        """
        held = self._ready()
        with self._work.ended_by(lambda: held.policy.launched.stop(0.0)):
            try:
                answer = held.policy.predict(inputs, deadline_s=deadline_s)
            except ModelFailed:
                if not held.is_alive:
                    self._work.check()
                    self._deaths += 1
                    self._work.say(f"The model's process ended ({self._deaths}).")
                    self._drop()
                raise
        self._deaths = 0
        return answer

    @property
    def is_given_up(self) -> bool:
        """Whether its process ended several times in a row."""
        return self._deaths >= _MAX_DEATHS

    def close(self) -> None:
        """Keep the replica warm, where it is well."""
        held, self._held = self._held, None
        if held is not None and held.is_alive and not self._work.why_stopped:
            WARM.keep(held)
        elif held is not None:
            held.stack.close()

    def _drop(self) -> None:
        if self._held is not None:
            self._held.stack.close()
        self._held = None

    def _ready(self) -> _Held:
        if self._held is None:
            self._held = WARM.take(_key(self._work, self._variant)) or _started(self._work, self._variant)
        return self._held


@contextmanager
def asked(work: Work, variant: Variant) -> Iterator[Asked]:
    """A variant's model for the time of a ``with``; ``version.model`` of the variant is loaded.

    Raises:
        RilaasError: It cannot be loaded, for its own reason.
        StopWork: The attempt is to end.
    """
    model = Asked(work, variant)
    try:
        yield model
    finally:
        model.close()


def _limits(folder: Path) -> Limits:
    limits = read_model_folder(folder).manifest.limits
    return replace(limits, answer_s=min(limits.answer_s, MAX_ANSWER_S))


def _started(work: Work, variant: Variant) -> _Held:
    """Start a replica; a job that is stopped meanwhile does not wait for it."""
    folder = unpacked(variant)
    work.say(f"Starting {variant.version.model}:{variant.revision}.")
    stack, done = ExitStack(), threading.Event()
    got: list[ReplicaPolicy] = []
    wrong: list[BaseException] = []

    def start() -> None:
        try:
            got.append(stack.enter_context(replica_policy(folder, limits=_limits(folder))))
        except BaseException as error:  # handed on to the job's thread
            wrong.append(error)
        finally:
            done.set()

    began = time.monotonic()
    threading.Thread(target=start, name="starts a replica", daemon=True).start()
    try:
        while not done.wait(_LOOK_S):
            work.check()
    except StopWork:
        threading.Thread(target=_close_later, args=(done, stack), daemon=True).start()
        raise
    if wrong:
        raise wrong[0]
    policy = got[0]
    work.say(f"It answers after {time.monotonic() - began:.1f} s. Isolation: {policy.launched.isolation}.")
    return _Held(_key(work, variant), policy, stack)


def _key(work: Work, variant: Variant) -> tuple[str, int]:
    return variant.digest, work.owner.pk


def _close_later(done: threading.Event, stack: ExitStack) -> None:
    done.wait()
    stack.close()


def unpacked(variant: Variant) -> Path:
    """The model folder of a variant."""
    folder = home() / "unpacked" / variant.digest.removeprefix("sha256:") / str(variant.manifest["name"])
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            archive = model_blobs().path(variant.archive_sha256)
        except NotFound:
            raise NotFound(f"The files of {variant.version.model}:{variant.revision} are gone.") from None
        unpack(archive, folder, digest=variant.digest)
    os.utime(folder.parent)  # the cleaning removes what was not used for a day
    return folder
