"""Whose turn it is: the rotation behind round robin and behind ties."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.balance.protocol import ServerView

_FORGET_ABOVE = 4096  # names; servers that left are forgotten in bulk, at the price of one irregular round


class Turns:
    """Gives the turn to whoever has waited longest for one.

    With a fixed set of servers that is the cyclic order. Unlike a counter modulo the number of servers, it stays
    fair when servers join, leave or are passed over: nobody is served twice while another candidate waits, and a
    server that returns gets one turn, not all those that it missed.
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._turn = 0

    def take(self, servers: Sequence[ServerView]) -> str:
        """The name of the server whose last turn was longest ago; the first given where several never had one.

        Args:
            servers: At least one.
        """
        last = self._last
        if len(last) > _FORGET_ABOVE:
            last.clear()
        name = min(servers, key=lambda server: last.get(server.name, 0)).name
        self._turn += 1
        last[name] = self._turn
        return name
