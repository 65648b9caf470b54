"""The hub as an ASGI application."""

from __future__ import annotations

import os
from typing import cast

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "rilaas.hub.settings")

from django.core.asgi import get_asgi_application

from rilaas.hub.bounded import App, Bounded

application = Bounded(cast(App, get_asgi_application()))
