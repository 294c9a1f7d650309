"""Every kind of check as a manifest declares it, with answers of Prometheus: what the operator pays for a verdict."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from modelramp.analysis.checks import VALUE, judge
from modelramp.analysis.memory import Episode
from modelramp.api.check import Check
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
        episode = Episode(revision="r2", since=1_800_000_000)
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


def numbers(arm: str = "candidate", **parts: float) -> Answers:
    """One series for each question of an arm."""
    return {f"{arm}.{part}": (Sample({}, float(value)),) for part, value in parts.items()}


def histogram(arm: str, each: float) -> Answers:
    """A classic histogram with as many observations in every bucket but the last, which has none."""
    rows = tuple(Sample({"le": edge}, each * min(place, len(EDGES) - 1)) for place, edge in enumerate(EDGES, start=1))
    return {f"{arm}.buckets": rows}


def groups(counts: Any) -> tuple[Sample, ...]:
    """One series for each group of people."""
    return tuple(Sample({"group": name}, float(count)) for name, count in zip("abcde", counts, strict=True))


def _check(**fields: Any) -> Check:
    return Check.model_validate({"name": "measured", **fields})
