"""What is simulated: servers with slots, the ways to them, and what befalls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rilaas.balance.simulation.duration import LARGEST, Duration
from rilaas.core import InvalidInput, did_you_mean

KINDS = ("slow", "network", "jitter", "refuse", "silent", "leave", "join")
_WITH_VALUE = {"slow": "a factor above 0", "network": "a factor above 0", "jitter": "seconds above 0"}


@dataclass(frozen=True, slots=True)
class SimServer:
    """A server: so many inferences at once, first come, first served.

    Attributes:
        name: Unique in its cluster.
        kind: ``edge`` or ``cloud``.
        slots: Inferences at once, of all models together; or a mapping from model to the slots of a queue of its own.
        service: Model to the duration of its inference.
        network: Model to the round trip without the inference.
        upload_share: Share of ``network`` that lies before the server: images are larger than answers.
        weight: Its share where a policy uses weights.
    """

    name: str
    kind: str
    slots: int | Mapping[str, int]
    service: Mapping[str, Duration]
    network: Mapping[str, Duration]
    upload_share: float = 0.7
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in ("edge", "cloud"):
            raise InvalidInput(f"Server {self.name!r} is of kind {self.kind!r}.", "A server is 'edge' or 'cloud'.")
        stations = self.slots if isinstance(self.slots, Mapping) else {"": self.slots}
        for model, count in stations.items():
            if type(count) is not int or count < 1:  # True is no number of slots
                of = f" of model {model!r}" if model else ""
                raise InvalidInput(f"Server {self.name!r} has {count!r} slots{of}.", "It has 1 or more.")
        if not 0.0 <= self.upload_share <= 1.0:
            raise InvalidInput(f"Server {self.name!r} has an upload share of {self.upload_share}; it is 0 to 1.")
        if not 0.0 < self.weight <= LARGEST:
            raise InvalidInput(f"Server {self.name!r} has weight {self.weight}; it is above 0.")

    @property
    def slots_by_model(self) -> Mapping[str, int]:
        """As a ``LoadReport`` tells it: the key ``""`` for slots that all models share."""
        return self.slots if isinstance(self.slots, Mapping) else {"": self.slots}


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What befalls one server for a while.

    Attributes:
        at_s: When it begins [s].
        until_s: When it ends [s]; inf where it does not.
        server: Whom.
        kind: ``slow`` (inferences that begin take ``value`` times as long), ``network`` (messages that are sent take
            ``value`` times as long), ``jitter`` (the round trip varies by a further standard deviation of ``value``
            seconds), ``refuse`` (answers an error as soon as a request comes), ``silent`` (nothing gets in or out,
            and nobody is told), ``leave`` (not in the list of servers meanwhile; what it has, it finishes), ``join``
            (in the list only meanwhile).
        value: See above; the others have none.
    """

    at_s: float
    until_s: float
    server: str
    kind: str
    value: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"There is no disturbance {self.kind!r}.", did_you_mean(self.kind, KINDS))
        if not (0.0 <= self.at_s < self.until_s):
            raise InvalidInput(f"A disturbance from {self.at_s} s until {self.until_s} s: it begins, and ends later.")
        if self.kind in _WITH_VALUE and not 0.0 < self.value <= LARGEST:
            raise InvalidInput(f"The disturbance {self.kind!r} has value {self.value}: {_WITH_VALUE[self.kind]}.")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Servers that all have all models.

    Attributes:
        name: For tables.
        models: Names of the models.
        servers: In the order in which policies are given them.
        disturbances: What befalls them.
    """

    name: str
    models: tuple[str, ...]
    servers: tuple[SimServer, ...]
    disturbances: tuple[Disturbance, ...] = ()

    def __post_init__(self) -> None:
        if not self.servers:
            raise InvalidInput(f"Cluster {self.name!r} has no servers.")
        if not self.models or len(set(self.models)) != len(self.models):
            raise InvalidInput(f"Cluster {self.name!r} has models {list(self.models)}: one or more, each once.")
        names = [server.name for server in self.servers]
        if len(set(names)) != len(names):
            raise InvalidInput(f"Cluster {self.name!r} has servers {names}: each needs a name of its own.")
        for server in self.servers:
            self._check_models(server)
        for each in self.disturbances:
            if each.server not in names:
                hint = did_you_mean(each.server, names)
                raise InvalidInput(f"A disturbance befalls {each.server!r}, and there is no such server.", hint)

    def _check_models(self, server: SimServer) -> None:
        told: dict[str, Mapping[str, object]] = {"service": server.service, "network": server.network}
        if isinstance(server.slots, Mapping):
            told["slots"] = server.slots
        for what, by_model in told.items():
            for model in self.models:
                if model not in by_model:
                    raise InvalidInput(f"Server {server.name!r} says no {what} of model {model!r}.")
            for model in by_model:
                if model not in self.models:
                    raise InvalidInput(
                        f"Server {server.name!r} says {what} of an unknown model {model!r}.",
                        did_you_mean(model, self.models),
                    )
        for model in self.models:
            if server.service[model].mean_s == 0.0:
                raise InvalidInput(f"Server {server.name!r} computes model {model!r} in 0 s.", "It takes some time.")
