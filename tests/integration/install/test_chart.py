import pytest
import yaml
from packaging.version import Version

import modelramp
from modelramp.core.host_bindings import read_bindings
from modelramp.settings import Settings
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
    "an action that is none": "admission.authors=Audit",
    "a protected namespace that is none": "admission.protectedNamespaces={Kube}",
    "a host that is none": r"hostBindings.Pay\.example={payments}",
    "runbooks with an anchor": "monitoring.prometheusRule.runbooks=https://wiki/alerts#a",
    "reasons with an anchor": "monitoring.prometheusRule.reasons=https://wiki/reasons#a",
    "a host that is bound to no namespace": r"hostBindings.pay\.example={Payments}",
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
    for name in (
        "modelramp",
        *(f"modelramp-{name}" for name in ("discovery", "view", "edit", "cluster-policies-view")),
    ):
        assert named(chart, "ClusterRole", name)["rules"] == named(manifests, "ClusterRole", name)["rules"], name
    for name in ("modelramp-view", "modelramp-edit"):
        ours = named(chart, "ClusterRole", name)["metadata"]["labels"]
        theirs = named(manifests, "ClusterRole", name)["metadata"]["labels"]
        assert {key for key in ours if "aggregate" in key} == {key for key in theirs if "aggregate" in key}
    leader = "modelramp-leader"
    assert named(chart, "Role", leader)["rules"] == named(manifests, "Role", leader)["rules"]
    for name in ("modelramp", "modelramp-discovery"):
        ours, theirs = (named(objects, "ClusterRoleBinding", name) for objects in (chart, manifests))
        assert (ours["roleRef"], ours["subjects"]) == (theirs["roleRef"], theirs["subjects"])


def without_labels(obj):
    return {**obj, "metadata": {**obj["metadata"], "labels": None}}


ADMISSION = [
    (kind, f"modelramp-{name}")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    for name in ("authors", "operator")
]


@pytest.mark.parametrize(("kind", "name"), ADMISSION)
def test_the_charts_admission_policies_are_those_of_the_manifests(render, kustomize, kind, name):
    ours, theirs = (without_labels(named(objects, kind, name)) for objects in (render(), kustomize("manifests")))
    if kind.endswith("Binding"):
        actions = {"modelramp-authors": {"Warn", "Audit"}, "modelramp-operator": {"Deny", "Audit"}}[name]
        assert set(ours["spec"]["validationActions"]) == set(theirs["spec"]["validationActions"]) == actions
        ours["spec"]["validationActions"] = theirs["spec"]["validationActions"]
    assert ours == theirs


