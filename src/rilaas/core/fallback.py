"""A policy that never leaves the robot without an answer."""

from __future__ import annotations

import time
from dataclasses import replace

from rilaas.core.errors import DeadlineExceeded, RateLimited, SignatureMismatch, Unavailable
from rilaas.core.policy import Policy, Prediction, Tensors
from rilaas.core.signature import Signature


class Fallback:
    """Ask ``primary``; where it cannot answer in time, ask ``backup``.

    Only trouble of the way is caught (unavailable, too late, rate limited): a wrong tensor or a refused robot
    is told, for it would stay unnoticed otherwise. ``timing.server`` of an answer by the backup is ``fallback``.

    Args:
        primary: Usually remote.
        backup: Usually a small model on the robot.
        reserve_s: Part of the deadline that is kept for the backup [s].
    """

    def __init__(self, primary: Policy, backup: Policy, *, reserve_s: float = 0.0) -> None:
        missing = set(primary.signature.outputs) - set(backup.signature.outputs)
        if missing:
            raise SignatureMismatch(
                f"The fallback lacks the outputs {', '.join(sorted(missing))} of the policy that it stands in for."
            )
        self._primary, self._backup, self._reserve_s = primary, backup, reserve_s

    @property
    def signature(self) -> Signature:
        """That of the primary."""
        return self._primary.signature

    def predict(self, inputs: Tensors, *, deadline_s: float | None = None) -> Prediction:
        """See ``Policy.predict``."""
        start = time.monotonic()
        try:
            first = None if deadline_s is None else max(0.0, deadline_s - self._reserve_s)
            return self._primary.predict(inputs, deadline_s=first)
        except (Unavailable, DeadlineExceeded, RateLimited):
            left = None if deadline_s is None else max(0.0, deadline_s - (time.monotonic() - start))
            answer = self._backup.predict(inputs, deadline_s=left)
            total_s = time.monotonic() - start
            return Prediction(answer.tensors, replace(answer.timing, server="fallback", total_s=total_s))

    def reset(self) -> None:
        """Reset both."""
        self._primary.reset()
        self._backup.reset()
