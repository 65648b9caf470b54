"""Serving, measured: what authentication, TLS, routing and process isolation cost a robot, and how peers do.

    python benchmarks/serving.py [--rounds N] [--calls N] [--json PATH] [--peers FOLDER]

One run, interleaved rounds, medians over all rounds; the same PilotNet (158 kB request, one thread) behind each:

- bare: grpc.aio and onnxruntime in one process, no TLS, no authentication: the floor;
- serve: `rilaas serve` (front and replica process), no TLS, asked by RobotClient's stream and by tritonclient;
- route: `rilaas route` with TLS, robot token, access policy, rate limit and a replica of its own, the same two;
- the interceptor inside the robot's process, with replicas of its own;
- both again with a model that computes nothing, which shows the way alone;
- MLServer and KServe's model server from PyPI, where FOLDER has their virtual environments (`python -m venv
  FOLDER/mlserver && FOLDER/mlserver/bin/pip install mlserver onnxruntime`, the same for kserve).
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE.parent / "models" / "lane-following" / "weights.onnx"
PORTS = {"bare": 18101, "serve": 18102, "route": 18103, "mlserver": 18104, "kserve": 18106}

MODEL = """name = "{name}"
task = "benchmark"
description = "158,400 bytes in, 8 bytes out."
{backend}
[inputs.input]
datatype = "FP32"
shape = [-1, 3, 66, 200]
[outputs.command]
datatype = "FP32"
shape = [-1, 2]
"""


EMPTY = """class Model:
    def __init__(self, folder, session): pass
    def predict(self, inputs): return {"command": inputs["input"][:, 0, 0, :2]}
    def reset(self): pass
