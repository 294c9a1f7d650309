"""What a counter rose by over a window, as it was scraped: `increase()` without extrapolation.

`increase(x[1m])` sees what happened between the first and the last scrape of the window, (k - 1) of k scrape intervals,
and scales it up to the whole window. The mean is right, but the count says more than was seen: its variance is
k / (k - 1) times that of the events, and statistics on counts alarm far more often than they declare. Here each
`increase()` of a query becomes the difference of two values: the last sample up to the end of the window, and the last
one up to its beginning. Every event is counted once, in the window of the scrape that first shows it, so that windows
add up: docs/decisions/0039-counts-as-scraped.md.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from modelramp.analysis.matchers import LONGEST, TEXT

REACH: Final = 300
"""Seconds in which the last sample before a window is looked for: what Prometheus looks back for an instant."""
TARGET: Final = "job, instance, pod, namespace"
"""Labels that name a scraped target; one that no series has makes no difference."""
LONG: Final = 3600
"""Seconds of a window from which on one scrape interval more or less is no matter, but its samples cost much."""
MOST: Final = 6
"""Increases in one query that are rewritten; each is eleven selectors then."""

_CALL: Final = re.compile(r"(?<![\w:.])increase\s*\(")
_COUNTER: Final = (
    r"\s*(?P<selector>(?P<name>[a-zA-Z_:][\w:]*)(?:\s*\{[^{}]*\})?|\{[^{}]*\})\s*"
    r"\[\s*(?P<range>[0-9a-z]+)\s*\]\s*(?:offset\s+(?P<offset>[0-9a-z]+)\s*)?"
)
_ONE_NAME: Final = re.compile(r"__name__\s*=\s*[\"'`]|[{,]\s*[\"'][^\"']*[\"']\s*[,}]")
_FLOATS: Final = ("_total", "_count", "_sum", "_bucket")
"""Ends of names whose series are numbers and no native histograms."""
_UNIT: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000, "y": 31_536_000_000}
_LENGTH: Final = r"(?:\d+(?:ms|[smhdwy]))+"


@dataclass(frozen=True, slots=True)
class Counted:
    """A query that counts as scraped. rest: what about it does not, a sentence; "" when there is nothing."""

    text: str
    rest: str = ""


@lru_cache(maxsize=16_384)
def as_scraped(query: str, witness: str = "") -> Counted:
    """The query with every `increase()` replaced by the difference of what was scraped.

    witness: a query of the same check, whose first counter tells which targets were scraped at the beginning of the
    window: a series that a target serves only since then was born in the window, at 0. Without one, the counter itself.
    An `increase()` of something else than one counter is weighted by (k - 1) / k, k its samples: what was seen, with
    the first scrape interval missing. A query without `increase()` stays as it is.
    """
    blank = _blanked(query)
    found = list(_CALL.finditer(blank))
    if len(found) > MOST:
        return Counted(query, _TOO_LONG)
    known = _first_counter(witness)
    parts, at, weighted = [], 0, False
    for call in found:
        end = _end(blank, call.end())
        if call.start() < at or end is None:
            weighted = True
            continue
        counter = _counter(query[call.end() : end], blank[call.end() : end])
        weighted = weighted or counter is None
        inner = query[call.end() : end]
        parts += [query[at : call.start()], _weighted(inner) if counter is None else _difference(counter, known)]
        at = end + 1
    text = "".join((*parts, query[at:]))
    if len(text) > LONGEST:
        return Counted(query, _TOO_LONG)
    return Counted(text, _WEIGHTED if weighted else "")


_TOO_LONG: Final = "is too long to be counted as scraped: increase() extrapolates, so that alphas are exceeded"
_WEIGHTED: Final = (
    "has an increase() of more than a counter; of k scrapes in a window, it counts what k - 1 of them add"
)


@dataclass(frozen=True, slots=True)
class _Counter:
    """The argument of an increase(). window, offset: milliseconds. floats: no series is a native histogram."""

    selector: str
    window: int
    offset: int
    floats: bool


def _blanked(query: str) -> str:
    """The query with the same places, but nothing in its strings and comments."""
    return TEXT.sub(lambda each: _emptied(each[0]), query)


def _emptied(text: str) -> str:
    return " " * len(text) if text[0] == "#" else f"{text[0]}{'_' * (len(text) - 2)}{text[-1]}" if text[1:] else text


def _end(blank: str, start: int) -> int | None:
    """The place of the bracket that closes a call, whose arguments begin at `start`."""
    depth = 1
    for place in range(start, len(blank)):
        depth += {"(": 1, ")": -1}.get(blank[place], 0)
        if depth == 0:
            return place
    return None


def _counter(text: str, blank: str) -> _Counter | None:
    """The counter in the argument of an increase(); None when it is something else."""
    found = re.fullmatch(_COUNTER, blank)
    if found is None or not (found["name"] or _ONE_NAME.search(blank)):
        return None
    window, offset = _milliseconds(found["range"]), _milliseconds(found["offset"] or "0ms")
    if window is None or offset is None:
        return None
    name = found["name"] or ""
    return _Counter(text[slice(*found.span("selector"))], window, offset, name.endswith(_FLOATS))


def _first_counter(query: str) -> str:
    """The selector of the first counter of a query; "" when it has none."""
    blank = _blanked(query)
    for call in _CALL.finditer(blank):
        end = _end(blank, call.end())
        counter = _counter(query[call.end() : end], blank[call.end() : end]) if end is not None else None
        if counter is not None:
            return counter.selector
    return ""


def _milliseconds(length: str) -> int | None:
    if not re.fullmatch(_LENGTH, length):
        return None
    parts = re.findall(r"\d+|[a-z]+", length)
    return sum(int(number) * _UNIT[unit] for number, unit in zip(parts[::2], parts[1::2], strict=True))


def _difference(counter: _Counter, known: str) -> str:
    """How much each series of a counter rose. known: selector of what tells the targets that were there before.

    In this order, what applies first: the counter was restarted in the window, and had counted more before; no sample
    lies below the last one before the window; it was restarted before the window's first sample, or born in it, and
    counts from 0; nothing is known of it before its first sample, from which on it counts. Over a LONG window only what
    is born is added to increase().
    """
    selector = counter.selector

    def of(function: str) -> str:
        return f"{function}({selector}[{counter.window}ms]{_offset(counter.offset)})"

    def then(of_what: str) -> str:
        return f"last_over_time({of_what}[{REACH}s]{_offset(counter.window + counter.offset)})"

    last, least, most = of("last_over_time"), of("min_over_time"), of("max_over_time")
    if counter.window > LONG * 1000:
        born = f"({last} unless {then(selector)} and on ({TARGET}) {then(known or selector)}) + 0"
        return f"({born} or {of('increase')})"
    branches = [
        f"({last} < {most}) + clamp_min({most} - {then(selector)}, 0)",
        f"{last} - ({then(selector)} <= {least})",
        f"({last} and on ({TARGET}) {then(known or selector)}) + 0",
        f"{last} - {least}",
    ]
    if not counter.floats:
        branches.append(_weighted(f"{selector}[{counter.window}ms]{_offset(counter.offset)}"))
    return f"({' or '.join(branches)})"


def _offset(milliseconds: int) -> str:
    return f" offset {milliseconds}ms" if milliseconds else ""


def _weighted(argument: str) -> str:
    """An increase() without what it adds by extrapolation."""
    return f"(increase({argument}) * (1 - 1 / count_over_time({argument})))"
