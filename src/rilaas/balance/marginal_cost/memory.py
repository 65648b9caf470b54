"""What the policy has learned of servers and models, kept so that a decision finds it as rows of a table."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from rilaas.balance.marginal_cost.estimate import Rate
from rilaas.balance.marginal_cost.queue import Queue
from rilaas.balance.marginal_cost.server import SHARED, UP_SHARE, Server
from rilaas.balance.marginal_cost.table import SLOTS, Table
from rilaas.balance.protocol import LoadReport, Outcome

_JUMP = 1.3  # a change of at least this factor holds for all models of a server
_FEW, _ODD = 3, 1.5  # fewer answers are not trusted where they took so many times longer than elsewhere
_GUESS_S = 0.1  # service time of a model that no server ever ran
_MOST_SERVERS = 256
_MOST_MODELS = 256


class Memory:
    """Servers, models, and how long the one takes on the other.

    Attributes:
        table: The figures, by queue and model.
        servers: By name.
        rows: Of each model in the table.
        rates: Of each row: how often the model is asked for.
        clients: How many interceptors ask the same servers, this one included.
        now: The newest time that was told [s].
    """

    def __init__(self, clients: int) -> None:
        self.table = Table()
        self.servers: dict[str, Server] = {}
        self.rows: dict[str, int] = {}
        self.rates: list[Rate] = []
        self.clients = clients
        self.now = 0.0
        self._doubted: set[str] = set()

    def row(self, model: str) -> int:
        """The row of a model, met before or not."""
        row = self.rows.get(model)
        if row is None:
            if len(self.rows) >= _MOST_MODELS:
                row = self._forget_model()
            else:
                row = len(self.rows)
                self.rates.append(Rate())
                self.table.grow_rows(row + 1)
            self.rows[model] = row
            self._guess(self.servers.values())
        return row

    def server(self, name: str) -> Server:
        """A server, met before or not."""
        server = self.servers.get(name)
        if server is None:
            server = self.servers[name] = Server()
        return server

    def queue(self, server: Server, model: str) -> Queue:
        """The queue in which requests of a model wait on a server."""
        key = server.station(model)
        queue = server.queues.get(key)
        if queue is None:
            queue = server.queues[key] = Queue(server.slots_of(key), self.table.add_column())
            self.refresh(server, queue)
            self._guess([server])
            if key == SHARED:
                self.table.write_crowd(queue.column, server.crowd.last, server.crowd.mean, server.crowd.heard_s)
        return queue

    def refresh(self, server: Server, queue: Queue) -> None:
        """Write down what is believed of a queue now."""
        theta = server.theta
        queue.believe(self.now, theta)
        rest = math.inf if server.on_trial and queue.jobs else server.resting_until_s
        self.table.write_queue(queue, theta, queue.ends_s + server.slack_s, rest)

    def hear(self, server: Server, report: LoadReport) -> None:
        """A server's report: its slots, and what others have there."""
        if server.heard(report):
            self._drop_queues(server)
        for queue in server.queues.values():
            if queue.slots != self.table.state[SLOTS, queue.column]:
                self.refresh(server, queue)
        crowd = server.crowd
        if report.heard_s <= crowd.heard_s:
            return
        self.clients = max(self.clients, report.clients)
        crowd.hear(report, sum(queue.arrived(report.heard_s) for queue in server.queues.values()))
        if self.clients > 1:
            came = max(sum(report.arrivals.values()), 1)
            for key, queue in server.queues.items():
                share = 1.0 if key == SHARED else report.arrivals.get(key, 0) / came
                self.table.write_crowd(queue.column, share * crowd.last, share * crowd.mean, crowd.heard_s)

    def learn(self, server: Server, outcome: Outcome, waited_s: float) -> None:
        """How long the model takes on the server, from one answer.

        Args:
            server: Who answered.
            outcome: The answer.
            waited_s: How long it was expected to wait there, for servers that do not tell [s].
        """
        model = outcome.request.model
        row, speed = self.row(model), server.speed(model)
        if outcome.queue_s is not None:
            waited_s = outcome.queue_s
        if outcome.compute_s is not None:
            speed.add(outcome.compute_s, max(0.0, outcome.latency_s - outcome.compute_s - waited_s))
        else:
            speed.add(max(outcome.latency_s - waited_s, 0.1 * outcome.latency_s), 0.0)
        speed.at_s = self.now
        server.settle()
        factor = speed.service.jumped
        if 1.0 / _JUMP < factor < _JUMP:
            self._write(server, row, model)
        else:
            server.scale_others(speed, factor)
            self._write_all(server)
        if server.look_again(self.now):
            self._doubted.add(outcome.server)
        if speed.service.count in (1, _FEW):
            self._guess(self.servers.values())

    def try_again(self) -> None:
        """Take servers that became slow for as fast as they were once their time is up: a request will tell."""
        for name in list(self._doubted):
            server = self.servers.get(name)
            if server is None or not server.is_doubted:
                self._doubted.discard(name)
            elif self.now >= server.again_s and not any(queue.jobs for queue in server.queues.values()):
                server.hope()
                self._write_all(server)
                for queue in server.queues.values():
                    self.refresh(server, queue)

    def forget_all_but(self, names: Sequence[str]) -> None:
        """Where there are too many servers, forget those first that were not among the names for longest."""
        many = len(self.servers) - _MOST_SERVERS
        if many > 0:
            asked = set(names)
            for name in [name for name in names if name in self.servers]:
                self.servers[name] = self.servers.pop(name)
            for name in [name for name in self.servers if name not in asked][:many]:
                self._drop_queues(self.servers.pop(name))

    def _forget_model(self) -> int:
        """Forget the model that is asked for least; its row is free."""
        model = min(self.rows, key=lambda name: self.rates[self.rows[name]].per_s(self.now))
        row = self.rows.pop(model)
        self.rates[row] = Rate()
        self.table.clear_row(row)
        for server in self.servers.values():
            server.speeds.pop(model, None)
            if model != SHARED and (queue := server.queues.pop(model, None)) is not None:
                self.table.drop_column(queue.column)
        return row

    def _write_all(self, server: Server) -> None:
        for model in list(server.speeds):  # a row for one may cost another its own
            row = self.row(model)
            if model in server.speeds:
                self._write(server, row, model)

    def _write(self, server: Server, row: int, model: str) -> None:
        speed, queue = server.speeds[model], server.queues.get(server.station(model))
        if queue is not None and speed.service.count > 0:
            service_s = speed.service.hoped
            if speed.service.count < _FEW and service_s > _ODD * (usual_s := self._best(model, _FEW)[1]):
                service_s = usual_s  # one answer that took so much longer than elsewhere may have been bad luck
            self._write_cell(row, queue, speed.network.value, service_s, guessed=False)

    def _write_cell(self, row: int, queue: Queue, network_s: float, service_s: float, *, guessed: bool) -> None:
        up_s = UP_SHARE * network_s
        self.table.write_times(row, queue.column, up_s, max(service_s, 1e-6), network_s - up_s, guessed=guessed)

    def _guess(self, servers: Iterable[Server]) -> None:
        """Fill in what servers are not known for: they are taken for as good as the best that is known."""
        best: dict[str, tuple[float, float]] = {}
        for server in servers:
            for model, row in self.rows.items():
                queue, speed = server.queues.get(server.station(model)), server.speeds.get(model)
                if queue is None:
                    continue
                if speed is not None and speed.service.count > 0:
                    self._write(server, row, model)
                    continue
                if model not in best:
                    best[model] = self._best(model)
                network_s, service_s = best[model]
                self._write_cell(row, queue, network_s, service_s, guessed=True)

    def _best(self, model: str, least: int = 1) -> tuple[float, float]:
        """The shortest network and service times of a model that any server is known for by so many answers [s]."""
        known = [each.speeds[model] for each in self.servers.values() if model in each.speeds]
        known = [each for each in known if each.service.count >= least]
        network_s = min((each.network.value for each in known), default=0.0)
        return network_s, min((each.service.value for each in known), default=_GUESS_S if least == 1 else math.inf)

    def _drop_queues(self, server: Server) -> None:
        for queue in server.queues.values():
            self.table.drop_column(queue.column)
        server.queues.clear()
