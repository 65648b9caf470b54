"""What is not written into logs: links that sign somebody in."""

from __future__ import annotations

import logging
import re

_LINK = re.compile(r"(/enter/)[^/\s?]+")
_LOGGERS = ("django.request", "django.security.csrf")  # they write the address of what they refuse


class NoLinks(logging.Filter):
    """Takes the secret out of addresses such as ``/enter/SECRET``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep the record, without the secret."""
        if isinstance(record.args, tuple):
            record.args = tuple(_LINK.sub(r"\1...", each) if isinstance(each, str) else each for each in record.args)
        return True


def hide_links() -> None:
    """Do so from now on."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(each, NoLinks) for each in logger.filters):
            logger.addFilter(NoLinks())
