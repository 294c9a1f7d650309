"""The cluster as a person's commands see it: their kubeconfig, short time-outs, and a field manager of its own."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from modelramp.api.kinds import MODEL_DEPLOYMENT, Kind
from modelramp.api.text import visible
from modelramp.cli.kubeconfig import Send, connection

if TYPE_CHECKING:
    import urllib3

CLI_MANAGER = "modelramp-cli"
"""Field manager of what the commands write."""
_CONNECT_SECONDS = 2.0
_READ_SECONDS = 10.0
_SAID_SECONDS = 2.0
"""A silence that people should hear of; where a shell waits for names, it is the end."""
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io,application/json"
_MOST_NAMES = 500

Object = dict[str, Any]


class Exit(IntEnum):
    """Exit codes of the commands that ask a cluster."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    HELD = 3
    TIMED_OUT = 4
    UNKNOWN = 5


MEANINGS = {
    Exit.DONE: "done, or promoted",
    Exit.FAILED: "rolled back, degraded or refused; or the request was ignored",
    Exit.USAGE: "usage error, or no such object",
    Exit.HELD: "held, or held for too long",
    Exit.TIMED_OUT: "not finished when the timeout expired",
    Exit.UNKNOWN: "cannot tell: no cluster, no rights, or a silent operator",
}
"""Exit code -> what it means, for --help and docs/reference/cli.md."""
EXIT_CODES = "\n".join(("\b\nExit codes:", *(f"  {code.value}  {meaning}" for code, meaning in MEANINGS.items())))
"""The epilog of commands that ask a cluster."""
_UNSURE = frozenset({401, 403, 408, 410, 429})


class Ended(click.ClickException):
    """A command has ended with a sentence on standard error and an exit code."""

    def __init__(self, message: str, code: Exit) -> None:
        super().__init__(message)
        self.code = code
        self.exit_code = code.value  # type: ignore[misc] # click reads it from the instance