"""


def write_fleet(folder):
    """Two model folders, PilotNet and one that computes nothing; a robot with its key, an access policy, a route."""
    from rilaas.wire import ensure_authority, generate_key

    for name, backend in (
        ("pilot", 'backend = "onnxruntime"\nweights = "weights.onnx"'),
        ("empty", 'backend = "python"\nhooks = "hooks.py"'),
    ):
        (folder / name).mkdir()
        (folder / name / "model.toml").write_text(MODEL.format(name=name, backend=backend))
    (folder / "pilot" / "weights.onnx").write_bytes(WEIGHTS.read_bytes())
    (folder / "empty" / "hooks.py").write_text(EMPTY)
    key = generate_key(folder / "robot").public
    grant = '[robots.bench.models."*"]\nrate_per_s = 1000000\nburst = 1000\n'
    (folder / "access.toml").write_text(f'[robots.bench]\nkeys = ["{key.line}"]\n{grant}')
    (folder / "route.toml").write_text(
        f'listen = "127.0.0.1:{PORTS["route"]}"\naccess = "access.toml"\n[tls]\nauthority = "tls"\n'
        '[[servers]]\nname = "here"\nmodels = ["pilot", "empty"]\n'
    )
    ensure_authority(folder / "tls")


def write_mlserver(folder):
    """The folder that MLServer serves."""
    here = folder / "mlserver"
    here.mkdir()
    (here / "pilot_model.py").write_text((HERE / "peers" / "mlserver_model.py").read_text())
    model = {"name": "pilot", "implementation": "pilot_model.Pilot", "parameters": {"uri": str(WEIGHTS)}}
    (here / "model-settings.json").write_text(json.dumps(model))
    settings = {"http_port": PORTS["mlserver"] + 1000, "grpc_port": PORTS["mlserver"], "parallel_workers": 0}
    settings |= {"metrics_port": PORTS["mlserver"] + 2000, "grpc_max_message_length": 2**26}
    (here / "settings.json").write_text(json.dumps(settings))
    return here


def start_servers(folder, peers):
    """Start every server; returns the processes by name."""
    rilaas = [sys.executable, "-m", "rilaas.cli"]
    commands = {
        "bare": [sys.executable, HERE / "peers" / "bare.py", WEIGHTS, PORTS["bare"]],
        "serve": [
            *rilaas,
            "serve",
            folder / "pilot",
            folder / "empty",
            "--listen",
            f"127.0.0.1:{PORTS['serve']}",
            "--insecure",
        ],
        "route": [*rilaas, "route", "--config", folder / "route.toml"],
    }
    if (peers / "mlserver").exists():
        commands["mlserver"] = [peers / "mlserver" / "bin" / "mlserver", "start", write_mlserver(folder)]
    if (peers / "kserve").exists():
        python = peers / "kserve" / "bin" / "python"
        commands["kserve"] = [python, HERE / "peers" / "kserve_server.py", WEIGHTS, PORTS["kserve"], 19107]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(folder / "mlserver")}
    log = (folder / "log").open("w")
    return {
        name: subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, env=environment)
        for name, command in commands.items()
    }


def targets(folder, names):
    """Whom to ask, and how: name -> what ``load.py`` needs."""
    secure = {"key": str(folder / "robot"), "ca": str(folder / "tls" / "ca.pem")}
    rows = {
        "bare, unary": ("unary", "bare", {}),
        "serve, RobotClient": ("robot", "serve", {}),
        "serve, tritonclient": ("triton", "serve", {}),
        "route + TLS + token, RobotClient": ("robot", "route", secure),
        "route + TLS + token, tritonclient": ("triton", "route", secure),
        "interceptor inside RobotClient": ("embedded", "route", {**secure, "config": str(folder / "route.toml")}),
        "MLServer, unary": ("unary", "mlserver", {}),
        "KServe, unary": ("unary", "kserve", {}),
        "serve, RobotClient, empty model": ("robot", "serve", {"model": "empty"}),
        "serve, tritonclient, empty model": ("triton", "serve", {"model": "empty"}),
        "route, RobotClient, empty model": ("robot", "route", {**secure, "model": "empty"}),
        "route, tritonclient, empty model": ("triton", "route", {**secure, "model": "empty"}),
    }
    return {
        label: {"kind": kind, "address": f"127.0.0.1:{PORTS[server]}", "model": "pilot", "version": "", **extra}
        for label, (kind, server, extra) in rows.items()
        if server in names
    }


def load(target, processes, callers, calls):
    """Round trips [s] of all callers and requests a second."""
    plan = json.dumps({"target": target, "callers": callers, "calls": calls})
    command = [sys.executable, str(HERE / "load.py"), plan]
    running = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(processes)
    ]
    for each in running:
        assert each.stdout.readline() == "warm\n", "the load generator failed"
    for each in running:
        each.stdin.write("\n")
        each.stdin.flush()
    results = [json.loads(each.communicate()[0]) for each in running]
    spent = [seconds for result in results for seconds in result["round_trips_s"]]
    return spent, len(spent) / max(result["seconds"] for result in results)


def wait_until_up(rows, seconds=120):
    """Ask each target until it answers."""
    end = time.monotonic() + seconds
    for label, target in rows.items():
        while True:
            try:
                load(target, 1, 1, 1)
                break
            except (AssertionError, ValueError):
                assert time.monotonic() < end, f"{label} does not come up"
                time.sleep(1)


def measure(rows, rounds, calls):
    """Interleaved rounds over all targets, alone and eight at a time."""
    alone = {label: [] for label in rows}
    eight = {label: [] for label in rows}
    rates = {label: [] for label in rows}
    for number in range(rounds):
        for label, target in rows.items():
            print(f"\rround {number + 1} of {rounds}: {label:<36}", end="", file=sys.stderr)
            alone[label] += load(target, 1, 1, calls)[0]
            spent, rate = load(target, 2, 4, calls // 4)
            eight[label] += spent
            rates[label].append(rate)
    print(file=sys.stderr)
    return {
        label: {
            "p50_ms": 1e3 * statistics.median(alone[label]),
            "p99_ms": 1e3 * statistics.quantiles(alone[label], n=100)[98],
            "p50_ms_at_8": 1e3 * statistics.median(eight[label]),
            "requests_per_s_at_8": statistics.median(rates[label]),
            "n": len(alone[label]),
        }
        for label in rows
    }


def main():
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", type=Path, default=HERE.parent / "out" / "peers")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_fleet(folder)
        running = start_servers(folder, options.peers)
        if len(running) < 5:
            print(f"without peers that are not in {options.peers}; see --help", file=sys.stderr)
        try:
            rows = targets(folder, running)
            wait_until_up(rows)
            results = measure(rows, options.rounds, options.calls)
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.wait(20)
    floor = results["bare, unary"]["p50_ms"]
    print(f"{'':36}{'p50 ms':>8}{'ratio':>7}{'p99 ms':>8}{'p50 ms at 8':>13}{'requests/s at 8':>17}")
    for label, row in results.items():
        row["ratio"] = row["p50_ms"] / floor
        print(
            f"{label:36}{row['p50_ms']:8.3f}{row['ratio']:7.2f}{row['p99_ms']:8.2f}"
            f"{row['p50_ms_at_8']:13.2f}{row['requests_per_s_at_8']:17.0f}"
        )
    for label, row in results.items():
        if label.replace("RobotClient", "tritonclient") in results.keys() - {label}:
            theirs = results[label.replace("RobotClient", "tritonclient")]["p50_ms"]
            print(f"{label}: {theirs / row['p50_ms']:.2f} times as fast a call as tritonclient's")
    if options.json:
        options.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
