"""What the hub can optimize with: presets, what is missing for them, and data sets that a model may learn from."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from rilaas.core import InvalidInput, MissingDependency, RilaasError
from rilaas.core.toml import parse_toml
from rilaas.hub.models import Variant
from rilaas.hub.queries.tensor import signature_of
from rilaas.optimize.passes.contract import Pass
from rilaas.optimize.recipe import PRESETS, Recipe, read_recipe, recipe_names, recipe_of

MAX_RECIPE_BYTES = 64 * 2**10
MAX_PASSES = 20
DRIVING = "lane-following"
_NEEDED = {"onnx": "optimize", "onnxruntime": "optimize"}
_TRAINS = ("torch", "optimize")  # package and extra of passes that train


def missing_packages() -> list[str]:
    """What no optimization goes without and is not installed where the hub is."""
    return [name for name in _NEEDED if find_spec(name) is None]


def list_presets() -> list[dict[str, Any]]:
    """Our presets: name, what they do, where to, what they need, and why they cannot be made here."""
    return [_preset(name) for name in PRESETS if name in recipe_names()]


def check_can_optimize() -> None:
    """Refuse where nothing can be optimized.

    Raises:
        MissingDependency: A package is not installed.
    """
    if missing := missing_packages():
        raise MissingDependency(
            f"This hub optimizes no models: the packages {', '.join(missing)} are not installed.",
            "Who runs the hub installs them: pip install 'rilaas[optimize,openvino]'.",
        )


def recipes_of(names: tuple[str, ...], text: str) -> list[Recipe]:
    """Recipes by name, and one as the text of a TOML file.

    Args:
        names: Of our recipes.
        text: TOML, or ''.

    Raises:
        InvalidInput: The text is no recipe, or too long.
        NotFound: There is no recipe of a name.
        MissingDependency: The target or a package of one is not there.
    """
    known = recipe_names()
    recipes = []
    for name in names:
        if name not in known:  # read_recipe takes paths, which would be of the hub's own disk
            raise InvalidInput(f"There is no recipe {name[:80]!r}.", f"Available: {', '.join(PRESETS)}.")
        recipes.append(read_recipe(name))
    if text.strip():
        recipes.append(_read_text(text))
    for recipe in recipes:
        if why := why_not(recipe):
            raise MissingDependency(f"The recipe {recipe.name} cannot be made here: {why}")
    return recipes


def why_not(recipe: Recipe) -> str:
    """What is missing for a recipe, with what to install; '' where nothing is."""
    if why := recipe.target.missing():
        return why
    if "training" in recipe.needs and find_spec(_TRAINS[0]) is None:
        return "its passes train, and the package torch is not installed: pip install 'rilaas[optimize]'."
    return ""


def can_record(variant: Variant) -> str:
    """Why the hub cannot record samples for a model by driving it; '' where it can."""
    from rilaas.evaluate.driving.episode.rollout import check_driving

    if find_spec("cv2") is None:
        return "The tile world is not installed (pip install 'rilaas[learn]'), so nothing can be recorded."
    if not variant.manifest.get("inputs"):
        return "Only driving models are recorded by the hub."
    try:
        check_driving(signature_of(variant.manifest))
    except RilaasError as error:
        return f"Only driving models are recorded by the hub. {error.message}"
    return ""


def _read_text(text: str) -> Recipe:
    if len(text.encode("utf-8", "replace")) > MAX_RECIPE_BYTES:
        raise InvalidInput(f"The recipe is longer than {MAX_RECIPE_BYTES // 2**10} KiB.")
    try:
        recipe = recipe_of(parse_toml(text, "the recipe"), "the recipe")
    except (RecursionError, OverflowError):
        raise InvalidInput("The recipe is nested too deeply, or a number in it is too large.") from None
    if len(recipe.passes) > MAX_PASSES:
        raise InvalidInput(f"The recipe has {len(recipe.passes)} passes; at most {MAX_PASSES} are followed.")
    return recipe


def _preset(name: str) -> dict[str, Any]:
    try:
        recipe = read_recipe(name)
    except RilaasError as error:  # a pass whose module cannot be imported here
        return {"name": name, "description": "", "target": "", "passes": [], "needs": [], "missing": str(error)}
    return {
        "name": name,
        "description": recipe.description,
        "target": str(recipe.target),
        "passes": [_title(each) for each in recipe.passes],
        "needs": sorted(recipe.needs),
        "missing": why_not(recipe),
    }


def _title(each: Pass) -> str:
    return each.name
