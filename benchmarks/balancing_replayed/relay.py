"""A link that is longer than this machine: bytes on TCP are held back on their way, and never overtake each other.

Whatever balances, interceptor or nginx, reaches the servers through it, so that all go the same way. The delay of
each direction wanders about its mean with a memory of ``MEMORY_S``, as a queue in a network does; a new delay for
each message could not be kept without overtaking.

Run by ``fleet.py`` as a process: ``python relay.py JSON`` with a list of links, each ``{"to": PORT, "up_s": [mean,
std], "down_s": [mean, std], "seed": N}``; prints the ports where they listen as one line of JSON.
"""

import asyncio
import collections
import json
import math
import random
import sys

MEMORY_S = 0.2
LEAST = 0.2  # of the mean: a delay is never shorter


class Distance:
    """A delay that wanders: an Ornstein-Uhlenbeck process.

    Args:
        mean_s: Mean of the delay [s].
        std_s: Standard deviation [s].
        seed: Of its course.
    """

    def __init__(self, mean_s, std_s, seed):
        self._mean_s, self._std_s = mean_s, std_s
        self._random = random.Random(seed)
        self._value, self._at_s = self._random.gauss(0.0, 1.0), 0.0

    def at(self, now_s):
        """The delay of what is sent now [s]."""
        kept = math.exp(-max(0.0, now_s - self._at_s) / MEMORY_S)
        self._value = kept * self._value + math.sqrt(1.0 - kept * kept) * self._random.gauss(0.0, 1.0)
        self._at_s = now_s
        return max(LEAST * self._mean_s, self._mean_s + self._std_s * self._value)


class Direction(asyncio.Protocol):
    """One direction of one connection: gives what it receives to the other side, later.

    Args:
        distance: How much later.
        other: The other side; None until ``joined`` tells it.
    """

    def __init__(self, distance, other=None):
        self._distance, self.other = distance, other
        self._arrives_s = 0.0
        self._under_way = (
            collections.deque()
        )  # timers of equal times fire in any order: each takes what is first here
        self._arrived = 0  # timers that have fired while the other side was not there yet
        self.transport = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._later(data)

    def connection_lost(self, exc):
        self._later(None)

    def joined(self, other):
        """The other side is there."""
        self.other = other
        self._give()

    def _later(self, data):
        loop = asyncio.get_running_loop()
        now_s = loop.time()
        self._arrives_s = max(self._arrives_s, now_s + self._distance.at(now_s))
        self._under_way.append(data)
        loop.call_at(self._arrives_s, self._arrive)

    def _arrive(self):
        self._arrived += 1
        self._give()

    def _give(self):
        while self._arrived and self.other is not None:
            self._arrived -= 1
            data = self._under_way.popleft()
            if data is None:
                self.other.transport.close()
            elif not self.other.transport.is_closing():
                self.other.transport.write(data)


async def listen(link):
    """Listen for one link; returns the port."""
    up, down = (Distance(*link[key], seed=2 * link["seed"] + index) for index, key in enumerate(("up_s", "down_s")))
    loop = asyncio.get_running_loop()
    kept = set()

    def accept():
        near = Direction(up)

        async def connect():
            try:
                _, far = await loop.create_connection(lambda: Direction(down, near), "127.0.0.1", link["to"])
            except OSError:
                near.transport.close()
                return
            near.joined(far)

        task = asyncio.ensure_future(connect())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return near

    server = await loop.create_server(accept, "127.0.0.1", 0)
    return server.sockets[0].getsockname()[1]


async def main(links):
    ports = [await listen(link) for link in links]
    print(json.dumps(ports), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
