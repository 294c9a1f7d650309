import json
import re

import pytest

from modelramp.api import admission
from modelramp.api.crd import crd, models, object_schema
from modelramp.api.errors import InvalidSpec
from modelramp.api.job_template import job_template_schema
from modelramp.api.pod_schema import derive, pod_template_schema
from modelramp.api.policy import PolicyKind
from modelramp.api.policy_crd import policy_schema
from modelramp.api.spec import parse_spec
from modelramp.core.state import State
from modelramp.core.status.read import recall
from tests.refused.samples import ACCEPTED, EVERY_FIELD, REFUSED, REFUSED_POLICIES, expected, load

POD_TEMPLATES = {
    ".spec.template",
    ".spec.rollout.evaluation.template",
    ".spec.health.onDrift[].job.template",
    ".spec.health.onBreach[].job.template",
}


def nodes(schema, path=""):
    """Every schema node outside of pod templates, with its path."""
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        if f"{path}.{key}" not in POD_TEMPLATES:
            yield from nodes(inner, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from nodes(schema[key], f"{path}[]")


def every_node(schema, path=""):
    """Every schema node, with its path."""
    yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from every_node(inner, f"{path}.{key}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from every_node(schema[key], f"{path}[]")


def test_plain_apply_can_carry_it():
    """kubectl keeps the whole object in an annotation; all annotations of an object may have 262,144 bytes."""
    text = json.dumps(crd(), separators=(",", ":"), ensure_ascii=False)
    written_by_go = re.sub("[<>&]", r"\\u0000", text)  # Go writes each of these as six characters
    assert len(written_by_go.encode()) < 260_000


def test_only_keywords_of_structural_schemas_are_used():
    """The API server refuses the whole definition for one that it does not know, such as const."""
    unknown = {"const", "$ref", "$defs", "definitions", "patternProperties", "examples"}
    for definition in (object_schema(), *(policy_schema(kind) for kind in PolicyKind)):
        for path, schema in every_node(definition):
            assert not unknown & schema.keys(), path


def test_nothing_can_nest_without_end():
    """A field whose inside is left open takes a value that no program can read back; only quantities are left open."""
    for definition in (object_schema(), *(policy_schema(kind) for kind in PolicyKind)):
        for path, schema in every_node(definition):
            if schema.get("x-kubernetes-preserve-unknown-fields"):
                assert (schema["minProperties"], schema["maxProperties"]) == (1, 0), f"{path} takes mappings"
                assert (schema["minItems"], schema["maxItems"]) == (1, 0), f"{path} takes lists"
            elif schema.get("type") == "object":
                assert "properties" in schema or "additionalProperties" in schema or path == ".metadata", path


def test_a_job_may_have_what_a_pod_may_have_but_always_ends():
    job, pod = job_template_schema()["properties"]["spec"], pod_template_schema()["properties"]["spec"]
    for field in (
        "initContainers",
        "tolerations",
        "nodeSelector",
        "serviceAccountName",
        "resources",
        "securityContext",
    ):
        assert job["properties"][field] == pod["properties"][field]
    assert job["properties"]["restartPolicy"]["enum"] == ["Never", "OnFailure"]
    assert job["required"] == ["containers"]


def test_every_field_has_a_description():
    without = [
        path for path, schema in nodes(object_schema()) if not schema.get("description") and not path.endswith("[]")
    ]
    assert without == ["", ".metadata", ".metadata.name"][1:]


def test_it_is_structural():
    keys = {key for _, schema in nodes(object_schema()) for key in schema}
    assert not keys & {"$ref", "$defs", "anyOf", "allOf", "oneOf", "title", "nullable"}
    untyped = [schema for _, schema in nodes(object_schema()) if "type" not in schema]
    assert all(
        "x-kubernetes-int-or-string" in schema or "x-kubernetes-preserve-unknown-fields" in schema for schema in untyped
    )


def test_every_rule_told_to_the_server_is_proved_by_a_refused_manifest():
    said = " ".join(expected(path) for path in (*REFUSED, *REFUSED_POLICIES))
    told = [
        rule["message"] for _, schema in nodes(object_schema()) for rule in schema.get("x-kubernetes-validations", ())
    ]
    told += [rule.message for _, rule in admission.rules()]
    assert len(told) > 40
    assert [message for message in told if message not in said] == []


def test_every_rule_of_every_model_is_told_to_the_server_or_said_by_the_schema():
    told = {
        rule["message"] for _, schema in nodes(object_schema()) for rule in schema.get("x-kubernetes-validations", ())
    }
    told |= {rule.message for _, rule in admission.rules()}
    silent = [rule.message for model in models() for rule in model.RULES if rule.message not in told]
    assert all("must be unique" in message for message in silent), "which list-map keys say, and nothing else"


def test_an_object_that_the_operator_has_not_seen_is_not_current():
    """kstatus: an object without a status is current; one whose observedGeneration is another generation is not."""
    status = object_schema()["properties"]["status"]
    assert status["default"] == {"observedGeneration": -1}
    assert recall(status["default"]) == recall(None) == State()


def test_defaults_of_objects_are_complete():
    """The server holds a default against the rules before it fills in the defaults inside it."""
    for path, schema in nodes(object_schema()):
        if "default" in schema and "properties" in schema:
            inner = {key: field["default"] for key, field in schema["properties"].items() if "default" in field}
            assert schema["default"] == inner, path


def test_what_the_server_fills_in_is_what_the_models_mean():
    spec = load(next(path for path in ACCEPTED if path.stem == "defaults-only"))["spec"]
    filled = dict(spec)
    for key, field in object_schema()["properties"]["spec"]["properties"].items():
        if "default" in field:
            filled.setdefault(key, field["default"])
    assert filled.keys() > spec.keys()
    assert parse_spec(filled) == parse_spec(spec)


def test_the_schema_of_pods_demands_what_a_deployment_demands():
    spec = pod_template_schema()["properties"]["spec"]["properties"]
    container = spec["containers"]["items"]
    assert spec["containers"]["minItems"] == 1
    assert spec["containers"]["x-kubernetes-list-map-keys"] == ["name"]
    assert set(container["required"]) == {"name", "image"}
    assert container["properties"]["ports"]["items"]["properties"]["protocol"]["default"] == "TCP"
    assert "ephemeralContainers" not in spec


def test_a_derived_schema_has_no_references_descriptions_or_defaults():
    string = {"type": "string", "description": "words", "default": ""}
    document = {
        "components": {
            "schemas": {
                "io.k8s.api.core.v1.PodTemplateSpec": {
                    "properties": {"spec": {"allOf": [{"$ref": "#/components/schemas/io.k8s.api.core.v1.PodSpec"}]}},
                    "type": "object",
                },
                "io.k8s.api.core.v1.PodSpec": {
                    "properties": {"hostname": string},
                    "type": "object",
                    "x-kubernetes-patch-strategy": "merge",
                },
            }
        }
    }
    assert derive(document) == {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": {"type": "object", "properties": {"hostname": {"type": "string"}}}},
    }


def test_a_document_without_pods_is_not_taken_for_one():
    with pytest.raises(KeyError, match="PodTemplateSpec"):
        derive({"components": {"schemas": {}}})


@pytest.mark.parametrize(
    ("broken", "field", "words"),
    [
        ({"replicas": -1}, "spec.replicas", "greater than or equal to 0"),
        ({"rollout": {"steps": [{"weight": 10}]}}, "spec.rollout.steps", "add a last step {weight: 100}"),
        ({"rollout": {"stepDuration": "5"}}, "spec.rollout.stepDuration", "write hours, minutes and seconds"),
        ({"health": {"interval": "2h"}}, "spec.health.interval", "from 5s to 1h"),
        ({"health": {"checks": [{"name": "a", "query": "up"}]}}, "spec.health.checks[0]", "set min, max or both"),
        ({"rolout": {}}, "spec.rolout", "not permitted"),
    ],
)
def test_the_models_name_the_field_and_the_fix(broken, field, words):
    with pytest.raises(InvalidSpec) as refusal:
        parse_spec(load(EVERY_FIELD)["spec"] | broken)
    (problem,) = refusal.value.problems
    assert problem.field == field
    assert re.search(re.escape(words), problem.message)
