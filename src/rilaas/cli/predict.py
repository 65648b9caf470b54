"""``rilaas predict``: ask a model once, or measure how long it takes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import click
import numpy as np

from rilaas.cli.config import read_settings
from rilaas.cli.output import Output, output_options
from rilaas.cli.policy import Opened, open_policy, policy_options
from rilaas.cli.predict_profile import DEFAULT_N, CountType, check_flags, profile_model
from rilaas.core import InvalidInput, NotFound, Prediction, Tensors
from rilaas.core.signature import datatype_of
from rilaas.report import Report, Table, provenance, summarize, value_text

_NUMBERS_SHOWN = 8
EXAMPLE = """
\b
Examples:
  rilaas predict models/lane-following frame.npz
  rilaas predict lane-following:1 frame.npz --out wheels.npz
  rilaas predict lane-following:prod frame.npz --target 10.0.0.5 --key ~/.ssh/id_ed25519 --ca ca.pem
  rilaas predict lane-following:3@int8 --profile
\b
An input file is made with numpy:
  numpy.savez("frame.npz", image=image[None])
"""


@click.command("predict", epilog=EXAMPLE)
@click.argument("ref")
@click.argument("input", type=click.Path(path_type=Path), metavar="INPUT.npz", required=False)
@click.option("--out", type=click.Path(path_type=Path), metavar="OUT.npz", help="Write the outputs as arrays.")
@click.option(
    "--profile",
    "n",
    is_flag=False,
    flag_value=str(DEFAULT_N),
    type=CountType(),
    metavar="[N]",
    help=f"Measure N predictions, {DEFAULT_N} where it is left out; INPUT.npz may be left away.",
)
@click.option("--hub", metavar="URL", help="With --profile: keep the measurement at this hub too (RILAAS_TOKEN).")
@click.option("--home", metavar="PATH", help="Folder of the store (RILAAS_HOME).")
@policy_options
@output_options
def command(ref: str, input: Path | None, out: Path | None, n: int | None, output: Output, **flags: object) -> None:
    """Ask model REF once, with the tensors in INPUT.npz; or measure with --profile how long it takes.

    REF is a model folder, a version in the local store, or with --target a model of the fleet behind an interceptor.
    --profile shows the median, the tail and the worst of the policy and of its weights alone, beside what was
    measured of the same content on other machines, and keeps the row with a stored version or variant.
    """
    settings = read_settings(flags)
    check_flags(n, out, settings)
    tensors = None if input is None else read_tensors(input)
    if n is not None:
        profile_model(ref, tensors, n, settings, output)
        return
    if tensors is None:
        raise InvalidInput("There is nothing to ask: INPUT.npz is missing.", "Give one, or measure with --profile.")
    with open_policy(ref, settings) as opened:
        answer = opened.policy.predict(tensors, deadline_s=settings.deadline)
        report = _report(opened, answer)
    for row in report.tables[0].rows:
        output.data(f"{row[0]}: {row[1]} {row[2]}  {row[3]}")
    timing = answer.timing
    steps = ["preprocess", "compute", "postprocess"]
    if timing.server:
        steps = ["queue", *steps, "wire"]
    spent = ", ".join(f"{step} {value_text(getattr(timing, f'{step}_s'), 's')}" for step in steps)
    where = f" by {timing.server}" if timing.server else ""
    output.talk(f"answered{where} in {value_text(timing.total_s, 's')} ({spent})")
    if out is not None:
        write_tensors(out, answer)
        output.talk(f"wrote {out}")
    output.finish(report, "" if out else f"rilaas predict {ref} {input} --out OUT.npz")


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Tensors by name from a .npz file; nothing in it is run.

    Raises:
        NotFound: There is no such file.
        InvalidInput: It is not a .npz file, or holds Python objects.
    """
    hint = 'Make one with numpy.savez("input.npz", NAME=array).'
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise InvalidInput(f"{path} is a single array without a name.", hint)
        with arrays:
            return {name: arrays[name] for name in arrays.files}
    except FileNotFoundError:
        raise NotFound(f"There is no file {path}.", hint) from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}.", hint) from None
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        # what numpy takes for a pickle is mostly no array at all; nobody is told to allow one
        why = "it holds no arrays" if "allow_pickle=`" in str(error) else str(error)
        raise InvalidInput(f"{path} cannot be read as .npz: {why}.", hint) from None


def write_tensors(path: Path, tensors: Tensors) -> None:
    """Tensors as a .npz file; BYTES become numpy's bytes, so that no pickle is needed.

    Raises:
        InvalidInput: It cannot be written.
    """
    plain = {name: array.astype(np.bytes_) if array.dtype == object else array for name, array in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            np.savez(file, **plain)  # type: ignore[arg-type]
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {error.strerror}.") from None


def _report(opened: Opened, answer: Prediction) -> Report:
    rows = tuple(
        (name, datatype_of(array), str(list(array.shape)), _numbers(array)) for name, array in sorted(answer.items())
    )
    timing = answer.timing
    names = ("total_s", "queue_s", "preprocess_s", "compute_s", "postprocess_s", "wire_s")
    metrics = {name: summarize([getattr(timing, name)], "s", "lower") for name in names}
    if timing.server:
        metrics["round_trip_s"] = summarize([timing.total_s], "s", "lower", servers={timing.server: [timing.total_s]})
    summary = f"{opened.name} answered from {timing.server or opened.place}."
    outputs = Table("Outputs", ("name", "datatype", "shape", "values"), rows)
    return Report("prediction", "measured", metrics, provenance(), summary, tables=(outputs,))


def _numbers(array: np.ndarray) -> str:
    flat = array.ravel()
    words = [f"{v:.6g}" if isinstance(v, (float, np.floating)) else str(v) for v in flat[:_NUMBERS_SHOWN]]
    return " ".join(words) + (f" ... ({flat.size} values)" if flat.size > _NUMBERS_SHOWN else "")
