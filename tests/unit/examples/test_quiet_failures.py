"""The checks of the demo's manifests, on what its models really answer: who sees which version fail."""

import numpy as np
import pytest
from digit_windows import verdicts

from examples.models import Variant
from modelramp.api.verdict import Verdict

WINDOWS = 200

# variant, its share of the traffic in percent, and the checks that may breach, with their least share of the windows.
# Few phones prove nothing yet, so that fairness may see it or not; who is wrong nine times of ten is also less sure.
SEEN = {
    "a good version at 10 %": (Variant.V2, 10, {}),
    "a good version at 50 %": (Variant.V2, 50, {}),
    "wrong answers": (Variant.V3, 10, {"accuracy": 1.0, "confidence": 0.0}),
    "drift": (Variant.DRIFTED, 10, {"confidence": 1.0}),
    "unfair, with few phones": (Variant.UNFAIR, 10, {"fairness": 0.0}),
    "unfair, with more phones": (Variant.UNFAIR, 50, {"fairness": 0.9}),
}


@pytest.mark.parametrize(("variant", "weight", "expected"), SEEN.values(), ids=SEEN)
def test_each_bad_version_is_seen_by_its_check_and_by_no_other(variant, weight, expected):
    chance = np.random.default_rng(weight)
    seen = [verdicts(chance, variant, weight) for _ in range(WINDOWS)]
    breached = {name: np.mean([one[name] is Verdict.BREACH for one in seen]) for name in seen[0]}

    assert {name for name, least in expected.items() if breached[name] < least} == set()
    assert {name for name, share in breached.items() if share > 0.01} <= set(expected)
