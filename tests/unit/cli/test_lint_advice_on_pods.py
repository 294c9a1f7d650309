"""`modelramp lint` finds names in pod templates that nothing has, and what changes without a rollout."""

import json
from copy import deepcopy

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli.commands.lint import lint_text
from modelramp.cli.main import main
from tests.refused.pod_templates import NEVER_RUN, REFUSED, TAKEN

CONTAINER = {
    "name": "model",
    "image": "registry/digits:2",
    "ports": [{"name": "http", "containerPort": 8000}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
}
JOB = {"name": "job", "image": "registry/job:1"}
OBJECT = {
    "apiVersion": "modelramp.io/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits", "namespace": "ml"},
    "spec": {
        "model": {"name": "digits", "version": "2.0.0"},
        "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
        "template": {"spec": {"containers": [CONTAINER]}},
        "health": {"checks": [{"name": "errors", "preset": "traefik-error-rate", "max": 0.01}]},
    },
}
POD = "spec.template.spec"


def manifest(pod=None, **spec):
    made = deepcopy(OBJECT)
    made["spec"] |= spec
    if pod is not None:
        made["spec"]["template"]["spec"] = {"containers": [CONTAINER], **pod}
    return made


def said(value):
    _, findings = lint_text("digits.json", json.dumps(value).encode())
    return [(finding.level.value, finding.path, finding.message) for finding in findings]


def mounting(name, field="volumeMounts", **container):
    place = "mountPath" if field == "volumeMounts" else "devicePath"
    return {**CONTAINER, field: [{"name": name, place: "/cache"}], **container}


MODELCACHE = {"name": "modelcache", "emptyDir": {}}
DANGLING = {
    "a typo": (
        {"containers": [mounting("model-cache")], "volumes": [MODELCACHE]},
        f"{POD}.containers[0].volumeMounts[0].name",
        "no volume is named model-cache; did you mean modelcache?",
    ),
    "no volumes": (
        {"containers": [mounting("data")]},
        f"{POD}.containers[0].volumeMounts[0].name",
        "no volume is named data; there is none",
    ),
    "an init container": (
        {"initContainers": [{**JOB, "volumeMounts": [{"name": "x", "mountPath": "/x"}]}], "volumes": [MODELCACHE]},
        f"{POD}.initContainers[0].volumeMounts[0].name",
        "no volume is named x; there are modelcache",
    ),
    "a device": (
        {"containers": [mounting("disk", "volumeDevices")]},
        f"{POD}.containers[0].volumeDevices[0].name",
        "no volume is named disk",
    ),
    "a probe": (
        {"containers": [{**CONTAINER, "livenessProbe": {"tcpSocket": {"port": "htpp"}}}]},
        f"{POD}.containers[0].livenessProbe.tcpSocket.port",
        "no port of this container is named htpp; did you mean http?",
    ),
}


@pytest.mark.parametrize(("pod", "path", "words"), DANGLING.values(), ids=DANGLING)
def test_a_name_that_nothing_has_is_an_error(pod, path, words):
    ((level, field, message),) = said(manifest(pod))
    assert (level, field) == ("error", path)
    assert words in message


@pytest.mark.parametrize(("pod", "path"), (UNUSABLE := REFUSED | NEVER_RUN).values(), ids=UNUSABLE)
def test_pods_that_would_never_run_are_an_error_at_the_field(pod, path):
    assert [item[:2] for item in said(manifest(pod)) if item[0] == "error"] == [("error", f"{POD}.{path}")]


@pytest.mark.parametrize("pod", TAKEN.values(), ids=TAKEN)
def test_pods_that_only_look_odd_are_no_error(pod):
    assert [item for item in said(manifest(pod)) if item[0] == "error"] == []


def test_a_port_of_the_node_is_a_warning_since_two_versions_would_need_it():
    port = {"name": "http", "containerPort": 8000, "hostPort": 8000}
    ((level, path, message),) = said(manifest({"containers": [{**CONTAINER, "ports": [port]}]}))
    assert (level, path) == ("warning", f"{POD}.containers[0].ports[0].hostPort")
    assert "two versions" in message


