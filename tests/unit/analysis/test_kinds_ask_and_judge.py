"""Each kind of check from its YAML to its questions, and from answers to an outcome with its sentence."""

import math
from dataclasses import dataclass, field

import pytest

from modelramp.analysis.accumulated import Window
from modelramp.analysis.checks import VALUE, Ask, ask, judge
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.check import Check
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

SUBJECT = QueryContext("ml", "digits", "r2", "digits-r2", "r1", "digits-r1")
OWN = '{revision="{{revision}}"}'


@dataclass(frozen=True)
class Series:
    value: float
    labels: dict = field(default_factory=dict)
    histogram: Native | None = None


def check(**fields):
    return Check.model_validate({"name": "c", **fields})


def asked(check, subject=SUBJECT, window=60):
    found = ask(check, subject, window)
    assert isinstance(found, Ask), found
    return {question.name: question for question in found.questions}


def answers(**arms):
    """Answers by question from numbers: candidate_bad=3 answers the question candidate.bad."""
    return {name.replace("_", ".", 1): [Series(float(value))] for name, value in arms.items()}


def histogram(**counts):
    return [
        Series(float(count), {"le": edge.replace("inf", "+Inf").removeprefix("le")}) for edge, count in counts.items()
    ]


def native(*rows, labels=None):
    return Series(math.nan, labels or {}, Native(rows, sum(count for *_, count in rows)))


def grouped(**counts):
    return [Series(float(count), {"group": name}) for name, count in counts.items()]


RATIO = check(ratio={"bad": f"bad{OWN}", "total": f"total{OWN}"}, max="0.01")
COMPARE = check(compare={"bad": f"bad{OWN}", "total": f"total{OWN}"})
DRIFT = check(drift={"buckets": f"x_bucket{OWN}"})
QUANTILES = check(compare={"buckets": f"x_bucket{OWN}"})
KS = check(drift={"measure": "ks", "buckets": f"x_bucket{OWN}"})
SHIFT = check(drift={"measure": "mean-shift", "buckets": f"x_bucket{OWN}"})
MEANS = check(compare={"sum": f"sum{OWN}", "count": f"count{OWN}"})
FAIR = check(fairness={"bad": f"bad{OWN}", "total": f"total{OWN}"})


def test_a_ratio_asks_for_its_two_counts():
    assert {name: q.text for name, q in asked(RATIO).items()} == {
        "candidate.bad": 'bad{revision="r2"}',
        "candidate.total": 'total{revision="r2"}',
    }


def test_a_comparison_puts_the_same_queries_for_both_versions():
    both = check(compare={"sum": 'a{service="{{service}}"}', "count": f"b{OWN}[{{{{window}}}}]"})
    assert {name: q.text for name, q in asked(both).items()} == {
        "candidate.sum": 'a{service="digits-r2"}',
        "candidate.count": 'b{revision="r2"}[1m]',
        "stable.sum": 'a{service="digits-r1"}',
        "stable.count": 'b{revision="r1"}[1m]',
    }


def test_a_query_that_names_no_object_is_one_query_for_all_and_each_finds_its_series_by_label():
    found = asked(check(compare={"bad": "bad", "total": 'total{namespace="{{namespace}}"}'}))
    assert found["candidate.bad"].text == found["stable.bad"].text == "bad"
    assert dict(found["stable.bad"].pick) == {"namespace": "ml", "modeldeployment": "digits", "revision": "r1"}
    assert dict(found["candidate.total"].pick) == {"revision": "r2"}


def test_drift_asks_for_the_stable_version_a_query_or_nothing_beside_the_candidate():
    stored = {"buckets": {"1": 1, "+Inf": 2}}
    assert set(asked(DRIFT)) == {"candidate.buckets", "stable.buckets"}
    assert set(asked(check(drift={"buckets": "b", "reference": {"query": "q"}}))) == {
        "candidate.buckets",
        "reference.buckets",
    }
    assert set(asked(check(drift={"buckets": "b", "reference": stored}))) == {"candidate.buckets"}


def test_cost_asks_for_what_was_used_by_kind():
    dear = check(cost={"usage": {"in": "a", "out": "b"}, "prices": {"in": 1, "out": 2}, "count": "n"}, max=1)
    assert set(asked(dear)) == {"candidate.usage.in", "candidate.usage.out", "candidate.count"}


def test_a_comparison_without_a_stable_version_cannot_be_asked():
    found = ask(COMPARE, QueryContext("ml", "digits", "r2", "digits-r2"), 60)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, Reason.NOT_EVALUATED)
    assert "no version has worked yet" in found.detail


