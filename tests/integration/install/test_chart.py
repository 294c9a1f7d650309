import pytest
import yaml
from packaging.version import Version

import modelramp
from tests.integration.install.conftest import ROOT

CRDS = ROOT / "crds"
RESOURCES = ("modeldeployments", "healthpolicies", "clusterhealthpolicies")


def kinds(objects):
    return {obj["kind"] for obj in objects}


def named(objects, kind, name="modelramp"):
    (found,) = [obj for obj in objects if obj["kind"] == kind and obj["metadata"]["name"] == name]
    return found


def test_helm_finds_nothing_to_complain_about(helm):
    done = helm("lint", "--strict", "charts/modelramp", "--kube-version", "1.36.3")
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


MISTYPED = {
    "an unknown value": "whatch.namespaces={a}",
    "an unknown value inside": "crds.install=true",
    "a namespace that is none": "watch.namespaces={Ml}",
    "an address without a scheme": "prometheus.address=prometheus:9090",
    "credentials in the address": "prometheus.address=http://user:word@prometheus:9090",
    "a secret without its namespace": "prometheus.secret=token",
    "a log level that is none": "logLevel=LOUD",
    "a digest that is none": "image.digest=latest",
}


@pytest.mark.parametrize("value", MISTYPED.values(), ids=MISTYPED)
def test_a_mistyped_value_is_refused(helm, value):
    done = helm("template", "m", "charts/modelramp", "--kube-version", "1.36.3", "--set", value)
    assert done.returncode != 0
    assert "don't meet the specifications of the schema" in done.stderr


def test_every_value_is_known_to_the_schema(helm):
    done = helm("show", "values", "charts/modelramp")
    values = ROOT / "charts/modelramp/values.yaml"
    assert yaml.safe_load(done.stdout) == yaml.safe_load(values.read_text())


def test_the_chart_grants_what_the_manifests_grant(render, kustomize):
    chart, manifests = render(), kustomize("manifests")
    for name in ("modelramp", "modelramp-discovery", "modelramp-view", "modelramp-edit"):
        assert named(chart, "ClusterRole", name)["rules"] == named(manifests, "ClusterRole", name)["rules"], name
    for name in ("modelramp-view", "modelramp-edit"):
        ours = named(chart, "ClusterRole", name)["metadata"]["labels"]
        theirs = named(manifests, "ClusterRole", name)["metadata"]["labels"]
        assert {key for key in ours if "aggregate" in key} == {key for key in theirs if "aggregate" in key}
    for name in ("modelramp", "modelramp-discovery"):
        ours, theirs = (named(objects, "ClusterRoleBinding", name) for objects in (chart, manifests))
        assert (ours["roleRef"], ours["subjects"]) == (theirs["roleRef"], theirs["subjects"])


def test_the_chart_runs_what_the_manifests_run(render, kustomize):
    chart, manifests = (named(objects, "Deployment")["spec"] for objects in (render(), kustomize("manifests")))
    assert chart["strategy"] == manifests["strategy"] == {"type": "Recreate"}
    ours, theirs = chart["template"]["spec"], manifests["template"]["spec"]
    assert ours["securityContext"] == theirs["securityContext"]
    assert ours["enableServiceLinks"] is theirs["enableServiceLinks"] is False
    (mine,), (other,) = ours.pop("containers"), theirs.pop("containers")
    assert ours == theirs
    mine["env"] = [variable for variable in mine["env"] if variable["name"] != "MODELRAMP_LOG_LEVEL"]
    del mine["imagePullPolicy"]
    assert mine == other


@pytest.mark.parametrize("plural", RESOURCES)
def test_the_charts_crds_are_the_generated_ones(render, plural):
    crd = named(render(), "CustomResourceDefinition", f"{plural}.modelramp.io")
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert crd["spec"] == yaml.safe_load((CRDS / f"modelramp.io_{plural}.yaml").read_text())["spec"]


