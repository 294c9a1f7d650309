"""Parses instants, and lists the ticks between two of them. Reads no clock."""

import math
import re
from datetime import UTC, datetime

from modelramp.api.quantity import parse_duration
from modelramp.api.times import to_text
from modelramp.core.ticks import newest_due

MOST_TICKS = 200_000
"""Most ticks of a replay: about four and a half months of minutes."""
_DAY = 86_400
_FORMS = "write it as 2026-11-20T12:00:00Z, 2026-11-20, seconds since the epoch, -36h, -30d or now"


def instant_of(text: str, now: float) -> int:
    """Seconds since the epoch of an instant as people write it; without an offset it is UTC.

    Raises ValueError with the accepted forms when the text is none of them.
    >>> instant_of("2026-11-20T13:00:00+01:00", 0), instant_of("-1h30m", 10_000), instant_of("now", 7.5)
    (1795176000, 4600, 7)
    >>> instant_of("-30d", 2_592_000), instant_of("-1d12h", 129_600)
    (0, 0)
    """
    if text == "now":
        return int(now)
    if ago := re.fullmatch(r"-(?:([0-9]{1,4})d)?(.*)", text):
        days, rest = ago.groups()
        return int(now) - int(days or 0) * _DAY - (parse_duration(rest) if rest or not days else 0)
    if re.fullmatch(r"[0-9]{9,11}", text):
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no instant; {_FORMS}") from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


def ticks_between(begin: int, end: int, interval: int, now: float) -> range:
    """The ticks whose interval lies wholly between two instants and in the past.

    Raises ValueError, with what to change, when there are none or more than MOST_TICKS.
    >>> list(ticks_between(30, 200, 60, 1000))
    [120, 180]
    """
    if begin >= end:
        raise ValueError(f"--from ({to_text(begin)}) must lie before --to ({to_text(end)})")
    if begin >= now:
        raise ValueError(f"--from ({to_text(begin)}) lies in the future: nothing is recorded there yet")
    first = math.ceil(begin / interval) * interval + interval
    ticks = range(first, min(end, newest_due(now, interval)) + 1, interval)
    if not ticks:
        raise ValueError(f"no whole interval of {interval} s lies between {to_text(begin)} and {to_text(end)}")
    if len(ticks) > MOST_TICKS:
        raise ValueError(f"{len(ticks):,} ticks are more than {MOST_TICKS:,}: ask a shorter time or a longer --step")
    return ticks
