"""The sequential statistics against the definitions of the literature, integrated and summed up independently.

The mixture likelihood ratio is defined as an integral over the differences that the mixture expects (Robbins 1970;
Johari, Koomen, Pekelis, Walsh 2022, section 4). Here scipy integrates densities of scipy; the code under test has a
closed form.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate
from scipy.stats import binom, norm

from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.stats.sequential import (
    Design,
    MeanLooks,
    RateLooks,
    likelihood_ratio,
    look_at_limit,
    look_at_means,
    look_at_rates,
)


def integrated(difference, variance, effect):
    """Integral over theta of N(D; theta, V) N(theta; 0, tau**2), by N(D; 0, V)."""
    deviation = math.sqrt(variance)

    def joint(theta):
        return norm.pdf(difference, theta, deviation) * norm.pdf(theta, 0, effect)

    peak = difference * effect**2 / (effect**2 + variance)
    width = math.sqrt(variance * effect**2 / (variance + effect**2))
    found, _ = integrate.quad(joint, peak - 12 * width, peak + 12 * width, epsabs=0, epsrel=1e-11, limit=500)
    return found / norm.pdf(difference, 0, deviation)


@settings(max_examples=60, deadline=None)
@given(z=st.floats(-8, 8), deviation=st.floats(1e-4, 10), effect=st.floats(1e-4, 10))
def test_the_closed_form_is_the_integral_of_the_mixture(z, deviation, effect):
    difference, variance = z * deviation, deviation**2
    expected = integrated(difference, variance, effect)
    assert likelihood_ratio(difference, variance, effect) == pytest.approx(expected, rel=1e-7)


def test_a_stream_of_two_rates_gives_the_p_values_of_the_definition():
    """p_k = min(p_(k-1), 1 / (2 L_k)), from the counts of the whole stream up to each look."""
    rng = np.random.default_rng(50)
    bad, worse = rng.binomial(100, 0.08, 40), rng.binomial(300, 0.05, 40)
    looks, smallest = RateLooks(), 1.0
    for k in range(1, 41):
        looks, result = look_at_rates(looks, Proportion(bad[k - 1], 100), Proportion(worse[k - 1], 300), Design())
        b, w, n, m = bad[:k].sum(), worse[:k].sum(), 100 * k, 300 * k
        pooled = (b + w) / (n + m)
        difference = b / n - w / m
        if b + w >= 10 and (b + w) / 4 >= 2 and difference > 0:
            likely = integrated(difference, pooled * (1 - pooled) * (1 / n + 1 / m), 0.02)
            smallest = min(smallest, 1 / (2 * likely))
        assert result.p_value == pytest.approx(smallest, rel=1e-6)
    assert smallest < 0.5


def test_a_stream_of_two_means_gives_the_p_values_of_the_definition():
    """The spread of one observation from the ticks' means, each weighed by its observations (a one-way layout)."""
    rng = np.random.default_rng(51)
    counts = rng.integers(20, 60, (2, 30))
    means = rng.normal(np.array([[5.3], [5.0]]), 1 / np.sqrt(counts))
    looks, smallest = MeanLooks(), 1.0
    for k in range(1, 31):
        ticks = [
            Mean(float(mean * count), float(count))
            for mean, count in zip(means[:, k - 1], counts[:, k - 1], strict=True)
        ]
        looks, result = look_at_means(looks, *ticks, Design(effect=0.2))
        if k < 6:
            assert result.p_value is None
            continue
        overall = [np.average(means[arm, :k], weights=counts[arm, :k]) for arm in (0, 1)]
        squares = sum(float(np.sum(counts[arm, :k] * (means[arm, :k] - overall[arm]) ** 2)) for arm in (0, 1))
        variance = squares / (2 * k - 2)
        noise = variance * sum(1 / counts[arm, :k].sum() for arm in (0, 1))
        difference = overall[0] - overall[1]
        if difference > 0:
            smallest = min(smallest, 1 / (2 * integrated(difference, noise, 0.2 * math.sqrt(variance))))
        assert result.p_value == pytest.approx(smallest, rel=1e-6)
    assert smallest < 0.5


def test_a_stream_against_a_limit_gives_the_p_values_of_binomial_likelihoods():
    """The average of binomial likelihoods at 1.5, 2, 3, 5 and 10 times the odds of the limit, by that at the limit."""
    rng, limit = np.random.default_rng(52), 0.03
    bad = rng.binomial(30, 0.06, 40)
    odds = np.array([1.5, 2, 3, 5, 10]) * limit / (1 - limit)
    looks, smallest = RateLooks(), 1.0
    for k in range(1, 41):
        looks, result = look_at_limit(looks, Proportion(bad[k - 1], 30), limit, Design())
        failed, n = bad[:k].sum(), 30 * k
        likely = binom.pmf(failed, n, odds / (1 + odds)).mean() / binom.pmf(failed, n, limit)
        smallest = min(smallest, 1 / likely)
        assert result.p_value == pytest.approx(smallest, rel=1e-9)
    assert smallest < 0.5
