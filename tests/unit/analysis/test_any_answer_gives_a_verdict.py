"""Whatever Prometheus answers, and whatever was remembered, a check says something and never raises.

One check that raises is a check that its object, and with it the tick, goes without.
"""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelramp.analysis.accumulated import Window
from modelramp.analysis.checks import SAMPLES, VALUE, judge
from modelramp.analysis.experiment import judge_test, parts_of_test
from modelramp.analysis.kinds import check_kind
from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.check import Check
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

LARGEST = 1.7976931348623157e308
MOST = 2.0**53
ODD = [
    0.0,
    -0.0,
    5e-324,
    1e-300,
    1e-155,
    1e-17,
    -1e-17,
    -1e-6,
    -1.0,
    0.3,
    1.0,
    1.5,
    7.0,
    40.0,
    1e4,
    1e9,
    MOST - 1,
    MOST,
]
ODD += [MOST + 2, 1e16, 1e30, 1e99, 1e150, 1e155, 1e200, LARGEST, -LARGEST, math.inf, -math.inf, math.nan]
EDGES = ["-Inf", "-1e308", "-1", "-5e-324", "0", "5e-324", "0.1", "1", "1.0", "01", "2", "10", "1e150", "1e308", "+Inf"]
EDGES += ["Inf", "NaN", "", "x", " 1 ", "1_0", "٣", "1e999", "0x1", "9" * 400]

numbers = st.one_of(st.sampled_from(ODD), st.integers(0, 2000).map(float), st.floats(), st.floats(0, 1e17))
counts = st.one_of(st.integers(0, 300).map(float), st.floats(0, 2000), st.floats(0, MOST))
values = st.one_of(numbers, counts)


@dataclass(frozen=True)
class Series:
    value: float
    labels: dict = field(default_factory=dict)
    histogram: Native | None = None


singles = st.one_of(
    values.map(lambda value: [Series(value)]),
    counts.map(lambda value: [Series(value)]),
    st.lists(st.builds(Series, values), max_size=3),
    st.just([Series(math.nan, {}, Native((), 1.0))]),
)
rises = st.lists(counts, min_size=1, max_size=12).map(
    lambda steps: [math.fsum(steps[: n + 1]) for n in range(len(steps))]
)
plain = rises.map(lambda rows: [Series(row, {"le": str(float(le))}) for le, row in enumerate(rows, -3)])
closed = plain.map(lambda rows: [*rows, Series(rows[-1].value, {"le": "+Inf"})])
odd_labels = st.lists(
    st.builds(
        Series,
        values,
        st.one_of(st.just({}), st.fixed_dictionaries({"le": st.sampled_from([*EDGES, ["1"], {}, 1, None])})),
    ),
    max_size=8,
)
sides = st.tuples(*[st.one_of(st.sampled_from(ODD), st.integers(-20, 20).map(lambda n: 2.0**n), numbers)] * 2, values)
exponential = st.tuples(st.integers(-4, 8), st.integers(-1100, 1000), st.lists(counts, max_size=20)).map(
    lambda of: tuple(_exponential(*of))
)
natives = st.builds(Native, st.one_of(exponential, st.lists(sides, max_size=6).map(tuple)), values)
histograms = st.one_of(closed, odd_labels, natives.map(lambda one: [Series(math.nan, {}, one)]))
names = st.sampled_from(["a", "b", "c", "d", "", "x\n", ["a"], {}, None, 3])
groups = st.one_of(
    st.lists(st.builds(Series, counts), min_size=2, max_size=8).map(
        lambda rows: [Series(row.value, {"group": f"g{n}"}) for n, row in enumerate(rows)]
    ),
    st.lists(st.builds(Series, values, st.fixed_dictionaries({"group": names})), max_size=4),
    st.lists(st.builds(Series, values), max_size=2),
)


def _exponential(schema: int, start: int, inside: list[float]) -> Any:
    for place, count in enumerate(inside, start):
        low, high = (place * 2.0**-schema, (place + 1) * 2.0**-schema)
        if low > -1074 and high < 1024:
            yield (2.0**low, 2.0**high, count)


