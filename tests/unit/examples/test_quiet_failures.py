"""The checks of the demo's manifests, on what its models really answer: who sees which version fail."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from digit_pods import trained

from examples import digits
from examples.digits import DESKTOP, PHONE
from examples.models import Variant
from examples.server.telemetry import CONFIDENCE_BUCKETS
from modelramp.analysis.checks import VALUE, judge
from modelramp.api.spec import parse_spec
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Sample

MANIFEST = yaml.safe_load(Path("examples/manifests/digits-v5.yaml").read_text())
CHECKS = {check.name: check for check in parse_spec(MANIFEST["spec"]).health.checks}
REQUESTS = 320  # of one window: 40 a second, in the eight seconds between its first and its last scrape
PHONES = 0.35
WINDOWS = 200


@cache
def answers(variant, group):
    """Confidence and correctness of each held-out image as this group takes it."""
    held_out = digits.held_out()
    found = trained(variant).predict(digits.as_seen_by(group, held_out.pixels))
    return np.array(found.confidences), np.array(found.classes) == held_out.labels


def window(chance, variant, requests):
    """What a version answered in one window, by group."""
    phones = chance.binomial(requests, PHONES)
    picked = {}
    for group, count in ((PHONE, phones), (DESKTOP, requests - phones)):
        chosen = chance.integers(0, len(digits.held_out()), count)
        sure, right = answers(variant, group)
        picked[group] = sure[chosen], right[chosen]
    return picked


def buckets(picked):
    sure = np.concatenate([sure for sure, _ in picked.values()])
    edges = [(f"{edge}", float(np.sum(sure <= edge))) for edge in CONFIDENCE_BUCKETS]
    return [Sample({"le": le}, count) for le, count in (*edges, ("+Inf", float(len(sure))))]


def verdicts(chance, variant, weight):
    """What each check of the model's quality says of one window at this weight, beside version 2."""
    picked = window(chance, variant, REQUESTS * weight // 100)
    stable = window(chance, Variant.V2, REQUESTS * (100 - weight) // 100)
    right = np.concatenate([right for _, right in picked.values()])
    wrong = {group: float(np.sum(~right)) for group, (_, right) in picked.items()}
    total = {group: float(len(right)) for group, (_, right) in picked.items()}
    given = {
        "accuracy": {VALUE: [Sample({}, float(np.mean(right)))]},
        "confidence": {"candidate.buckets": buckets(picked), "stable.buckets": buckets(stable)},
        "fairness": {
            "candidate.bad": [Sample({"group": group}, count) for group, count in wrong.items()],
            "candidate.total": [Sample({"group": group}, count) for group, count in total.items()],
        },
    }
    return {name: judge(CHECKS[name], given[name]).verdict for name in given}


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
