"""Examples with known results, from the literature and from the documentation of R, scipy and statsmodels."""

import pytest

from modelramp.analysis.evidence import Groups, Proportion
from modelramp.analysis.stats.compare import fisher, pooled_z, rates, rates_p_value
from modelramp.analysis.stats.distributions import chi_square_tail, holm, kolmogorov_tail
from modelramp.analysis.stats.drift import Measure, Rule, chi_square, drift, jensen_shannon, ks_distance, psi
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.analysis.stats.histograms import from_classic, quantile_interval
from modelramp.analysis.stats.intervals import wilson
from modelramp.api.verdict import Verdict

P = Proportion

# R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
WILSON = [(P(81, 263), 0.2553, 0.3662), (P(15, 148), 0.0624, 0.1605), (P(0, 20), 0, 0.1611), (P(1, 29), 0.0061, 0.1718)]
# As statsmodels' proportion_confint(method="wilson"), at the ends and for other confidences.
WILSON_ENDS = [
    (P(0, 1), 0.95, 0, 0.793451),
    (P(1, 1), 0.95, 0.206549, 1),
    (P(10, 10), 0.9, 0.787058, 1),
    (P(9997, 10_000), 0.999, 0.998374, 0.999945),
]


@pytest.mark.parametrize(("arm", "low", "high"), WILSON)
def test_wilsons_interval(arm, low, high):
    assert wilson(arm) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("arm", "confidence", "low", "high"), WILSON_ENDS)
def test_wilsons_interval_at_the_ends(arm, confidence, low, high):
    assert wilson(arm, confidence) == pytest.approx((low, high), abs=5e-7)


# R. A. Fisher's lady tasting tea and criminal twins, two-sided as in R's fisher.test; scipy's page of fisher_exact.
FISHER = [(P(3, 4), P(1, 4), 0.4857), (P(2, 17), P(10, 13), 0.0005367), (P(6, 8), P(1, 5), 0.10256)]


@pytest.mark.parametrize(("first", "second", "p_value"), FISHER)
def test_fishers_exact_test(first, second, p_value):
    assert fisher(first, second) == pytest.approx(p_value, rel=2e-4)


# statsmodels' proportions_ztest: the first is the example of its documentation, the others were computed with 0.14.
Z = [
    (P(5, 83), P(12, 99), -1.407830, 0.159181),
    (P(56, 70), P(48, 80), 2.650172, 0.008045),
    (P(43, 500), P(30, 510), 1.667603, 0.095395),
    (P(120, 4000), P(90, 4100), 2.279011, 0.022666),
]


@pytest.mark.parametrize(("first", "second", "z", "p_value"), Z)
def test_the_two_proportion_z_test(first, second, z, p_value):
    assert pooled_z(first, second) == pytest.approx(z, abs=1e-6)
    assert rates_p_value(first, second) == pytest.approx(p_value, abs=1e-6)
    assert rates(first, second).p_value == rates_p_value(first, second)


def test_chi_square_of_two_samples():
    """The example of scipy's chi2_contingency."""
    statistic, freedom = chi_square([10, 10, 20], [20, 20, 20])
    assert (statistic, freedom) == (pytest.approx(2.7777778), 2)
    assert chi_square_tail(statistic, freedom) == pytest.approx(0.2493522)


def test_chi_square_of_four_groups():
    """Smokers among patients in four studies: the example of R's prop.test (Fleiss 1981, p. 139)."""
    found = fairness(Groups({"1": P(83, 86), "2": P(90, 93), "3": P(129, 136), "4": P(70, 82)}))
    assert found.p_value == pytest.approx(0.005585, abs=5e-7)


def test_the_physicians_health_study():
    """Heart attacks with placebo and with aspirin: X2 = 25.01 without correction (Agresti 2007, 2.4.3)."""
    placebo, aspirin = P(189, 11_034), P(104, 11_037)
    assert pooled_z(placebo, aspirin) ** 2 == pytest.approx(25.01, abs=0.005)
    assert rates(placebo, aspirin).value == pytest.approx(0.0077, abs=5e-5)


