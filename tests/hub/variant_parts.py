"""Variants with records, as ``rilaas optimize`` writes them, of the small model y = 2 x + 1."""

import json

from tests.hub.model_folder import push_folder
from tests.model_folders import write_affine_model

FIGURES = {
    "size_bytes": 250_000,
    "gzip_bytes": 200_000,
    "parameters": 1000,
    "macs": 2000,
    "sparsity": 0.0,
    "unique_weights": 250,
    "load_s": 0.1,
    "p50_s": 0.0001,
    "p90_s": 0.00012,
    "p99_s": 0.0002,
    "total_p50_s": 0.0003,
    "total_p99_s": 0.0005,
    "calls": 1000,
    "speedup": 3.0,
    "smaller": 4.0,
    "mse": 0.001,
    "mse_ratio": 1.01,
    "largest_difference": 0.02,
    "samples": 60,
    "integer": 1,
    "load_average": 0.5,
}
TIMES = {"p50_s": 0.001, "p90_s": 0.002, "p95_s": 0.003, "p99_s": 0.004, "worst_s": 0.005}
ROW = {
    "machine": "a robot's processor",
    "cores": 4,
    "features": ["NEON dot product"],
    "versions": {"openvino": "2026.4.1"},
    "threads": 1,
    "n": 200,
    "compute": TIMES,
    "total": TIMES,
    "load_average": 0.2,
    "stamp_utc": "2026-11-21T21:00:00Z",
}
SLOW = "int8: its mean squared error is 13.000 [12.000, 14.000] times the float model's, allowed is 1.05."
PASSED = {"limits": {"max_mse_ratio": 1.05, "integer": True}, "violations": [], "passed": True}
FAILED = {
    "limits": {"max_mse_ratio": 1.05},
    "violations": [{"limit": "max_mse_ratio", "allowed": 1.05, "got": 13.0, "words": SLOW}],
    "passed": False,
}
UNJUDGED = {"limits": {}, "violations": [], "passed": None}


def record(parent, gate=PASSED, name="int8", **measured):
    """What variant.json says; ``measured`` replaces single figures."""
    return {
        "format": 1,
        "variant": name,
        "parent": {"name": "affine", "ref": "affine:1", "digest": parent},
        "recipe": {
            "name": "balanced",
            "description": "int8 with min-max ranges",
            "source": "",
            "target": "cpu/openvino/int8",
            "threads": 1,
            "digest": 64 * "0",
            "passes": [
                {"name": "fold.normalization", "version": 1},
                {"name": "quantize.static", "version": 2, "ranges": "minmax"},
            ],
        },
        "seed": 0,
        "data_digest": "",
        "machine": {"cpu": "a fast processor", "cores": 2, "os": "Linux", "python": "3.11", "features": ["AVX2"]},
        "versions": {"openvino": "2026.4.1"},
        "measured": {**FIGURES, **measured},
        "gate": gate,
    }


def push_original(person, tmp_path, a=2.0):
    """Push y = a x + 1; returns what became of it."""
    return push_folder(person, write_affine_model(tmp_path / f"original-{a}", a=a))


def push_variant(person, tmp_path, said, *, name="int8", a=2.01, of=None, owner=""):
    """Push y = a x + 1 as a variant with a record; ``said`` may be any text."""
    folder = write_affine_model(tmp_path / f"variant-{name}-{a}", a=a)
    if said is not None:
        (folder / "variant.json").write_text(said if isinstance(said, str) else json.dumps(said))
    return push_folder(person, folder, owner, name="affine", variant=name, of=of)
