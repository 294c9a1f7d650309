"""Histograms as Prometheus has them: buckets, their quantiles, and two of them on the same edges."""

import math
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from modelramp.analysis.evidence import LEAST_COUNT, MOST_COUNT, MOST_SUM, Unusable, count_text, nothing_counted
from modelramp.analysis.stats.intervals import Interval, normal_quantile
from modelramp.api.names import Reason

# Prometheus mends falls of this relative size too: increase() extrapolates each bucket by itself.
TOLERATED_FALL = 1e-6

MOST_BUCKETS = 2048
"""Maximum number of buckets, which bounds the cost of a check."""

Side = tuple[float, float, float]
"""Lower edge, upper edge and count of a bucket."""

EDGES_DIFFER = Unusable(
    Reason.NOT_EVALUATED,
    "the two histograms have different buckets; give both versions the same edges",
)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Counts between edges.

    edges: upper bounds, rising; the last is +Inf, or finite when nothing can lie above. lowest: where the first bucket
    begins. counts: observations in each bucket (not cumulative).
    sparse: made from a native histogram, where a bucket that is not listed is empty. geometric: its edges rise by a
    factor, so that observations are taken to lie evenly on a scale of logarithms. told: a quantile of them and its
    value as Prometheus said it, which knows the schema that the buckets do not show.
    """

    edges: tuple[float, ...]
    counts: tuple[float, ...]
    lowest: float = -math.inf
    sparse: bool = False
    geometric: bool = False
    told: tuple[float, float] | None = None

    @property
    def total(self) -> float:
        """All observations."""
        return math.fsum(self.counts)

    @property
    def cumulative(self) -> tuple[float, ...]:
        """Observations at or below each edge."""
        running, found = 0.0, []
        for count in self.counts:
            running += count
            found.append(running)
        return tuple(found)

    def problem(self) -> Unusable | None:
        """Why this histogram says nothing; None when it can be used."""
        return nothing_counted() if self.total < LEAST_COUNT else bad_counts(self.counts)

    def scaled(self, factor: float) -> "Buckets":
        """The same shares with another number of observations."""
        return replace(self, counts=tuple(count * factor for count in self.counts))

    def beside(self, q: float, value: float) -> "Buckets":
        """With the q-quantile that Prometheus gave for the same buckets, and interpolated as it did.

        Custom buckets with edges at powers of two look like exponential ones: the interpolation whose quantile is
        nearer is the right one. A value outside of the bucket in which the quantile lies is of other observations, and
        one beyond the last finite edge only that edge: neither is kept.
        """
        low, high = (quantile(replace(self, geometric=way), q) for way in (True, False))
        if not (math.isfinite(value) and math.isfinite(low) and math.isfinite(high)):
            return self
        lower, upper = next((a, b) for a, b, _ in self.sides() if b >= max(low, high))
        if not lower <= value <= upper:
            return self
        nearer = abs(value - low) < abs(value - high) if low != high else self.geometric
        return replace(self, geometric=nearer, told=(q, value))

    def sides(self) -> list[Side]:
        """Lower edge, upper edge and count of each bucket."""
        lows = (self.lowest, *self.edges[:-1])
        return list(zip(lows, self.edges, self.counts, strict=True))


def from_classic(buckets: Mapping[str, float]) -> Buckets | Unusable:
    """Buckets from cumulative counts by `le`, as a classic histogram has them.

    Falls within TOLERATED_FALL are rounding and are mended; larger ones mean that the counts do not belong together.
    """
    if not buckets:
        return Unusable(Reason.EMPTY_RESULT, "the histogram has no buckets; is it a histogram with the label le?")
    if problem := bad_counts(buckets.values()):
        return problem
    try:
        rows = _rows(buckets)
    except ValueError:
        return Unusable(Reason.NOT_A_NUMBER, "an le label is not a number")
    if len(rows) < 2 or rows[-1][0] != math.inf:
        return Unusable(Reason.EMPTY_RESULT, "the histogram needs the bucket +Inf and at least one other; keep all le")
    if problem := bad_edges([edge for edge, _ in rows]):
        return problem
    running, counts = 0.0, []
    for edge, count in rows:
        if count < running * (1 - TOLERATED_FALL):
            lower = f"the count at le={edge:g} is lower than at the bucket before it"
            return Unusable(Reason.NOT_A_NUMBER, f"{lower}; count all buckets alike: sum by (le) (increase(...))")
        counts.append(count - running if count - running >= LEAST_COUNT else 0.0)
        running = max(running, count)
    edges = tuple(edge for edge, _ in rows)
    return Buckets(edges, tuple(counts), lowest=0.0 if edges[0] > 0 else -math.inf)


def bad_counts(counts: Collection[float]) -> Unusable | None:
    """Why the counts of a histogram's buckets, cumulative or not, cannot be used; None when they can."""
    if len(counts) > MOST_BUCKETS:
        found = f"the histogram has {count_text(len(counts))} buckets, at most {count_text(MOST_BUCKETS)} are used"
        return Unusable(Reason.SEVERAL_SERIES, f"{found}; add up over all labels but le")
    if counts and min(counts) >= 0 and max(counts) <= MOST_COUNT and math.isfinite(sum(counts)):
        return None  # the rule, at a glance: a NaN hides from min and max, not from the sum
    if any(not math.isfinite(count) for count in counts):
        return Unusable(Reason.NOT_A_NUMBER, "a bucket's count is not a finite number; use increase()")
    if any(count < 0 for count in counts):
        return Unusable(Reason.NOT_A_NUMBER, "a bucket's count is negative; a counter never falls: use increase()")
    if any(count > MOST_COUNT for count in counts):
        return Unusable(Reason.NOT_A_NUMBER, "a bucket's count is too large; at most 2^53 can be counted exactly")
    return None


