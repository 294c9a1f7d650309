"""What appears where the reference has nothing is drift, however few were expected there."""

import numpy as np
import pytest

from modelramp.analysis.stats.drift import Measure, Rule, drift, homogeneity
from modelramp.analysis.stats.histograms import Buckets
from modelramp.api.verdict import Verdict


def buckets(*counts):
    edges = (*map(float, range(1, len(counts))), float("inf"))
    return Buckets(edges, tuple(map(float, counts)), lowest=0.0)


@pytest.mark.parametrize("measure", [Measure.PSI, Measure.JENSEN_SHANNON, Measure.CHI_SQUARE])
def test_a_sixth_of_the_inputs_in_a_bucket_that_was_empty_is_drift(measure):
    assert drift(buckets(30, 70, 20), buckets(300, 700, 0), Rule(measure)).verdict is Verdict.BREACH


def test_one_input_there_is_not():
    assert drift(buckets(300, 699, 1), buckets(300, 700, 0)).verdict is Verdict.HEALTHY


@pytest.mark.parametrize("n", [100, 1000])
def test_long_tails_of_rare_bins_alarm_no_more_often_than_alpha(n):
    rng = np.random.default_rng(n)
    shares = np.array([0.5, 0.3, 0.1, 0.05, 0.02, 0.01, 0.01, 0.005, 0.003, 0.002])
    tries = 400
    p_values = [homogeneity(rng.multinomial(n, shares), rng.multinomial(4 * n, shares)) for _ in range(tries)]
    assert sum(p <= 0.05 for p in p_values) <= 0.05 * tries + 3.1 * (0.05 * 0.95 * tries) ** 0.5