RATE, MEAN = {"bad": "b", "total": "t"}, {"sum": "s", "count": "n"}
PRICES = {"usage": {"in": "u", "out": "v"}, "prices": {"in": "0.001", "out": "1e99"}, "count": "n"}
STORED = {"buckets": {"-1": 5, "0": "1e30", "1": "1e99", "+Inf": "1e99"}}
CHECKS = {
    "query": {"query": "x", "max": "0.01", "min": "-1e99"},
    "samples": {"query": "x", "max": 5, "samples": "n", "minSamples": 30},
    "ratio": {"ratio": {**RATE, "confidence": "0.9999999999"}, "max": "0.01"},
    "ratio from below": {"ratio": RATE, "min": "0.5"},
    "rates": {"compare": {**RATE, "maxRelativeIncrease": "1e99", "alpha": "1e-99"}},
    "rates, strictly": {"compare": RATE},
    "means": {"compare": {**MEAN, "maxIncrease": "1e99"}, "unit": "s"},
    "means, strictly": {"compare": {**MEAN, "maxRelativeIncrease": "0.1"}},
    "quantiles": {"compare": {"buckets": "h", "quantile": "0.5"}, "minSamples": 1},
    "extreme quantiles": {"compare": {"buckets": "h", "quantile": "0.9999999999"}},
    "sequential rates": {"sequential": {**RATE, "effect": "1e-99"}},
    "sequential limit": {"sequential": RATE, "max": "0.01"},
    "sequential means": {"sequential": {**MEAN, "effect": "1e99"}},
    "change": {"sequential": {**RATE, "detect": "change"}},
    "change of limit": {"sequential": {**RATE, "detect": "change"}, "max": "1e-99"},
    **{
        f"drift {measure}": {"drift": {"buckets": "h", "measure": measure}, "minSamples": 1}
        for measure in ("psi", "ks", "js", "chi-square", "mean-shift")
    },
    **{
        f"drift {measure} from what is written": {"drift": {"buckets": "h", "measure": measure, "reference": STORED}}
        for measure in ("psi", "ks", "js", "chi-square", "mean-shift")
    },
    "performance": {"drift": {**RATE, "measure": "performance"}},
    "performance of a mean": {"drift": {**MEAN, "measure": "performance"}},
    "performance from what is written": {
        "drift": {**RATE, "measure": "performance", "reference": {"bad": 1, "total": 1000}}
    },
    "performance of a mean from what is written": {
        "drift": {**MEAN, "measure": "performance", "reference": {"sum": "1e-99", "count": "1e99"}}
    },
    "fairness": {"fairness": RATE, "minSamples": 1},
    "fairness by fifths": {"fairness": {**RATE, "minSuccessRatio": "0.8", "maxDifference": "0.1"}},
    "cost": {"cost": {"sum": "s", "count": "n"}, "max": "0.05", "min": "1e-99"},
    "budget": {"cost": {**PRICES, "budget": "1e99"}, "max": 3},
}
TESTS = {
    "good": {"metric": {"name": "x", "good": "g", "total": "t"}, "minEffect": "0.01"},
    "bad, assigned": {"metric": {"name": "x", "bad": "b", "total": "t"}, "minEffect": "1e-99", "assignment": "a"},
    "mean": {
        "metric": {"name": "x", "sum": "s", "count": "n", "goal": "Decrease"},
        "minEffect": "1e99",
        "alpha": "1e-99",
    },
}
EVERYTHING = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def series_of(check: Check, part: str) -> st.SearchStrategy[list[Series]]:
    if check.fairness is not None:
        return groups
    return histograms if part == "buckets" else singles


def answers_of(check: Check) -> st.SearchStrategy[dict[str, list[Series]]]:
    if check.query is not None:
        return st.fixed_dictionaries({VALUE: singles} | ({SAMPLES: singles} if check.samples else {}))
    parts = check_kind(check).parts(check)
    asked = {f"{arm}.{part}": series_of(check, part) for arm in ("candidate", "stable", "reference") for part in parts}
    return st.fixed_dictionaries(asked)


memories = st.one_of(st.none(), st.lists(st.one_of(values, st.sampled_from(["x", None, 10**400])), max_size=12), values)


