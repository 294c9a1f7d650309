"""Counters whose series are born with their first event, which increase() and rate() do not count.

Most servers make the series of a status or an error when it happens first: the first sample of it is 5, not 0, and
Prometheus, which saw no 0, finds no increase. Where the target was scraped at the beginning of the window and did not
serve the series, it was born since, at 0, and its whole value is new:
docs/decisions/0025-failures-are-counted-from-birth.md.
"""

WINDOW = "[{{window}}]"
_THEN = "offset {{window}}"


def increase(selector: str, witness: str, target: str, scraped: str = "") -> str:
    """The increase over the window of every series that `selector` matches, from 0 for those that were born in it.

    witness: a selector of series that the same target serves from its first request on. target: the labels, joined by
    commas, that name a scraped target. scraped: a selector of `up`, for targets that have served no request yet.
    A series of which nothing is known at the beginning of the window is counted from its first sample on, as ever: it
    may be an old one that Prometheus meets for the first time.
    """
    born = f"last_over_time({selector}{WINDOW}) unless {selector} {_THEN}"
    known = f"({witness} {_THEN} or {scraped} {_THEN} == 1)" if scraped else f"{witness} {_THEN}"
    return f"{born} and on ({target}) {known} or increase({selector}{WINDOW})"
