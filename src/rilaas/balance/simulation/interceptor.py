"""An interceptor as far as balancing goes: its policy, its own requests in flight, what servers told it."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from rilaas.balance.protocol import Balancer, LoadReport, ServerView
from rilaas.balance.simulation.state import Live


class SimInterceptor:
    """One of those that ask the same servers.

    Args:
        balancer: Its policy.
        servers: All servers of the cluster, listed now or not.
        models: Names of the models, in the cluster's order.
    """

    __slots__ = ("_servers", "_stale", "_totals", "_views", "balancer", "in_flight", "late", "ledger", "reports")

    def __init__(self, balancer: Balancer, servers: Sequence[Live], models: tuple[str, ...]) -> None:
        self.balancer = balancer
        self._servers = servers
        self.in_flight = [dict.fromkeys(models, 0) for _ in servers]
        self.late = [dict.fromkeys(models, 0) for _ in servers]
        self._totals = [0] * len(servers)
        self.reports: list[LoadReport | None] = [None] * len(servers)
        self.ledger: Ledger | None = None
        self._views: dict[int, ServerView] = {}
        self._stale: set[int] = set()

    def offer(self, numbers: Sequence[int]) -> None:
        """The servers that may be asked from now on."""
        self._views = {number: self._view(number) for number in numbers}
        self._stale.clear()

    def offers(self, number: int) -> bool:
        """Whether a server may be asked."""
        return number in self._views

    def count(self, server: int, model: str, change: int) -> None:
        """A request went to a server, or ended there."""
        self.in_flight[server][model] += change
        self._totals[server] += change
        self._stale.add(server)

    def hear(self, server: int, report: LoadReport) -> None:
        """A server said something of itself."""
        self.reports[server] = report
        self._stale.add(server)

    def touch(self, server: int) -> None:
        """What is known of a server by others has changed."""
        self._stale.add(server)

    def views(self) -> list[ServerView]:
        """What the policy may see, in a list of its own."""
        views = self._views
        if self._stale:
            for server in self._stale:
                if server in views:
                    views[server] = self._view(server)
            self._stale.clear()
        return list(views.values())

    def _view(self, number: int) -> ServerView:
        server = self._servers[number]
        by_model, total = self.in_flight[number].copy(), self._totals[number]
        if self.ledger is not None:
            late = self.late[number]
            for model, count in self.ledger.in_flight[number].items():
                by_model[model] += count - late[model]
            total = sum(by_model.values())
        return ServerView(server.name, server.kind, total, by_model, server.weight, self.reports[number])


class Ledger:
    """Requests in flight that interceptors tell each other of, some time later.

    Args:
        interceptors: Who take part.
        servers: How many servers.
        models: Names of the models, in the cluster's order.
        delay_s: How old the others' news are [s].
    """

    def __init__(
        self, interceptors: Sequence[SimInterceptor], servers: int, models: tuple[str, ...], delay_s: float
    ) -> None:
        self.in_flight = [dict.fromkeys(models, 0) for _ in range(servers)]
        self._interceptors, self._delay_s = interceptors, delay_s
        self._news: deque[tuple[float, int, int, str, int]] = deque()
        for each in interceptors:
            each.ledger = self

    def write(self, now: float, interceptor: int, server: int, model: str, change: int) -> None:
        """An interceptor's count has changed; the others will know later."""
        self._news.append((now + self._delay_s, interceptor, server, model, change))

    def read(self, now: float) -> None:
        """Bring everybody up to what may be known now."""
        news = self._news
        while news and news[0][0] <= now:
            _, interceptor, server, model, change = news.popleft()
            self.in_flight[server][model] += change
            self._interceptors[interceptor].late[server][model] += change
            for each in self._interceptors:
                each.touch(server)
