"""Which order of passes makes sense: what can be known to fail is told before any work."""

from __future__ import annotations

from collections.abc import Sequence

from rilaas.core import InvalidInput, RilaasError
from rilaas.infer.target import Target
from rilaas.optimize.passes.contract import Pass
from rilaas.optimize.recipe import Recipe
from rilaas.optimize.samples import Data

FLOAT, NUMBERS, SHAPE, FINISHED = range(4)
"""What a pass works on and leaves: a float graph, another number format, fixed shapes, a file for one runtime."""

_STAGES = {"quantize": NUMBERS, "cast": NUMBERS, "shape": SHAPE, "tensorflow": FINISHED}
_WORDS = {
    NUMBERS: "the numbers of the graph are no plain float any more",
    SHAPE: "the graph takes one sample only",
    FINISHED: "the weights are a .tflite file",
}
_TEACHES = "training"


def stage_of(made: Pass) -> int:
    """One of the stages above, by the family of the pass."""
    return _STAGES.get(made.name.partition(".")[0], FLOAT)


def check_can_be_made(recipe: Recipe, data: Data | None) -> None:
    """Refuse a recipe that is known to fail, before anything is computed.

    Raises:
        MissingDependency: Its target is not there.
        InvalidInput: Its passes stand in an order that cannot be, or need data and there are none.
    """
    check_can_begin(recipe)
    if recipe.needs and data is None:
        asking = [each.name for each in recipe.passes if each.needs]
        raise InvalidInput(
            f"The recipe {recipe.name} needs {', '.join(sorted(recipe.needs))} data for {', '.join(asking)}, "
            "and there are none.",
            "Give recordings of what the robot saw with --dataset.",
        )


def check_can_begin(recipe: Recipe) -> None:
    """Refuse a recipe that no data could save, before anybody records some.

    Raises:
        MissingDependency: Its target is not there.
        InvalidInput: Its passes stand in an order that cannot be.
    """
    recipe.target.check_is_there()
    check_order(recipe.passes)
    _check_ending(recipe.passes, recipe.target)


def check_some_can_begin(recipes: Sequence[Recipe]) -> None:
    """Refuse recipes of which none can be followed here, whatever the data.

    Raises:
        MissingDependency: The first one's target is not there.
        InvalidInput: The first one's passes stand in an order that cannot be.
    """
    failed = [error for recipe in recipes if (error := _hindrance(recipe)) is not None]
    if len(failed) < max(1, len(recipes)):
        return
    if len(recipes) == 1:
        raise failed[0]
    what = f"None of the {len(recipes)} recipes can be followed here. {recipes[0].name}: {failed[0].message}"
    raise type(failed[0])(what, failed[0].hint)


def _hindrance(recipe: Recipe) -> RilaasError | None:
    try:
        check_can_begin(recipe)
    except RilaasError as error:
        return error
    return None


def check_order(passes: Sequence[Pass]) -> None:
    """Refuse passes whose order cannot be.

    Raises:
        InvalidInput: It names the two passes.
    """
    for index, later in enumerate(passes):
        for earlier in passes[:index]:
            stage, own = stage_of(earlier), stage_of(later)
            if stage == FINISHED:
                wrong = True
            elif stage == NUMBERS:
                wrong = own in (FLOAT, NUMBERS, FINISHED)
            else:
                wrong = stage == SHAPE and (_TEACHES in later.needs or own == FINISHED)
            if wrong:
                raise InvalidInput(
                    f"The pass {later.name} cannot stand after {earlier.name}: there {_WORDS[stage]}.",
                    "The order is: folding, pruning, distillation, fine-tuning, clustering; then one of quantize.* "
                    "or cast.*; then shape.fix. A tensorflow.* pass is the last.",
                )


def _check_ending(passes: Sequence[Pass], target: Target) -> None:
    """A LiteRT file needs a pass that writes it, and no other runtime takes one."""
    finished = [each.name for each in passes if stage_of(each) == FINISHED]
    if target.runtime == "litert" and not finished:
        raise InvalidInput(
            f"{target} runs .tflite files, and no pass of the recipe makes one.",
            "Put tensorflow.convert, or another tensorflow.* pass, at the end.",
        )
    if finished and target.runtime != "litert":
        raise InvalidInput(
            f"{finished[0]} makes a .tflite file, which {target.runtime} does not run.",
            "Write target = cpu/litert/fp32, or leave the pass away.",
        )
