"""Text of others in our sentences: visible, and as long as it may be.

What people can't see, or what moves the cursor, is shown as an escape.
"""

import unicodedata

_SHOWN = {"Zs"}
"""Categories that `str.isprintable` refuses and that are harmless: spaces other than the usual one."""
_GAP = " … "


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


def cut(text: str, most: int) -> str:
    """The text in at most so many bytes of UTF-8: what is too long loses its middle.

    A sentence begins with what happened and ends with what to do; the API server counts bytes, not characters.
    >>> cut("short", 16), cut("the beginning and the end", 16)
    ('short', 'the be … the end')
    """
    whole = text.encode(errors="surrogatepass")
    if len(whole) <= most:
        return text
    room = most - len(_GAP.encode())
    head = whole[: room - room // 2].decode(errors="ignore")
    tail = whole[len(whole) - room // 2 :].decode(errors="ignore")
    return f"{head.rstrip()}{_GAP}{tail.lstrip()}"
