"""Scores of the four dimensions, 0 to 100: the weighted share of what is measured that keeps its limits.

The model is the judge of Spinnaker's Kayenta: a group scores the share of its metrics that pass, metrics without data
are left out, and a critical one that fails makes the score 0.
"""

from collections.abc import Iterable

from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.api.verdict import CheckOutcome, Verdict

Judged = tuple[Check, CheckOutcome]
"""A check with what it said."""


def scores(pairs: Iterable[Judged]) -> dict[str, int]:
    """The score of each dimension that has data, rounded down.

    score = 100 x weight of the checks within their limits / weight of those that have data; 0 when a critical one
    breached.
    """
    within: dict[str, int] = {}
    measured: dict[str, int] = {}
    failed: set[str] = set()
    for check, outcome in pairs:
        if outcome.verdict is Verdict.NO_DATA:
            continue
        dimension = outcome.dimension
        measured[dimension] = measured.get(dimension, 0) + check.weight
        if outcome.verdict is Verdict.HEALTHY:
            within[dimension] = within.get(dimension, 0) + check.weight
        elif check.critical:
            failed.add(dimension)
    return {
        dimension: 0 if dimension in failed else 100 * within.get(dimension, 0) // weight
        for dimension, weight in sorted(measured.items())
    }


def judged(health: Health, outcomes: Iterable[CheckOutcome]) -> list[Judged]:
    """The checks that were settled, each with its outcome; after an edit of the spec some may lack one."""
    found = {outcome.name: outcome for outcome in outcomes}
    return [(check, found[check.name]) for check in health.checks if check.name in found]
