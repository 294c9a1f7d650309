"""Templates of which Kubernetes makes the same pods are one revision; whatever changes the pods is another."""

import copy

import pytest

from modelramp.core.equality import normal_form

MODEL = {"name": "digits", "version": "1.0.0", "lineage": {"metrics": {"accuracy": "0.962"}}}
TEMPLATE = {
    "metadata": {"labels": {"app": "digits"}},
    "spec": {
        "containers": [
            {
                "name": "server",
                "image": "registry.example.com:5000/digits:1",
                "ports": [{"name": "http", "containerPort": 8080}],
                "env": [{"name": "A", "value": "1"}, {"name": "B"}],
                "resources": {"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"nvidia.com/gpu": 1}},
                "readinessProbe": {"httpGet": {"port": "http"}},
                "volumeMounts": [{"name": "files", "mountPath": "/files"}, {"name": "tmp", "mountPath": "/scratch"}],
            }
        ],
        "volumes": [{"name": "files", "configMap": {"name": "files"}}, {"name": "tmp", "emptyDir": {}}],
    },
}


def edited(*path, to, template=TEMPLATE):
    """The template with one value set; to=None deletes."""
    found = copy.deepcopy(template)
    inner = found
    for part in path[:-1]:
        inner = inner.setdefault(part, {}) if isinstance(inner, dict) else inner[part]
    if to is None:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return found


C = ("spec", "containers", 0)
EQUAL = {
    "cores as a number": edited(*C, "resources", "requests", "cpu", to=1),
    "cores as a text": edited(*C, "resources", "requests", "cpu", to="1"),
    "cores as a decimal": edited(*C, "resources", "requests", "cpu", to="1.0"),
    "gibibytes": edited(*C, "resources", "requests", "memory", to="1Gi"),
    "bytes": edited(*C, "resources", "requests", "memory", to="1073741824"),
    "a gpu as a text": edited(*C, "resources", "limits", "nvidia.com/gpu", to="1"),
    "no tolerations": edited("spec", "tolerations", to=[]),
    "no node selector": edited("spec", "nodeSelector", to={}),
    "no pull secrets": edited("spec", "imagePullSecrets", to=[]),
    "no envFrom": edited(*C, "envFrom", to=[]),
    "no arguments": edited(*C, "args", to=[]),
    "no security context": edited("spec", "securityContext", to={}),
    "no affinity": edited("spec", "affinity", to={}),
    "no annotations": edited("metadata", "annotations", to={}),
    "a name in the template": edited("metadata", "name", to="x"),
    "no creation": edited("metadata", "creationTimestamp", to=0),
    "an empty value": edited(*C, "env", 1, "value", to=""),
    "restarts": edited("spec", "restartPolicy", to="Always"),
    "thirty seconds": edited("spec", "terminationGracePeriodSeconds", to=30),
    "cluster first": edited("spec", "dnsPolicy", to="ClusterFirst"),
    "the default scheduler": edited("spec", "schedulerName", to="default-scheduler"),
    "no host network": edited("spec", "hostNetwork", to=False),
    "TCP": edited(*C, "ports", 0, "protocol", to="TCP"),
    "pulls if not present": edited(*C, "imagePullPolicy", to="IfNotPresent"),
    "a termination message": edited(*C, "terminationMessagePath", to="/dev/termination-log"),
    "a probe's period": edited(*C, "readinessProbe", "periodSeconds", to=10),
    "a probe's scheme": edited(*C, "readinessProbe", "httpGet", "scheme", to="HTTP"),
    "the mode of files": edited("spec", "volumes", 0, "configMap", "defaultMode", to=420),
    "a volume without a source": edited("spec", "volumes", 1, "emptyDir", to=None),
    "no lack of a mount's right": edited(*C, "volumeMounts", 0, "readOnly", to=False),
    "our labels": edited("metadata", "labels", "modelramp.io/revision", to="x"),
}
OTHER = {
    "another image": edited(*C, "image", to="registry.example.com:5000/digits:2"),
    "more cores": edited(*C, "resources", "requests", "cpu", to="1001m"),
    "megabytes": edited(*C, "resources", "requests", "memory", to="1024M"),
    "another label": edited("metadata", "labels", "app", to="other"),
    "an annotation": edited("metadata", "annotations", to={"a": ""}),
    "an argument that is empty": edited(*C, "args", to=[""]),
    "UDP": edited(*C, "ports", 0, "protocol", to="UDP"),
    "always pulls": edited(*C, "imagePullPolicy", to="Always"),
    "a grace of zero": edited("spec", "terminationGracePeriodSeconds", to=0),
    "no token": edited("spec", "automountServiceAccountToken", to=False),
    "no links": edited("spec", "enableServiceLinks", to=False),
    "the host's network": edited("spec", "hostNetwork", to=True),
    "a volume less": edited("spec", "volumes", to=[]),
    "memory for a volume": edited("spec", "volumes", 1, "emptyDir", to={"medium": "Memory"}),
    "another order of variables": edited(*C, "env", to=TEMPLATE["spec"]["containers"][0]["env"][::-1]),
    "root": edited(*C, "securityContext", to={"runAsNonRoot": False}),
    "a field that nobody knows": edited("spec", "newField", to={"a": 1}),
}


@pytest.mark.parametrize("template", EQUAL.values(), ids=EQUAL)
def test_what_makes_the_same_pods_is_equal(template):
    assert normal_form(template, MODEL) == normal_form(TEMPLATE, MODEL)


@pytest.mark.parametrize("template", OTHER.values(), ids=OTHER)
def test_what_makes_other_pods_is_not(template):
    assert normal_form(template, MODEL) != normal_form(TEMPLATE, MODEL)


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("digits", "Always"),
        ("digits:latest", "Always"),
        ("r:5000/digits", "Always"),
        ("digits@sha256:0", "IfNotPresent"),
    ],
)
def test_the_policy_of_pulling_follows_from_the_tag(image, policy):
    one = edited(*C, "image", to=image)

    assert normal_form(edited(*C, "imagePullPolicy", to=policy, template=one), MODEL) == normal_form(one, MODEL)


def test_a_number_in_the_lineage_is_the_same_with_or_without_quotes():
    other = {**MODEL, "lineage": {"metrics": {"accuracy": 0.962}}}

    assert normal_form(TEMPLATE, other) == normal_form(TEMPLATE, MODEL)


def test_another_version_of_the_model_is_another_revision():
    assert normal_form(TEMPLATE, {**MODEL, "version": "1.0.1"}) != normal_form(TEMPLATE, MODEL)
