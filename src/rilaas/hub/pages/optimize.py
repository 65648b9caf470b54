"""The form that starts an optimization."""

from __future__ import annotations

from django.http import HttpRequest

from rilaas.core import InvalidInput
from rilaas.hub.actions.optimization import FRAMES, MAX_EPISODES, MAX_RECIPES, Wish, start_optimization
from rilaas.hub.models import Variant
from rilaas.hub.pages.page import Data, Page, person_of
from rilaas.hub.pages.reference import dataset_of, number_of
from rilaas.hub.queries.access import find_model
from rilaas.hub.queries.dataset import choices
from rilaas.hub.queries.optimization import MAX_RECIPE_BYTES, can_record, list_presets, missing_packages
from rilaas.hub.queries.suite import list_suites, missing_package

RECORD, NONE = "record", "none"  # in the place of a data set, of a suite


def _page(request: HttpRequest, owner: str, name: str) -> Data:
    person = person_of(request)
    model = find_model(person, owner, name, to="change")
    originals = Variant.objects.filter(version__model=model, name="").order_by("-version__number")
    newest = originals.select_related("version").defer("files", "card").first()
    numbers = originals.values_list("version__number", flat=True)[:60]
    why_not = can_record(newest) if newest else ""
    return {
        "ref": str(model),
        "versions": list(numbers),
        "revision": request.GET.get("revision", ""),
        "presets": list_presets(),
        "missing": missing_packages(),
        "cannot_record": why_not,
        "has_weights": bool(newest and newest.manifest.get("weights")),
        "datasets": choices(person, newest.manifest.get("inputs", []) if newest else []),
        "suites": [] if missing_package() or why_not else list_suites(),
        "frames": FRAMES,
        "max_episodes": MAX_EPISODES,
        "max_recipes": MAX_RECIPES,
    }


def _start(request: HttpRequest, owner: str, name: str) -> str:
    form, file = request.POST, request.FILES.get("recipe_file")
    data = file.read(MAX_RECIPE_BYTES + 1) if file else form.get("recipe_toml", "").encode()
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"The recipe is not UTF-8 text (byte {error.start}).", "Choose a TOML file.") from None
    chosen = form.get("other", "").strip() or form.get("dataset", RECORD)
    suite = form.get("suite", NONE)
    wish = Wish(
        recipes=tuple(form.getlist("recipes")),
        recipe_toml=text,
        dataset=None if chosen == RECORD else dataset_of(chosen),
        suite="" if suite == NONE else suite,
        episodes=number_of(form.get("episodes", ""), "episodes") or 10,
        frames=number_of(form.get("frames", ""), "frames") or FRAMES[1],
        name=form.get("name", "").strip(),
    )
    evaluation = start_optimization(person_of(request), (owner, name), form.get("revision", ""), wish)
    return f"/evaluations/{evaluation.pk}"


PAGES = (Page("models/<part:owner>/<part:name>/optimize", "hub/model-optimize.html", _page, {"start": _start}),)
