"""Pod specs that the API server takes in a ModelDeployment and refuses in the Deployment that is made of it."""

CONTAINER = {
    "name": "model",
    "image": "registry/digits:2",
    "ports": [{"name": "http", "containerPort": 8000}],
    "readinessProbe": {"httpGet": {"path": "/", "port": "http"}},
}
GPU = "nvidia.com/gpu"
HTTP = {"httpGet": {"path": "/", "port": "http"}}
IN_MODEL = "containers[0]"


def model(**fields):
    return {"containers": [{**CONTAINER, **fields}]}


def pod(**fields):
    return {"containers": [CONTAINER], **fields}


def volume(**source):
    return pod(volumes=[{"name": "v", **source}])


def asks(requests, limits):
    return model(resources={"requests": requests, "limits": limits})


def mounting(**mount):
    return model(volumeMounts=[{"name": "v", "mountPath": "/v", **mount}]) | {
        "volumes": [{"name": "v", "emptyDir": {}}]
    }


def on_nodes(**expression):
    terms = [{"matchExpressions": [{"key": "a", **expression}]}]
    return pod(
        affinity={"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
    )


NODES = "affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0]"
APART = {"labelSelector": {"matchLabels": {"a": "b"}}, "topologyKey": ""}

# name: (the spec of the pod, the field that is wrong)
REFUSED = {
    "two ports of one name": (
        model(ports=[{"name": "http", "containerPort": 8000}, {"name": "http", "containerPort": 8001}]),
        f"{IN_MODEL}.ports[1].name",
    ),
    "a request above its limit": (asks({"cpu": "2"}, {"cpu": "1500m"}), f"{IN_MODEL}.resources.requests.cpu"),
    "a GPU without a limit": (model(resources={"requests": {GPU: 1}}), f"{IN_MODEL}.resources.requests.{GPU}"),
    "fewer GPUs than the limit": (asks({GPU: 1}, {GPU: 2}), f"{IN_MODEL}.resources.requests.{GPU}"),
    "half a GPU": (model(resources={"limits": {GPU: "0.5"}}), f"{IN_MODEL}.resources.limits.{GPU}"),
    "a resource without a domain": (model(resources={"limits": {"gpu": 1}}), f"{IN_MODEL}.resources.limits.gpu"),
    "less than nothing": (model(resources={"limits": {"cpu": "-1"}}), f"{IN_MODEL}.resources.limits.cpu"),
    "huge pages alone": (model(resources={"limits": {"hugepages-2Mi": "4Mi"}}), f"{IN_MODEL}.resources"),
    "an init container of the same name": (
        pod(initContainers=[{"name": "model", "image": "registry/load:1"}]), "initContainers[0].name",
    ),
    "a probe of two kinds": (
        model(readinessProbe={**HTTP, "tcpSocket": {"port": "http"}}), f"{IN_MODEL}.readinessProbe",
    ),
    "a probe of no kind": (model(livenessProbe={"periodSeconds": 5}), f"{IN_MODEL}.livenessProbe"),
    "two successes of a liveness probe": (
        model(livenessProbe={**HTTP, "successThreshold": 2}), f"{IN_MODEL}.livenessProbe.successThreshold",
    ),
    "less than no time": (
        model(livenessProbe={**HTTP, "timeoutSeconds": -1}), f"{IN_MODEL}.livenessProbe.timeoutSeconds",
    ),
    "a scheme in small letters": (
        model(livenessProbe={"httpGet": {"path": "/", "port": 8000, "scheme": "https"}}),
        f"{IN_MODEL}.livenessProbe.httpGet.scheme",
    ),
    "a probe of port 0": (model(livenessProbe={"tcpSocket": {"port": 0}}), f"{IN_MODEL}.livenessProbe.tcpSocket.port"),
    "a probe of an init container": (
        pod(initContainers=[{"name": "load", "image": "r/load:1", "readinessProbe": {"tcpSocket": {"port": 1}}}]),
        "initContainers[0].readinessProbe",
    ),
    "two ways to stop": (
        model(lifecycle={"preStop": {"exec": {"command": ["sleep", "5"]}, "httpGet": {"port": 8000}}}),
        f"{IN_MODEL}.lifecycle.preStop",
    ),
    "a variable with =": (model(env=[{"name": "A=B", "value": "x"}]), f"{IN_MODEL}.env[0].name"),
    "a variable of two values": (
        model(env=[{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
        f"{IN_MODEL}.env[0].valueFrom",
    ),
    "a variable of no field": (
        model(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.nam"}}}]),
        f"{IN_MODEL}.env[0].valueFrom.fieldRef.fieldPath",
    ),
    "a variable of no resource": (
        model(env=[{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpus"}}}]),
        f"{IN_MODEL}.env[0].valueFrom.resourceFieldRef.resource",
    ),
    "a file that is named as those of the kubelet": (
        volume(secret={"secretName": "s", "items": [{"key": "k", "path": "..b"}]}),
        "volumes[0].secret.items[0].path",
    ),
    "a path out of the volume": (mounting(subPath="../x"), f"{IN_MODEL}.volumeMounts[0].subPath"),
    "privileged and not": (
        model(securityContext={"privileged": True, "allowPrivilegeEscalation": False}), f"{IN_MODEL}.securityContext",
    ),
    "another port of the node": (
        {**model(ports=[{"name": "http", "containerPort": 8000, "hostPort": 80}]), "hostNetwork": True},
        f"{IN_MODEL}.ports[0].hostPort",
    ),
    "a volume of two kinds": (volume(emptyDir={}, configMap={"name": "x-0123456789"}), "volumes[0]"),
    "a volume smaller than nothing": (volume(emptyDir={"sizeLimit": "-1Gi"}), "volumes[0].emptyDir.sizeLimit"),
    "a kind of path in small letters": (
        volume(hostPath={"path": "/x", "type": "directory"}), "volumes[0].hostPath.type",
    ),
    "a decimal mode": (
        volume(configMap={"name": "x-0123456789", "defaultMode": 644}), "volumes[0].configMap.defaultMode",
    ),
    "a file outside of the volume": (
        volume(configMap={"name": "x-0123456789", "items": [{"key": "k", "path": "/k"}]}),
        "volumes[0].configMap.items[0].path",
    ),
    "a node of no possible label": (pod(nodeSelector={"zone": "b c"}), "nodeSelector.zone"),
    "a toleration of a value that exists": (
        pod(tolerations=[{"key": "a", "operator": "Exists", "value": "b"}]), "tolerations[0].value",
    ),
    "a toleration without a key": (pod(tolerations=[{"operator": "Equal", "value": "b"}]), "tolerations[0].operator"),
    "a toleration of no effect": (
        pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "noSchedule"}]), "tolerations[0].effect",
    ),
    "a toleration for a time": (
        pod(tolerations=[{"key": "a", "operator": "Exists", "effect": "NoSchedule", "tolerationSeconds": 5}]),
        "tolerations[0].effect",
    ),
    "an operator in small letters": (on_nodes(operator="in", values=["x"]), f"{NODES}.operator"),
    "in nothing": (on_nodes(operator="In"), f"{NODES}.values"),
    "a value that exists": (on_nodes(operator="Exists", values=["x"]), f"{NODES}.values"),
    "apart from nothing": (
        pod(affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [APART]}}),
        "affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey",
    ),
    "no skew": (
        pod(topologySpreadConstraints=[{"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}]),
        "topologySpreadConstraints[0].maxSkew",
    ),
    "spread in other letters": (
        pod(topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "Donotschedule"}]),
        "topologySpreadConstraints[0].whenUnsatisfiable",
    ),
    "an account with a capital letter": (pod(serviceAccountName="My-Account"), "serviceAccountName"),
    "a class with a line": (pod(priorityClassName="high_prio"), "priorityClassName"),
    "no name servers": (pod(dnsPolicy="None"), "dnsConfig.nameservers"),
    "an end in an hour": (pod(activeDeadlineSeconds=3600), "activeDeadlineSeconds"),
}  # fmt: skip

# name: (the spec of the pod, the field): the API server takes the Deployment, and no pod of it ever runs
NEVER_RUN = {
    "an image and a space": (model(image="registry/digits:2 "), f"{IN_MODEL}.image"),
    "a digest cut short": (model(image="registry/digits@sha256:" + "a" * 63), f"{IN_MODEL}.image"),
    "an image that nobody filled in": (model(image="registry/digits:${VERSION}"), f"{IN_MODEL}.image"),
    "an image in capital letters": (model(image="Team/digits:2"), f"{IN_MODEL}.image"),
    "an image with a scheme": (model(image="https://registry.example.com/digits:2"), f"{IN_MODEL}.image"),
    "a medium in small letters": (volume(emptyDir={"medium": "memory"}), "volumes[0].emptyDir.medium"),
}

# name: the spec of the pod; all of it is right, however odd it looks
TAKEN = {
    "amounts": asks({"cpu": "1500m", "memory": "1Gi", GPU: "1"}, {"cpu": 2, "memory": "2Gi", GPU: 1}),
    "a limit alone": model(resources={"limits": {GPU: 1, "memory": "1Gi", "hugepages-2Mi": "4Mi"}}),
    "a registry with a port": model(image="Registry:5000/team__a/digits-v2.x:V2_latest"),
    "a registry in the house": model(image="localhost/digits"),
    "a digest": model(image="registry/digits:2@sha256:" + "a" * 64),
    "probes": model(
        readinessProbe={"httpGet": {"path": "ready", "port": 8000, "scheme": "HTTPS"}, "successThreshold": 2},
        livenessProbe={"exec": {"command": ["true"]}, "successThreshold": 1},
        startupProbe={"grpc": {"port": 9000}},
    ),
    "a sidecar": pod(
        initContainers=[{"name": "proxy", "image": "registry/p:1", "restartPolicy": "Always", "readinessProbe": HTTP,
                         "ports": [{"name": "http", "containerPort": 9000}]}],
    ),
    "variables": model(
        env=[
            {"name": "A.B-C_1", "value": "x=y"},
            {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['a/b']"}}},
            {"name": "C", "value": "", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "D", "valueFrom": {"resourceFieldRef": {"resource": "requests.ephemeral-storage"}}},
        ]
    ),
    "ways to stop": model(lifecycle={"preStop": {"httpGet": {"path": "/stop", "port": 8000}}}),
    "volumes": pod(
        volumes=[
            {"name": "a", "emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}},
            {"name": "b", "emptyDir": {"medium": "HugePages-2Mi"}},
            {"name": "c", "secret": {"secretName": "s", "defaultMode": 0o777, "items": [{"key": "k", "path": "a..b"}]}},
            {"name": "d", "hostPath": {"path": "/x", "type": ""}},
            {"name": "e"},
        ]
    ),
    "places": pod(
        nodeSelector={"node.kubernetes.io/instance-type": "g5.xlarge", "empty": ""},
        tolerations=[
            {"operator": "Exists"},
            {"key": "a", "value": "b"},
            {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
        ],
        topologySpreadConstraints=[{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    ),
    "affinity": on_nodes(operator="Exists"),
    "names": pod(serviceAccountName="a.b-c", priorityClassName="system-node-critical", runtimeClassName="nvidia"),
    "name servers": pod(dnsPolicy="None", dnsConfig={"nameservers": ["10.0.0.10"]}),
}  # fmt: skip
