"""The page of passes and recipes is current."""

from pathlib import Path

from rilaas.optimize.reference import page

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_the_page_of_passes_is_what_their_docstrings_say():
    assert (DOCS / "passes.md").read_text() == page(), "run: python -m rilaas.optimize.reference > docs/passes.md"


def test_every_field_of_every_pass_has_its_meaning():
    assert "|  |" not in page()