class Cluster:
    """ModelDeployments and Namespaces. Every method raises Ended when the API server cannot be asked or refuses."""

    def __init__(self, send: Send, namespace: str) -> None:
        """namespace: of objects for which none is given. warned: the last thing that people were warned of."""
        self._send = send
        self.namespace = namespace
        self.warned = ""

    @classmethod
    def connect(cls, context: str | None = None, namespace: str | None = None) -> "Cluster":
        """Connect as kubectl does: KUBECONFIG or ~/.kube/config, else the ServiceAccount of a pod."""
        try:
            found = connection(context)
        except ValueError as error:
            raise Ended(f"no cluster: {visible(str(error))[:400]}", Exit.UNKNOWN) from None
        return cls(found.send, namespace or found.namespace or "default")

    def get(self, name: str) -> Object:
        """One ModelDeployment of the namespace."""
        path = f"{_path(self.namespace)}/{name}"
        return self._call("GET", path, what=f"ModelDeployment {self.namespace}/{name}")

    def list(self, *, everywhere: bool = False) -> list[Object]:
        """The ModelDeployments of the namespace, or of all namespaces, in the order of their names."""
        path = _path("" if everywhere else self.namespace)
        where = "all namespaces" if everywhere else f"namespace {self.namespace}"
        found: list[Object] = self._call("GET", path, what=f"ModelDeployments of {where}")["items"]
        return found

    def names(self) -> Iterator[str]:
        """The names of the ModelDeployments of the namespace, of several hundred at most."""
        what, query = f"ModelDeployments of namespace {self.namespace}", {"limit": str(_MOST_NAMES)}
        path = _path(self.namespace)
        with self._open("GET", path, what, query=query, accept=_METADATA_ONLY, seconds=_SAID_SECONDS) as answer:
            found = json.loads(answer.read())["items"] or ()  # an empty list of metadata is null
            yield from (str(one["metadata"]["name"]) for one in found)

    def deployment(self, name: str) -> Object:
        """One Deployment of the namespace."""
        from modelramp.desired.workloads.deployment import DEPLOYMENT

        path = f"{_path(self.namespace, DEPLOYMENT)}/{name}"
        return self._call("GET", path, what=f"Deployment {self.namespace}/{name}")

    def version(self) -> tuple[Object, str]:
        """What the API server says of itself, and its clock as HTTP has it; "" when it does not say."""
        with self._open("GET", "/version", what="/version") as answer:
            found: Object = json.loads(answer.read())
            return found, answer.headers.get("Date") or ""

    def may(self, verb: str, kind: Kind) -> bool:
        """Whether the person has a right in the namespace."""
        group = kind.api_version.rpartition("/")[0]
        asked = {"namespace": self.namespace, "verb": verb, "group": group, "resource": kind.plural}
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asked},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        return bool(self._call("POST", path, "your rights", body).get("status", {}).get("allowed"))

    def find(self, kind: Kind, name: str, namespace: str | None = None) -> Object | None:
        """One object of another kind; None where it is not there or may not be read."""
        with suppress(Ended):
            path = f"{_path((namespace or self.namespace) if kind.namespaced else '', kind)}/{name}"
            return self._call("GET", path, what=f"{kind.kind} {name}")
        return None

    def beside(
        self, kind: Kind, *, labels: str = "", everywhere: bool = False, optional: bool = False
    ) -> tuple[Object, ...]:
        """The objects of another kind in the namespace; none where that is optional and cannot be had.

        labels: a selector. everywhere: in all namespaces.
        """
        query = {"labelSelector": labels} if labels else {}
        try:
            path = _path("" if everywhere else self.namespace, kind)
            found = self._call("GET", path, what=f"the {kind.plural}", query=query)
            return tuple(found["items"] or ())
        except Ended:
            if optional:
                return ()
            raise

    def delete(self, name: str) -> None:
        """Delete a ModelDeployment in the background: what is its own ends after it has given everything back."""
        what = f"ModelDeployment {self.namespace}/{name}"
        self._call("DELETE", f"{_path(self.namespace)}/{name}", what, query={"propagationPolicy": "Background"})

    def exists(self, name: str, uid: str) -> bool:
        """Whether this very ModelDeployment is still there."""
        try:
            return bool(self.get(name)["metadata"].get("uid", "") == uid)
        except Ended as error:
            if error.code is Exit.USAGE:
                return False
            raise

    def annotate(self, name: str, key: str, value: str) -> Object:
        """Set an annotation of a ModelDeployment."""
        what = f"ModelDeployment {self.namespace}/{name}"
        return self._call("PATCH", f"{_path(self.namespace)}/{name}", what, _annotation(key, value))

    def annotate_namespace(self, key: str, value: str | None) -> Object:
        """Set an annotation of the Namespace; None takes it away."""
        what = f"Namespace {self.namespace}"
        return self._call("PATCH", f"/api/v1/namespaces/{self.namespace}", what, _annotation(key, value))

    def watch(self, obj: Object, seconds: int) -> Iterator[Object]:
        """A ModelDeployment whenever it changes, for so many seconds at most; ends early when it is deleted."""
        meta = obj["metadata"]
        what = f"ModelDeployment {meta['namespace']}/{meta['name']}"
        query = {"watch": "true", "timeoutSeconds": str(seconds), "fieldSelector": f"metadata.name={meta['name']}"}
        query |= {"resourceVersion": version} if (version := meta.get("resourceVersion")) else {}
        with self._open("GET", _path(self.namespace), what, query=query, seconds=seconds + _READ_SECONDS) as answer:
            for line in answer:
                event: Object = json.loads(line)
                if event["type"] in {"ADDED", "MODIFIED"}:
                    yield event["object"]
                elif event["type"] != "BOOKMARK":
                    return

    def _call(
        self, verb: str, path: str, what: str, body: Object | None = None, query: Mapping[str, str] | None = None
    ) -> Object:
        with self._open(verb, path, what, body, query) as answer:
            found: Object = json.loads(answer.read())
        return found

    @contextmanager
    def _open(
        self,
        verb: str,
        path: str,
        what: str,
        body: Object | None = None,
        query: Mapping[str, str] | None = None,
        seconds: float = _READ_SECONDS,
        accept: str = "application/json",
    ) -> "Iterator[urllib3.BaseHTTPResponse]":
        """The answer to a request, open for reading. Whatever goes wrong until it is read is raised as Ended."""
        from urllib3.exceptions import HTTPError

        sent = {"fieldManager": CLI_MANAGER} if body is not None else dict(query or {})
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = f"application/{'merge-patch+' if verb == 'PATCH' else ''}json"
        try:
            with _patience(seconds):
                answer = self._send(verb, path, sent, headers, body, (_CONNECT_SECONDS, seconds))
            if not 200 <= answer.status < 300:
                raise _refused(answer.status, answer.read().decode("utf-8", "replace"), what)
            try:
                yield answer
            finally:
                answer.close()
        except (HTTPError, OSError, ValueError) as error:
            text = visible(str(error))[:300]
            raise Ended(f"the API server does not answer: {text}", Exit.UNKNOWN) from None


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Say on standard error that there is no answer yet, where one is waited for much longer than usual."""
    text = f"no answer of the API server for {_SAID_SECONDS:g} s; waiting {seconds:g} s in all"
    timer = threading.Timer(_SAID_SECONDS, click.echo, (text,), {"err": True})
    timer.daemon = True
    if seconds > _SAID_SECONDS:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _refused(status: int, said: str, what: str) -> Ended:
    """Why the API server refuses, from its answer."""
    with suppress(ValueError):
        said = str(json.loads(said).get("message", said))
    if status == 404:
        return Ended(f"{what} does not exist here, or the CRD is not installed", Exit.USAGE)
    why = {401: "your credentials are not accepted", 403: "you have no right to do that"}.get(status, "refused")
    unsure = status in _UNSURE or not 400 <= status < 500
    return Ended(f"{what}: {why}: {visible(said)[:300]}", Exit.UNKNOWN if unsure else Exit.FAILED)


def _path(namespace: str, kind: Kind = MODEL_DEPLOYMENT) -> str:
    within = f"/namespaces/{namespace}" if namespace else ""
    api = "apis" if "/" in kind.api_version else "api"
    return f"/{api}/{kind.api_version}{within}/{kind.plural}"


def _annotation(key: str, value: str | None) -> Object:
    return {"metadata": {"annotations": {key: value}}}
