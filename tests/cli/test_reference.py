"""The documentation of the command line is the command line's own."""

from pathlib import Path

from rilaas.cli.reference import page
from rilaas.cli.verb import VERBS

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_in_the_docs_is_current():
    assert (DOCS / "cli.md").read_text() == page(), "run: python -m rilaas.cli.reference > docs/cli.md"


def test_every_verb_has_its_section_with_examples():
    sections = page().split("\n## ")[1:]
    assert [section.split()[0] for section in sections] == list(VERBS)
    assert all("Example" in section for section in sections)
