"""What optimizing gains on the PilotNet of the study: every preset beside the float model, on this machine.

    python benchmarks/optimize.py [--model models/pilotnet-bev] [--samples 5000] [--episodes 20] [--json PATH]

Makes the presets (the two that train take minutes each; what was made is kept in --home and used again), measures all
in rounds that alternate, lets each drive the suite ``lf`` with its own measured latency, and holds them against what
was wanted. Ratios are against torch eager in float32 in the same run, one thread, one sample.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

from rilaas.evaluate.driving import read_suite
from rilaas.evaluate.driving.scenario.turns import with_episodes
from rilaas.learn.workshop import EAGER, FLOAT, Workshop, drive, recorded_samples
from rilaas.optimize.cache import Cache
from rilaas.optimize.gate import mse_ratio, score_loss
from rilaas.optimize.recipe import read_recipe
from rilaas.optimize.report import build_report
from rilaas.optimize.row import Row, front_of, speedup
from rilaas.optimize.samples import split
from rilaas.optimize.subject import read_subject
from rilaas.store import read_model_folder

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ("fast", "balanced", "max", "smallest")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "pilotnet-bev")
    parser.add_argument("--recipe", action="append", help="in place of the presets; may be repeated")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--home", type=Path, default=ROOT / "out" / "optimize", help="recordings and finished passes")
    parser.add_argument("--json", type=Path, help="also write the report here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        rows, report = measured(arguments, Path(place))
    print(report.to_text(width=160))
    print()
    for line in wanted(rows):
        print(line)
    if arguments.json:
        arguments.json.write_text(report.to_json())


def measured(arguments: argparse.Namespace, place: Path):
    workshop = opened(arguments, place)
    workshop.make([read_recipe(name) for name in arguments.recipe or RECIPES])
    rows = workshop.rows()
    name = workshop.subject.folder.manifest.name
    return rows, build_report(rows, subject=name, front=front_of(rows), seeds=(0,), absent=workshop.absent)


def opened(arguments: argparse.Namespace, place: Path) -> Workshop:
    """A workshop on a driving model; ``arguments`` has model, samples, episodes and home."""
    subject = read_subject(read_model_folder(arguments.model))
    suite = with_episodes(read_suite("lf"), arguments.episodes)
    samples = recorded_samples(subject, arguments.home / "recordings", frames=arguments.samples, seed=0)
    say = partial(told, time.monotonic())
    return Workshop(
        subject,
        split(samples),
        Cache(arguments.home / "cache"),
        place,
        lambda name, folder, total_s: drive(name, folder, suite, total_s),
        step=say,
        say=say,
    )


def told(start_s: float, words: str) -> None:
    print(f"{time.monotonic() - start_s:7.1f} s  {words}", file=sys.stderr, flush=True)


def wanted(rows: list[Row]) -> list[str]:
    """What the project set out to reach, and what came of it."""
    by_name = {row.name: row for row in rows}
    base, eager = by_name[FLOAT], by_name[EAGER]
    lines = []
    for row in rows:
        if row.recipe is None:
            continue
        fast, error = speedup(row.measured, eager.measured), mse_ratio(row.measured, base.measured)
        smaller = base.measured.weight.size_bytes / row.measured.weight.size_bytes
        text = (
            f"{row.name:<12} {fast.mean:5.1f} x eager [{fast.low:.1f}-{fast.high:.1f}], {smaller:5.1f} x smaller, "
            f"error x {error.mean:.3f} [{error.low:.3f}-{error.high:.3f}]"
        )
        if row.driven is not None and base.driven is not None:
            lost = score_loss(row.driven, base.driven)
            text += f", score lost {lost.mean:+.2f} [{lost.low:+.2f} to {lost.high:+.2f}], n={lost.n}"
        lines.append(text)
    best = min((row for row in rows if row.recipe is not None), key=lambda row: np.median(row.measured.compute_s))
    lines.append(f"wanted: a best variant (here {best.name}) of 15 x eager, 12 x smaller, error x 1.02 at most")
    lines.append("wanted: int8 without training (balanced) of 6 x eager")
    return lines


if __name__ == "__main__":
    main()
