"""How likely the demo breaks one of its promises by chance alone: less than once in a thousand runs.

The ticks of each act are drawn as the demo's traffic makes them and judged by the real checks; since their windows do
not overlap they do not depend on each other, so that what follows from them is reckoned exactly. Everything else that
the demo promises depends on no chance, or (requests that fail, seconds that pass) on the machine.
"""

import itertools
import math
from collections import Counter, defaultdict

import numpy as np
import pytest
import yaml
from demo_story import CAST
from digit_windows import CHECKS, REQUESTS, answers, verdicts

from examples.demo.promises import SHARE_DEVIATIONS
from examples.digits import DESKTOP, PHONE
from examples.models import Variant
from modelramp.api.verdict import Verdict

DRAWN = {("4.0.0", 10): 3000, ("5.0.0", 10): 1500, ("5.0.0", 50): 1500}
"""Ticks by version and weight; 200 of those where chance decides nothing."""
VARIANTS = {"3.0.0": Variant.V3, "4.0.0": Variant.DRIFTED, "5.0.0": Variant.UNFAIR}
MANIFESTS = {bad.version: yaml.safe_load(CAST.files[bad.place].read_text()) for bad in CAST.failing}
FIRST_THAT_ENDS = 2
"""Of the ticks of a step, from 0, the first whose window begins after the step and which may end it."""
MOST = 1e-3


def ticks(version, weight):
    """How likely each set of checks breaches at one tick; None is a tick without data that breaches nothing."""
    asked = {check["name"] for check in MANIFESTS[version]["spec"]["health"]["checks"]}
    number = DRAWN.get((version, weight), 200)
    chance = np.random.default_rng([weight, *map(ord, version)])
    drawn = Counter()
    for _ in range(number):
        said = verdicts(chance, VARIANTS[version], weight)
        breached = frozenset(name for name, verdict in said.items() if verdict is Verdict.BREACH) & asked
        silent = any(said[name] is Verdict.NO_DATA for name in asked & said.keys())
        drawn[None if silent and not breached else breached] += 1
    return {outcome: count / number for outcome, count in drawn.items()}


def caught(row, check):
    """What `caught_by_one_check` asks of the row of breaches that rolls back."""
    times = Counter(name for breached in row for name in breached)
    return check in row[-1] and all(times[check] > count for name, count in times.items() if name != check)


def missed(bad, most_ticks=60):
    """How likely a bad version goes past its steps, or is caught by another check."""
    at = [ticks(bad.version, weight) for weight in CAST.rules.steps[: bad.steps]]
    wrong, states = 0.0, {(0, 0, ()): 1.0}
    for _ in range(most_ticks):
        following = defaultdict(float)
        for (step, passed, row), before in states.items():
            for outcome, chance in at[step].items():
                reached = before * chance
                if outcome is None:
                    following[step, passed + 1, row] += reached
                elif not outcome and passed >= FIRST_THAT_ENDS:
                    if step + 1 < len(at):
                        following[step + 1, 0, ()] += reached
                    else:
                        wrong += reached
                elif not outcome:
                    following[step, passed + 1, ()] += reached
                elif len(row) + 1 < CAST.rules.threshold:
                    following[step, passed + 1, (*row, outcome)] += reached
                elif not caught((*row, outcome), bad.check):
                    wrong += reached
        states = following
    return wrong + sum(states.values())


def good_breaches():
    """How likely the accuracy of version 2 is ever below its limit: binomial, at 10 % until it is promoted."""
    asked = REQUESTS // 10
    wrong = max(1 - answers(Variant.V2, group)[1].mean() for group in (PHONE, DESKTOP))
    most = math.floor((1 - CHECKS["accuracy"].min) * asked)
    at_one = sum(
        math.comb(asked, bad) * wrong**bad * (1 - wrong) ** (asked - bad) for bad in range(most + 1, asked + 1)
    )
    return 15 * at_one


def shares_differ():
    """How likely a gateway that splits by chance is off by more than the margin (normal, both sides) at some route."""
    routes = sum(1 for weight in CAST.rules.steps if weight < 100) + sum(
        1 for bad in CAST.failing for weight in CAST.rules.steps[: bad.steps] if weight < 100
    )
    return routes * math.erfc(SHARE_DEVIATIONS / math.sqrt(2))


@pytest.fixture(scope="module")
def chances():
    return {
        "2.0.0 breaches": good_breaches(),
        "shares differ": shares_differ(),
        **{f"{bad.version} is not caught by {bad.check} alone": missed(bad) for bad in CAST.failing},
    }


@pytest.mark.timeout(600)
def test_all_promises_together_break_by_chance_less_than_once_in_a_thousand_runs(chances):
    assert sum(chances.values()) < MOST, chances


def test_a_check_that_breaches_by_chance_once_in_ten_ticks_would_not_matter_much():
    often = {frozenset({"confidence"}): 0.9, frozenset({"confidence", "fairness"}): 0.1}
    outcomes = Counter()
    for row in itertools.product(often, repeat=3):
        outcomes[caught(row, "confidence")] += math.prod(often[breached] for breached in row)
    assert outcomes[False] == pytest.approx(0.001)
