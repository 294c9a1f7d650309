import subprocess
import sys

import pytest

from modelramp.analysis.evidence import Groups, Mean, Proportion
from modelramp.analysis.stats.change import Bound, ChangeLooks, change_over_limit, change_over_stable
from modelramp.analysis.stats.compare import quantiles, rates
from modelramp.analysis.stats.cost import cost
from modelramp.analysis.stats.drift import Measure, Rule, drift
from modelramp.analysis.stats.fairness import FairnessRule, fairness
from modelramp.analysis.stats.histograms import from_classic
from modelramp.analysis.stats.intervals import ratio
from modelramp.analysis.stats.native_histograms import from_native
from modelramp.analysis.stats.sequential import (
    Design,
    MeanLooks,
    RateLooks,
    look_at_limit,
    look_at_means,
    look_at_rates,
)
from modelramp.analysis.wording import Limits
from tests.unit.analysis.work import lines_run

ONE, OTHER, RARE = Proportion(31, 1204), Proportion(90, 9000), Proportion(3, 60)
FAST = from_classic(
    {str(e): 40.0 * i for i, e in enumerate([0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10], 1)} | {"+Inf": 400.0}
)
FINE = tuple((2.0 ** (k / 8 - 8), 2.0 ** ((k + 1) / 8 - 8), 5.0 + k % 7) for k in range(60))
COARSE = tuple((2.0 ** (k - 8), 2.0 ** (k - 7), 40.0 + k % 3) for k in range(8))
FIVE = Groups({name: Proportion(20.0 + i, 400.0) for i, name in enumerate("abcde")})
HUNDRED = Groups({f"g{i}": Proportion(20.0 + 200 * (i < 20) + i % 7, 400.0) for i in range(100)})

KINDS = {
    "ratio": lambda: ratio(ONE, Limits(max=0.01)),
    "compare rates": lambda: rates(ONE, OTHER),
    "compare rare rates": lambda: rates(RARE, OTHER),
    "compare quantiles": lambda: quantiles(FAST, FAST, 0.95),
    "native histograms": lambda: drift(from_native(FINE), from_native(COARSE)),
    "sequential rates": lambda: look_at_rates(RateLooks(ONE, OTHER), ONE, OTHER, Design()),
    "sequential limit": lambda: look_at_limit(RateLooks(ONE), ONE, 0.01, Design()),
    "sequential means": lambda: look_at_means(MeanLooks(), Mean(3, 10), Mean(4, 10), Design()),
    "change over limit": lambda: change_over_limit(ChangeLooks(), ONE, 0.01, Bound(0.01)),
    "change over stable": lambda: change_over_stable(ChangeLooks(), ONE, OTHER, Bound(0.01)),
    "cost": lambda: cost(Mean(12.5, 300), Limits(max=0.01)),
    "fairness": lambda: fairness(FIVE),
    "fairness of a hundred groups": lambda: fairness(HUNDRED),
    "fairness with limits": lambda: fairness(HUNDRED, FairnessRule(difference=0.1, four_fifths=0.8)),
    **{f"drift {m}": (lambda m=m: drift(FAST, FAST, Rule(m))) for m in Measure},
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_no_statistic_runs_more_than_four_thousand_lines(kind):
    """Seconds are measured in benchmarks/."""
    kind()
    assert lines_run(kind) < 4_000


def test_the_start_of_the_operator_imports_nothing_heavy():
    code = "import sys, modelramp.operator; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"scipy", "numpy", "promql_parser"} & set(loaded.stdout.split())
