"""What an interceptor remembers of one server: its queues, its speed for each model, and how it behaved."""

from __future__ import annotations

import math
from typing import Final

from rilaas.balance.marginal_cost.crowd import Crowd
from rilaas.balance.marginal_cost.estimate import Mean
from rilaas.balance.marginal_cost.queue import Queue
from rilaas.balance.protocol import LoadReport

SHARED: Final = ""  # the key of slots that all models share
UP_SHARE = 0.65  # of the time outside the server: images go up, and small answers come down
_FIRST_SLOTS = 2  # believed of a server that does not say
MOST_SLOTS = 64
_SETTLED = 6  # answers before their scatter is believed
_FIRST_THETA = 0.1
_NO_SLACK_S = 10.0  # where nothing is known
_WAITED_S = 0.002  # a reported wait of more than this was a wait
_RISES = 0.003  # per answer: how the usual time follows a mean that is above it
_SLOWED = 1.4  # times longer than usual: it became slow
_FIRST_PATIENCE_S = 4.0  # before a slow server is tried again; doubles
_LAST_PATIENCE_S = 32.0
_FAILURES = 2  # in a row, before the server is left alone
_FIRST_REST_S = 4.0
_LAST_REST_S = 32.0


class Speed:
    """How long one model takes on one server.

    Attributes:
        service: Of the time in the model [s].
        network: Of the rest of a round trip, without waiting [s].
        usual_s: What both take together when the server is well [s]: the mean, but slow to rise.
        at_s: When the last answer came [s].
    """

    __slots__ = ("at_s", "network", "service", "usual_s")

    def __init__(self) -> None:
        self.service = Mean()
        self.network = Mean()
        self.usual_s = math.inf
        self.at_s = 0.0

    def add(self, service_s: float, network_s: float) -> None:
        """Learn from one answer."""
        self.service.add(service_s)
        self.network.add(network_s)
        if self.service.is_sure:
            total = self.service.value + self.network.value
            rise = 0.0 if math.isinf(self.usual_s) else _RISES * (total - self.usual_s)
            self.usual_s = min(total, self.usual_s + rise)

    @property
    def slowed(self) -> float:
        """How many times longer it takes than usual; 1 as long as nobody is sure what is usual."""
        is_known = self.service.count > 0 and not math.isinf(self.usual_s)
        return (self.service.value + self.network.value) / self.usual_s if is_known else 1.0

    @property
    def down_s(self) -> float:
        """How long answers come down [s]; 0 where nothing is known."""
        return (1.0 - UP_SHARE) * self.network.value if self.network.count else 0.0

    def hope(self) -> None:
        """Take it for as fast as usual, until the next answer says otherwise."""
        factor = self.slowed
        for mean in (self.service, self.network):
            mean.scale(1.0 / factor)
            mean.count = 1

    @property
    def slack_s(self) -> float:
        """How long after its expected end an answer is not yet late [s]: 4 to 10 deviations, and a quarter."""
        if self.service.count == 0:
            return _NO_SLACK_S
        noise = math.hypot(self.service.deviation, self.network.deviation)
        total = self.service.value + self.network.value
        return (4.0 + 6.0 * min(noise / total, 1.0)) * noise + 0.25 * total


