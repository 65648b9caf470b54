"""Between which bounds a scenario's values lie."""

from __future__ import annotations

from rilaas.core import InvalidInput


def check_count(name: str, value: int, most: int) -> None:
    """Refuse what is not a whole number from 0 to ``most``.

    Raises:
        InvalidInput: Naming the value and the bounds.
    """
    if isinstance(value, float) or not 0 <= value <= most:
        raise InvalidInput(f"{name} is {value}; it is a whole number from 0 to {most}.")


def check_number(name: str, value: float, low: float, high: float) -> None:
    """Refuse what is not from ``low`` to ``high``.

    Raises:
        InvalidInput: Naming the value and the bounds.
    """
    if not low <= value <= high:
        raise InvalidInput(f"{name} is {value}; it is from {low:g} to {high:g}.")


def check_range(low_name: str, low: float, high_name: str, high: float, least: float, most: float) -> None:
    """Refuse two values that do not rise, or are not from ``least`` to ``most``.

    Raises:
        InvalidInput: Naming both.
    """
    if not least <= low <= high <= most:
        raise InvalidInput(
            f"{low_name} is {low} and {high_name} {high}; both are from {least:g} to {most:g}, the first the smaller."
        )