def test_admissions_to_berkeley_in_1973():
    """Bickel, Hammel, O'Connell 1975, the six largest departments as in R's UCBAdmissions: X2 = 92.205."""
    men, women = P(2691 - 1198, 2691), P(1835 - 557, 1835)
    assert pooled_z(women, men) ** 2 == pytest.approx(92.205, abs=0.001)
    found = fairness(Groups({"men": men, "women": women}))
    assert found.value == pytest.approx(0.4452 - 0.3035, abs=1e-4)
    assert "success ratio 0.6818 (four-fifths rule: 0.8)" in found.detail


def test_the_four_fifths_rule_by_its_own_example():
    """48 of 80 and 12 of 40 applicants hired: 30 % is half of 60 % (Uniform Guidelines, Questions and Answers, 12)."""
    found = fairness(Groups({"White": P(32, 80), "Black": P(28, 40)}), FairnessRule(four_fifths=0.8))
    assert found.verdict is Verdict.BREACH
    assert found.p_value == pytest.approx(0.0019458, abs=1e-7)
    assert found.detail == (
        "errors 70 % of 40 in group Black, 40 % of 80 in White; success ratio 0.5 (at least 0.8 wished), p = 0.0019 "
        "(chi-square)"
    )


def test_holms_correction():
    """As statsmodels' multipletests(method="holm")."""
    assert holm([0.001, 0.01, 0.02, 0.03, 0.04, 0.2]) == pytest.approx([0.006, 0.05, 0.08, 0.09, 0.09, 0.2])


def test_the_jensen_shannon_distance():
    """The examples of scipy's jensenshannon."""
    assert jensen_shannon([1, 0], [1, 1]) == pytest.approx(0.46450140402245893)
    assert jensen_shannon([1, 0, 0], [0, 1, 0]) == pytest.approx(0.8325546, abs=1e-7)


def test_psi_of_equal_and_of_halved_shares():
    assert psi([10, 20, 70], [100, 200, 700]) == 0
    # (0.1 - 0.2) ln 0.5 + (0.9 - 0.8) ln 1.125
    assert psi([10, 90], [20, 80]) == pytest.approx(0.0810930)


# Critical values of Kolmogorov's limiting distribution: N. Smirnov, Ann. Math. Stat. 19 (1948), 279-281.
@pytest.mark.parametrize(("statistic", "tail"), [(1.2238, 0.10), (1.3581, 0.05), (1.4802, 0.025), (1.6276, 0.01)])
def test_kolmogorovs_distribution(statistic, tail):
    assert kolmogorov_tail(statistic) == pytest.approx(tail, abs=1e-4)


def test_kolmogorov_smirnov_on_bins():
    """Equal samples of 1,000 whose shares are 0.05 apart at an edge: scipy's ks_2samp of such values gives 0.1641."""
    one, other = [400.0, 350.0, 250.0], [350.0, 350.0, 300.0]
    assert ks_distance(one, other) == pytest.approx(0.05)
    counts = [{"1": c[0], "2": c[0] + c[1], "+Inf": sum(c)} for c in (one, other)]
    found = drift(*map(from_classic, counts), Rule(Measure.KOLMOGOROV_SMIRNOV))
    assert found.p_value == pytest.approx(0.1641, rel=0.05)


def test_the_interval_of_a_median():
    """The ranks 40 and 60 of 100 values bound their median with 95 % (Conover 1999, 3.2: np -/+ 1.96 sqrt(npq))."""
    values = from_classic({str(edge): float(edge) for edge in range(1, 101)} | {"+Inf": 100.0})
    assert quantile_interval(values, 0.5) == pytest.approx((40.2, 59.8), abs=0.01)
