"""Every setting of a kind reaches its statistic: with it the verdict is another one than without."""

import pytest
from test_kinds_ask_and_judge import answers, check, grouped, histogram, judge

RATES = {"bad": "b", "total": "t"}
CHANGE = RATES | {"detect": "change"}
MEANS = {"sum": "s", "count": "c"}
NUMBERS = answers(candidate_bad=30, candidate_total=1000, stable_bad=15, stable_total=1000)
COSTS = answers(candidate_sum=130, candidate_count=100, stable_sum=100, stable_count=100)
SLOW = histogram(le1=400, le2=800, inf=1000)
FAST = histogram(le1=900, le2=990, inf=1000)
HISTOGRAMS = {"candidate.buckets": SLOW, "stable.buckets": FAST}
MIDDLING = {"candidate.buckets": histogram(le1=400, le2=1000, inf=1000), "stable.buckets": FAST}
FEW = {"candidate.buckets": histogram(le1=10, inf=50), "stable.buckets": histogram(le1=40, inf=50)}
GROUPS = {"candidate.bad": grouped(a=10, b=25), "candidate.total": grouped(a=100, b=100)}
LOOKS = answers(candidate_bad=14, candidate_total=100, stable_bad=20, stable_total=600)
BETTER = {"bad": 20, "total": 1000}

# kind                                              numbers     setting                              without     with
SETTINGS = {
    "confidence": ({"ratio": RATES, "max": "0.022"}, NUMBERS, {"confidence": "0.8"}, "healthy", "breach"),
    "alpha": ({"compare": RATES}, NUMBERS, {"alpha": "0.001"}, "breach", "healthy"),
    "maxIncrease": ({"compare": RATES}, NUMBERS, {"maxIncrease": "0.02"}, "breach", "healthy"),
    "maxRelativeIncrease": ({"compare": RATES}, NUMBERS, {"maxRelativeIncrease": 2}, "breach", "healthy"),
    "tolerance of means": ({"compare": MEANS}, COSTS, {"maxIncrease": "0.5"}, "no-data", "healthy"),
    "quantile": ({"compare": {"buckets": "b"}}, MIDDLING, {"quantile": "0.99"}, "breach", "healthy"),
    "alpha of looks": ({"sequential": RATES}, LOOKS, {"alpha": "0.000001"}, "breach", "healthy"),
    "effect": ({"sequential": RATES}, LOOKS, {"effect": "0.00001"}, "breach", "healthy"),
    "detect": ({"sequential": RATES}, LOOKS, {"detect": "change"}, "breach", "healthy"),
    "alpha of change": ({"sequential": CHANGE}, LOOKS, {"alpha": "0.02"}, "healthy", "breach"),
    "alpha at max": ({"sequential": CHANGE, "max": "0.05"}, LOOKS, {"alpha": "0.0001"}, "breach", "healthy"),
    "measure": ({"drift": {"buckets": "b"}, "max": "0.5"}, HISTOGRAMS, {"measure": "ks"}, "breach", "healthy"),
    "alpha of drift": ({"drift": {"buckets": "b"}, "minSamples": 50}, FEW, {"alpha": "1e-12"}, "breach", "healthy"),
    "reference": (
        {"drift": {"measure": "performance", **RATES}, "max": "0.001"},
        NUMBERS,
        {"reference": {"bad": 400, "total": 1000}},
        "breach",
        "healthy",
    ),
    "clusterSize": ({"drift": {"buckets": "b"}, "minSamples": 50}, FEW, {"clusterSize": 10}, "breach", "healthy"),
    "clusterSize of quality": (
        {"drift": {"measure": "performance", **RATES}, "max": "0.001"},
        NUMBERS,
        {"clusterSize": 10},
        "breach",
        "healthy",
    ),
    "alpha of fairness": ({"fairness": RATES}, GROUPS, {"alpha": "0.0001"}, "breach", "healthy"),
    "maxDifference": ({"fairness": RATES}, GROUPS, {"maxDifference": "0.2"}, "breach", "healthy"),
    "minSuccessRatio": ({"fairness": RATES}, GROUPS, {"minSuccessRatio": "0.8"}, "breach", "healthy"),
    "groupLabel": ({"fairness": RATES}, GROUPS, {"groupLabel": "age"}, "breach", "no-data"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "numbers", "setting", "without", "with_it"), SETTINGS.values(), ids=SETTINGS)
def test_a_setting_of_a_kind_counts(kind, numbers, setting, without, with_it):
    name = next(key for key in kind if key not in ("max", "minSamples"))
    assert judge(check(**kind), numbers).verdict == without
    assert judge(check(**kind | {name: kind[name] | setting}), numbers).verdict == with_it


LEAST = {
    "ratio": ({"ratio": RATES, "max": "0.02"}, NUMBERS, 1001),
    "compare": ({"compare": RATES}, NUMBERS, 1001),
    "sequential": ({"sequential": RATES}, LOOKS, 101),
    "change": ({"sequential": CHANGE}, LOOKS, 101),
    "drift": ({"drift": {"buckets": "b"}}, HISTOGRAMS, 1001),
    "performance": ({"drift": {"measure": "performance", **RATES, "reference": BETTER}}, NUMBERS, 1001),
    "fairness": ({"fairness": RATES}, GROUPS, 101),
    "cost": ({"cost": MEANS, "max": 1}, COSTS, 101),
}


@pytest.mark.parametrize(("kind", "numbers", "least"), LEAST.values(), ids=LEAST)
def test_fewer_samples_than_are_asked_for_are_no_data(kind, numbers, least):
    assert judge(check(**kind, minSamples=least), numbers).reason == "TooFewSamples"
    assert judge(check(**kind, minSamples=least - 1), numbers).verdict != "no-data"


@pytest.mark.parametrize(
    ("kind", "most"),
    [
        ({"drift": {"buckets": "b"}}, "<= 0.2"),
        ({"drift": {"buckets": "b"}, "max": "0.3"}, "<= 0.3"),
        ({"drift": {"measure": "performance", **RATES}}, ">= -0.05"),
        ({"drift": {"measure": "performance", **MEANS}, "max": "0.1"}, "<= 0.1"),
        ({"fairness": RATES}, "<= 0"),
        ({"fairness": RATES | {"maxDifference": "0.1"}}, "<= 0.1"),
        ({"fairness": RATES | {"minSuccessRatio": "0.8"}}, "success ratio >= 0.8"),
        ({"fairness": RATES | {"maxDifference": "0.1", "minSuccessRatio": "0.8"}}, "<= 0.1, success ratio >= 0.8"),
        ({"sequential": RATES}, "<= 0"),
        ({"sequential": RATES, "max": "0.03"}, "<= 0.03"),
        ({"cost": MEANS | {"budget": 5}, "unit": "USD"}, "<= 5 USD"),
        ({"cost": MEANS, "max": 1, "unit": "USD"}, "<= 1 USD"),
    ],
)
def test_the_status_says_the_limit_of_every_kind(kind, most):
    nothing = {f"{arm}.{part}": [] for arm in ("candidate", "stable") for part in ("bad", "total", "sum", "count")}
    nothing |= {"candidate.buckets": [], "stable.buckets": []} if "buckets" in str(kind) else {}
    assert judge(check(**kind), nothing).limit == most
