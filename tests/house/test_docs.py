"""The docs keep to what there is: links lead somewhere, and commands that are shown can be given."""

import re
from pathlib import Path

import pytest

from rilaas.cli.verb import VERBS

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/*/*.md")])


def name(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    links += re.findall(r'<img[^>]+src="([^"]+)"', page.read_text())
    for link in links:
        if "://" not in link and not link.startswith("mailto:"):
            assert (page.parent / link).exists(), f"{name(page)} links to {link}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_that_a_page_shows_has_a_verb(page):
    shown = re.findall(r"^\s*(?:\$ )?rilaas ([a-z]+)\b", page.read_text(), re.MULTILINE)
    shown += re.findall(r"`rilaas ([a-z]+)\b", page.read_text())
    assert set(shown) <= set(VERBS)
