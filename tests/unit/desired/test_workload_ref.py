"""What is taken from a Deployment of somebody else, and what is written to it."""

import json

import pytest

from modelramp.api.kinds import MODEL_DEPLOYMENT, SERVICE
from modelramp.api.names import ORIGINAL_REPLICAS, Reason
from modelramp.api.spec import parse_spec
from modelramp.core.state import Adopted
from modelramp.desired.workloads.reference import (
    POD_DISRUPTION_BUDGET,
    dropped,
    handover,
    is_back,
    originals,
    resolve,
    restored,
    selectors_in,
    template_of,
)

MODEL = {"name": "digits", "version": "1"}
SPEC = parse_spec(
    {"model": MODEL, "workloadRef": {"name": "legacy"}, "routing": {"gateway": {"routeRef": {"name": "a"}}}}
)


def deployment(replicas=3, labels=None, **metadata):
    template = {"metadata": {"labels": labels or {"app": "legacy", "team": "ml"}}, "spec": {"containers": []}}
    selector = {"matchLabels": {"app": "legacy"}}
    return {
        "kind": "Deployment",
        "metadata": {"namespace": "ml", "name": "legacy", "uid": "u-1", "resourceVersion": "7", **metadata},
        "spec": {"replicas": replicas, "selector": selector, "template": template},
    }


def owner(**kept):
    annotations = {"annotations": {ORIGINAL_REPLICAS: json.dumps(kept)}} if kept else {}
    return {"metadata": {"namespace": "ml", "name": "digits", "uid": "u-2", "resourceVersion": "9", **annotations}}


def selecting(kind, selector, **labels):
    return tuple(selectors_in(kind, [{"metadata": {"name": "x", "labels": labels}, "spec": {"selector": selector}}]))


def team(operator, *values):
    return {"matchExpressions": [{"key": "team", "operator": operator, "values": list(values)}]}


def test_the_template_lacks_the_labels_by_which_the_deployment_knows_its_pods():
    assert template_of(deployment())["metadata"]["labels"] == {"team": "ml"}


@pytest.mark.parametrize(
    ("kind", "selector", "keys"),
    [
        (SERVICE, {"team": "ml"}, {"app", "team"}),
        (SERVICE, {"team": "another"}, {"app"}),
        (SERVICE, None, {"app"}),
        (POD_DISRUPTION_BUDGET, team("In", "ml"), {"app", "team"}),
        (POD_DISRUPTION_BUDGET, team("Exists"), {"app", "team"}),
        (POD_DISRUPTION_BUDGET, team("DoesNotExist"), {"app"}),
        (POD_DISRUPTION_BUDGET, team("NotIn", "ml"), {"app"}),
        (POD_DISRUPTION_BUDGET, {}, {"app"}),
    ],
)
def test_pods_drop_the_labels_that_a_selector_of_somebody_else_matches(kind, selector, keys):
    assert dropped(deployment(), selecting(kind, selector)) == keys


def test_selectors_of_our_own_services_drop_nothing():
    ours = selecting(SERVICE, {"team": "ml"}, **{"modelramp.io/deployment": "digits"})
    assert dropped(deployment(), ours) == {"app"}


def test_the_replicas_are_noted_before_they_change_and_only_they_change():
    found = Adopted("legacy", replicas=3, least=1)
    (noted,) = handover(owner(), {"legacy": deployment()}, found, serves=True)
    assert noted.ref.kind == MODEL_DEPLOYMENT
    assert json.loads(noted.wanted) == {"legacy": 3}

    found = Adopted("legacy", replicas=3, original=3, least=1)
    (scaled,) = handover(owner(legacy=3), {"legacy": deployment()}, found, serves=True)
    assert scaled.operations == ({"op": "replace", "path": "/spec/replicas", "value": 1},)
    assert {"op": "replace", "path": "/metadata/resourceVersion", "value": "7"} in scaled.fenced


def test_nothing_is_written_before_revisions_serve():
    assert not handover(owner(), {"legacy": deployment()}, Adopted("legacy", replicas=3), serves=False)


def test_a_number_that_somebody_writes_later_is_what_comes_back():
    found = Adopted("legacy", replicas=5, original=3)
    (noted,) = handover(owner(legacy=3), {"legacy": deployment(5)}, found, serves=True)
    assert json.loads(noted.wanted) == {"legacy": 5}


def test_what_was_left_at_one_pod_for_a_service_that_is_gone_keeps_its_original():
    found = Adopted("legacy", replicas=1, original=3, least=0)
    (scaled,) = handover(owner(legacy=3), {"legacy": deployment(1)}, found, serves=True)
    assert scaled.wanted == "0"


@pytest.mark.parametrize(("now", "back"), [(0, "3"), (1, "3"), (2, None), (3, None)])
def test_only_what_we_left_is_scaled_up(now, back):
    writes = restored("legacy", {"legacy": 3}, {"legacy": deployment(now)})
    assert [write.wanted for write in writes] == ([back] if back else [])


def test_a_deployment_that_is_no_longer_named_comes_back_and_is_then_forgotten():
    (up,) = handover(owner(legacy=3), {"legacy": deployment(1)}, None, serves=True)
    assert up.wanted == "3"
    (forgotten,) = handover(owner(legacy=3), {"legacy": deployment(3)}, None, serves=True)
    assert forgotten.operations[0]["op"] == "remove"


@pytest.mark.parametrize("text", ["", "[]", "x", "[" * 100_000, '{"a": "1"}', '{"a": -1}', '{"a": true}'])
def test_an_annotation_that_nobody_can_read_says_nothing(text):
    assert originals({"annotations": {ORIGINAL_REPLICAS: text}}) == {}


def test_pods_are_back_when_the_newest_generation_has_them_all():
    current = {**deployment(2, generation=4), "status": {"observedGeneration": 4, "availableReplicas": 2}}
    assert is_back(current)
    assert not is_back({**current, "status": {"observedGeneration": 3, "availableReplicas": 2}})
    assert not is_back({**current, "status": {"observedGeneration": 4, "availableReplicas": 1}})


def test_without_the_deployment_the_newest_revision_is_what_is_wanted():
    spec, trouble = resolve(SPEC, None, "", ({"spec": {"containers": [1]}}, {"name": "digits", "version": "0"}))
    assert trouble is not None
    assert trouble.reason is Reason.WORKLOAD_NOT_FOUND
    assert spec is not None
    assert (spec.template, spec.model.version) == ({"spec": {"containers": [1]}}, "0")


def test_a_deployment_that_modelramp_made_is_refused():
    spec, trouble = resolve(
        SPEC,
        deployment(labels={"a": "b"})
        | {"metadata": {"name": "legacy", "labels": {"modelramp.io/deployment": "digits"}}},
        "",
        None,
    )
    assert spec is None
    assert trouble is not None
    assert trouble.reason is Reason.WORKLOAD_REFUSED
