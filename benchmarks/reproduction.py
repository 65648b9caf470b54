"""The study of model optimization reproduced: every technique of it, measured, driven, and beside its own figures.

    python benchmarks/reproduction.py --markdown docs/reproduction.md [--model models/pilotnet-bev] [--json PATH]

Follows the recipes ``paper.*`` for the network of the study's own shape, measures them beside each other, lets each
drive the suite ``lf`` with its own latency, and writes the page. Half of the recipes need the extra ``tensorflow``,
best in an environment of its own; what cannot be run is listed with its reason. What was made is kept in --home.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from optimize import opened
from rilaas.optimize.recipe import read_recipe, recipe_names
from rilaas.optimize.report import build_report
from rilaas.optimize.reproduction import to_markdown
from rilaas.optimize.row import front_of

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "pilotnet-bev")
    parser.add_argument("--recipes", default="paper.*", help="a pattern (default paper.*)")
    parser.add_argument("--samples", type=int, default=5000)
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--home", type=Path, default=ROOT / "out" / "optimize", help="recordings and finished passes")
    parser.add_argument("--markdown", type=Path, help="write the page here")
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--html", type=Path, help="write the report as a page here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        workshop = opened(arguments, Path(place))
        workshop.make([read_recipe(name) for name in recipe_names(arguments.recipes)])
        rows = workshop.rows()
    report = build_report(
        rows,
        subject=workshop.subject.folder.manifest.name,
        front=front_of(rows),
        absent=workshop.absent,
        published=True,
        seeds=(0,),
    )
    print(report.to_text(width=180))
    if arguments.markdown:
        command = f"python benchmarks/reproduction.py --model models/{arguments.model.name} --markdown PAGE.md"
        page = to_markdown(rows, rows[0], command=command, absent=sorted(workshop.absent.items()))
        arguments.markdown.write_text(page)
    if arguments.json:
        arguments.json.write_text(report.to_json())
    if arguments.html:
        arguments.html.write_text(report.to_html())


if __name__ == "__main__":
    main()
