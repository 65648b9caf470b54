"""The hub as an ASGI application."""

from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rilaas.hub.settings")

import django

django.setup(set_prefix=False)

from rilaas.hub.bounded import Bounded  # noqa: E402
from rilaas.hub.handler import Handler  # noqa: E402

application = Bounded(Handler())
