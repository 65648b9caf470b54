"""What a second thread costs where the cores are busy: latency of PilotNet by runtime, threads and other work.

    python benchmarks/contention.py [--model models/pilotnet-bev] [--calls 300] [--json PATH]

Each line is a process of its own. "busy" means that as many other processes compute as there are cores. The last
column is what the same runtime takes there with two threads against one: above 1, the second thread makes it slower.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIMES = (
    ("torch", "fp32"),
    ("torch-compile", "fp32"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
)
THREADS = (1, 2)
SPIN = "while True: sum(range(10000))"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "pilotnet-bev")
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--one", nargs=3, metavar=("RUNTIME", "PRECISION", "THREADS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measured(arguments.model, arguments.calls, *arguments.one)))
        return
    rows = []
    for is_busy in (False, True):
        with others(os.cpu_count() if is_busy else 0):
            for runtime, precision in RUNTIMES:
                for threads in THREADS:
                    row = in_own_process(arguments, runtime, precision, threads)
                    rows.append(
                        {"runtime": runtime, "precision": precision, "threads": threads, "busy": is_busy, **row}
                    )
                    print(line(rows), flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def line(rows: list[dict]) -> str:
    row = rows[-1]
    text = (
        f"{row['runtime'] + ' ' + row['precision']:<20} {row['threads']} thread{'s' * (row['threads'] > 1):<1}  "
        f"{'busy' if row['busy'] else 'idle'}  "
    )
    if "missing" in row:
        return text + row["missing"]
    text += f"p50 {1e3 * row['p50_s']:7.3f} ms  p99 {1e3 * row['p99_s']:8.3f} ms"
    if row["threads"] > 1 and "p50_s" in rows[-2]:
        text += f"  p50 x {row['p50_s'] / rows[-2]['p50_s']:.2f}, p99 x {row['p99_s'] / rows[-2]['p99_s']:.2f}"
    return text


def in_own_process(arguments: argparse.Namespace, runtime: str, precision: str, threads: int) -> dict:
    command = [sys.executable, __file__, "--model", arguments.model, "--calls", str(arguments.calls)]
    done = subprocess.run(
        [*map(str, command), "--one", runtime, precision, str(threads)], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1])


def measured(folder: Path, calls: int, runtime: str, precision: str, threads: str) -> dict:
    import numpy as np

    from rilaas.infer import example_inputs
    from rilaas.infer.backends import backend_named
    from rilaas.infer.hooks import read_hooks
    from rilaas.store import read_model_folder

    model = read_model_folder(folder)
    backend = backend_named(runtime)
    if reason := backend.missing():
        return {"missing": reason}
    session = backend.open(model.path / model.manifest.weights, precision=precision, threads=int(threads))
    inputs = example_inputs(model.manifest.signature, seed=0)
    hooks = read_hooks(model)
    inputs = dict(hooks.preprocess(inputs)) if hooks.preprocess else inputs
    for _ in range(20):
        session.run(inputs)
    spent_s = []
    for _ in range(calls):
        start = time.perf_counter()
        session.run(inputs)
        spent_s.append(time.perf_counter() - start)
        time.sleep(0.002)  # a robot asks again with its next frame: cores go to others in between
    p50_s, p99_s = np.percentile(spent_s, (50, 99))
    return {"n": calls, "p50_s": float(p50_s), "p99_s": float(p99_s)}


@contextmanager
def others(count: int | None) -> Iterator[None]:
    """So many other processes that compute."""
    processes = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count or 0)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
