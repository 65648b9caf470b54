"""How long a person waits for ``rilaas --help`` and for an error: wall time of whole processes.

Run: python benchmarks/cli.py
"""

import statistics
import subprocess
import sys
import time

CALLS = 15
COMMANDS = {
    "rilaas --help": ["--help"],
    "rilaas push --help": ["push", "--help"],
    "rilaas evaluate --help": ["evaluate", "--help"],
    "rilaas predict --help": ["predict", "--help"],
    "rilaas psuh (an error)": ["psuh"],
}


def measure(arguments):
    spent = []
    for _ in range(CALLS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "rilaas.cli", *arguments], capture_output=True)
        spent.append(time.perf_counter() - start)
    return spent


if __name__ == "__main__":
    print(f"{'command':<26}{'median [s]':>11}{'worst [s]':>11}   n={CALLS}")
    for name, arguments in COMMANDS.items():
        spent = measure(arguments)
        print(f"{name:<26}{statistics.median(spent):>11.3f}{max(spent):>11.3f}")
