"""Transitions of agents whose rewards come late.

A request's latency is known when its answer is there, and by then its agent has made other decisions. So (s, a) is
kept until the answer arrives, and s' is the state at the next decision of the same agent, whichever comes first. A
learner that instead took the newest state and the newest answer would credit one server with another's latency.
"""

from __future__ import annotations

from dataclasses import dataclass

from rilaas.balance.counted_state import Counts
from rilaas.balance.protocol import Outcome, Request

FAILED_S = 10.0  # a failed attempt counts as at least this long, else a server that fails at once would look fast
_FORGET_ABOVE = 65_536  # decisions without an outcome; an interceptor has far fewer requests in flight


def reward_of(outcome: Outcome) -> float | None:
    """-(1 + L)^2 of the latency L in seconds (RILaaS, eq. 1); None where the client took its request back."""
    if outcome.status == "cancelled":
        return None
    latency_s = outcome.latency_s if outcome.status == "ok" else max(outcome.latency_s, FAILED_S)
    return -((1.0 + latency_s) ** 2)


@dataclass(slots=True)
class Decision:
    """One step of an agent.

    Attributes:
        request: What was asked for; identifies the step.
        state: s, what the agent saw.
        action: a, the number of the server that it chose.
        reward: r; None until the answer is there.
        following: s', what it saw at its next decision; None until there is one.
    """

    request: Request
    state: Counts
    action: int
    reward: float | None = None
    following: Counts | None = None


class DelayedRewards:
    """Decisions that wait for their answer or for the next decision, of all agents."""

    def __init__(self) -> None:
        self._unanswered: dict[int, Decision] = {}
        self._latest: dict[str, Decision] = {}

    def decided(self, request: Request, state: Counts, action: int) -> Decision | None:
        """An agent, that of the request's model, has decided.

        Returns:
            Its decision before this one, if that is now complete.
        """
        if len(self._unanswered) >= _FORGET_ABOVE:
            self.clear()
        decision = Decision(request, state, action)
        before = self._latest.get(request.model)
        self._latest[request.model] = self._unanswered[id(request)] = decision
        if before is None:
            return None
        before.following = state
        return before if before.reward is not None else None

    def ended(self, outcome: Outcome) -> Decision | None:
        """An attempt has ended.

        Returns:
            The decision that led to it, if that is now complete; None for outcomes that nobody here decided on.
        """
        decision = self._unanswered.get(id(outcome.request))
        if decision is None or decision.request is not outcome.request:
            return None
        del self._unanswered[id(outcome.request)]
        decision.reward = reward_of(outcome)
        return decision if decision.reward is not None and decision.following is not None else None

    def clear(self) -> None:
        """Forget what is open: what comes next does not follow from it."""
        self._unanswered.clear()
        self._latest.clear()