@pytest.mark.parametrize("query", ["x{a='{{nonsense}}'}", "{{revision}}"])
def test_wrong_variables_in_any_query_of_a_kind_are_named(query):
    found = ask(check(ratio={"bad": query, "total": "t"}, max="0.1"), SUBJECT, 60)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, Reason.QUERY_INVALID)


def test_a_ratio_is_explained_with_interval_limit_and_sample():
    found = judge(RATIO, answers(candidate_bad=37, candidate_total=1204))
    assert (found.verdict, found.limit, found.samples) == (Verdict.BREACH, "<= 0.01", 1204)
    assert found.detail == "3.07 % (95 % CI 2.24 to 4.21 %) is above 1 %, n = 1,204"


def test_a_comparison_tells_what_was_tolerated():
    tolerant = check(compare={"bad": "b", "total": "t", "maxRelativeIncrease": "0.5"})
    numbers = answers(candidate_bad=60, candidate_total=1000, stable_bad=20, stable_total=1000)
    found = judge(tolerant, numbers)
    assert (found.verdict, found.limit) == (Verdict.BREACH, "<= 0.01")
    assert found.detail == (
        "6 % of 1,000 against 2 % of 1,000 with the stable version; 1 percentage point more tolerated, at least "
        "0.9292 percentage points more than that (95 % CI)"
    )


def test_a_version_compared_with_itself_says_so():
    numbers = answers(candidate_bad=4, candidate_total=100, stable_bad=4, stable_total=100)
    found = judge(COMPARE, numbers, Window(trial=False))
    assert found.verdict is Verdict.HEALTHY
    assert found.detail.endswith("(no other version serves: it is compared with itself)")


def test_a_version_with_all_the_traffic_does_not_wait_for_one_that_has_none():
    numbers = answers(candidate_bad=4, candidate_total=100, stable_bad=0, stable_total=0)
    assert judge(COMPARE, numbers).verdict is Verdict.NO_DATA
    found = judge(COMPARE, numbers, Window(alone=True))
    assert found.verdict is Verdict.HEALTHY
    assert found.detail.endswith("(no other version serves: it is compared with itself)")


