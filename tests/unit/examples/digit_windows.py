"""What the demo's versions really answer in one window, and what the checks of its manifests say of it."""

from functools import cache
from pathlib import Path

import numpy as np
import yaml
from digit_pods import trained

from examples import digits
from examples.digits import DESKTOP, PHONE
from examples.models import Variant
from examples.server.telemetry import CONFIDENCE_BUCKETS
from modelramp.analysis.checks import VALUE, judge
from modelramp.api.spec import parse_spec
from modelramp.engine.ports import Sample

MANIFEST = yaml.safe_load(Path("examples/manifests/digits-v5.yaml").read_text())
CHECKS = {check.name: check for check in parse_spec(MANIFEST["spec"]).health.checks}
PHONES = 0.35
REQUESTS = 320
"""Of one window: 40 a second, in the eight seconds between its first and its last scrape."""
STRETCHED = 1.25
"""increase() stretches what it saw in those to the ten seconds of the window."""


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
    return [Sample({"le": le}, STRETCHED * count) for le, count in (*edges, ("+Inf", float(len(sure))))]


def verdicts(chance, variant, weight):
    """What each check of the model's quality says of one window at this weight, beside version 2.

    Beside nothing, at 100 %, there is no drift to be seen.
    """
    picked = window(chance, variant, REQUESTS * weight // 100)
    stable = window(chance, Variant.V2, REQUESTS * (100 - weight) // 100)
    right = np.concatenate([right for _, right in picked.values()])
    wrong = {group: float(np.sum(~right)) for group, (_, right) in picked.items()}
    total = {group: float(len(right)) for group, (_, right) in picked.items()}
    given = {
        "accuracy": {VALUE: [Sample({}, float(np.mean(right)))]},
        "confidence": {"candidate.buckets": buckets(picked), "stable.buckets": buckets(stable)},
        "fairness": {
            "candidate.bad": [Sample({"group": group}, STRETCHED * count) for group, count in wrong.items()],
            "candidate.total": [Sample({"group": group}, STRETCHED * count) for group, count in total.items()],
        },
    }
    if weight == 100:
        given["confidence"]["stable.buckets"] = []
    return {name: judge(CHECKS[name], given[name]).verdict for name in given}
