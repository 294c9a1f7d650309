"""Text of others in our sentences: what people can't see, or what moves the cursor, is shown as an escape."""

import unicodedata

_SHOWN = {"Zs"}
"""Categories that `str.isprintable` refuses and that are harmless: spaces other than the usual one."""


def visible(text: str) -> str:
    r"""The text with control characters, line breaks, bidirectional overrides and zero-width characters as escapes.

    A name or an answer then can neither forge a second line nor hide or reorder what a terminal shows. Applied twice
    it changes nothing more.
    >>> visible("2.0.0"), visible("2.0.0\n\x1b[2K"), visible("1.0\u202e0.2"), visible("Straße 1")
    ('2.0.0', '2.0.0\\n\\x1b[2K', '1.0\\u202e0.2', 'Straße 1')
    """
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character.isprintable() or unicodedata.category(character) in _SHOWN:
        return character
    return character.encode("unicode_escape").decode("ascii")
