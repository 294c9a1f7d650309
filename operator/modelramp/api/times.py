"""Instants as the API writes them: RFC 3339, UTC, whole seconds. In the core they are seconds since the epoch."""

from datetime import UTC, datetime


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