class Server:
    """One server.

    Attributes:
        speeds: By model.
        queues: By model, or one under ``SHARED``.
        slots: As reported or estimated.
        crowd: What others have there.
        resting_until_s: It failed, and is left alone until then.
        on_trial: It failed or was slow: one request at a time until one is answered.
        theta: Squared coefficient of variation of service times, over all models, 0 to 1.
        slack_s: How long after its expected end an answer is not yet late [s].
        again_s: When a slow server is taken for as fast as usual once more [s].
    """

    __slots__ = (
        "_failures",
        "_patience_s",
        "_rest_s",
        "_told",
        "again_s",
        "crowd",
        "on_trial",
        "queues",
        "resting_until_s",
        "slack_s",
        "slots",
        "speeds",
        "tells_slots",
        "theta",
    )

    def __init__(self) -> None:
        self.speeds: dict[str, Speed] = {}
        self.queues: dict[str, Queue] = {}
        self.slots: dict[str, int] = {SHARED: _FIRST_SLOTS}
        self.tells_slots = False
        self._told: object = None
        self.crowd = Crowd()
        self.resting_until_s = -math.inf
        self.on_trial = False
        self.theta, self.slack_s = _FIRST_THETA, _NO_SLACK_S
        self.again_s = math.inf
        self._patience_s = _FIRST_PATIENCE_S
        self._failures = 0
        self._rest_s = _FIRST_REST_S

    def station(self, model: str) -> str:
        """The key of the queue in which requests of a model wait."""
        return SHARED if SHARED in self.slots else model

    def slots_of(self, key: str) -> int:
        """How many inferences a queue's key runs at once."""
        return self.slots.get(key, _FIRST_SLOTS)

    def speed(self, model: str) -> Speed:
        """How long a model takes here."""
        speed = self.speeds.get(model)
        if speed is None:
            speed = self.speeds[model] = Speed()
        return speed

    def settle(self) -> None:
        """Make ``theta`` and ``slack_s`` from the speeds, after they have changed."""
        count, total = 0, 0.0
        for speed in self.speeds.values():
            mean = speed.service
            if mean.count > 1 and mean.value > 0.0:
                count += mean.count
                total += mean.count * mean.variance / mean.value**2
        self.theta = min(total / count, 1.0) if count >= _SETTLED else _FIRST_THETA
        self.slack_s = max((speed.slack_s for speed in self.speeds.values()), default=_NO_SLACK_S)

    def heard(self, report: LoadReport) -> bool:
        """It says how many slots it has. Returns whether the layout of its queues is another now."""
        if not report.slots or report.slots is self._told:
            return False
        self._told = report.slots
        told = {model: min(max(1, slots), MOST_SLOTS) for model, slots in report.slots.items()}
        changed = (SHARED in told) != (SHARED in self.slots)
        self.slots, self.tells_slots = told, True
        for key, queue in self.queues.items():
            if queue.slots != (slots := told.get(key, queue.slots)):
                queue.resize(slots)
        return changed

    def guess_slots(self, queue: Queue, found: int, queue_s: float) -> None:
        """Learn the slots from a request that found so many others on the server: it waited, or it did not.

        Without a wait there is a slot for it and each of them; with one, there are no more slots than others.
        """
        if queue_s <= _WAITED_S and found + 1 > queue.slots:
            queue.resize(min(found + 1, MOST_SLOTS))
        elif queue_s > _WAITED_S and 0 < found < queue.slots:
            queue.resize(found)

    def failed(self, now: float, *, silent: bool) -> None:
        """A request was refused or got lost, or there was no answer at all."""
        if now < self.resting_until_s and not silent:
            return  # sent before it was left alone: the same fault
        self._failures += 1
        if self._failures >= _FAILURES or self.on_trial:
            self.resting_until_s = now + self._rest_s
            self._rest_s = min(2.0 * self._rest_s, _LAST_REST_S)
            self.on_trial = True

    def answered(self) -> None:
        """It answered."""
        self._failures = 0
        self.on_trial = False
        self._rest_s = _FIRST_REST_S

    def scale_others(self, speed: Speed, factor: float) -> None:
        """One model's time has changed by a factor, and so the others' probably have."""
        for other in self.speeds.values():
            if other is not speed:
                other.service.scale(factor)

    @property
    def is_doubted(self) -> bool:
        """Whether it takes much longer than usual."""
        return any(speed.slowed > _SLOWED for speed in self.speeds.values())

    def look_again(self, now: float) -> bool:
        """Set the time at which a slow server is tried again. Returns whether it is slow."""
        if not self.is_doubted:
            self.again_s, self._patience_s = math.inf, _FIRST_PATIENCE_S
            return False
        self.again_s = now + self._patience_s
        return True

    def hope(self) -> None:
        """Take it for as fast as usual: one request at a time will tell, and the next time is later."""
        for speed in self.speeds.values():
            if speed.service.count:
                speed.hope()
        self.on_trial = True
        self.again_s = math.inf
        self._patience_s = min(2.0 * self._patience_s, _LAST_PATIENCE_S)