def test_the_crd_may_be_left_to_others_or_go_with_the_release(render):
    assert "CustomResourceDefinition" not in kinds(render("crds.enabled=false"))
    loose = named(render("crds.keep=false"), "CustomResourceDefinition", "modeldeployments.modelramp.io")
    assert not loose["metadata"]["annotations"]


def test_named_namespaces_get_roles_and_no_cluster_role_is_bound(render):
    objects = render("watch.namespaces={ml,vision}", "rbac.aggregate=false", "crds.enabled=false")
    assert not kinds(objects) & {"ClusterRole", "ClusterRoleBinding"}
    roles = [obj for obj in objects if obj["kind"] == "Role"]
    assert [role["metadata"]["namespace"] for role in roles] == ["ml", "vision"]
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "MODELRAMP_NAMESPACES", "value": "ml,vision"} in container["env"]


def test_only_the_one_named_secret_may_be_read(render):
    objects = render("prometheus.secret=monitoring/prometheus-token")
    role = named(objects, "Role", "modelramp-prometheus")
    assert role["metadata"]["namespace"] == "monitoring"
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["prometheus-token"], "verbs": ["get"]}
    ]
    assert not any("secrets" in rule["resources"] for rule in named(objects, "ClusterRole")["rules"])


def test_secrets_of_model_deployments_are_read_only_where_somebody_said_so(render):
    (rule,) = [r for r in named(render("rbac.readSecrets=true"), "ClusterRole")["rules"] if "secrets" in r["resources"]]
    assert rule["verbs"] == ["get"]


def test_nothing_of_the_prometheus_operator_is_made_unless_asked_for(render):
    theirs = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}
    assert not kinds(render()) & theirs
    asked = [f"monitoring.{name}.enabled=true" for name in ("serviceMonitor", "modelPodMonitor", "prometheusRule")]
    assert kinds(render(*asked)) >= theirs


def test_the_models_series_get_the_labels_that_the_presets_ask_for(render):
    monitor = named(render("monitoring.modelPodMonitor.enabled=true"), "PodMonitor", "modelramp-models")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert {rule["targetLabel"] for rule in endpoint["relabelings"]} == {"modeldeployment", "revision"}


def test_every_alert_asks_for_metrics_that_the_operator_has(render):
    import promql_parser

    from modelramp.adapters.catalogue import CATALOGUE

    rule = named(render("monitoring.prometheusRule.enabled=true"), "PrometheusRule")
    for alert in rule["spec"]["groups"][0]["rules"]:
        promql_parser.parse(alert["expr"])
        asked = {word for word in words(alert["expr"]) if word.startswith("modelramp_")}
        assert asked, alert
        assert asked <= CATALOGUE.keys(), alert


def words(text):
    return "".join(letter if letter.isalnum() or letter == "_" else " " for letter in text).split()


def test_the_chart_and_the_manifests_name_this_version(render, kustomize):
    chart = yaml.safe_load((ROOT / "charts/modelramp/Chart.yaml").read_text())
    assert chart["appVersion"] == modelramp.__version__
    assert Version(chart["version"]) >= Version(modelramp.__version__)
    for objects in (render(), kustomize("manifests")):
        (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["image"] == f"modelramp/operator:{modelramp.__version__}"


def test_helm_installs_it_and_names_the_next_three_commands(plane, helm):
    where = ["--kubeconfig", str(plane.kubeconfig), "-n", "modelramp-system"]
    done = helm("install", "m", "charts/modelramp", "--dry-run=server", "--set", "crds.enabled=false", *where)
    assert done.returncode == 0, done.stderr
    assert done.stdout.partition("NOTES:")[2].count("  kubectl ") == 3


@pytest.mark.parametrize("values", [(), ("watch.namespaces={default}",), ("rbac.readSecrets=true",)])
def test_the_api_server_takes_what_the_chart_makes(plane, installed, render, values):
    said = plane.kubectl("apply", "--dry-run=server", "--server-side", "-f", "-", input=yaml.dump_all(render(*values)))
    assert "deployment.apps/modelramp" in said
