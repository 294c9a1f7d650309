"""The golden set tells the versions of the demo apart before anybody uses them."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml

from examples import digits
from examples.evaluate import evaluate, of_artefact, of_service
from modelramp.api.evaluation import EvaluationState
from modelramp.api.spec import parse_spec
from modelramp.core.gates.evaluation_results import judge
from tests.unit.small_server import small_server

SPEC = parse_spec(yaml.safe_load(Path("examples/evaluated.yaml").read_text())["spec"]).rollout.evaluation


@pytest.fixture(scope="module")
def results():
    return {
        version: evaluate(of_artefact(version), digits.held_out()) for version in ("1.0.0", "2.0.0", "3.0.0", "5.0.0")
    }


# version, version that serves: what becomes of it, and by which metric
VERDICTS = [
    ("1.0.0", None, EvaluationState.PASSED, ""),
    ("2.0.0", "1.0.0", EvaluationState.PASSED, ""),
    ("3.0.0", "2.0.0", EvaluationState.FAILED, "accuracy"),
    ("5.0.0", "2.0.0", EvaluationState.FAILED, "fairness-gap"),
    ("1.0.0", "2.0.0", EvaluationState.FAILED, "stable version's"),
]


@pytest.mark.parametrize(("version", "stable", "state", "says"), VERDICTS)
def test_each_version_is_judged_as_its_fault_deserves(results, version, stable, state, says):
    found, why, _ = judge(results[version], results.get(stable), SPEC)

    assert found is state
    assert says in why


def test_an_unfair_version_is_seen_by_nothing_but_its_gap(results):
    _, _, outcomes = judge(results["5.0.0"], results["2.0.0"], SPEC)

    assert [outcome.name for outcome in outcomes if outcome.verdict != "healthy"] == ["fairness-gap"]


def test_a_version_that_is_not_known_is_said():
    with pytest.raises(ValueError, match=r"'9\.9\.9' is not known; known are 1\.0\.0, 2\.0\.0"):
        of_artefact("9.9.9")


def test_a_running_server_is_asked_in_batches_that_it_takes():
    sizes = []

    def answer(_, body):
        asked = json.loads(body)["instances"]
        sizes.append(len(asked))
        return 200, {"predictions": [int(sum(image)) % 10 for image in asked]}

    with small_server(answer) as address:
        pixels = digits.held_out().pixels[:100]
        found = of_service(f"http://{address}")(pixels)

    assert sizes == [64, 36]
    assert found.tolist() == [int(total) % 10 for total in np.sum(pixels, axis=1)]
