"""Native histograms: what Prometheus says of one, as buckets that the statistics can work on."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from modelramp.analysis.evidence import LEAST_COUNT, Unusable, count_problem, nothing_counted
from modelramp.analysis.stats.histograms import TOLERATED_FALL, Buckets, Side, bad_counts, bad_edges
from modelramp.api.names import Reason

_SCHEMAS = range(-4, 9)
"""Of exponential buckets: each ends 2 ** (2 ** -schema) times as high as it begins."""
_NEAR = 1e-9

_OVERLAP = Unusable(Reason.NOT_A_NUMBER, "a native histogram's buckets overlap")


@dataclass(frozen=True, slots=True)
class Native:
    """A native histogram as it came: the buckets that are not empty, and the count of all observations."""

    buckets: tuple[Side, ...]
    count: float


def from_native(rows: Sequence[Side], count: float | None = None) -> Buckets | Unusable:
    """Buckets from a native histogram's (left, right, count), as `histogram.buckets` of Prometheus' API has them.

    Works for exponential and for custom buckets (NHCB). count: all observations. What it holds beyond the buckets was
    NaN, and is put beyond every number, where a classic histogram counts it too (in +Inf).
    The zero bucket begins at 0 when nothing lies below it, and the first custom bucket too when its edge is above 0.
    Source: the Prometheus native histogram specification, and promql/quantile.go.
    """
    if problem := _unusable(rows, count):
        return problem
    given = _apart(sorted(rows))
    if given is None:
        return _OVERLAP
    edges: list[float] = []
    counts: list[float] = []
    at = lowest = given[0][0] if given else -math.inf
    for left, right, inside in given:
        if left > at:
            edges.append(left)
            counts.append(0.0)
        if right <= at or left < at:
            return _OVERLAP
        edges.append(right)
        counts.append(inside if inside >= LEAST_COUNT else 0.0)
        at = right
    if problem := bad_edges([lowest, *edges]):
        return problem
    strange = (count or 0.0) - math.fsum(counts)
    if count is not None and strange > TOLERATED_FALL * count:
        _add_beyond(edges, counts, strange)
    return Buckets(tuple(edges), tuple(counts), lowest, sparse=True, geometric=_are_geometric(rows))


def _unusable(rows: Sequence[Side], count: float | None) -> Unusable | None:
    if count == 0:
        return nothing_counted()
    if not rows and count is None:
        return Unusable(Reason.EMPTY_RESULT, "the histogram has no buckets")
    if problem := bad_counts([inside for _, _, inside in rows]) or (count_problem("count", count or 0.0)):
        return problem
    if any(not left < right for left, right, _ in rows):
        return Unusable(Reason.NOT_A_NUMBER, "a native histogram's bucket ends before it begins")
    return None


def _apart(rows: list[Side]) -> list[Side] | None:
    """The rows, rising, cleared of what Prometheus leaves open; None when a bucket lies within another.

    A zero bucket whose threshold is no edge of the others reaches into its neighbours: they begin where it ends.
    """
    found = list(rows)
    for place, (left, right, _) in enumerate(rows):
        if left == -right and math.isfinite(right):
            for neighbour in (place - 1, place + 1):
                if 0 <= neighbour < len(rows):
                    low, high, inside = rows[neighbour]
                    cut = (low, min(high, left)) if neighbour < place else (max(low, right), high)
                    if cut[0] >= cut[1]:
                        return None
                    found[neighbour] = (*cut, inside)
            if place == 0:
                found[0] = (0.0, *rows[0][1:])
            elif place == len(rows) - 1:
                found[place] = (left, 0.0, rows[place][2])
    if found and found[0][0] == -math.inf and found[0][1] > 0:
        found[0] = (0.0, *found[0][1:])
    return found


def _add_beyond(edges: list[float], counts: list[float], observations: float) -> None:
    """Put observations above all numbers; the gap before them says that they are no neighbours of the last bucket."""
    if edges and edges[-1] == math.inf:
        counts[-1] += observations
        return
    edges += [sys.float_info.max, math.inf]
    counts += [0.0, observations]


def _are_geometric(rows: Sequence[Side]) -> bool:
    """Whether the edges are those of exponential buckets; custom ones are told from them only by their edges."""
    largest = sys.float_info.max
    if any(left == -math.inf < right != -largest or right == math.inf > left != largest for left, right, _ in rows):
        return False
    sized = [
        (left, right) if left > 0 else (-right, -left)
        for left, right, _ in rows
        if (left > 0 and right < math.inf) or (right < 0 and left > -math.inf)
    ]
    factor = sized[0][1] / sized[0][0] if sized else 1.0
    growth = math.log2(factor)
    if not any(abs(growth - 2.0**-schema) < _NEAR for schema in _SCHEMAS):
        return False
    before: Sequence[float] = ()
    for low, high in sized:
        if abs(high / low - factor) > _NEAR * factor:
            return False
        # Beside a bucket that lies where it should, one of the right width does too.
        if low not in before and high not in before and abs(math.remainder(math.log2(low), growth)) > _NEAR:
            return False
        before = low, high
    return True
