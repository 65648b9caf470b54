"""The document's TensorRT rows on a machine with an NVIDIA card; nothing is installed.

    python benchmarks/gpu/table.py [MODEL] [--dataset PATH] [--report PATH] [--tests-only]

Says what is missing and stops where a backend cannot be used. Runs the contract tests of TensorRT and Torch-TensorRT
(none may be skipped here), then makes and measures every recipe ``paper.tensorrt.*`` beside the float model on
onnxruntime and on torch eager, and prints the table with the published figures beside.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from rilaas.infer.backends import backend_named
from rilaas.infer.nvidia import card

HERE = Path(__file__).resolve().parents[2]
BACKENDS = ("tensorrt", "torch-tensorrt")
TESTS = ("tests/infer/test_tensorrt.py", "tests/infer/test_tensorrt_graph.py")
MODEL = "models/pilotnet-bev"


def missing() -> list[str]:
    """Why a backend cannot be used, for each that cannot."""
    found = [(name, backend_named(name).missing()) for name in BACKENDS]
    return [f"{name}: {reason}" for name, reason in found if reason]


def contract_tests() -> int:
    """Exit code of the tests; a skipped one is a failure here, for there is a card."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", *TESTS], cwd=HERE, capture_output=True, text=True, check=False
    )
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    skipped = "SKIPPED" in done.stdout
    if skipped:
        print("A contract test was skipped although there is a card.", file=sys.stderr)
    return done.returncode or int(skipped)


def table(model: str, dataset: str | None, report: str | None) -> int:
    """Exit code of the command that makes the table."""
    command = [sys.executable, "-m", "rilaas.cli", "optimize", model, "--published"]
    for recipe in ("paper.torch.baseline", "paper.tensorrt.*"):
        command += ["--recipe", recipe]
    if dataset:
        command += ["--dataset", dataset, "--suite", "none"]
    if report:
        command += ["--report", report]
    print("$", " ".join(["rilaas", *command[3:]]), flush=True)
    return subprocess.run(command, cwd=HERE, check=False).returncode


def main() -> int:
    """0 where everything ran and passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default=MODEL)
    parser.add_argument("--dataset")
    parser.add_argument("--report")
    parser.add_argument("--tests-only", action="store_true")
    given = parser.parse_args()
    if found := missing():
        print("This needs a machine with an NVIDIA card:", *found, sep="\n  ", file=sys.stderr)
        return 2
    print(f"Card: {card()}")
    return contract_tests() or (0 if given.tests_only else table(given.model, given.dataset, given.report))


if __name__ == "__main__":
    sys.exit(main())
