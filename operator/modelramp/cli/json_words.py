"""A JSON value in words, for messages about input that cannot be used."""

from typing import Any


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
