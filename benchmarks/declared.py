"""Every kind of check as a manifest declares it, with answers of Prometheus: what the operator pays for a verdict."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from modelramp.analysis.accumulated import Window
from modelramp.analysis.checks import VALUE, judge
from modelramp.analysis.evidence import MOST_COUNT
from modelramp.analysis.stats.fairness import MOST_GROUPS
from modelramp.analysis.stats.histograms import MOST_BUCKETS
from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.check import Check
from modelramp.api.checks.cost import MOST_PRICES
from modelramp.api.verdict import CheckOutcome
from modelramp.engine.ports import Sample

EDGES = ("0.01", "0.05", "0.1", "0.25", "0.5", "1", "2", "5", "10", "+Inf")
RATE, MEAN = {"bad": "b", "total": "t"}, {"sum": "s", "count": "n"}
MEASURES = ("psi", "ks", "js", "chi-square", "mean-shift")
TICKS_BEFORE = 12
Answers = dict[str, tuple[Sample, ...]]


@dataclass(frozen=True, slots=True)
class Declared:
    """A check, what Prometheus says at a tick, and what it said at every second tick before that (the same if None)."""

    check: Check
    answers: Answers
    between: Answers | None = None

    def evaluation(self) -> Callable[[], CheckOutcome]:
        """One more tick; a check that remembers has already seen some, and goes on from there."""
        episode = Window(revision="r2", since=1_800_000_000)
        for tick in range(TICKS_BEFORE):
            answers = self.between if self.between is not None and tick % 2 else self.answers
            episode = replace(episode, memory=judge(self.check, answers, episode).memory)
        return partial(judge, self.check, self.answers, episode)


def declared() -> dict[str, Declared]:
    """Every kind of check by name; where the cost depends on the numbers, more than one."""
    often, rarely = numbers(bad=31, total=1_204), numbers(bad=3, total=60)
    stable, times = numbers("stable", bad=90, total=9_000), numbers(sum=3, count=10)
    both_times = times | numbers("stable", sum=40, count=100)
    slower = numbers("stable", sum=50, count=100)
    buckets = histogram("candidate", 40) | histogram("stable", 900)
    by_group = {f"candidate.{part}": groups(counts) for part, counts in (("bad", range(20, 25)), ("total", [400] * 5))}
    by_rare = {f"candidate.{part}": groups(counts) for part, counts in (("bad", (0, 1, 0, 6, 2)), ("total", [60] * 5))}
    used = numbers(count=300) | {"candidate.usage.in": (Sample({}, 9_000.0),)}
    price = {"usage": {"in": "u"}, "prices": {"in": "0.001"}, "count": "n"}
    return {
        "threshold": Declared(_check(query="x", max="0.01"), {VALUE: (Sample({}, 0.002),)}),
        "ratio": Declared(_check(ratio=RATE, max="0.01"), often),
        "compare rates": Declared(_check(compare=RATE), often | stable),
        "compare rare rates": Declared(_check(compare=RATE), rarely | stable),
        "compare means": Declared(_check(compare=MEAN), both_times),
        "compare quantiles": Declared(_check(compare={"buckets": "h"}), buckets),
        "sequential rates": Declared(_check(sequential=RATE), often | stable),
        "sequential limit": Declared(_check(sequential=RATE, max="0.01"), often),
        "sequential change": Declared(_check(sequential=RATE | {"detect": "change"}), often | stable),
        "sequential change of limit": Declared(_check(sequential=RATE | {"detect": "change"}, max="0.01"), often),
        "sequential means": Declared(_check(sequential=MEAN), both_times, between=numbers(sum=5, count=10) | slower),
        **{f"drift {name}": Declared(_check(drift={"buckets": "h", "measure": name}), buckets) for name in MEASURES},
        "drift performance": Declared(_check(drift={**RATE, "measure": "performance"}), often | stable),
        "fairness": Declared(_check(fairness=RATE), by_group),
        "fairness of rare failures": Declared(_check(fairness=RATE), by_rare),
        "cost": Declared(_check(cost=price, max="0.05"), used),
        "cost budget": Declared(_check(cost={**price, "budget": 1_000_000}), used),
    }


def worst() -> dict[str, Declared]:
    """The dearest answers that each kind of check works through: most groups, buckets and parts, largest counts."""
    half, huge = MOST_COUNT / 2, numbers(bad=MOST_COUNT, total=MOST_COUNT)
    beside = huge | numbers("stable", bad=2e8, total=4e8)
    rarely = numbers(bad=4, total=MOST_COUNT) | numbers("stable", bad=9, total=MOST_COUNT)
    wide = histogram("candidate", 4e12, MOST_BUCKETS) | histogram("stable", 5e11, MOST_BUCKETS)
    sparse = histogram("candidate", 1, MOST_BUCKETS) | histogram("stable", 40, MOST_BUCKETS)
    natives = {"candidate.buckets": (native(8, MOST_BUCKETS),), "stable.buckets": (native(7, MOST_BUCKETS),)}
    many = [1e9 * number + 7 for number in range(1, MOST_GROUPS + 1)]
    by_group = {"candidate.bad": groups(sorted(many)), "candidate.total": groups([half] * MOST_GROUPS)}
    few = {
        "candidate.bad": groups([number % 7 for number in range(MOST_GROUPS)]),
        "candidate.total": groups([60] * (MOST_GROUPS - 1) + [half]),
    }
    kinds = [f"k{number}" for number in range(MOST_PRICES)]
    price = {"usage": dict.fromkeys(kinds, "u"), "prices": dict.fromkeys(kinds, "0.001"), "count": "n"}
    used = numbers(count=half, **{f"usage.{kind}": half for kind in kinds})
    return {
        "threshold": Declared(_check(query="x", max="0.01"), {VALUE: (Sample({}, 1.7e308),)}),
        "ratio": Declared(_check(ratio=RATE, max="0.01"), huge),
        "compare rates": Declared(_check(compare=RATE), beside),
        "compare rare rates": Declared(_check(compare=RATE), rarely),
        "compare quantiles": Declared(_check(compare={"buckets": "h"}), wide),
        "compare native quantiles": Declared(_check(compare={"buckets": "h"}), natives),
        "sequential change": Declared(_check(sequential=RATE | {"detect": "change"}), rarely),
        **{f"drift {name}": Declared(_check(drift={"buckets": "h", "measure": name}), wide) for name in MEASURES},
        "drift of sparse buckets": Declared(_check(drift={"buckets": "h"}), sparse),
        "drift of native histograms": Declared(_check(drift={"buckets": "h", "measure": "js"}), natives),
        "fairness": Declared(_check(fairness=RATE), by_group),
        "fairness of rare failures": Declared(_check(fairness=RATE), few),
        "cost": Declared(_check(cost=price, max="0.05"), used),
    }


def numbers(arm: str = "candidate", **parts: float) -> Answers:
    """One series for each question of an arm."""
    return {f"{arm}.{part}": (Sample({}, float(value)),) for part, value in parts.items()}


def histogram(arm: str, each: float, buckets: int = len(EDGES)) -> Answers:
    """A classic histogram with as many observations in every bucket but the last, which has none."""
    edges = EDGES if buckets == len(EDGES) else (*(f"{place / 100}" for place in range(1, buckets)), "+Inf")
    rows = tuple(Sample({"le": edge}, each * min(place, buckets - 1)) for place, edge in enumerate(edges, start=1))
    return {f"{arm}.buckets": rows}


def native(schema: int, buckets: int) -> Sample:
    """A native histogram with observations in each of several adjacent buckets."""
    edge = [2.0 ** (place / 2**schema) for place in range(-buckets // 2, buckets // 2 + 1)]
    sides = tuple((edge[place], edge[place + 1], 3.0 + place % 5) for place in range(buckets))
    return Sample({}, math.nan, Native(sides, math.fsum(count for *_, count in sides)))


def groups(counts: Sequence[float]) -> tuple[Sample, ...]:
    """One series for each group of people."""
    return tuple(Sample({"group": f"g{number}"}, float(count)) for number, count in enumerate(counts))


def _check(**fields: Any) -> Check:
    return Check.model_validate({"name": "measured", **fields})
