"""From a change of the policy to its enforcement, with real processes: hub, two servers, interceptor, robots.

    python benchmarks/policy.py [--rounds N] [--promotes N] [--json PATH]

A robot asks without a pause over TLS while somebody changes the policy by REST; a change is in force with the first
answer that is another one. Counted from the hub's answer to the change (from its sending in the second table), with
the interceptor's two sources: the hub's long poll and a real Redis. Then versions are promoted while four robots ask:
each of their requests is tried once, and none may fail. The floor of the same run is one request of a robot.
"""

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from authorization import redis_server

from rilaas.cli.fleet import Fleet, FleetServer
from rilaas.cli.fleet_setup import add_robot, deploy, wait_in_force
from rilaas.cli.output import Output
from rilaas.cli.push import Said, push_folder
from rilaas.client import RobotClient
from rilaas.core import ModelRef, PermissionDenied, RateLimited, RilaasError, Unauthenticated
from rilaas.store import read_model_folder
from rilaas.wire import fingerprint, generate_key

import numpy as np  # isort: skip

NAME, MODEL, SECOND = "speed", "local/speed", "local/other"
ROBOT = "/api/v1/robots/local/robot"
SERVERS = (FleetServer("edge-1", "edge"), FleetServer("cloud-1", "cloud"))
NAMES = [server.name for server in SERVERS]
PATIENCE_S = 30.0
TOML = """
name = "{name}"
task = "affine"
backend = "python"
hooks = "hooks.py"
[inputs.x]
datatype = "FP32"
shape = [-1, 1]
[outputs.y]
datatype = "FP32"
shape = [-1, 1]
"""
HOOKS = """
class Model:
    def __init__(self, folder, session):
        pass

    def predict(self, inputs):
        return {{"y": 0 * inputs["x"] + {speed}}}

    def reset(self):
        pass
"""
QUIET = Output(quiet=True)
INPUTS = {"x": np.zeros((1, 1), np.float32)}


def model(place, speed, name=NAME):
    """A model folder whose answer is a number."""
    folder = place / f"{name}-{speed}"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(TOML.format(name=name))
    (folder / "hooks.py").write_text(HOOKS.format(speed=speed))
    return read_model_folder(folder)


def outcome(robot):
    """The number that the model answers, or the class of the error; the request is tried once."""
    try:
        return int(robot.submit(INPUTS, deadline_s=5.0).result(10.0)["y"][0, 0])
    except RilaasError as error:
        return type(error)


class Asking:
    """A robot that asks all the time, in a thread; use it in a ``with``."""

    def __init__(self, robot):
        self._robot = robot
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.answers = []  # (when it was there, what it was, how long it took [s])

    def __enter__(self):
        self._thread.start()
        while not self.answers:
            time.sleep(0.001)
        return self

    def __exit__(self, *_):
        self._ending.set()
        self._thread.join()

    def wait_for(self, wanted, since=0):
        """When the first answer of a kind was there."""
        end = time.monotonic() + PATIENCE_S
        at = since
        while time.monotonic() < end:
            while at < len(self.answers):
                when, what, _ = self.answers[at]
                if what == wanted:
                    return when
                at += 1
            time.sleep(0.0005)
        raise SystemExit(f"{wanted} did not come within {PATIENCE_S:g} s, but {self.answers[-1]}")

    def _run(self):
        while not self._ending.is_set():
            start = time.monotonic()
            what = outcome(self._robot)
            end = time.monotonic()
            self.answers.append((end, what, end - start))


def timed(asking, change, wanted):
    """Seconds from the hub's answer, and from the sending, to the first answer that is another one."""
    since = len(asking.answers)
    sent = time.monotonic()
    change()
    answered = time.monotonic()
    there = asking.wait_for(wanted, since)
    return max(0.0, there - answered), there - sent


