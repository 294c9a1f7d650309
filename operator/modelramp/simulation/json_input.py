"""JSON values that people write: as numbers, and in words for messages about those that cannot be used."""

import math
from collections.abc import Collection
from difflib import get_close_matches
from typing import Any


class BadData(Exception):
    """The data cannot be read as numbers for the check; says where, what was found and what is wished."""


def kind_of(value: Any) -> str:
    """What a value is, as a person would say it; long ones are cut.

    >>> kind_of(None), kind_of("ten"), kind_of([1])
    ('null', 'the text "ten"', 'a list')
    """
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'the text "{value[:40]}"'
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return f"the number {value!r}"[:60]


def meant(name: str, known: Collection[str]) -> str:
    """The end of a sentence about an unknown name: the one that was probably meant, or nothing.

    >>> meant("chekcs", ["checks", "available"]), meant("x", ["checks"])
    ('; did you mean checks?', '')
    """
    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def finite(value: float | None) -> float | int | None:
    """A number as JSON has it: whole ones without a point; null for one that is infinite or not there.

    >>> finite(12.0), finite(0.5), finite(math.inf)
    (12, 0.5, None)
    """
    if value is None or not math.isfinite(value):
        return None
    return int(value) if value == int(value) and abs(value) < 2**53 else value


def number_in(given: Any, where: str) -> float:
    """The number of a JSON value, also in quotes, as "+Inf"; raises BadData in the name of `where`."""
    if isinstance(given, bool) or not isinstance(given, (int, float, str)):
        raise BadData(f"{where} is {kind_of(given)}; write a number")
    try:
        return float(given)
    except ValueError:
        raise BadData(f"{where} is {kind_of(given)}; write a number") from None
    except OverflowError:
        raise BadData(f"{where} is too large for a number") from None
