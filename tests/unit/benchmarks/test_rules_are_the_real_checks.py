"""The curves look verdicts up along a border: that border must be the real checks', at every count."""

import numpy as np
import pytest

from benchmarks.rules import (
    PLAIN,
    RATIO,
    SEQUENTIAL,
    Evidence,
    Rule,
    detecting,
    ratio_breaches,
    sequential_breaches,
    threshold_breaches,
)
from benchmarks.sums import Sums, over_stable
from benchmarks.watching import Watching
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.stats.change import Bound, ChangeLooks, change_over_limit, change_over_stable
from modelramp.analysis.stats.sequential import Design, RateLooks, look_at_limit
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.breaches import count
from modelramp.core.state import BreachCounter

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
    looks, sums, watch, found = RateLooks(), ChangeLooks(), BreachCounter("v2", 0), []
    for tick, (b, n) in enumerate(zip(bad, total, strict=True)):
        if rule.evidence is Evidence.LOOKS:
            looks, result = look_at_limit(looks, Proportion(b, n), 0.03, Design())
            verdict = result.verdict
        elif rule.evidence is Evidence.CHANGE:
            sums, result = change_over_limit(sums, Proportion(b, n), 0.03, Bound(rule.alpha))
            verdict = result.verdict
        else:
            verdict = Verdict.NO_DATA if n == 0 else Verdict.BREACH if b / n > 0.03 else Verdict.HEALTHY
        outcome = CheckOutcome("errors", verdict, Reason.WITHIN_LIMIT, "")
        watch = count(watch, HEALTH, TickOutcome(tick, "v2", (outcome,), available=True))
        if watch.shared >= rule.in_a_row:
            found.append(tick)
            looks, sums, watch = RateLooks(), ChangeLooks(), BreachCounter("v2", 0)
    return found


@pytest.mark.parametrize("per_minute", [1, 30])
@pytest.mark.parametrize(
    "rule",
    [
        Rule("plain", PLAIN),
        Rule("sequential", SEQUENTIAL, 3, Evidence.LOOKS),
        Rule("at once", PLAIN, 1),
        detecting("change", 1),
        detecting("change, 2 in a row", 2, 0.1),
    ],
    ids=lambda rule: rule.name,
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


def test_sums_against_the_stable_version_are_those_of_the_real_check():
    random, rollouts = np.random.default_rng(4), 20
    sums, alone = Sums(rollouts, 0.01), [ChangeLooks()] * rollouts
    for _ in range(30):
        one, other = random.poisson(2, rollouts), random.poisson(20, rollouts)
        bad, worse = random.binomial(one, 0.2), random.binomial(other, 0.1)
        flags = sums.tick(over_stable(bad, one, worse, other), (one > 0) & (other > 0))
        real = [
            change_over_stable(looks, Proportion(b, n), Proportion(w, m), Bound(0.01))
            for looks, b, n, w, m in zip(alone, *map(np.ndarray.tolist, (bad, one, worse, other)), strict=True)
        ]
        alone = [looks for looks, _ in real]
        assert flags.tolist() == [result.verdict is Verdict.BREACH for _, result in real]
        assert sums.evidence == pytest.approx(np.array([looks.evidence for looks in alone]))
    assert flags.any()


def test_an_hour_without_a_failure_delays_a_difference_and_not_a_change():
    caught = {}
    for rule in (detecting(""), Rule("", SEQUENTIAL, 1, Evidence.LOOKS)):
        for hour in (0, 60):
            watching = Watching(rule, 1)
            for _ in range(hour):
                watching.tick(np.array([0]), np.array([30]))
            hits = [bool(watching.tick(np.array([3]), np.array([30]))[0]) for _ in range(60)]
            caught[rule.evidence, hour] = hits.index(True) + 1
    assert caught[Evidence.CHANGE, 60] <= caught[Evidence.CHANGE, 0]
    assert caught[Evidence.LOOKS, 60] > caught[Evidence.LOOKS, 0] + 10