def test_the_admission_policies_are_those_of_this_release(render):
    values = ["serviceAccount.name=robot", "admission.protectedNamespaces={kube-system,vault}", "watch.namespaces={ml}"]
    objects = render(*values, "admission.authors=Deny", "admission.operator=Warn", name="blue")
    policy = named(objects, "ValidatingAdmissionPolicy", "blue-modelramp-operator")["spec"]
    assert "'system:serviceaccount:modelramp-system:robot'" in policy["matchConditions"][0]["expression"]
    (protected,) = [one["expression"] for one in policy["variables"] if one["name"] == "protected"]
    assert yaml.safe_load(protected) == ["kube-system", "vault"]
    operator, authors = (
        named(objects, "ValidatingAdmissionPolicyBinding", f"blue-modelramp-{name}")["spec"]
        for name in ("operator", "authors")
    )
    assert operator == {"policyName": "blue-modelramp-operator", "validationActions": ["Warn", "Audit"]}
    assert (authors["policyName"], authors["validationActions"]) == ("blue-modelramp-authors", ["Deny", "Audit"])
    (where,) = authors["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert where == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["ml"]}


def test_the_operator_and_the_authors_policy_are_told_the_same_host_bindings(render):
    values = r"hostBindings.shop\.example\.com={shop,shop-staging}", r"hostBindings.*={platform}"
    objects = render(*values)
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    told = {"name": "MODELRAMP_HOST_BINDINGS", "value": "*=platform;shop.example.com=shop,shop-staging"}
    assert told in container["env"]
    policy = named(objects, "ValidatingAdmissionPolicy", "modelramp-authors")["spec"]
    (bound,) = [one["expression"] for one in policy["variables"] if one["name"] == "hostBindings"]
    assert yaml.safe_load(bound) == {"*": ["platform"], "shop.example.com": ["shop", "shop-staging"]}


def test_the_network_policy_lets_metrics_be_scraped_from_where_the_values_say(render, kustomize):
    ours, theirs = (named(objects, "NetworkPolicy")["spec"] for objects in (render(), kustomize("manifests")))
    for spec, objects in ((ours, render()), (theirs, kustomize("manifests"))):
        labels = named(objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
        assert spec.pop("podSelector")["matchLabels"].items() <= labels.items()
    assert ours == theirs
    assert ours["policyTypes"] == ["Ingress"]
    (rule,) = ours["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": "web"}]
    assert "NetworkPolicy" not in kinds(render("networkPolicy.enabled=false"))
    values = "networkPolicy.metricsFrom.matchLabels=null", "networkPolicy.egress[0].ports[0].port=6443"
    closed = named(render(*values), "NetworkPolicy")["spec"]
    assert closed["ingress"][0]["from"] == [{"namespaceSelector": {}}]
    assert closed["policyTypes"] == ["Ingress", "Egress"]
    assert [[port["port"] for port in rule["ports"]] for rule in closed["egress"]] == [[53, 53], [6443]]


def test_whoever_the_values_name_reads_cluster_health_policies(render):
    name = "modelramp-cluster-policies-view"
    assert not [obj for obj in render() if obj["kind"] == "ClusterRoleBinding" and obj["metadata"]["name"] == name]
    value = "rbac.clusterPolicyReaders[0].kind=Group", "rbac.clusterPolicyReaders[0].name=ml"
    assert named(render(*value), "ClusterRoleBinding", name)["subjects"] == [{"kind": "Group", "name": "ml"}]


def test_the_chart_runs_what_the_manifests_run(render, kustomize):
    chart, manifests = (named(objects, "Deployment")["spec"] for objects in (render(), kustomize("manifests")))
    assert chart["replicas"] == manifests["replicas"] == 2
    assert chart["strategy"] == manifests["strategy"] == {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    for spec in (chart, manifests):
        labels = spec["template"]["metadata"]["labels"]
        for constraint in spec["template"]["spec"]["topologySpreadConstraints"]:
            assert constraint.pop("labelSelector")["matchLabels"].items() <= labels.items()
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


@pytest.mark.parametrize("name", ["limits", "quoted-numbers"])
def test_the_chart_brings_the_rules_about_numbers_with_the_crds(render, kustomize, name):
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        ours, theirs = (named(made, kind, f"modelramp-{name}") for made in (render(name="blue"), kustomize("crds")))
        assert ours["spec"] == theirs["spec"]
        assert ours["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert f"modelramp-{name}" not in str(render("crds.enabled=false"))


def test_the_crd_may_be_left_to_others_or_go_with_the_release(render):
    assert "CustomResourceDefinition" not in kinds(render("crds.enabled=false"))
    loose = named(render("crds.keep=false"), "CustomResourceDefinition", "modeldeployments.modelramp.io")
    assert not loose["metadata"]["annotations"]


def test_named_namespaces_get_roles_and_no_cluster_role_is_bound(render):
    values = "rbac.aggregate=false", "crds.enabled=false", "admission.enabled=false"
    objects = render("watch.namespaces={ml,vision}", *values)
    assert kinds(objects) == {
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "Deployment",
        "PodDisruptionBudget",
        "Service",
        "NetworkPolicy",
    }
    roles = [obj for obj in objects if obj["kind"] == "Role" and not obj["metadata"]["name"].endswith("-leader")]
    assert [role["metadata"]["namespace"] for role in roles] == ["ml", "vision"]
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert {"name": "MODELRAMP_NAMESPACES", "value": "ml,vision"} in container["env"]


def test_hosts_are_bound_as_the_operator_reads_them(render):
    objects = render(r"hostBindings.pay\.example={payments}", r"hostBindings.*\.shop\.example={shop,shop-staging}")
    (container,) = named(objects, "Deployment")["spec"]["template"]["spec"]["containers"]
    (text,) = [each["value"] for each in container["env"] if each["name"] == "MODELRAMP_HOST_BINDINGS"]
    found = {binding.suffix: binding.namespaces for binding in read_bindings(text)}
    assert found == {"pay.example": {"payments"}, "*.shop.example": {"shop", "shop-staging"}}


def test_files_with_credentials_are_mounted(render):
    source = "volumes[0].projected.sources[0].serviceAccountToken.path=token"
    objects = render("volumes[0].name=prom", source, "volumeMounts[0].name=prom", "volumeMounts[0].mountPath=/prom")
    pod = named(objects, "Deployment")["spec"]["template"]["spec"]
    assert pod["volumes"] == [{"name": "prom", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}}]
    assert pod["containers"][0]["volumeMounts"] == [{"name": "prom", "mountPath": "/prom"}]


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


def test_the_charts_alerts_are_those_of_the_plain_file(render):
    plain = yaml.safe_load((ROOT / "charts/modelramp/rules.yaml").read_text())
    assert named(render("monitoring.prometheusRule.enabled=true"), "PrometheusRule")["spec"] == plain


def test_runbooks_are_where_the_values_say(render):
    values = "monitoring.prometheusRule.enabled=true", "monitoring.prometheusRule.runbooks=https://wiki.example/alerts"
    rule = named(render(*values), "PrometheusRule")
    found = {a["alert"]: a["annotations"]["runbook_url"] for g in rule["spec"]["groups"] for a in g["rules"]}
    assert found["ModelrampDown"] == "https://wiki.example/alerts#modelrampdown"
    assert all(url == f"https://wiki.example/alerts#{name.lower()}" for name, url in found.items())


def test_the_page_of_reasons_is_where_the_values_say(render):
    values = "monitoring.prometheusRule.enabled=true", "monitoring.prometheusRule.reasons=https://wiki.example/reasons"
    rule = named(render(*values), "PrometheusRule")
    found = {url for g in rule["spec"]["groups"] for a in g["rules"] if (url := a["annotations"].get("reason_url"))}
    assert found == {"https://wiki.example/reasons#{{ $labels.reason | toLower }}"}


def test_a_series_about_an_object_keeps_the_objects_namespace(render):
    """Else it arrives as exported_namespace, behind the namespace of the operator's own pod."""
    monitor = named(render("monitoring.serviceMonitor.enabled=true"), "ServiceMonitor")
    assert [endpoint["honorLabels"] for endpoint in monitor["spec"]["endpoints"]] == [True]
    models = named(render("monitoring.modelPodMonitor.enabled=true"), "PodMonitor", "modelramp-models")
    endpoints = models["spec"]["podMetricsEndpoints"]
    assert not any(endpoint.get("honorLabels") for endpoint in endpoints), "a model must not speak for another"


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


@pytest.mark.parametrize("name", ["modelramp", "blue"])
def test_the_replicas_of_a_release_share_a_lease_that_they_may_write(render, name):
    objects = render(name=name)
    whole = "modelramp" if name == "modelramp" else f"{name}-modelramp"
    (container,) = named(objects, "Deployment", whole)["spec"]["template"]["spec"]["containers"]
    told = {variable["name"]: variable for variable in container["env"]}
    where = {"fieldRef": {"fieldPath": "metadata.namespace"}}
    assert told["MODELRAMP_LEASE_NAMESPACE"]["valueFrom"] == where
    lease = told.get("MODELRAMP_LEASE_NAME", {}).get("value", Settings().lease_name)
    role = named(objects, "Role", f"{whole}-leader")
    assert [rule.get("resourceNames") for rule in role["rules"]] == [None, [lease]]
    assert role["metadata"]["namespace"] == "modelramp-system"


def test_a_drain_leaves_one_replica(render):
    objects = render("topologySpreadConstraints[0].labelSelector.matchLabels.a=b")
    budget, deployment = named(objects, "PodDisruptionBudget")["spec"], named(objects, "Deployment")["spec"]
    assert budget == {"maxUnavailable": 1, "selector": deployment["selector"]}
    (own,) = deployment["template"]["spec"]["topologySpreadConstraints"]
    assert own["labelSelector"] == {"matchLabels": {"a": "b"}}
