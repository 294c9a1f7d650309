"""Instants and durations as the API writes them: RFC 3339, UTC, whole seconds; and 90s, 5m, 1h30m.

In the core they are seconds since the epoch, and seconds.
"""

import re
from datetime import UTC, datetime

DURATION = r"([0-9]{1,6}h)?([0-9]{1,6}m)?([0-9]{1,6}s)?"
"""Pattern of durations as people write them: six digits keep each within what the API server can compute with."""
_UNITS = (("h", 3600), ("m", 60), ("s", 1))


def to_text(seconds: int) -> str:
    """An instant for the API.

    >>> to_text(1795176240)
    '2026-11-20T12:04:00Z'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def to_clock(seconds: int) -> str:
    """The time of day of an instant, UTC, for sentences: 12:04:00Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%SZ")


def to_near(seconds: int, now: int) -> str:
    """An instant for sentences that are read from `now` on: with its date when it lies a day or more ahead.

    >>> to_near(1795176240, 1795176000), to_near(1795176240, 1795076000)
    ('12:04:00Z', '2026-11-20T12:04:00Z')
    """
    return to_text(seconds) if seconds - now >= 86_400 else to_clock(seconds)


def to_seconds(text: str) -> int:
    """Seconds since the epoch of an RFC 3339 instant.

    Raises ValueError when it is none, or lies outside of the years 1970 to 9999.
    """
    try:
        instant = datetime.fromisoformat(text)
        seconds = int(instant.timestamp()) if instant.tzinfo is not None else -1
    except (ValueError, OverflowError):
        seconds = -1
    if seconds < 0:
        raise ValueError(f"{text!r} is no time between 1970 and 9999")
    return seconds


def parse_duration(text: str) -> int:
    """Seconds in a duration such as "90s", "5m" or "1h30m".

    Raises ValueError with the accepted forms when the text is none of them.
    >>> parse_duration("1h30m")
    5400
    """
    match = re.fullmatch(DURATION, text)
    if not text or match is None:
        raise ValueError(
            f"{text!r} is not a duration; write hours, minutes and seconds in that order, as in 90s, 5m, 1h30m"
        )
    return sum(int(part[:-1]) * size for part, (_, size) in zip(match.groups(), _UNITS, strict=True) if part)


def format_duration(seconds: int) -> str:
    """The shortest duration text for whole seconds.

    >>> format_duration(5400), format_duration(0)
    ('1h30m', '0s')
    """
    text, rest = "", seconds
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
