"""Lint of A/B tests: queries, length, and the traffic that they need."""

from collections.abc import Iterator

from modelramp.analysis.abtest import POWER, deviation_of_rates, samples_to_win
from modelramp.analysis.evidence import count_text
from modelramp.analysis.experiment import parts_of_test
from modelramp.analysis.query_advice import of_count
from modelramp.api.abtest import ABTest, Unit
from modelramp.api.advice import Advice, Level
from modelramp.api.quantity import format_number
from modelramp.api.times import format_duration

_DAY = 86_400
_PATH = "spec.rollout.abTest"


def of_test(test: ABTest, interval: int, sticky: bool) -> Iterator[Advice]:
    """Errors and warnings about a test that follows all rules.

    interval: spec.health.interval, seconds. sticky: whether the router keeps each user at one version.
    """
    yield from _of_queries(test)
    if test.min_duration < _DAY:
        message = (
            f"{format_duration(test.min_duration)} is less than a day: visitors of the night and of the weekend are "
            f"others, and what wins by noon may not win over a week; {_needed(test)}"
        )
        yield Advice(Level.WARNING, f"{_PATH}.minDuration", message)
    if test.unit is Unit.USER and not sticky:
        message = (
            "the router assigns requests, not users: a user may meet both versions; use routing.traefik.sticky, or "
            "keep users at one version by other means"
        )
        yield Advice(Level.WARNING, f"{_PATH}.unit", message)
    if test.max_duration < 2 * interval:
        message = f"{format_duration(test.max_duration)} has hardly a tick (health.interval is "
        message += f"{format_duration(interval)}): such a test ends without a winner"
        yield Advice(Level.ERROR, f"{_PATH}.maxDuration", message)


def _needed(test: ABTest) -> str:
    """How much traffic it takes to find the least effect, in words."""
    share = test.split / 100
    of_rates = deviation_of_rates(0.1, 0.1 + test.min_effect * (1 if test.metric.rises else -1), share)
    deviation = 1.0 if test.metric.sum is not None else of_rates
    total = samples_to_win(deviation, test.min_effect, test.level, share)
    effect, power = format_number(test.min_effect), f"to win with a chance of {100 * POWER:g} %"
    if test.metric.sum is not None:
        return (
            f"a difference of {effect} takes some {count_text(round(total))} observations times the variance of "
            f"one, {power}"
        )
    return (
        f"a difference of {format_number(100 * test.min_effect)} percentage points from a rate of 10 % takes some "
        f"{count_text(round(total))} observations of both versions together, {power}"
    )


def _of_queries(test: ABTest) -> Iterator[Advice]:
    for part, query in parts_of_test(test).items():
        field = f"{_PATH}.assignment" if part == "assigned" else f"{_PATH}.metric.{part}"
        yield from of_count(query, field, both=True)