class World:
    """A fleet that is up, with a deployed model and a robot that may use it.

    Args:
        fleet: Its processes.
        place: A folder.
    """

    def __init__(self, fleet, place):
        self.fleet, self.place, self.hub = fleet, place, fleet.connect()
        self.speed = 1
        deploy(self.hub, model(place, 1), NAMES, "least_connections", QUIET)
        deploy(self.hub, model(place, 7, "other"), NAMES, "least_connections", QUIET)
        self.key = add_robot(self.hub, "robot", MODEL, place)
        wait_in_force(self.hub, "route-1")

    def robot(self, key=None, name=MODEL):
        return RobotClient(self.fleet.address, name, "", key or self.key, self.fleet.ca_path)

    def push(self):
        """One more version; its number is what it answers."""
        self.speed += 1
        return int(push_folder(self.hub, model(self.place, self.speed), Said(ModelRef(NAME)), QUIET).ref.revision)

    def promote(self, number):
        path = f"/api/v1/models/{MODEL}/aliases"
        seen = next(row["generation"] for row in self.hub.get(path) if row["name"] == "prod")
        self.hub.put_json(f"{path}/prod", {"revision": str(number), "generation": seen})

    def revoke(self, number):
        key_path = self.place / f"key-{number}"
        key = generate_key(key_path, comment="robot").public
        self.hub.post(f"{ROBOT}/keys", {"keys": key.line})
        with self.robot(key_path) as robot:
            while outcome(robot) != self.speed:  # until the new key is known
                time.sleep(0.02)
            with Asking(robot) as asking:
                return timed(asking, lambda: self.hub.delete(f"{ROBOT}/keys", kid=fingerprint(key)), Unauthenticated)

    def give(self, _):
        path = f"{ROBOT}/models/{SECOND}"
        with self.robot(name=SECOND) as robot, Asking(robot) as asking:
            asking.wait_for(PermissionDenied)
            took = timed(asking, lambda: self.hub.put_json(path, {"rate_per_s": None, "burst": 1}), 7)
            timed(asking, lambda: self.hub.delete(path), PermissionDenied)
        return took

    def limit(self, _):
        path = f"{ROBOT}/models/{MODEL}"
        with self.robot() as robot, Asking(robot) as asking:
            took = timed(asking, lambda: self.hub.put_json(path, {"rate_per_s": 1, "burst": 1}), RateLimited)
            timed(asking, lambda: self.hub.put_json(path, {"rate_per_s": None, "burst": 1}), self.speed)
        return took

    def promote_new(self, _):
        """A version that runs nowhere yet: the servers fetch it and start it first."""
        number = self.push()
        with self.robot() as robot, Asking(robot) as asking:
            return timed(asking, lambda: self.promote(number), number)

    def promote_warm(self, _):
        """Back to the version before, which the servers still hold; and forward again."""
        with self.robot() as robot, Asking(robot) as asking:
            took = timed(asking, lambda: self.promote(self.speed - 1), self.speed - 1)
            time.sleep(0.5)
            timed(asking, lambda: self.promote(self.speed), self.speed)
        return took


def failed_while_promoted(world, promotes, robots=4):
    """Requests of robots that ask meanwhile: how many, failed ones by kind, the longest answer [s]."""
    with contextlib.ExitStack() as stack:
        every = [stack.enter_context(Asking(stack.enter_context(world.robot()))) for _ in range(robots)]
        for _ in range(promotes):
            number = world.push()
            since = [len(asking.answers) for asking in every]
            world.promote(number)
            for asking, start in zip(every, since, strict=True):
                asking.wait_for(number, start)
    answers = [answer for asking in every for answer in asking.answers]
    kinds = [what.__name__ for _, what, _ in answers if isinstance(what, type)]
    return {
        "promotes": promotes,
        "requests": len(answers),
        "failed": {kind: kinds.count(kind) for kind in sorted(set(kinds))},
        "median_s": statistics.median(took for *_, took in answers),
        "longest_s": max(took for *_, took in answers),
    }


def measure(mode, rounds, promotes):
    """Times of each change, and what failed during promotes, with one source of the policy."""
    with contextlib.ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True)))
        redis = stack.enter_context(redis_server(place)) if mode == "redis" else ""
        os.environ.update(RILAAS_REDIS_URL=redis, RILAAS_DATABASE_URL="", RILAAS_PROMETHEUS_URL="")
        fleet = stack.enter_context(Fleet(place / "home", SERVERS))
        fleet.start_machines()
        world = World(fleet, place)
        stack.callback(world.hub.close)
        with world.robot() as robot:
            floor = []
            for _ in range(200):
                start = time.monotonic()
                outcome(robot)
                floor.append(time.monotonic() - start)
        found = {"one request": [(took, took) for took in floor[20:]]}
        for name, change in (
            ("revoke a key", world.revoke),
            ("give a model", world.give),
            ("change a rate", world.limit),
            ("promote a new version", world.promote_new),
            ("promote a warm version", world.promote_warm),
        ):
            found[name] = [change(number) for number in range(rounds)]
        return found, failed_while_promoted(world, promotes)


def shown(times, column):
    """Median, 95th percentile and worst [s]."""
    values = sorted(each[column] for each in times)
    return statistics.median(values), values[int(0.95 * (len(values) - 1))], values[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--promotes", type=int, default=10)
    parser.add_argument("--modes", nargs="+", default=["hub", "redis"])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    table = {}
    for mode in args.modes:
        found, failed = measure(mode, args.rounds, args.promotes)
        table[mode] = {"seconds": found, "promotes": failed}
        print(
            f"{mode:<24} {'from the answer: p50   p95   worst [s]':>44} {'from sending: p50   p95   worst [s]':>44}"
        )
        for name, times in found.items():
            columns = "".join(f"{value:>15.3f}" for column in (0, 1) for value in shown(times, column))
            print(f"{name:<24}{columns}")
        print(f"while promoted: {failed}")
    if args.json:
        args.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