def remembered(text: str, forged: Any) -> str:
    """What a tick left, with other numbers in it."""
    if forged is None or not text:
        return text
    found = json.loads(text)
    for name in found.keys() & {"looks", "change", "spent", "sums"}:
        kept = found[name]
        if isinstance(kept, list) and isinstance(forged, list):
            found[name] = [*forged, *kept][: len(kept)]
        else:
            found[name] = forged
    return json.dumps(found)


def check_it(outcome: Any, value: float | None) -> None:
    assert outcome.verdict in Verdict
    assert outcome.reason in Reason
    assert outcome.detail
    assert "nan" not in outcome.detail
    assert value is None or not math.isnan(value)
    if outcome.verdict is not Verdict.NO_DATA:
        assert value is not None


@pytest.mark.parametrize("name", CHECKS)
@EVERYTHING
@given(data=st.data())
def test_a_check_never_raises(name, data):
    check = Check.model_validate({"name": "measured", **CHECKS[name]})
    alone, trial = data.draw(st.booleans()), data.draw(st.booleans())
    memory = ""
    for _ in range(3):
        episode = Window("r2", 0, alone=alone, trial=trial, memory=memory)
        outcome = judge(check, data.draw(answers_of(check)), episode)
        check_it(outcome, outcome.value)
        memory = remembered(outcome.memory or memory, data.draw(memories))


@pytest.mark.parametrize("name", TESTS)
@EVERYTHING
@given(data=st.data(), weight=st.integers(0, 100))
def test_an_ab_test_never_raises(name, data, weight):
    test, memory = ABTest.model_validate(TESTS[name]), ""
    asked = st.fixed_dictionaries(
        {f"{arm}.{part}": singles for arm in ("candidate", "stable") for part in parts_of_test(test)}
    )
    for _ in range(3):
        outcome = judge_test(ABTestRun(test, weight, "r2", 0, memory), data.draw(asked), whole=True)
        if outcome.estimate is not None:
            check_it(outcome, outcome.estimate)
        memory = remembered(outcome.memory, data.draw(memories))


def answered(check: Check, **changed: float) -> dict[str, list[Series]]:
    """Plausible answers to a check of counts, with some parts changed in every arm."""
    usual = {"bad": 4.0, "total": 400.0, "sum": 40.0, "count": 400.0, "usage.in": 1.0, "usage.out": 1.0} | changed
    edges = ("1", "2", "+Inf")
    found = {}
    for arm in ("candidate", "stable", "reference"):
        for part in check_kind(check).parts(check):
            if part == "buckets":
                rows = [(le, changed.get("buckets", 200.0) * place) for place, le in enumerate(edges, 1)]
                found[f"{arm}.{part}"] = [Series(count, {"le": le}) for le, count in rows]
            elif check.fairness is not None:
                found[f"{arm}.{part}"] = [Series(usual[part], {"group": group}) for group in "abc"]
            else:
                found[f"{arm}.{part}"] = [Series(usual[part])]
    return found


COUNTING = [name for name in CHECKS if name not in ("query", "samples")]
NO_COUNTS = [math.nan, math.inf, -math.inf, -1.0, -LARGEST, 2.0**53 + 2, 1e16, 1e30, 1e99, 1e308, LARGEST]


@pytest.mark.parametrize("number", NO_COUNTS)
@pytest.mark.parametrize("name", COUNTING)
def test_what_is_no_count_is_no_data_with_a_reason_and_a_sentence(name, number):
    check = Check.model_validate({"name": "measured", **CHECKS[name]})
    part = next(part for part in ("total", "count", "buckets") if part in check_kind(check).parts(check))
    outcome = judge(check, answered(check, **{part: number}), Window("r2", 0))
    assert (outcome.verdict, outcome.reason) == (Verdict.NO_DATA, Reason.NOT_A_NUMBER)
    assert len(outcome.detail) > 20


@pytest.mark.parametrize("number", NO_COUNTS)
def test_samples_that_are_no_count_are_no_data(number):
    check = Check.model_validate({"name": "measured", **CHECKS["samples"]})
    outcome = judge(check, {VALUE: [Series(1.0)], SAMPLES: [Series(number)]})
    assert (outcome.verdict, outcome.reason) == (Verdict.NO_DATA, Reason.NOT_A_NUMBER)