SAYS_NOTHING = {
    "bad has no series": (
        RATIO,
        {"candidate.bad": [], "candidate.total": [Series(9.0)]},
        Reason.EMPTY_RESULT,
        "or vector(0)",
    ),
    "total has no series": (
        RATIO,
        {"candidate.bad": [Series(0.0)], "candidate.total": []},
        Reason.EMPTY_RESULT,
        "total returned nothing",
    ),
    "several series": (
        RATIO,
        {"candidate.bad": [Series(0.0)] * 2, "candidate.total": [Series(1.0)]},
        Reason.SEVERAL_SERIES,
        "bad returned 2 series",
    ),
    "NaN": (RATIO, answers(candidate_bad=math.nan, candidate_total=1), Reason.NOT_A_NUMBER, "not a finite number"),
    "a counter that fell": (RATIO, answers(candidate_bad=-1, candidate_total=1), Reason.NOT_A_NUMBER, "use increase()"),
    "no traffic": (RATIO, answers(candidate_bad=0, candidate_total=0), Reason.EMPTY_RESULT, "is there traffic?"),
    "no traffic of stable": (
        COMPARE,
        answers(candidate_bad=0, candidate_total=9, stable_bad=0, stable_total=0),
        Reason.EMPTY_RESULT,
        "stable version: nothing was counted",
    ),
    "no buckets": (
        DRIFT,
        {"candidate.buckets": [], "stable.buckets": histogram(le1=5, inf=9)},
        Reason.EMPTY_RESULT,
        "candidate: the histogram has no buckets",
    ),
    "no label le": (
        DRIFT,
        {"candidate.buckets": [Series(1.0)], "stable.buckets": histogram(le1=5, inf=9)},
        Reason.EMPTY_RESULT,
        "no label le; keep it: sum by (le)",
    ),
    "two series for one bucket": (
        DRIFT,
        {"candidate.buckets": histogram(le1=5, inf=9) * 2, "stable.buckets": histogram(le1=5, inf=9)},
        Reason.SEVERAL_SERIES,
        "several series for le=1",
    ),
    "buckets that differ": (
        DRIFT,
        {"candidate.buckets": histogram(le1=500, inf=900), "stable.buckets": histogram(le2=500, inf=900)},
        Reason.NOT_EVALUATED,
        "different buckets",
    ),
    "an empty native histogram": (
        DRIFT,
        {"candidate.buckets": [native()], "stable.buckets": [native((1, 2, 500))]},
        Reason.EMPTY_RESULT,
        "candidate: nothing was counted",
    ),
    "a native histogram that fell": (
        DRIFT,
        {"candidate.buckets": [native((1, 2, -5))], "stable.buckets": [native((1, 2, 500))]},
        Reason.NOT_A_NUMBER,
        "use increase()",
    ),
    "two native histograms": (
        DRIFT,
        {"candidate.buckets": [native((1, 2, 5))] * 2, "stable.buckets": [native((1, 2, 500))]},
        Reason.SEVERAL_SERIES,
        "candidate: buckets returned 2 series, native histograms among them; add them up: sum(...)",
    ),
    "a native histogram beside classic buckets": (
        DRIFT,
        {"candidate.buckets": [*histogram(le1=5, inf=9), native((1, 2, 5))], "stable.buckets": [native((1, 2, 500))]},
        Reason.SEVERAL_SERIES,
        "buckets returned 3 series",
    ),
    "a native histogram for a count": (
        RATIO,
        {"candidate.bad": [Series(0.0)], "candidate.total": [native((1, 2, 5))]},
        Reason.QUERY_INVALID,
        "total gives a native histogram, not a number; wrap it, as in histogram_quantile(0.95, ...)",
    ),
    "a native histogram for each group": (
        FAIR,
        {f"candidate.{part}": [native((1, 2, 5), labels={"group": "a"})] for part in ("bad", "total")},
        Reason.QUERY_INVALID,
        "histogram_count(...)",
    ),
    "a native histogram for a query": (
        check(query="x", max=1),
        {VALUE: [native((1, 2, 5))]},
        Reason.QUERY_INVALID,
        "the query gives a native histogram",
    ),
    "a native histogram for samples": (
        check(query="x", max=1, minSamples=5, samples="n"),
        {VALUE: [Series(0.5)], "samples": [native((1, 2, 5))]},
        Reason.QUERY_INVALID,
        "samples gives a native histogram",
    ),
    "a reference that does not exist": (
        check(drift={"buckets": "b", "reference": {"query": "q"}}),
        {"candidate.buckets": histogram(le1=500, inf=900), "reference.buckets": []},
        Reason.EMPTY_RESULT,
        "reference: the histogram has no buckets",
    ),
    "no group label": (
        FAIR,
        {"candidate.bad": [Series(1.0)], "candidate.total": [Series(9.0)]},
        Reason.EMPTY_RESULT,
        "no label group",
    ),
    "too many groups": (
        FAIR,
        {f"candidate.{part}": grouped(**{f"g{i}": 50 for i in range(10_000)}) for part in ("bad", "total")},
        Reason.SEVERAL_SERIES,
        "10,000 groups",
    ),
    "small groups": (
        FAIR,
        {"candidate.bad": grouped(a=3, b=9), "candidate.total": grouped(a=10, b=10)},
        Reason.TOO_FEW_SAMPLES,
        "0 of 2 groups",
    ),
    "a group of which only failures are known": (
        FAIR,
        {"candidate.bad": grouped(a=3, b=3, c=4), "candidate.total": grouped(a=100, b=100)},
        Reason.NOT_A_NUMBER,
        "group c: bad (4) is more than total (0); check both queries",
    ),
    "one group": (
        FAIR,
        {"candidate.bad": grouped(a=3), "candidate.total": grouped(a=100)},
        Reason.TOO_FEW_SAMPLES,
        "1 of 1 groups with at least 30 answers; two are needed",
    ),
    "groups without traffic": (
        FAIR,
        {"candidate.bad": grouped(a=0, b=0), "candidate.total": grouped(a=0, b=0)},
        Reason.TOO_FEW_SAMPLES,
        "0 of 2 groups",
    ),
    "NaN in a group": (
        FAIR,
        {"candidate.bad": grouped(a=math.nan, b=1), "candidate.total": grouped(a=100, b=100)},
        Reason.NOT_A_NUMBER,
        "group a: bad is not a finite number",
    ),
    "a mean of nothing": (
        MEANS,
        answers(candidate_sum=3, candidate_count=3, stable_sum=0, stable_count=0),
        Reason.EMPTY_RESULT,
        "stable version: nothing was counted",
    ),
    "a mean of a count that fell": (
        MEANS,
        answers(candidate_sum=3, candidate_count=-3, stable_sum=1, stable_count=1),
        Reason.NOT_A_NUMBER,
        "candidate: count is negative (-3); a counter never falls: use increase()",
    ),
    "a missing price": (
        check(cost={"usage": {"in": "a"}, "prices": {"out": 2}, "count": "n"}, max=1),
        {"candidate.usage.in": [Series(5.0)], "candidate.count": [Series(5.0)]},
        Reason.NOT_EVALUATED,
        "add prices.in",
    ),
    "one value everywhere": (
        check(drift={"measure": "mean-shift", "buckets": "b"}),
        {f"{arm}.buckets": histogram(le1=900, inf=900) for arm in ("candidate", "stable")},
        Reason.NOT_EVALUATED,
        "no spread",
    ),
}


