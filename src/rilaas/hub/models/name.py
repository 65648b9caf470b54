"""Names that people choose: of people, models, robots, datasets, aliases."""

from __future__ import annotations

from django.db import models

from rilaas.core import InvalidInput, ModelRef

LENGTH = 64


def name_field(**options: object) -> models.CharField[str, str]:
    """A column for a name."""
    return models.CharField(max_length=LENGTH, **options)  # type: ignore[arg-type]


def checked_name(name: str, what: str) -> str:
    """A name that may stand in a reference and in an address.

    Args:
        name: What a person typed.
        what: Whose name it is, for the message.

    Raises:
        InvalidInput: It is none.
    """
    try:
        ModelRef(name)
    except InvalidInput:
        raise InvalidInput(
            f"{name!r} cannot be the name of a {what}.",
            "It has 1 to 64 lower-case letters, digits, '.', '_', '-'; the first and the last are letters or digits.",
        ) from None
    if name.endswith(".json"):
        raise InvalidInput(
            f"The name of a {what} does not end in '.json'.", "Its page and the page's data are told apart by it."
        )
    return name
