"""How the weights came to be: draw labelled frames, train, export to weights.onnx, judge on held-out looks and a map.

Run ``python models/lane-segmentation/train.py`` from anywhere; it needs ``pip install "rilaas[learn,serve]"``. Ctrl-C
ends the training early and goes on with the weights so far. ``--record FILE.npz`` writes frames with targets for
``rilaas optimize models/lane-segmentation --dataset FILE.npz`` instead, of looks that the training never saw.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from rilaas.core import Policy
from rilaas.infer import load
from rilaas.infer.torch_export import onnx_of_module
from rilaas.learn.demonstration import RECORDING_SEEDS, TRAINING_SEEDS
from rilaas.learn.driving_card import FIRST_HELD_OUT_SEED, HELD_OUT, progress_line, tell, write_results
from rilaas.learn.lane_label import CLASSES, draw_labelled
from rilaas.learn.segmentation import SegmentationTraining, intersection_over_union, train_segmenter
from rilaas.learn.segmenter import INPUT_SHAPE

FOLDER = Path(__file__).resolve().parent
MAPS = ("oval", "s_bends", "zigzag")
LOOKS, FRAMES = 300, 12  # frames of each look
HELD_OUT_SEEDS = (FIRST_HELD_OUT_SEED, FIRST_HELD_OUT_SEED + 2**31)


def main() -> int:
    """Train, export, judge; or record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="draws everything (default 1)")
    parser.add_argument("--threads", type=int, default=1, help="torch's threads (default 1)")
    parser.add_argument("--evaluate-only", action="store_true", help="keep the weights, judge and fill in the card")
    parser.add_argument("--record", type=Path, metavar="FILE.npz", help="only write a data set for rilaas optimize")
    parser.add_argument("--looks", type=int, default=60, help="looks of the world in that data set (default 60)")
    arguments = parser.parse_args()
    if arguments.record:
        frames = draw_labelled(MAPS, arguments.looks, FRAMES, RECORDING_SEEDS, arguments.seed, progress)
        frames.write(arguments.record)
        tell(f"{arguments.record}: {len(frames)} frames of {arguments.looks} looks")
        return 0
    lines = [] if arguments.evaluate_only else [train(arguments.seed, arguments.threads)]
    write_results(FOLDER / "README.md", lines, [judge(load(FOLDER))])
    return 0


def train(seed: int, threads: int) -> str:
    """Train and export; the line for the card."""
    start_s = time.perf_counter()
    frames = draw_labelled(MAPS, LOOKS, FRAMES, TRAINING_SEEDS, seed, progress)
    training = SegmentationTraining(seed=seed, threads=threads)
    network = train_segmenter(training, frames, progress_line())
    model = onnx_of_module(network, {"input": torch.zeros(2, *INPUT_SHAPE)}, ("share",))
    (FOLDER / "weights.onnx").write_bytes(model.SerializeToString(deterministic=True))
    return (
        f"Trained with `python models/lane-segmentation/train.py --seed {seed}`: {len(frames):,} frames of {LOOKS} "
        f"looks, {training.steps:,} steps, {(time.perf_counter() - start_s) / 60:.1f} min on {threads} "
        f"core{'s' * (threads > 1)}."
    )


def judge(policy: Policy) -> list[str]:
    """Intersection over union on looks that the training never saw; a Markdown table."""
    rows = [f"| map | looks | frames | {' | '.join(CLASSES)} | mean |", f"| --- | --- | --- {'| --- ' * 5}|"]
    for number, name in enumerate((*MAPS, *HELD_OUT)):
        frames = draw_labelled((name,), 40, 10, HELD_OUT_SEEDS, number)
        found = intersection_over_union(policy, frames)
        label = f"{name} (not trained on)" if name in HELD_OUT else name
        cells = " | ".join(f"{100.0 * value:.1f} %" for value in (*found, np.mean(found)))
        rows.append(f"| {label} | 40 | {len(frames)} | {cells} |")
        tell(rows[-1])
    return rows


def progress(done: int, wanted: int) -> None:
    """Tell how many looks are drawn, now and then."""
    if done % 20 == 0 or done == wanted:
        tell(f"{done} of {wanted} looks drawn")


if __name__ == "__main__":
    sys.exit(main())
