"""All addresses of the hub."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from rilaas.hub.api import api
from rilaas.hub.pages import PAGES
from rilaas.hub.pages.static import static_file

urlpatterns: list[URLPattern | URLResolver] = [
    *(url for page in PAGES for url in page.urls()),
    path("api/v1/", api.urls),
    path("static/<path:name>", static_file, name="static-file"),
]
handler400 = "rilaas.hub.pages.page.refused"
handler404 = "rilaas.hub.pages.page.not_found"
handler500 = "rilaas.hub.pages.page.broken"