@pytest.mark.parametrize("number", [MOST, 1e15])
@pytest.mark.parametrize("name", ["rates, strictly", "drift psi", "drift ks", "fairness", "sequential rates", "ratio"])
def test_the_largest_counts_are_judged(name, number):
    check = Check.model_validate({"name": "measured", **CHECKS[name]})
    large = {"total": number, "bad": 4.0, "buckets": number / 3}
    assert judge(check, answered(check, **large), Window("r2", 0)).verdict is Verdict.HEALTHY
    worse = answered(check, **large) | {"candidate.bad": [Series(number / 2, {"group": "a"})]}
    if name in ("rates, strictly", "ratio"):
        assert judge(check, worse, Window("r2", 0)).verdict is Verdict.BREACH


def test_a_constant_query_against_a_small_reference_is_no_data():
    check = Check.model_validate(
        {
            "name": "measured",
            "drift": {**RATE, "measure": "performance", "reference": {"bad": 1, "total": 1000}},
        }
    )
    outcome = judge(check, {"candidate.bad": [Series(1e30)], "candidate.total": [Series(1e30)]})
    assert outcome.verdict is Verdict.NO_DATA
    assert outcome.detail == "candidate: bad is too large for a count (1e+30); at most 2^53 can be counted exactly"


def test_a_small_group_is_not_lost_beside_a_very_large_one():
    check = Check.model_validate({"name": "measured", **CHECKS["fairness"]})
    bad, total = {"a": 1e15, "b": 0.0, "c": 40.0}, {"a": MOST, "b": 40.0, "c": 40.0}
    answers = {
        f"candidate.{part}": [Series(count, {"group": group}) for group, count in counts.items()]
        for part, counts in (("bad", bad), ("total", total))
    }
    outcome = judge(check, answers)
    assert outcome.verdict is Verdict.BREACH
    assert "worse than the rest: c" in outcome.detail


def test_buckets_in_two_spellings_are_added_up_as_prometheus_does():
    check = Check.model_validate({"name": "measured", "compare": {"buckets": "h", "quantile": "0.5"}})
    once = [Series(200.0, {"le": "1"}), Series(400.0, {"le": "2"}), Series(400.0, {"le": "+Inf"})]
    half = [Series(one.value / 2, one.labels) for one in once]
    twice = [
        *half,
        *(Series(one.value, {"le": {"1": "1.0", "2": "2.0", "+Inf": "Inf"}[one.labels["le"]]}) for one in half),
    ]
    stable = {"stable.buckets": once}
    assert judge(check, {"candidate.buckets": twice} | stable) == judge(check, {"candidate.buckets": once} | stable)


def test_buckets_too_small_to_be_squared_are_no_data():
    check = Check.model_validate({"name": "measured", **CHECKS["drift mean-shift"]})
    sides = ((2.0**-532, 2.0**-531, 1e6), (2.0**-531, 2.0**-530, 1e6))
    same = [Series(math.nan, {}, Native(sides, sum(count for *_, count in sides)))]
    outcome = judge(check, {"candidate.buckets": same, "stable.buckets": same})
    assert (outcome.verdict, outcome.reason) == (Verdict.NO_DATA, Reason.NOT_EVALUATED)


@pytest.mark.parametrize("part", ["buckets", "bad"])
def test_more_series_than_are_worked_through_are_no_data(part):
    label = "le" if part == "buckets" else "group"
    many = [Series(float(n), {label: str(n)}) for n in range(5000)]
    check = Check.model_validate({"name": "measured", **CHECKS["drift psi" if part == "buckets" else "fairness"]})
    outcome = judge(
        check, dict.fromkeys(("candidate.buckets", "stable.buckets", "candidate.bad", "candidate.total"), many)
    )
    assert (outcome.verdict, outcome.reason) == (Verdict.NO_DATA, Reason.SEVERAL_SERIES)
    found = {"buckets": "5,000 buckets, at most 2,048 are used", "bad": "5,000 groups, at most 100"}[part]
    assert found in outcome.detail
