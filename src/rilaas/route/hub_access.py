"""The policy from the hub, in memory: a thread asks, the hub answers when something has changed.

While the hub is away the last policy stays in force, for ``max_stale_s`` after the last contact; then every robot is
refused, because a revocation may have been missed. The policy is written to disk too, so that an interceptor that
starts while the hub is away can do the same.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rilaas.core import InvalidInput, NotFound, PermissionDenied, RilaasError, Unauthenticated, Unavailable
from rilaas.route.access import Registered, SourceStatus
from rilaas.route.fleet import Fleet
from rilaas.route.policy import Policy, applied
from rilaas.route.remembered import recall, remember
from rilaas.wire import HubConnection

_log = logging.getLogger("rilaas.route")

MAX_STALE_S = 600.0
WAIT_S = 20.0  # how long the hub holds a question that has no news
FIRST_PAUSE_S, LAST_PAUSE_S = 0.1, 1.0
_REWRITE_S = 15.0  # how often the time of the last contact is written down
_PATH = "/api/v1/policy"
_EVERYTHING = -1  # an epoch that no policy has
# A question that was not answered for so long though the hub has news was lost on the way. Where asking again does
# not help, the answer is long and the way is narrow: it gets more time.
FIRST_PATIENCE_S, LAST_PATIENCE_S = 1.0, 60.0


class HubAccess:
    """The policy in force, as the hub told it last.

    Args:
        hub: The way there; closed with this. Its timeout has to be longer than ``WAIT_S``.
        name: This interceptor's name.
        max_stale_s: How long the policy stays in force without contact [s].
        memory: The file that remembers it; None remembers nothing.
    """

    def __init__(
        self, hub: HubConnection, name: str, *, max_stale_s: float = MAX_STALE_S, memory: Path | None = None
    ) -> None:
        self._hub, self._name, self._max_stale_s, self._memory = hub, name, max_stale_s, memory
        self._wait_s = min(WAIT_S, max_stale_s / 2)  # an answer without news confirms the policy too
        self._policy = Policy()
        self._confirmed = -math.inf  # when the policy was last known to be the one in force
        self._written = -math.inf
        self._problem = "the hub has not been asked yet"
        self._behind: tuple[int, float] | None = None  # our epoch, and since when the hub has had another one
        self._patience_s = FIRST_PATIENCE_S
        self._after = _EVERYTHING
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep_asking, name="rilaas-policy", daemon=True)

    def start(self) -> None:
        """Ask once, and go on asking in a thread.

        Raises:
            RilaasError: The hub refuses us. One that is away is no error: the remembered policy is in force, or
                requests are refused until the hub is there.
        """
        self._recall()
        try:
            self._ask(0.0)
        except (Unauthenticated, PermissionDenied, NotFound, InvalidInput):
            self._hub.close()
            raise
        except RilaasError as error:
            self._failed(error)
        self._thread.start()

    def close(self) -> None:
        """Ask no more."""
        self._ending.set()
        self._hub.close()
        if self._thread.ident is not None:
            self._thread.join()

    def find(self, kid: str) -> Registered | None:
        """See ``AccessSource.find``."""
        if time.monotonic() - self._confirmed > self._max_stale_s:
            raise stale(self._problem, self._max_stale_s)
        return self._policy.robots.get(kid)

    def fleet(self) -> Fleet | None:
        """See ``AccessSource.fleet``."""
        return self._policy.fleet

    def status(self) -> SourceStatus:
        """See ``AccessSource.status``."""
        return SourceStatus("hub", self._policy.epoch, time.monotonic() - self._confirmed, self._problem)

    def confirm(self, epoch: int) -> None:
        """Hear from elsewhere which epoch the hub has; where ours stays another one, the question was lost."""
        mine, now = self._policy.epoch, time.monotonic()
        if epoch == mine:
            self._behind = None
            if self._after == epoch:
                self._confirmed = now
        elif self._behind is None or self._behind[0] != mine:  # many changes a second are always ahead of us
            self._behind = (mine, now)
        elif now - self._behind[1] > self._patience_s:
            self._behind = None
            self._patience_s = min(LAST_PATIENCE_S, 2 * self._patience_s)
            self._hub.interrupt()

    def _keep_asking(self) -> None:
        pause_s = FIRST_PAUSE_S
        while not self._ending.is_set():
            try:
                self._ask(self._wait_s)
                pause_s = FIRST_PAUSE_S
            except RilaasError as error:
                self._failed(error)
            except Exception as error:  # the thread lives as long as the interceptor
                _log.exception("a bug while the policy was read")
                self._failed(RilaasError(repr(error)))
            if self._problem:
                self._ending.wait(pause_s)
                pause_s = min(LAST_PAUSE_S, 2 * pause_s)

    def _ask(self, wait_s: float) -> None:
        document = self._hub.get(_PATH, after=self._after, wait_s=wait_s, interceptor=self._name)
        self._heard(document)

    def _heard(self, document: Any) -> None:
        if not isinstance(document, Mapping) or not isinstance(document.get("epoch"), int):
            raise Unavailable("The hub's answer is no policy.", "Is the URL the hub's?")
        if document["epoch"] != self._after:
            if self._after == _EVERYTHING and document.get("full") is not True:
                raise Unavailable("The hub did not send the whole policy.")
            self._policy = applied(self._policy, document)
            self._after = self._policy.epoch
            _log.info("policy %d is in force (%d keys)", self._policy.epoch, len(self._policy.robots))
            self._written = -math.inf
        self._confirmed = time.monotonic()
        self._patience_s = FIRST_PATIENCE_S
        if self._problem:
            _log.info("the policy is confirmed by the hub")
            self._problem = ""
        if self._memory is not None and self._confirmed - self._written > _REWRITE_S:
            self._written = self._confirmed
            remember(self._memory, self._hub.url, self._policy.document, 0.0)

    def _failed(self, error: RilaasError) -> None:
        if self._ending.is_set():
            return
        if not self._problem:
            _log.warning("the policy stays as it is, for %g s: %s", self._max_stale_s, error)
        self._problem = str(error)
        self._after = _EVERYTHING  # what was missed is not known: everything is asked for again

    def _recall(self) -> None:
        found = None if self._memory is None else recall(self._memory, self._hub.url)
        if found is None:
            return
        document, age_s = found
        try:
            self._policy = applied(Policy(), document)
        except InvalidInput as error:
            _log.warning("the remembered policy is not used: %s", error)
            return
        self._confirmed = time.monotonic() - age_s


def stale(problem: str, max_stale_s: float) -> Unavailable:
    """Why nobody is served any more."""
    return Unavailable(
        f"The access policy could not be confirmed for more than {max_stale_s:g} s, so no robot is served: {problem}",
        "Bring the hub back, or see --max-stale-s of rilaas route.",
    )
