from pathlib import Path

import pytest
import yaml

from examples.models import RECIPES, Variant
from examples.server.settings import Settings
from examples.server.telemetry import CONFIDENCE_BUCKETS
from modelramp.api.spec import parse_spec
from modelramp.core.strategies.registry import stages_of
from modelramp.desired.config import needs

MANIFESTS = Path("examples/manifests")
SAMPLES = [
    *sorted(MANIFESTS.glob("digits-*.yaml")),
    Path("examples/quickstart.yaml"),
    Path("examples/evaluated.yaml"),
    Path("examples/traefik.yaml"),
    Path("examples/retrain-on-drift.yaml"),
]


def load(path):
    (document,) = yaml.safe_load_all(path.read_text())
    return document


def environment(document):
    (container,) = document["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry for entry in container["env"]}


@pytest.mark.parametrize("path", SAMPLES, ids=str)
def test_a_sample_is_a_valid_modeldeployment_that_the_server_understands(path):
    document = load(path)
    variant = environment(document)["MODEL_VARIANT"]["value"]

    assert (document["apiVersion"], document["kind"]) == ("modelramp.io/v1alpha1", "ModelDeployment")
    assert parse_spec(document["spec"]).model.version == RECIPES[Variant(variant)].version
    assert environment(document).keys() <= {field.alias for field in Settings.model_fields.values()}


def test_the_sample_of_tracked_configuration_reads_the_config_map_beside_it():
    config, document = yaml.safe_load_all(Path("examples/tracked-config.yaml").read_text())
    assert needs(parse_spec(document["spec"])) == {config["metadata"]["name"]: False}
    assert set(config["data"]) <= {field.alias for field in Settings.model_fields.values()}


def test_the_versions_of_the_demo_differ_in_the_model_and_the_last_two_in_two_more_checks():
    def without_model(document):
        document["spec"]["model"].pop("version")
        for name in ("MODEL_VARIANT", "MODEL_VERSION"):
            environment(document)[name].pop("value")
        return document

    versions = ("v1", "v2", "v3", "v4", "v5")
    first, second, third, *last = [without_model(load(MANIFESTS / f"digits-{version}.yaml")) for version in versions]
    added = [[check["name"] for check in document["spec"]["health"]["checks"][3:]] for document in last]
    for document in last:
        del document["spec"]["health"]["checks"][3:]

    assert added == [["confidence", "fairness"]] * 2
    assert [second, third, *last] == [first] * 4


def test_the_quickstart_keeps_the_product_defaults():
    spec = parse_spec(load(Path("examples/quickstart.yaml"))["spec"])

    assert (spec.health.interval, spec.rollout.step_duration, spec.health.failure_threshold) == (60, 300, 3)
    assert [step.weight for step in spec.rollout.steps] == [10, 50, 100]


def test_the_demo_is_short_but_its_checks_see_three_ticks_at_each_step():
    spec = parse_spec(load(MANIFESTS / "digits-v2.yaml")["spec"])

    assert spec.health.interval == 10
    assert all(stage.duration >= 3 * spec.health.interval for stage in stages_of(spec.rollout)[:3])


def test_the_stored_confidence_has_the_edges_that_the_server_has():
    health = parse_spec(load(Path("examples/retrain-on-drift.yaml"))["spec"]).health
    (confidence,) = [check for check in health.checks if check.name == "confidence"]
    edges = [float(edge) for edge in confidence.drift.reference.buckets]

    assert edges == [*CONFIDENCE_BUCKETS, float("inf")]
