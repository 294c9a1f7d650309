"""Tail probabilities from scipy, which is imported at the first use."""

from modelramp.analysis.evidence import Proportion


def load() -> None:
    """Imports scipy, which takes half a second: call it outside of an event loop."""
    import scipy.special  # type: ignore[import-untyped]  # noqa: F401 - for its effect


def chi_square_tail(statistic: float, freedom: int) -> float:
    """P(chi-square with `freedom` degrees of freedom >= statistic)."""
    from scipy.special import chdtrc

    return float(chdtrc(freedom, statistic))


def chi_square_quantile(alpha: float, freedom: int) -> float:
    """The value that chi-square with `freedom` degrees of freedom exceeds with probability alpha."""
    from scipy.special import chdtri

    return float(chdtri(freedom, alpha))


def binomial_ends(first: Proportion, second: Proportion, alpha: float) -> tuple[float, float]:
    """The exact lower end of the first rate and the upper end of the second, each at one-sided significance alpha."""
    from scipy.special import betaincinv

    low = float(betaincinv(first.bad, first.good + 1, alpha)) if first.bad > 0 else 0.0
    high = float(betaincinv(second.bad + 1, second.good, 1 - alpha)) if second.good > 0 else 1.0
    return low, high


def kolmogorov_tail(statistic: float) -> float:
    """P(Kolmogorov's limiting distribution >= statistic)."""
    from scipy.special import kolmogorov

    return float(kolmogorov(statistic))


def holm(p_values: list[float]) -> list[float]:
    """p-values corrected for how many there are, in the same order: none below alpha by chance but for alpha in all.

    Source: S. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.
    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03, 0.005])]
    [0.03, 0.06, 0.06, 0.02]
    """
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    corrected, highest = [0.0] * len(p_values), 0.0
    for place, index in enumerate(order):
        highest = max(highest, min(1.0, p_values[index] * (len(p_values) - place)))
        corrected[index] = highest
    return corrected