def test_mounts_of_volumes_that_are_there_are_right():
    pod = {
        "containers": [mounting("modelcache"), {**mounting("disk", "volumeDevices"), "name": "b", "ports": []}],
        "volumes": [MODELCACHE, {"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}],
    }
    pod["containers"][1].pop("readinessProbe")
    assert said(manifest(pod)) == []


@pytest.mark.parametrize("of", ["evaluation", "hook"])
def test_the_pods_of_jobs_are_looked_at_too(of):
    template = {"spec": {"containers": [{**JOB, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}}
    checks = OBJECT["spec"]["health"]["checks"]
    if of == "evaluation":
        rollout = {"evaluation": {"template": template, "metrics": [{"name": "accuracy", "min": 0.9}]}}
        found, path = said(manifest(rollout=rollout)), "spec.rollout.evaluation"
    else:
        hook = {"name": "retrain", "job": {"template": template}}
        found, path = said(manifest(health={"checks": checks, "onBreach": [hook]})), "spec.health.onBreach[0].job"
    assert ("error", f"{path}.template.spec.containers[0].volumeMounts[0].name") in [item[:2] for item in found]


@pytest.mark.parametrize("wrong", [{"volumes": "none"}, {"containers": [1]}, {"volumes": [None]}, {"containers": {}}])
@pytest.mark.parametrize("of", ["template", "evaluation", "hook"])
def test_a_template_of_other_types_is_refused_and_not_looked_at(of, wrong):
    template = {"spec": {"containers": [JOB], **wrong}}
    match of:
        case "template":
            made = manifest(template=template)
        case "evaluation":
            metrics = [{"name": "accuracy", "min": 0.9}]
            made = manifest(rollout={"evaluation": {"template": template, "metrics": metrics}})
        case _:
            hook = {"name": "retrain", "job": {"template": template}}
            made = manifest(health={"checks": OBJECT["spec"]["health"]["checks"], "onBreach": [hook]})
    result = CliRunner().invoke(main, ["lint", "-"], input=json.dumps(made))
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1


def test_a_route_without_hostnames_is_a_warning():
    gateway = {"parentRefs": [{"name": "public"}]}
    ((level, path, message),) = said(manifest(routing={"gateway": gateway}))
    assert (level, path) == ("warning", "spec.routing.gateway.hostnames")
    assert "every host" in message
    assert said(manifest(routing={"gateway": gateway | {"path": "/digits"}})) == []


def test_a_path_with_a_star_and_a_version_that_nobody_filled_in_are_warnings():
    gateway = {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"], "path": "/v1/*"}
    found = said(manifest(routing={"gateway": gateway}, model={"name": "digits", "version": "${VERSION}"}))
    assert {item[:2] for item in found} == {
        ("warning", "spec.routing.gateway.path"),
        ("warning", "spec.model.version"),
    }


CONFIG_MAP = {"configMap": {"name": "NAME"}}
USES = {
    "a volume": ({"volumes": [{"name": "c", "configMap": {"name": "NAME"}}]}, "volumes[0].configMap"),
    "a projected volume": (
        {
            "volumes": [
                {"name": "c", "projected": {"sources": [{"secret": {"name": "s"}}, {"configMap": {"name": "NAME"}}]}}
            ]
        },
        "volumes[0].projected.sources[1].configMap",
    ),
    "an environment": (
        {"containers": [{**CONTAINER, "envFrom": [{"configMapRef": {"name": "NAME"}}]}]},
        "containers[0].envFrom[0].configMapRef",
    ),
    "a variable": (
        {
            "containers": [
                {**CONTAINER, "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "NAME", "key": "a"}}}]}
            ]
        },
        "containers[0].env[0].valueFrom.configMapKeyRef",
    ),
    "an init container": (
        {"initContainers": [{**JOB, "envFrom": [{"configMapRef": {"name": "NAME"}}]}]},
        "initContainers[0].envFrom[0].configMapRef",
    ),
}


def using(pod, name):
    return json.loads(json.dumps(manifest(pod)).replace("NAME", name))


@pytest.mark.parametrize(("pod", "path"), USES.values(), ids=USES)
def test_a_config_map_that_may_change_is_a_warning(pod, path):
    ((level, field, message),) = said(using(pod, "thresholds"))
    assert (level, field) == ("warning", f"{POD}.{path}.name")
    assert message.startswith("ConfigMap thresholds may change while this version runs")


@pytest.mark.parametrize("name", ["thresholds-7hk4b9c2mt", "thresholds-5f2d9c01", "kube-root-ca.crt"])
@pytest.mark.parametrize(("pod", "path"), USES.values(), ids=USES)
def test_a_config_map_whose_name_changes_with_its_content_is_none(pod, path, name):
    assert said(using(pod, name)) == []


@pytest.mark.parametrize("name", ["thresholds-production", "model-configuration", "a-2", "v1"])
def test_an_ordinary_name_says_nothing_of_the_content(name):
    assert len(said(using(USES["a volume"][0], name))) == 1


def test_each_config_map_is_named_once():
    volumes = [{"name": name, "configMap": {"name": "thresholds"}} for name in ("a", "b")]
    assert len(said(manifest({"volumes": volumes}))) == 1


@pytest.mark.parametrize(("pod", "_"), USES.values(), ids=USES)
def test_a_config_map_whose_content_is_tracked_is_none(pod, _):
    tracked = using(pod, "thresholds")
    tracked["spec"]["trackConfig"] = {"configMaps": True}
    assert said(tracked) == []
    tracked["spec"]["trackConfig"] = {"configMaps": False}
    assert len(said(tracked)) == 1


def test_secrets_are_left_alone():
    pod = {"volumes": [{"name": "s", "secret": {"secretName": "token"}}]}
    pod["containers"] = [{**CONTAINER, "envFrom": [{"secretRef": {"name": "token"}}]}]
    assert said(manifest(pod)) == []


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("immutable", [True, False])
def test_an_immutable_config_map_in_the_files_given_is_none(tmp_path, together, immutable):
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "thresholds"}, "immutable": immutable}
    texts = [yaml.safe_dump(using(USES["a volume"][0], "thresholds")), yaml.safe_dump(config)]
    for number, text in enumerate(["---\n".join(texts)] if together else texts):
        (tmp_path / f"{number}.yaml").write_text(text, encoding="utf-8")
    said = CliRunner().invoke(main, ["lint", str(tmp_path)])
    assert ("may change while this version runs" in said.stdout) is not immutable