def bad_edges(edges: Sequence[float]) -> Unusable | None:
    """Why rising edges cannot be calculated with; None when they can.

    Infinite ones, and the largest number, are open ends.
    """
    if any(MOST_SUM < abs(edge) < sys.float_info.max for edge in (*edges[:3], *edges[-3:])):
        return Unusable(Reason.NOT_A_NUMBER, "a bucket's edge is too large to calculate with; use a larger unit")
    return None


def _rows(buckets: Mapping[str, float]) -> list[tuple[float, float]]:
    """Edges and cumulative counts, rising; what has the same edge in another spelling (1, 1.0) is added up."""
    found: dict[float, float] = {}
    for le, count in buckets.items():
        edge = _edge(le)
        found[edge] = found.get(edge, 0.0) + count
    return sorted(found.items())


def on_same_edges(first: Buckets, second: Buckets) -> tuple[Buckets, Buckets] | None:
    """Two histograms whose buckets can be compared one by one; None when there is no such pair (EDGES_DIFFER).

    Classic ones must have the same edges. Native ones differ in resolution and list only what is not empty: they are
    joined at the edges that both know exactly, if that tells apart whatever the coarser of the two does.
    """
    if first.edges == second.edges:
        return first, second
    if not (first.sparse or second.sparse):
        return None
    filled = _filled(first), _filled(second)
    low, *edges = sorted({*first.edges, *second.edges, first.lowest, second.lowest})
    for sides in filled:
        edges = _uncut(sides, edges)
    one, other = (_at_edges(sides, edges) for sides in filled)
    if any(ones > 1 and others > 1 for (_, ones), (_, others) in zip(one, other, strict=True)):
        return None
    joined = tuple(edges)
    return (
        Buckets(joined, tuple(count for count, _ in one), low, sparse=True),
        Buckets(joined, tuple(count for count, _ in other), low, sparse=True),
    )


def quantile(buckets: Buckets, q: float) -> float:
    """The q-quantile as histogram_quantile() gives it: by interpolation within its bucket, geometric or linear.

    Beyond the last finite edge it is +Inf, where histogram_quantile() says that edge: a limit there could otherwise
    never be breached. total must not be 0. Source: Prometheus, promql/quantile.go.
    >>> quantile(Buckets((1.0, 2.0, math.inf), (50.0, 50.0, 0.0), lowest=0.0), 0.95)
    1.9
    """
    if buckets.told is not None and buckets.told[0] == q:
        return buckets.told[1]
    rank, running = q * buckets.total, 0.0
    for low, high, count in buckets.sides():
        if running + count >= rank and count > 0:
            if math.isinf(high):
                return math.inf
            if math.isinf(low):
                return high
            share = max(0.0, rank - running) / count
            if buckets.geometric and (low > 0 or high < 0):
                return low * math.pow(high / low, share)
            return low + (high - low) * share
        running += count
    return math.inf


def quantile_interval(buckets: Buckets, q: float, confidence: float = 0.95) -> Interval:
    """Where the true q-quantile lies: the sample quantiles at the ends of the binomial interval of its rank.

    Free of any assumption about the distribution. +Inf where so few observations cannot bound it from above.
    Source: W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), 3.2.
    """
    half = normal_quantile((1 + confidence) / 2) * math.sqrt(q * (1 - q) / buckets.total)
    return quantile(buckets, max(0.0, q - half)), quantile(buckets, q + half) if q + half < 1 else math.inf


def mean_and_deviation(buckets: Buckets) -> tuple[float, float]:
    """Mean and standard deviation with every observation in the middle of its bucket; open buckets at their edge.

    What a native histogram counts beyond all numbers (infinite or NaN) is left out; nan and 0 when that was everything.
    """
    sides = [(_middle(low, high), count) for low, high, count in buckets.sides()]
    placed = [(middle, count) for middle, count in sides if abs(middle) < sys.float_info.max]
    total = math.fsum(count for _, count in placed)
    if total == 0:
        return math.nan, 0.0
    mean = math.fsum(middle * count for middle, count in placed) / total
    spread = math.fsum(count * (middle - mean) * (middle - mean) for middle, count in placed) / total
    return mean, math.sqrt(spread)


def _middle(low: float, high: float) -> float:
    if math.isinf(high):
        return low
    return high if math.isinf(low) else (low + high) / 2


def _edge(le: str) -> float:
    value = float(le)
    if math.isnan(value):
        raise ValueError(le)
    return value


def _filled(buckets: Buckets) -> list[Side]:
    return [side for side in buckets.sides() if side[2] > 0]


def _uncut(filled: Sequence[Side], edges: Sequence[float]) -> list[float]:
    """The edges, rising, that lie within none of the buckets."""
    found, place = [], 0
    for edge in edges:
        while place < len(filled) and filled[place][1] <= edge:
            place += 1
        if place == len(filled) or filled[place][0] >= edge:
            found.append(edge)
    return found


def _at_edges(filled: Sequence[Side], edges: Sequence[float]) -> list[tuple[float, int]]:
    """Observations up to each edge from the one before it, and in how many buckets they were. No edge cuts a bucket."""
    found, place = [], 0
    for edge in edges:
        begin = place
        while place < len(filled) and filled[place][1] <= edge:
            place += 1
        found.append((math.fsum(count for _, _, count in filled[begin:place]), place - begin))
    return found