@pytest.mark.parametrize(("check", "numbers", "reason", "words"), SAYS_NOTHING.values(), ids=SAYS_NOTHING)
def test_numbers_that_say_nothing_are_no_data_with_what_to_do(check, numbers, reason, words):
    found = judge(check, numbers)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, reason)
    assert words in found.detail


NATIVE = {
    "the same": ((0.5, 1, 600), (1, 2, 300), (2, 4, 100), Verdict.HEALTHY),
    "four times as slow": ((2, 4, 600), (4, 8, 300), (8, 16, 100), Verdict.BREACH),
}


@pytest.mark.parametrize("kind", [DRIFT, check(compare={"buckets": f"x{OWN}"})], ids=["drift", "compare"])
@pytest.mark.parametrize(("rows", "verdict"), [(case[:3], case[3]) for case in NATIVE.values()], ids=NATIVE)
def test_native_histograms_are_weighed_like_classic_ones(kind, rows, verdict):
    stable = native((0.5, 1, 1200), (1, 2, 600), (2, 4, 200))
    assert judge(kind, {"candidate.buckets": [native(*rows)], "stable.buckets": [stable]}).verdict is verdict


MEDIAN = check(compare={"buckets": f"sum(increase(x{OWN}[{{{{window}}}}]))", "quantile": 0.5})


def test_the_quantile_of_a_native_histogram_is_asked_beside_its_buckets():
    found = asked(MEDIAN)
    assert list(found) == ["candidate.buckets", "candidate.quantile", "stable.buckets", "stable.quantile"]
    assert found["candidate.quantile"].text == f"histogram_quantile(0.5, {found['candidate.buckets'].text})"
    classic = check(compare={"buckets": f"sum by (le) (increase(x_bucket{OWN}[{{{{window}}}}]))"})
    assert list(asked(classic)) == ["candidate.buckets", "stable.buckets"]


def median_of(one, other):
    """The outcome on a thousand observations between 2 and 4, beside a stable version a quarter as slow."""
    slow, fast = native((2.0, 4.0, 1000)), native((0.5, 1.0, 1000))
    series = {"candidate.buckets": [slow], "stable.buckets": [fast]}
    return judge(MEDIAN, series | answers(candidate_quantile=one, stable_quantile=other))


def test_custom_buckets_at_powers_of_two_have_the_median_that_prometheus_says():
    """All between 2 and 4: linear for custom buckets, geometric for exponential ones, and the edges are the same."""
    assert median_of(3.0, 0.75).value == pytest.approx(2.25)
    assert median_of(2**1.5, 2**-0.5).value == pytest.approx(2**1.5 - 2**-0.5)
    assert "p50 3 against 0.75" in median_of(3.0, 0.75).detail


@pytest.mark.parametrize("value", [math.nan, math.inf, 1.9, 4.1])
def test_a_quantile_that_cannot_be_of_these_buckets_is_left_out(value):
    assert median_of(value, 2**-0.5).value == pytest.approx(2**1.5 - 2**-0.5)


