"""Authentication and authorization, measured: what a request pays before it is forwarded.

    python benchmarks/authorization.py [--calls N] [--json PATH]

Token from the metadata, verdict from the warm cache, robot by key, grant by model, rate limit; everything that
``route`` does to a unary request before it chooses a server, with 1,000 robots in the policy. Floors of the same run:
a dictionary look-up, and the same with the signature verified anew (a cold cache). Medians in microseconds.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from rilaas.route.access import FileAccess
from rilaas.route.gate import TokenGate
from rilaas.route.limit import RateLimits
from rilaas.wire import audience, generate_key, peek, sign_token
from rilaas.wire.codec import encode_request

ROBOTS = 1000
KINDS = ("ed25519", "ecdsa", "rsa")


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


def median_us(function, calls):
    """Median time of a call [us], of many short rounds."""
    rounds = []
    for _ in range(max(10, calls // 100)):
        start = time.perf_counter()
        for _ in range(100):
            function()
        rounds.append((time.perf_counter() - start) * 1e4)
    return statistics.median(rounds)


def rows(folder, calls):
    """Measure each kind of key, warm and cold, and the floor."""
    import numpy as np

    keys = [generate_key(folder / kind, kind) for kind in KINDS]
    access = FileAccess(write_policy(folder, keys))
    limits = RateLimits()
    body = encode_request("lane-following", "", {"image": np.zeros((1, 120, 160, 3), np.uint8)}, request_id="1")
    table = {"floor: a dictionary look-up": median_us(lambda: access.snapshot().robots.get("SHA256:x"), calls)}
    for kind, key in zip(KINDS, keys, strict=True):
        metadata = (("user-agent", "x"), ("authorization", f"Bearer {sign_token(key, audience('edge'))}"))
        gate = TokenGate(access, ["edge"])

        def whole(gate=gate, metadata=metadata):
            caller = gate.admit(metadata, "ipv4:10.0.0.7:5123", opens_stream=False)
            model = peek(body).model
            robot = access.snapshot().robots[caller.key_id]
            limits.check(robot.name, model, robot.grant(model))

        table[f"{kind}, warm"] = median_us(whole, calls)
        table[f"{kind}, cold"] = median_us(
            lambda metadata=metadata: whole(TokenGate(access, ["edge"]), metadata), max(1000, calls // 10)
        )
    return table


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
