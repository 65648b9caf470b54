"""What a model's page draws: shapes, and its card, which is Markdown of a stranger as HTML that can do nothing."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString
from markdown_it import MarkdownIt
from markdown_it.token import Token

register = template.Library()
_COMMENT = re.compile(r"^ {0,3}<!--.*?-->[ \t]*$", re.MULTILINE | re.DOTALL)
_DEEPER = 2  # a card's first heading is one of the page's third level


@register.filter
def markdown(text: str) -> SafeString:
    """Markdown as HTML. Its own HTML is shown as text; pictures become their words, and only web links stay links."""
    html: str = _parser().render(_COMMENT.sub("", text))  # with html off, markdown-it escapes whatever is no Markdown
    return SafeString(html)


@register.filter
def shape(sizes: Sequence[int]) -> str:
    """``n × 120 × 160 × 3``; what is free is a letter, each its own."""
    letters = iter("nmkpqrst")
    return " × ".join(next(letters) if size < 0 else str(size) for size in sizes) or "scalar"


@functools.cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("image", _image)
    parser.core.ruler.push("tame", _tame)
    return parser


def _image(renderer: Any, tokens: Sequence[Token], index: int, options: Any, environment: Any) -> str:
    return f"<em>{escape(tokens[index].content)}</em>"


def _tame(state: Any) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1:]) + _DEEPER)}"
        kept: list[bool] = []
        for child in token.children or ():
            if child.type == "link_open":
                kept.append(str(child.attrGet("href")).startswith(("https://", "http://", "mailto:")))
                child.attrs = {"href": child.attrs.get("href", ""), "rel": "nofollow noopener noreferrer"}
            if child.type in ("link_open", "link_close"):
                is_kept = kept[-1] if child.type == "link_open" else kept.pop()
                child.hidden = not is_kept
                if not is_kept:
                    child.type, child.tag, child.nesting, child.content = "text", "", 0, ""
