"""A recording as one page of HTML: it needs no network, and runs the player's script and nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from html import escape
from importlib.resources import files

from rilaas.report.playback.document import player_document
from rilaas.report.playback.recording import Recording

PLAYER_FILES = ("player.js", "player.css")
"""What the player consists of; the hub serves these files, the page has them inlined."""


def to_page(recording: Recording, *, back: str = "") -> str:
    """A page on which a recording is played.

    Args:
        recording: What to play.
        back: Address of the report that it belongs to, relative to the page; '' where there is none.
    """
    script, style = player_file("player.js"), player_file("player.css")
    # Only these two run, whatever a scenario's or a model's name contains.
    policy = f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:"
    document = player_document(recording)
    data = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    link = f'<p class="player-back"><a href="{escape(back)}">To the report</a></p>\n' if back else ""
    title = f"{document['title']}: {document['status']}"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body class="player-page">\n{link}'
        '<div id="player"><noscript>This page plays a drive with a script that is in it; scripts are switched off.'
        f'</noscript></div>\n<script type="application/json" id="player-data">{data}</script>\n'
        f"<script>{script}</script>\n</body>\n</html>\n"
    )


@cache
def player_file(name: str) -> str:
    """The text of one of ``PLAYER_FILES``."""
    return files("rilaas.report.playback").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}'"
