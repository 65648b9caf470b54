"""References and numbers that people type or choose in forms."""

from __future__ import annotations

from rilaas.core import InvalidInput, ModelRef


def reference_of(text: str) -> ModelRef:
    """A model with its owner.

    Raises:
        InvalidInput: It is none.
    """
    if not text:
        raise InvalidInput("No model was chosen.", "Choose one, or write owner/name:version.")
    reference = ModelRef.parse(text)
    if not reference.owner:
        raise InvalidInput(
            f"{text!r} does not say whose model it is.", "Write owner/name, for example alice/grasp:3."
        )
    return reference


def number_of(text: str, what: str) -> int | None:
    """A number from 1; None where nothing was typed.

    Raises:
        InvalidInput: It is none.
    """
    text = text.strip()
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) < 1:
        raise InvalidInput(f"{text[:40]!r} is no number of a {what}.", "It is a whole number from 1.")
    return int(text)


def dataset_of(text: str) -> tuple[str, str, int | None]:
    """A data set's owner, name, and version; None where no version is written.

    Raises:
        InvalidInput: It is none.
    """
    ref, _, number = text.partition(":")
    owner, _, name = ref.partition("/")
    if not owner or not name:
        raise InvalidInput(f"{text[:100]!r} is no dataset.", "Choose one, or write owner/name:version.")
    return owner, name, number_of(number, "version")
