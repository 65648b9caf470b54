"""How an interceptor balances, as its configuration says.

As TOML, all of it optional::

    balancer = "least_connections"   # or NAME=FILE, with what was learned before

    [balancing]
    interceptors = 1                 # how many ask the same servers, this one included
    seed = 7                         # of policies that draw
    state = "state"                  # folder for what is learned on line; false keeps nothing
    learn = false                    # whether a trained policy goes on learning from its own outcomes
    warm_up = true                   # one inference on each model that is new on a server

    [models.lane-following]          # what protects one model's requests
    hedge_after_s = 0.05             # a second copy where no answer came so far; or "p95", the model's own
    hedge_budget = 0.05              # at most so many copies a request
    replicate = 2                    # to so many servers at once; the first answer counts
    shed = true                      # refuse what no server can answer in time
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from rilaas.balance import BALANCERS, Balancer, make_balancer
from rilaas.core import InvalidInput, did_you_mean
from rilaas.core.toml import checked_table

P95 = "p95"
MOST_COPIES = 4


@dataclass(frozen=True, slots=True)
class Protection:
    """What is done for requests of one model whose deadlines matter, at the price of extra work.

    Attributes:
        hedge_after_s: After so long without an answer another server is asked too [s]; None never.
        hedge_at_p95: After the model's own 95th percentile instead.
        hedge_budget: Extra requests by hedging, at most, a request.
        replicate: Servers that are asked at once.
        shed: Refuse at once what no server can answer in time, by the policy's own estimate.
    """

    hedge_after_s: float | None = None
    hedge_at_p95: bool = False
    hedge_budget: float = 0.05
    replicate: int = 1
    shed: bool = False

    def __post_init__(self) -> None:
        if self.hedge_after_s is not None and not 0.0 < self.hedge_after_s < math.inf:
            raise InvalidInput(f"hedge_after_s is {self.hedge_after_s}; it is a number above 0 [s], or {P95!r}.")
        if not 0.0 < self.hedge_budget <= 1.0:
            raise InvalidInput(f"hedge_budget is {self.hedge_budget}; it is above 0 and at most 1.")
        if not 1 <= self.replicate <= MOST_COPIES:
            raise InvalidInput(f"replicate is {self.replicate}; it is from 1 to {MOST_COPIES}.")
        if self.replicate > 1 and self.hedges:
            raise InvalidInput("A model is hedged or replicated, not both.", "Leave one of the two out.")

    @property
    def hedges(self) -> bool:
        """Whether a second copy may be sent."""
        return self.hedge_after_s is not None or self.hedge_at_p95

    @property
    def copies(self) -> bool:
        """Whether a request may be on several servers at once."""
        return self.hedges or self.replicate > 1


NO_PROTECTION = Protection()


@dataclass(frozen=True, slots=True)
class Balancing:
    """How requests are balanced.

    Attributes:
        spec: Name of a balancing policy, or ``NAME=FILE``.
        interceptors: How many interceptors ask the same servers, this one included.
        seed: Of policies that draw; None takes one from the operating system.
        state: Folder for what is learned on line; None keeps nothing.
        learn: Policies that were trained go on learning from their own outcomes.
        warm_up: Models that are new on a server are asked once, so that policies know them.
        models: Protection, by full name of the model.
    """

    spec: str = ""
    interceptors: int = 1
    seed: int | None = None
    state: Path | None = None
    learn: bool = False
    warm_up: bool = True
    models: Mapping[str, Protection] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.interceptors < 1:
            raise InvalidInput(f"interceptors is {self.interceptors}; this one counts, so it is at least 1.")

    def make(self, spec: str) -> Balancer:
        """A policy made as this says.

        Raises:
            InvalidInput: There is no such policy, or its file is not one of it.
            NotFound: There is no such file.
        """
        return make_balancer(spec, seed=self.seed, interceptors=self.interceptors, online=self.learn)


def check_spec(spec: str) -> None:
    """See that a policy of this name exists.

    Raises:
        InvalidInput: There is none.
    """
    name = spec.partition("=")[0]
    if name not in BALANCERS:
        raise InvalidInput(f"There is no balancing policy {name!r}.", did_you_mean(name, BALANCERS))


def read_spec(text: str, base: Path) -> str:
    """``NAME`` or ``NAME=FILE`` with the file made absolute."""
    name, equals, file = text.partition("=")
    return f"{name}={base / file}" if equals else name


def read_balancing(spec: str, table: Any, models: Any, base: Path, where: str) -> Balancing:
    """Read the tables ``[balancing]`` and ``[models]``.

    Args:
        spec: The policy.
        table: Of ``[balancing]``.
        models: Of ``[models]``.
        base: Folder at which relative paths start.
        where: What messages call the file.

    Raises:
        InvalidInput: Naming the table, the key and what would have been valid.
    """
    at = f"{where}: [balancing]"
    row = dict(checked_table(table, at, {"interceptors", "seed", "state", "learn", "warm_up"}))
    for key in ("interceptors", "seed"):
        _typed(row, key, at, (int,), "a whole number")
    for key in ("learn", "warm_up"):
        _typed(row, key, at, (bool,), "true or false")
    state = row.pop("state", "." if "=" not in spec else str(Path(spec.partition("=")[2]).parent))
    if state is not False and not isinstance(state, str):
        raise InvalidInput(f"{at}: state is {state!r}; it is a folder, or false.")
    known = checked_table(models, f"{where}: [models]")
    protections = {name: read_protection(each, f"{where}: [models.{name}]") for name, each in known.items()}
    return Balancing(spec, state=None if state is False else base / state, models=protections, **row)


def read_protection(table: Any, where: str) -> Protection:
    """Read what protects one model's requests.

    Raises:
        InvalidInput: Naming the key and what would have been valid.
    """
    row = dict(checked_table(table, where, {each.name for each in fields(Protection)} - {"hedge_at_p95"}))
    if row.get("hedge_after_s") == P95:
        row["hedge_after_s"], row["hedge_at_p95"] = None, True
    elif "hedge_after_s" in row:
        _typed(row, "hedge_after_s", where, (int, float), f"a number [s], or {P95!r}")
    _typed(row, "hedge_budget", where, (int, float), "a number from 0 to 1")
    _typed(row, "replicate", where, (int,), "a whole number")
    _typed(row, "shed", where, (bool,), "true or false")
    try:
        return Protection(**row)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.message}", error.hint) from None


def _typed(row: Mapping[str, Any], key: str, where: str, kinds: tuple[type, ...], word: str) -> None:
    value = row.get(key)
    if key in row and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        raise InvalidInput(f"{where}: {key} is {value!r}; it is {word}.")
