"""Native histograms: from Prometheus' rows to buckets, their quantiles, and two of them side by side."""

import math
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.analysis.stats.compare import quantiles
from modelramp.analysis.stats.drift import Measure, Rule, drift
from modelramp.analysis.stats.histograms import (
    EDGES_DIFFER,
    Buckets,
    from_classic,
    mean_and_deviation,
    on_same_edges,
    quantile,
)
from modelramp.analysis.stats.native_histograms import from_native
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

INF = math.inf
MOST = sys.float_info.max


def exponential(values, schema):
    """What Prometheus would say of these values, all of them above 0."""
    places, counts = np.unique(np.ceil(np.log2(values) * 2**schema), return_counts=True)
    edges = zip(2.0 ** ((places - 1) / 2**schema), 2.0 ** (places / 2**schema), counts, strict=True)
    return from_native([tuple(map(float, row)) for row in edges], float(len(values)))


def custom(values, bounds):
    """What Prometheus would say of them in a histogram with custom buckets (NHCB)."""
    counts = np.bincount(np.searchsorted(bounds, values), minlength=len(bounds) + 1)
    rows = zip((-INF, *bounds), (*bounds, INF), map(float, counts), strict=True)
    return from_native([row for row in rows if row[2]], float(len(values)))


ROWS = {
    "a gap": ([(2, 4, 5), (0.5, 1, 3)], 8, (0.5, (1, 2, 4), (3, 0, 5))),
    "negative": ([(1, 2, 3), (-2, -1, 5)], 8, (-2, (-1, 1, 2), (5, 0, 3))),
    "a zero bucket below all": ([(-0.1, 0.1, 2), (1, 2, 3)], 5, (0, (0.1, 1, 2), (2, 0, 3))),
    "a zero bucket above all": ([(-2, -1, 3), (-0.1, 0.1, 2)], 5, (-2, (-1, -0.1, 0), (3, 0, 2))),
    "a zero bucket between": ([(-2, -1, 3), (-1, 1, 2), (1, 2, 4)], 9, (-2, (-1, 1, 2), (3, 2, 4))),
    "a zero bucket that is no edge of the next": ([(-0.3, 0.3, 2), (0.25, 0.5, 3)], 5, (0, (0.3, 0.5), (2, 3))),
    "custom": ([(-INF, 0.1, 12), (0.2, 0.5, 16), (1, INF, 4)], 32, (0, (0.1, 0.2, 0.5, 1, INF), (12, 0, 16, 0, 4))),
    "custom below zero": ([(-INF, -1, 12), (-1, 5, 4)], 16, (-INF, (-1, 5), (12, 4))),
    "NaN observed": ([(1, 2, 3)], 5, (1, (2, MOST, INF), (3, 0, 2))),
    "NaN observed beside the last bucket": ([(1, INF, 3)], 5, (1, (INF,), (5,))),
    "a count that differs by rounding": ([(1, 2, 3)], 3.000000001, (1, (2,), (3,))),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "count", "wished"), ROWS.values(), ids=ROWS)
def test_rows_become_buckets_with_their_gaps(rows, count, wished):
    found = from_native(rows, count)
    assert (found.lowest, found.edges, found.counts) == wished
    assert found.sparse


BROKEN = {
    "no buckets by hand": ([], None, Reason.EMPTY_RESULT, "no buckets"),
    "empty": ([], 0, Reason.EMPTY_RESULT, "is there traffic?"),
    "negative, as delta() gives after a reset": ([(0, 1, -1)], -1, Reason.NOT_A_NUMBER, "use increase()"),
    "NaN": ([(0, 1, math.nan)], 1, Reason.NOT_A_NUMBER, "not a finite number"),
    "an infinite count": ([(0, 1, 2)], INF, Reason.NOT_A_NUMBER, "not a finite number"),
    "an edge that is NaN": ([(math.nan, 1, 2)], 2, Reason.NOT_A_NUMBER, "before it begins"),
    "upside down": ([(2, 1, 2)], 2, Reason.NOT_A_NUMBER, "before it begins"),
    "overlapping": ([(0, 2, 1), (1, 3, 1)], 2, Reason.NOT_A_NUMBER, "overlap"),
    "inside the zero bucket": ([(-1, 1, 1), (0.5, 0.75, 1)], 2, Reason.NOT_A_NUMBER, "overlap"),
}


@pytest.mark.parametrize(("rows", "count", "reason", "words"), BROKEN.values(), ids=BROKEN)
def test_a_broken_native_histogram_has_a_reason(rows, count, reason, words):
    found = from_native(rows, count)
    assert not isinstance(found, Buckets)
    assert found.reason is reason
    assert words in found.message


# Prometheus 3.15, histogram_quantile() of the same buckets.
QUANTILES = {
    "evenly on a scale of logarithms": ([(0.25, 0.5, 10)], 0.5, math.sqrt(0.125)),
    "below zero": ([(-0.5, -0.25, 10)], 0.5, -math.sqrt(0.125)),
    "in the zero bucket": ([(-0.1, 0.1, 10), (1, 2, 10)], 0.25, 0.05),
    "over a gap": ([(0.25, 0.5, 10), (1, 2, 10)], 0.75, math.sqrt(2)),
    "evenly in custom buckets": ([(-INF, 0.1, 10), (0.1, 0.3, 10)], 0.75, 0.2),
    "a lone custom bucket of no power of two": ([(0.1, 0.3, 10)], 0.5, 0.2),
    "custom buckets on the grid of others": ([(1, 2, 10), (2, 8, 10)], 0.75, 5.0),
    "custom buckets as wide as none": ([(1, 2, 10), (5, 10, 10)], 0.75, 7.5),
}