GOOD = histogram(le1=500, le2=900, inf=1000)
BAD_HISTOGRAMS = {
    "no series": ([], Reason.EMPTY_RESULT, "is it a histogram with the label le?"),
    "only +Inf": (histogram(inf=900), Reason.EMPTY_RESULT, "at least one other; keep all le"),
    "no +Inf": (histogram(le1=500, le2=900), Reason.EMPTY_RESULT, "needs the bucket +Inf"),
    "no traffic": (histogram(le1=0, le2=0, inf=0), Reason.EMPTY_RESULT, "nothing was counted in the window"),
    "a bucket that was reset": (
        histogram(le1=500, le2=300, inf=900),
        Reason.NOT_A_NUMBER,
        "count all buckets alike: sum by (le) (increase(...))",
    ),
    "a negative bucket": (histogram(le1=-5, le2=300, inf=900), Reason.NOT_A_NUMBER, "use increase()"),
    "NaN": (histogram(le1=math.nan, le2=300, inf=900), Reason.NOT_A_NUMBER, "not a finite number; use increase()"),
    "infinite": (histogram(le1=5, le2=300, inf=math.inf), Reason.NOT_A_NUMBER, "not a finite number; use increase()"),
    "an le that is no number": (histogram(leone=5, inf=900), Reason.NOT_A_NUMBER, "an le label is not a number"),
    "too few": (histogram(le1=20, le2=30, inf=40), Reason.TOO_FEW_SAMPLES, "at least 100 are needed"),
}


@pytest.mark.parametrize("kind", [QUANTILES, DRIFT, KS, SHIFT], ids=["compare", "psi", "ks", "mean-shift"])
@pytest.mark.parametrize("arm", ["candidate", "stable"])
@pytest.mark.parametrize(("series", "reason", "words"), BAD_HISTOGRAMS.values(), ids=BAD_HISTOGRAMS)
def test_a_histogram_that_says_nothing_is_no_data_in_the_name_of_its_version(kind, arm, series, reason, words):
    other = {"candidate": "stable", "stable": "candidate"}[arm]
    found = judge(kind, {f"{arm}.buckets": series, f"{other}.buckets": GOOD})
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, reason)
    assert words in found.detail
    assert found.detail.startswith(("candidate: ",) if arm == "candidate" else ("stable version: ", "reference: "))


def test_equal_groups_are_told_as_two():
    found = judge(FAIR, {"candidate.bad": grouped(a=3, b=3), "candidate.total": grouped(a=100, b=100)})
    assert "in group b, 3 % of 100 in a" in found.detail


def test_a_group_without_failures_has_none_when_others_have_some():
    found = judge(FAIR, {"candidate.bad": grouped(b=40), "candidate.total": grouped(a=100, b=100)})
    assert found.verdict is Verdict.BREACH
    assert "40 % of 100 in group b, 0 % of 100 in a" in found.detail


def test_a_query_with_too_few_samples_is_no_data_whatever_its_value():
    counted = check(query=f"a{OWN}", max=1, minSamples=100, samples=f"n{OWN}")
    assert asked(counted)["samples"].text == 'n{revision="r2"}'
    thin = judge(counted, {VALUE: [Series(9.0)], "samples": [Series(99.0)]})
    assert (thin.verdict, thin.reason) == (Verdict.NO_DATA, Reason.TOO_FEW_SAMPLES)
    assert judge(counted, {VALUE: [Series(9.0)], "samples": [Series(100.0)]}).verdict is Verdict.BREACH
    for unknown in ([], [Series(math.nan)]):
        assert judge(counted, {VALUE: [Series(9.0)], "samples": unknown}).verdict is Verdict.NO_DATA


@pytest.mark.parametrize(
    ("kind", "value", "verdict"),
    [(RATIO, 0.02, "breach"), (RATIO, 0.01, "healthy"), (DRIFT, 0.3, "breach"), (COMPARE, 0.0, "healthy")],
)
def test_a_rehearsal_may_give_the_number_that_a_kind_would_have_found(kind, value, verdict):
    assert judge(kind, {VALUE: [Series(value)]}).verdict == verdict


@pytest.mark.parametrize(
    ("value", "verdict", "reason", "judged"),
    [
        (-math.inf, Verdict.NO_DATA, Reason.METRIC_UNKNOWN, None),
        (-0.02, Verdict.NO_DATA, Reason.METRIC_UNKNOWN, None),
        (-0.01, Verdict.HEALTHY, Reason.WITHIN_LIMIT, 0.01),
        (-0.005, Verdict.HEALTHY, Reason.WITHIN_LIMIT, 0.005),
        (0.0, Verdict.HEALTHY, Reason.WITHIN_LIMIT, 0.0),
        (0.02, Verdict.BREACH, Reason.ABOVE_MAXIMUM, 0.02),
    ],
)
def test_a_bound_on_failures_that_nobody_counts_is_healthy_within_the_limit_and_else_no_data(
    value, verdict, reason, judged
):
    found = judge(check(preset="tgi-error-rate", max=0.01), {VALUE: [Series(value)]}, Window(60))
    assert (found.verdict, found.reason, found.value) == (verdict, reason, judged)
