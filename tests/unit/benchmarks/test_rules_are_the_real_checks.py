"""The curves look verdicts up along a border: that border must be the real checks', at every count."""

import numpy as np
import pytest

from benchmarks.rules import (
    PLAIN,
    RATIO,
    SEQUENTIAL,
    Evidence,
    Rule,
    ratio_breaches,
    sequential_breaches,
    threshold_breaches,
)
from benchmarks.watching import Watching
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.sequential import Design, RateLooks, look_at_limit
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.breaches import count
from modelramp.core.state import Watch

BORDERS = {
    "threshold": (PLAIN, threshold_breaches),
    "ratio": (RATIO, ratio_breaches),
    "sequential": (SEQUENTIAL, sequential_breaches()),
}
HEALTH = Health(checks=({"name": "errors", "query": "x", "max": "0.03"},))


@pytest.mark.parametrize(("border", "breaches"), BORDERS.values(), ids=BORDERS)
def test_the_border_says_what_the_real_check_says_at_every_count(border, breaches):
    total = np.repeat(np.arange(1, 41), 42)
    bad = np.tile(np.arange(42), 40)
    possible = bad <= total
    by_border = bad >= border.least(total)
    real = np.array([breaches(int(b), int(n)) for b, n in zip(bad[possible], total[possible], strict=True)])
    assert np.array_equal(by_border[possible], real)


@pytest.mark.parametrize(("border", "breaches"), BORDERS.values(), ids=BORDERS)
def test_the_border_holds_for_thousands_of_requests_too(border, breaches):
    random = np.random.default_rng(1)
    total = random.integers(1_000, 3_000, 60)
    for n, least in zip(total.tolist(), border.least(total).tolist(), strict=True):
        assert breaches(least, n)
        assert not breaches(least - 1, n)


def real_rollbacks(bad, total, rule):
    """The ticks at which the real checks and the real count roll back, one rollout alone."""
    looks, watch, found = RateLooks(), Watch("v2", 0), []
    for tick, (b, n) in enumerate(zip(bad, total, strict=True)):
        if rule.evidence is Evidence.LOOKS:
            looks, result = look_at_limit(looks, Proportion(b, n), 0.03, Design())
            verdict = result.verdict
        else:
            verdict = Verdict.NO_DATA if n == 0 else Verdict.BREACH if b / n > 0.03 else Verdict.HEALTHY
        outcome = CheckOutcome("errors", verdict, Reason.WITHIN_LIMIT, "")
        watch = count(watch, HEALTH, TickOutcome(tick, "v2", (outcome,), available=True))
        if watch.shared >= rule.in_a_row:
            found.append(tick)
            looks, watch = RateLooks(), Watch("v2", 0)
    return found


@pytest.mark.parametrize("per_minute", [1, 30])
@pytest.mark.parametrize(
    "rule", [Rule("plain", PLAIN), Rule("sequential", SEQUENTIAL, 3, Evidence.LOOKS), Rule("at once", PLAIN, 1)]
)
def test_many_rollouts_at_once_end_like_each_of_them_alone(rule, per_minute):
    random, rollouts, ticks = np.random.default_rng(2), 30, 60
    total = random.poisson(per_minute, (ticks, rollouts))
    bad = random.binomial(total, np.linspace(0.01, 0.3, rollouts))
    watching = Watching(rule, rollouts)
    rolled = np.array([watching.tick(b, n) for b, n in zip(bad, total, strict=True)])
    together = [np.flatnonzero(rolled[:, each]).tolist() for each in range(rollouts)]
    alone = [real_rollbacks(bad[:, each].tolist(), total[:, each].tolist(), rule) for each in range(rollouts)]
    assert together == alone
    assert sum(map(len, alone)) > 10


def test_evidence_of_the_excess_begins_anew_while_the_rate_keeps_the_limit():
    """An hour without a failure weighs nothing then, and everything with evidence of all looks."""
    forgets, remembers = (Rule("", SEQUENTIAL, 1, evidence) for evidence in (Evidence.EXCESS, Evidence.LOOKS))
    caught = {}
    for rule in (forgets, remembers):
        watching = Watching(rule, 1)
        for _ in range(60):
            watching.tick(np.array([0]), np.array([30]))
        hits = [bool(watching.tick(np.array([3]), np.array([30]))[0]) for _ in range(60)]
        caught[rule.evidence] = hits.index(True) + 1
    fresh = Watching(remembers, 1)
    sooner = [bool(fresh.tick(np.array([3]), np.array([30]))[0]) for _ in range(60)].index(True) + 1
    assert caught[Evidence.EXCESS] == sooner < caught[Evidence.LOOKS] - 10