@pytest.mark.parametrize(("rows", "q", "wished"), QUANTILES.values(), ids=QUANTILES)
def test_a_quantile_is_prometheus_quantile(rows, q, wished):
    assert quantile(from_native(rows), q) == pytest.approx(wished)


@pytest.mark.parametrize("rows", [[(1, 2, 3), (2, INF, 7)], [(1, 2, 3)]], ids=["an open bucket", "NaN"])
def test_a_quantile_beyond_all_numbers_is_infinite(rows):
    assert quantile(from_native(rows, 10), 0.95) == INF


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, 0.99), st.integers(0, 8), st.integers(0, 2**31))
def test_a_quantile_lies_in_the_bucket_of_the_true_one(q, schema, seed):
    values = np.sort(np.random.default_rng(seed).lognormal(0, 2, 500))
    true, growth = values[math.ceil(q * 500) - 1], 2**2.0**-schema
    assert true / growth <= quantile(exponential(values, schema), q) * (1 + 1e-9) <= true * growth * (1 + 2e-9)


def test_histograms_of_two_resolutions_are_joined_at_their_common_edges():
    fine = from_native([(1, 1.4, 4.0), (1.4, 2, 6.0), (2, 2.8, 1.0), (2.8, 4, 2.0)])
    coarse = from_native([(1, 2, 7.0), (4, 8, 3.0)])
    one, other = on_same_edges(fine, coarse)
    assert one.edges == other.edges == (2, 2.8, 4, 8)
    assert (one.counts, other.counts) == ((10, 1, 2, 0), (7, 0, 0, 3))


@settings(deadline=None)
@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=60), st.integers(0, 8), st.integers(-2, 8))
def test_joining_loses_no_observation_and_is_the_coarser_of_the_two(values, one_schema, other_schema):
    one, other = exponential(values, one_schema), exponential(values, other_schema)
    joined = on_same_edges(one, other)
    assert joined is not None
    assert joined[0].edges == joined[1].edges
    assert joined[0].counts == joined[1].counts
    assert sum(joined[0].counts) == len(values)


def test_the_wider_zero_bucket_swallows_what_the_other_tells_apart():
    fine = from_native([(-1e-9, 1e-9, 3), (0.25, 0.5, 4), (1, 2, 5)])
    wide = from_native([(-0.5, 0.5, 9), (1, 2, 1)])
    one, other = on_same_edges(fine, wide)
    assert one.edges == other.edges == (0.5, 1, 2)
    assert (one.counts, other.counts) == ((7, 0, 5), (9, 0, 1))


BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def test_custom_buckets_are_held_against_a_classic_histogram_with_the_same_edges():
    values = np.random.default_rng(4).exponential(0.4, 2000)
    classic = from_classic({str(edge): float((values <= edge).sum()) for edge in BOUNDS} | {"+Inf": 2000.0})
    found = drift(custom(values, BOUNDS), classic)
    assert (found.verdict, found.value) == (Verdict.HEALTHY, 0)


def test_edges_that_cut_each_others_buckets_are_not_compared():
    values = np.random.default_rng(5).exponential(0.4, 2000)
    for other in (custom(values, (0.07, 0.3, 0.8)), exponential(values, 3)):
        assert on_same_edges(custom(values, BOUNDS), other) is None
        assert drift(custom(values, BOUNDS), other).detail == EDGES_DIFFER.message
        assert quantiles(custom(values, BOUNDS), other, 0.9).verdict is Verdict.NO_DATA


@pytest.mark.parametrize("measure", Measure)
def test_inputs_that_became_nan_are_drift_and_not_lost(measure):
    values = np.random.default_rng(6).lognormal(0, 1, 3000)
    reference = exponential(values, 2)
    half = exponential(values[:1500], 2)
    rows = [row for row in half.sides() if row[2]]
    found = drift(from_native(rows, 3000), reference, Rule(measure))
    # A mean cannot see them: they have no place among the numbers.
    assert found.verdict is (Verdict.HEALTHY if measure is Measure.MEAN_SHIFT else Verdict.BREACH)


def test_nothing_but_nan_has_no_mean():
    only = from_native([], 500)
    assert math.isnan(mean_and_deviation(only)[0])
    reference = exponential(np.random.default_rng(7).lognormal(0, 1, 3000), 2)
    assert drift(only, reference, Rule(Measure.MEAN_SHIFT)).verdict is Verdict.NO_DATA
    assert drift(only, reference, Rule(Measure.PSI)).verdict is Verdict.BREACH


def test_a_candidate_all_beyond_the_largest_custom_bucket_is_slower():
    slow = from_native([(2.5, INF, 1000)], 1000)
    fast = custom(np.random.default_rng(8).exponential(0.2, 2000), BOUNDS)
    found = quantiles(slow, fast, 0.95)
    assert (found.verdict, found.value) == (Verdict.BREACH, INF)
    assert found.interval[0] > 1
