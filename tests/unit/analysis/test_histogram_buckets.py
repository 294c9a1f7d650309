import math

import numpy as np
import pytest

from modelramp.analysis.stats.compare import Tolerance, quantiles
from modelramp.analysis.stats.histograms import (
    Buckets,
    from_classic,
    mean_and_deviation,
    on_same_edges,
    quantile,
    quantile_interval,
)
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

INF = math.inf


def test_cumulative_buckets_become_counts_between_edges():
    found = from_classic({"+Inf": 12, "0.5": 10, "0.1": 3})
    assert found == Buckets((0.1, 0.5, INF), (3, 7, 2), lowest=0.0)
    assert (found.total, found.cumulative) == (12, (3, 10, 12))


BROKEN = {
    "no buckets": ({}, Reason.EMPTY_RESULT),
    "only +Inf": ({"+Inf": 3}, Reason.EMPTY_RESULT),
    "no +Inf": ({"1": 3, "2": 4}, Reason.EMPTY_RESULT),
    "falling": ({"1": 5, "2": 3, "+Inf": 6}, Reason.NOT_A_NUMBER),
    "negative": ({"1": -5, "2": 3, "+Inf": 6}, Reason.NOT_A_NUMBER),
    "NaN": ({"1": math.nan, "+Inf": 6}, Reason.NOT_A_NUMBER),
    "le is no number": ({"one": 1, "+Inf": 6}, Reason.NOT_A_NUMBER),
    "le is NaN": ({"NaN": 1, "+Inf": 6}, Reason.NOT_A_NUMBER),
}


@pytest.mark.parametrize(("buckets", "reason"), BROKEN.values(), ids=BROKEN)
def test_a_broken_histogram_has_a_reason(buckets, reason):
    found = from_classic(buckets)
    assert not isinstance(found, Buckets)
    assert found.reason is reason


def test_a_fall_by_rounding_is_mended():
    assert from_classic({"1": 5.0000001, "2": 5.0, "+Inf": 6}).counts == pytest.approx((5, 0, 1), abs=1e-6)


# Prometheus 3.15, histogram_quantile() of the same buckets.
QUANTILES = {
    "inside a bucket": ({"1": 50, "2": 100, "+Inf": 100}, 0.95, 1.9),
    "in the first bucket, from 0": ({"1": 100, "2": 100, "+Inf": 100}, 0.5, 0.5),
    "at an edge": ({"1": 50, "2": 100, "+Inf": 100}, 0.5, 1.0),
    "over an empty bucket": ({"1": 50, "2": 50, "3": 100, "+Inf": 100}, 0.75, 2.5),
    "a first edge below 0": ({"-1": 50, "2": 100, "+Inf": 100}, 0.25, -1.0),
    "everything": ({"1": 50, "2": 100, "+Inf": 100}, 1.0, 2.0),
    "beyond the last finite edge": ({"1": 50, "2": 60, "+Inf": 100}, 0.95, INF),
}


@pytest.mark.parametrize(("buckets", "q", "wished"), QUANTILES.values(), ids=QUANTILES)
def test_a_quantile_is_prometheus_quantile_but_honest_beyond_the_last_edge(buckets, q, wished):
    assert quantile(from_classic(buckets), q) == pytest.approx(wished)


def test_the_interval_of_a_quantile_holds_the_true_one_as_often_as_it_says():
    rng = np.random.default_rng(3)
    edges = np.linspace(0.02, 8, 400)
    held = 0
    for _ in range(400):
        values = rng.exponential(1.0, 200)
        cumulative = np.searchsorted(np.sort(values), edges, side="right")
        buckets = from_classic({str(e): float(c) for e, c in zip(edges, cumulative, strict=True)} | {"+Inf": 200.0})
        low, high = quantile_interval(buckets, 0.9)
        held += low <= -math.log(0.1) <= high
    assert 0.92 <= held / 400 <= 0.985


def test_classic_histograms_with_different_edges_are_not_compared():
    one, other = from_classic({"1": 5, "+Inf": 10}), from_classic({"2": 5, "+Inf": 10})
    assert on_same_edges(one, other) is None
    assert quantiles(one, other, 0.5).reason is Reason.NOT_EVALUATED


def test_mean_and_deviation_come_from_the_middles():
    assert mean_and_deviation(from_classic({"2": 1, "4": 2, "+Inf": 2})) == pytest.approx((2.0, 1.0))


def latencies(scale, n, seed=5):
    values = np.random.default_rng(seed).exponential(scale, n)
    edges = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
    return from_classic({str(e): float((values <= e).sum()) for e in edges} | {"+Inf": float(n)})


SLOWER = {
    "twice as slow": (0.4, 2000, Tolerance(), Verdict.BREACH),
    "the same": (0.2, 2000, Tolerance(), Verdict.HEALTHY),
    "twice as slow, tolerated": (0.4, 2000, Tolerance(relative=2.0), Verdict.HEALTHY),
    "twice as slow, thin": (0.4, 99, Tolerance(), Verdict.NO_DATA),
    "faster": (0.1, 2000, Tolerance(), Verdict.HEALTHY),
    "beyond all buckets": (200.0, 2000, Tolerance(), Verdict.BREACH),
    "too few": (0.4, 150, Tolerance(min_samples=300), Verdict.NO_DATA),
}


@pytest.mark.parametrize(("scale", "n", "tolerance", "verdict"), SLOWER.values(), ids=SLOWER)
def test_a_slower_candidate_is_found_when_the_evidence_is_there(scale, n, tolerance, verdict):
    assert quantiles(latencies(scale, n), latencies(0.2, 5000, seed=6), 0.95, tolerance, "s").verdict is verdict


def test_equal_latencies_are_called_slower_no_more_often_than_half_of_alpha():
    pairs = [(latencies(0.2, 300, seed=2 * n), latencies(0.2, 900, seed=2 * n + 1)) for n in range(1000, 1400)]
    alarms = sum(quantiles(one, other, 0.9).verdict is Verdict.BREACH for one, other in pairs)
    assert alarms / 400 <= 0.025 + 3.1 * math.sqrt(0.025 * 0.975 / 400)


def test_a_stable_version_beyond_its_buckets_is_no_yardstick():
    result = quantiles(latencies(0.2, 1000), latencies(200.0, 1000), 0.95)
    assert result.verdict is Verdict.NO_DATA
    assert result.detail == "stable version: p95 lies beyond the largest bucket; add buckets"


def test_an_empty_arm_is_no_data():
    empty = from_classic({"1": 0, "+Inf": 0})
    assert quantiles(empty, latencies(0.2, 100), 0.95).detail.startswith("candidate: nothing was counted")
    assert quantiles(latencies(0.2, 100), empty, 0.95).detail.startswith("stable version: nothing was counted")
