"""Authentication and authorization, measured: what a request pays before it is forwarded.

    python benchmarks/authorization.py [--calls N] [--json PATH]

Token from the metadata, verdict from the warm cache, robot by key, names and grant by model, rate limit; everything
that ``route`` does to a unary request before it chooses a server, with 1,000 robots in the policy. The policy is in a
file, then in Redis (Debian's ``redis-server``, started here on loopback): in memory after the first request, or
looked up each time, as for a robot that this interceptor has not seen. Floors of the same run: a dictionary look-up,
one HGET, and the same with the signature verified anew (a cold cache). Medians in microseconds; the last line is the
time from before the hub's write to when the robot is refused.
"""

import argparse
import contextlib
import json
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from rilaas.route.access import FileAccess
from rilaas.route.gate import TokenGate
from rilaas.route.limit import RateLimits
from rilaas.route.redis_access import RedisAccess
from rilaas.route.redis_policy import KEYS, beat, publish, rows_of
from rilaas.route.resolve import Resolver
from rilaas.wire import audience, generate_key, peek, sign_token
from rilaas.wire.codec import encode_request

ROBOTS = 1000
KINDS = ("ed25519", "ecdsa", "rsa")
MODEL = "lane-following"


def write_policy(folder, keys):
    """An access file with many robots; the first ones have the keys, the others share none."""
    grant = '[robots.{name}.models."lane-following"]\nrate_per_s = 1e9\nburst = 1000\n'
    parts = []
    for number in range(ROBOTS):
        name = f"robot-{number}"
        line = f'keys = ["{keys[number].public.line}"]\n' if number < len(keys) else "keys = []\n"
        parts.append(f"[robots.{name}]\n{line}{grant.format(name=name)}")
    path = folder / "access.toml"
    path.write_text("".join(parts))
    return path


def write_redis(client, keys):
    """The same in Redis; robots that have no key of ours get a fingerprint that nobody asks for."""
    entry = {"models": {MODEL: {"rate_per_s": 1e9, "burst": 1000}}, "public": None, "names": {}}
    rows = {}
    for number, key in enumerate(keys):
        rows |= rows_of(f"robot-{number}", {**entry, "keys": [key.public.line]})
    like = next(iter(rows.values()))
    rows |= {f"SHA256:{number}": {**like, "robot": f"robot-{number}"} for number in range(len(keys), ROBOTS)}
    fleet = {"servers": [], "models": {MODEL: {"servers": [], "aliases": {"prod": "3"}}}}
    publish(client, 1, rows, {"public": [], "fleet": fleet}, True)
    beat(client, 1)
    return rows


@contextlib.contextmanager
def redis_server(folder):
    """The URL of a fresh Redis on loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    process = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
    try:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
                break
            time.sleep(0.01)
        yield f"redis://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def median_us(function, calls):
    """Median time of a call [us], of many short rounds."""
    rounds = []
    for _ in range(max(10, calls // 100)):
        start = time.perf_counter()
        for _ in range(100):
            function()
        rounds.append((time.perf_counter() - start) * 1e4)
    return statistics.median(rounds)


def authorization(access, gate, metadata):
    """All that is done to a request before a server is chosen."""
    limits, resolver = RateLimits(), Resolver(lambda model, revision, route: True)
    body = encode_request(MODEL, "", {"image": np.zeros((1, 120, 160, 3), np.uint8)}, request_id="1")

    def whole(gate=gate):
        caller = gate.admit(metadata, "ipv4:10.0.0.7:5123", opens_stream=False)
        asked = peek(body)
        robot = access.find(caller.key_id).robot
        target = resolver.resolve(robot, access.fleet(), asked.model, asked.version)
        limits.check(robot.name, target.model, target.grant)

    return whole


def rows(folder, calls):
    """Measure each kind of key, warm and cold, and the floor."""
    keys = [generate_key(folder / kind, kind) for kind in KINDS]
    access = FileAccess(write_policy(folder, keys))
    table = {"floor: a dictionary look-up": median_us(lambda: access._current.get("SHA256:x"), calls)}
    for kind, key in zip(KINDS, keys, strict=True):
        metadata = (("user-agent", "x"), ("authorization", f"Bearer {sign_token(key, audience('edge'))}"))
        whole = authorization(access, TokenGate(access, ["edge"]), metadata)
        table[f"{kind}, warm"] = median_us(whole, calls)
        table[f"{kind}, cold"] = median_us(
            lambda whole=whole: whole(TokenGate(access, ["edge"])), max(1000, calls // 10)
        )
    if shutil.which("redis-server") is None:
        print("No redis-server here: scripts/install_packages.sh redis-server")
        return table
    return table | redis_rows(folder, keys[0], calls)


def redis_rows(folder, key, calls):
    """Measure the policy in Redis: found in memory, looked up, and how soon a change is in force."""
    import redis

    kid = key.public.fingerprint
    metadata = (("user-agent", "x"), ("authorization", f"Bearer {sign_token(key, audience('edge'))}"))
    with redis_server(folder) as url, redis.Redis.from_url(url) as client:
        known = write_redis(client, [key])
        access = RedisAccess(url)
        access.start()
        try:
            whole = authorization(access, TokenGate(access, ["edge"]), metadata)

            def looked_up():
                access._memory.clear()
                whole()

            table = {"floor: one HGET": median_us(lambda: client.hget(KEYS, kid), max(1000, calls // 10))}
            table["redis, in memory"] = median_us(whole, calls)
            table["redis, looked up"] = median_us(looked_up, max(1000, calls // 10))
            table["redis, from write to force"] = in_force_us(client, access, kid, known[kid])
        finally:
            access.close()
    return table


def in_force_us(client, access, kid, row, changes=200):
    """Median time from before the write to when the robot is refused, or known again [us]."""
    took = []
    for number in range(changes):
        is_known = number % 2 == 1
        start = time.perf_counter()
        publish(client, number + 2, {kid: row if is_known else None}, {}, False)
        while (access.find(kid) is not None) is not is_known:
            time.sleep(0)  # let the thread that listens have the interpreter
        took.append((time.perf_counter() - start) * 1e6)
    return statistics.median(took)


def main():
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = rows(Path(folder), options.calls)
    for label, microseconds in table.items():
        print(f"{label:32}{microseconds:9.2f} us")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
