"""The process node runs workloads as a cluster would: seen through the real API server, scheduler and controllers."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
import yaml

from localplane import KubectlError
from localplane.testing import eventually

READY = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1}


def container(image, **more):
    return {"name": "main", "image": image, **more}


def shell(script, **more):
    return container("localplane/shell:1", args=[script], **more)


def server(tag, **more):
    ports = [{"name": "http", "containerPort": 8080}]
    return container(f"localplane/httpd:{tag}", ports=ports, readinessProbe=READY, **more)


def pod(name, *containers, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": containers, **spec}}


def deployment(name, replicas, one, **spec):
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [one], **spec}}
    body = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": body}


def service(name):
    ports = [{"port": 80, "targetPort": "http"}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": ports},
    }


def route(host, weights):
    backends = [{"name": name, "port": 80, "weight": weight} for name, weight in weights.items()]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"name": "route"},
        "spec": {
            "parentRefs": [{"name": "public", "namespace": "gateway"}],
            "hostnames": [host],
            "rules": [{"backendRefs": backends}],
        },
    }


@pytest.fixture
def k(plane, namespace):
    """kubectl in the test's namespace; `k.apply` takes objects, `k.get` returns one.

    `k.status` is a pod's status, `k.main` that of its container.
    """

    def call(*arguments, **more):
        return plane.kubectl(f"--namespace={namespace}", *arguments, **more)

    call.apply = lambda *objects: call("apply", "-f", "-", input=yaml.safe_dump_all(objects))
    call.get = lambda *what: json.loads(call("get", *what, "-o", "json"))
    call.status = lambda name: call.get("pod", name)["status"]
    call.main = lambda name: (call.status(name).get("containerStatuses") or [{"state": {}}])[0]
    return call


def ready_addresses(k, name):
    slices = k.get("endpointslices", "-l", f"kubernetes.io/service-name={name}")["items"]
    return {
        endpoint["addresses"][0]
        for one in slices
        for endpoint in one["endpoints"] or []
        if endpoint["conditions"]["ready"]
    }


def processes_with(plane, mark):
    """Command lines inside the plane that hold a word; the search itself holds it too, but only as `[w]ord`."""
    return plane.run_inside(["pgrep", "-af", f"[{mark[0]}]{mark[1:]}"]).stdout


def test_a_deployment_scales_and_every_pod_gets_an_address_of_its_own(k):
    k.apply(deployment("web", 3, server("v1")), service("web"))
    k("rollout", "status", "deployment/web", "--timeout=30s")
    addresses = eventually(lambda: ready_addresses(k, "web"), lambda found: len(found) == 3)
    assert all(address.startswith("10.244.") for address in addresses)
    k("scale", "deployment/web", "--replicas=1")
    eventually(lambda: k.get("pods")["items"], lambda pods: len(pods) == 1)
    assert len(ready_addresses(k, "web")) == 1


def test_an_unknown_image_is_an_image_pull_back_off_that_names_the_image(k):
    k.apply(pod("bad", container("nobody/has-this:1")))
    waiting = eventually(lambda: k.main("bad")["state"]["waiting"], lambda found: found["reason"] == "ImagePullBackOff")
    assert "nobody/has-this:1" in waiting["message"]
    assert k.status("bad")["phase"] == "Pending"


def test_a_container_that_crashes_is_restarted_after_ever_longer_waits(k):
    k.apply(pod("crash", container("localplane/crash:1")))
    found = eventually(
        lambda: k.main("crash"),
        lambda one: (
            one.get("restartCount") == 2 and one["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff"
        ),
    )
    assert found["lastState"]["terminated"]["exitCode"] == 3
    assert "back-off 4s" in found["state"]["waiting"]["message"]
    assert "crashing, as asked" in k("logs", "crash", "--previous")


def test_a_pod_that_is_never_ready_gets_no_traffic(k):
    k.apply(deployment("dark", 1, {**server("v1"), "image": "localplane/never-ready:1"}), service("dark"))
    status = eventually(lambda: k.get("pods")["items"][0]["status"], lambda one: one.get("phase") == "Running")
    eventually(lambda: "Readiness probe failed" in k("get", "events"))
    assert ready_addresses(k, "dark") == set()
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"]) == ("False", "ContainersNotReady")


def test_a_deleted_pod_answers_the_requests_it_has_and_then_ends(k, plane):
    k.apply(deployment("slow", 1, server("v1", env=[{"name": "DELAY_S", "value": "1.5"}])), service("slow"))
    k("rollout", "status", "deployment/slow", "--timeout=30s")
    (address,) = eventually(lambda: ready_addresses(k, "slow"))
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(plane.run_inside, ["curl", "-sS", f"http://{address}:8080/"])
        time.sleep(0.5)
        k("scale", "deployment/slow", "--replicas=0")
        assert json.loads(answer.result().stdout)["tag"] == "v1"
    eventually(lambda: k.get("pods")["items"], lambda pods: not pods)
    assert plane.run_inside(["curl", "-sS", "--max-time", "2", f"http://{address}:8080/"]).returncode == 7


def test_a_process_that_ignores_sigterm_is_killed_when_its_grace_is_over(k, plane, namespace):
    script = f"trap '' TERM; echo deaf; while :; do sleep 0.2; done # {namespace}"
    k.apply(pod("deaf", shell(script), terminationGracePeriodSeconds=1))
    eventually(lambda: k("logs", "deaf") == "deaf\n")
    assert namespace in processes_with(plane, namespace)
    began = time.monotonic()
    k("delete", "pod", "deaf")
    assert 0.9 < time.monotonic() - began < 5
    assert processes_with(plane, namespace) == ""


def test_a_route_splits_real_requests_by_its_weights(k, plane, namespace):
    for tag in ("v1", "v2"):
        k.apply(deployment(tag, 1, server(tag)), service(tag))
    for tag in ("v1", "v2"):
        k("rollout", "status", f"deployment/{tag}", "--timeout=30s")
    k.apply(route(f"{namespace}.test", {"v1": 90, "v2": 10}))
    with httpx.Client(base_url=plane.gateway_url, headers={"Host": f"{namespace}.test"}) as client:
        eventually(lambda: client.get("/").status_code == 200)
        tags = [client.get("/").json()["tag"] for _ in range(200)]
    assert (tags.count("v1"), tags.count("v2")) == (180, 20)


def test_jobs_end_in_success_or_failure_with_their_last_words(k):
    good = shell("echo fine > /dev/termination-log")
    bad = shell("echo broken data >&2; exit 4", terminationMessagePolicy="FallbackToLogsOnError")
    for name, one in (("good", good), ("bad", bad)):
        template = {"spec": {"containers": [one], "restartPolicy": "Never"}}
        job = {"backoffLimit": 0, "template": template}
        k.apply({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": job})
    k("wait", "--for=condition=Complete", "job/good", "--timeout=30s")
    k("wait", "--for=condition=Failed", "job/bad", "--timeout=30s")
    ends = {
        one["metadata"]["labels"]["job-name"]: (one["status"]["phase"], one["status"]["containerStatuses"][0]["state"])
        for one in k.get("pods")["items"]
    }
    assert ends["good"][0] == "Succeeded"
    assert ends["good"][1]["terminated"]["message"] == "fine\n"
    assert ends["bad"][0] == "Failed"
    assert ends["bad"][1]["terminated"]["exitCode"] == 4
    assert ends["bad"][1]["terminated"]["message"] == "broken data"


def test_configuration_reaches_the_container_in_every_way_that_kubernetes_has(k, namespace):
    k("create", "configmap", "settings", "--from-literal=COLOUR=red", "--from-literal=file.txt=hello")
    k("create", "secret", "generic", "keys", "--from-literal=password=hush")
    env = [
        {"name": "OWN", "value": "1"},
        {"name": "TWICE", "value": "$(OWN)$(OWN)"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    script = (
        "echo $COLOUR $TWICE $PASSWORD $NAMESPACE; test $ADDRESS = $POD_IP && echo same; "
        "cat /models/conf/file.txt; echo; cat /etc/keys/password; echo; echo hi > /scratch/x && cat /scratch/x; "
        "touch /etc/keys/new 2>/dev/null || echo read-only; ls /tmp | wc -l; ls -d /etc/passwd"
    )
    mounts = [
        {"name": "settings", "mountPath": "/models/conf"},
        {"name": "keys", "mountPath": "/etc/keys"},
        {"name": "scratch", "mountPath": "/scratch"},
    ]
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "scratch", "emptyDir": {}},
    ]
    one = shell(script, env=env, envFrom=[{"configMapRef": {"name": "settings"}}], volumeMounts=mounts)
    k.apply(pod("reader", one, volumes=volumes, restartPolicy="Never"))
    eventually(lambda: k.status("reader"), lambda status: status["phase"] == "Succeeded")
    told = k("logs", "reader").split("\n")
    assert told[:4] == [f"red 11 hush {namespace}", "same", "hello", "hush"]
    assert told[4:6] == ["hi", "read-only"]
    assert told[-2] == "/etc/passwd"


def test_a_missing_config_map_holds_the_container_until_it_appears(k):
    one = shell("echo $COLOUR", envFrom=[{"configMapRef": {"name": "late"}}])
    k.apply(pod("waits", one, restartPolicy="Never"))
    waiting = eventually(
        lambda: k.main("waits")["state"]["waiting"], lambda found: found["reason"] not in ("", "ContainerCreating")
    )
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "late" not found'}
    k("create", "configmap", "late", "--from-literal=COLOUR=blue")
    eventually(lambda: k.status("waits"), lambda status: status["phase"] == "Succeeded")
    assert k("logs", "waits") == "blue\n"


def test_a_pod_finds_the_api_server_with_its_own_account_and_only_its_own_rights(k):
    k("create", "role", "reader", "--verb=get,list", "--resource=pods")
    k(
        "create",
        "rolebinding",
        "reader",
        "--role=reader",
        "--serviceaccount=" + k.get("sa", "default")["metadata"]["namespace"] + ":default",
    )
    script = (
        "import kubernetes as k; k.config.load_incluster_config(); api = k.client.CoreV1Api()\n"
        "ns = open('/var/run/secrets/kubernetes.io/serviceaccount/namespace').read()\n"
        "print([p.metadata.name for p in api.list_namespaced_pod(ns).items])\n"
        "try: api.list_namespaced_secret(ns)\n"
        "except k.client.ApiException as e: print(e.status)\n"
    )
    k.apply(pod("client", container("localplane/python:1", args=["-c", script]), restartPolicy="Never"))
    eventually(lambda: k.status("client"), lambda status: status["phase"] == "Succeeded")
    assert k("logs", "client") == "['client']\n403\n"


def test_a_command_that_does_not_exist_is_a_start_error_that_says_so(k):
    k.apply(pod("typo", container("localplane/shell:1", command=["/no/such/program"]), restartPolicy="Never"))
    ended = eventually(lambda: k.main("typo")["state"].get("terminated"))
    assert (ended["reason"], ended["exitCode"]) == ("StartError", 128)
    assert "/no/such/program" in ended["message"]


def test_a_failing_liveness_probe_restarts_the_container(k):
    probe = {"exec": {"command": ["test", "-e", "/srv/alive"]}, "periodSeconds": 1, "failureThreshold": 1}
    one = shell(
        "touch /srv/alive; sleep 1.5; rm /srv/alive; sleep 60",
        livenessProbe={**probe, "initialDelaySeconds": 1},
        volumeMounts=[{"name": "work", "mountPath": "/srv"}],
    )
    k.apply(pod("sick", one, volumes=[{"name": "work", "emptyDir": {}}], terminationGracePeriodSeconds=1))
    eventually(lambda: k.main("sick"), lambda found: found.get("restartCount", 0) >= 1)
    assert "Liveness probe failed" in k("get", "events")


def test_init_containers_run_one_after_the_other_before_the_rest(k):
    mounts = [{"name": "work", "mountPath": "/srv"}]
    init = [{**shell(f"echo {word} >> /srv/order", volumeMounts=mounts), "name": word} for word in ("first", "second")]
    main = shell("cat /srv/order", volumeMounts=mounts)
    k.apply(pod("steps", main, initContainers=init, volumes=[{"name": "work", "emptyDir": {}}], restartPolicy="Never"))
    eventually(lambda: k.status("steps"), lambda status: status["phase"] == "Succeeded")
    assert k("logs", "steps", "-c", "main") == "first\nsecond\n"


def test_annotated_pods_are_scraped_under_the_names_of_their_revision(k, plane, namespace):
    one = deployment("model", 1, server("v1"))
    meta = one["spec"]["template"]["metadata"]
    meta["labels"] |= {"modelramp.io/deployment": "digits", "modelramp.io/revision": "5b1d"}
    meta["annotations"] = {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"}
    k.apply(one)
    query = {"query": f'up{{namespace="{namespace}"}}'}

    def series():
        answer = httpx.get(f"{plane.prometheus_url}/api/v1/query", params=query).json()
        return [(one["metric"]["modeldeployment"], one["metric"]["revision"]) for one in answer["data"]["result"]]

    assert eventually(series) == [("digits", "5b1d")]


def test_a_real_scheduler_and_real_rules_refuse_what_a_cluster_refuses(k):
    with pytest.raises(KubectlError, match="unknown field"):
        k.apply(pod("typo", {**shell("true"), "imagePullPolice": "Always"}))
