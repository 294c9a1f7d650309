"""A pod of a test's own that runs a small Python program."""

import json


def serve(plane, namespace, name, program):
    """Start a pod that serves at POD_IP, port 8080, and return its URL once it is ready."""
    ip = {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}
    container = {"name": "main", "image": "localplane/python:1", "args": ["-c", program], "env": [ip]}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 1},
    }
    plane.kubectl("apply", "-f", "-", input=json.dumps(pod))
    plane.kubectl("wait", "-n", namespace, "--for=condition=Ready", f"pod/{name}", "--timeout=30s")
    address = plane.kubectl("get", "pod", name, "-n", namespace, "-o", "jsonpath={.status.podIP}")
    return f"http://{address}:8080"
