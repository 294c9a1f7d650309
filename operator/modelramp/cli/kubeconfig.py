"""The usual kubeconfigs, read without the Kubernetes client, whose import takes longer than a call of the API server.

One file, and a token or a client certificate: what kind, k3s, kubeadm and ServiceAccounts use. Everything else, such as
credential plugins and proxies, is the client's.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    import ssl

    import urllib3
    from kubernetes import client

Send = Callable[[str, str, Mapping[str, str], Mapping[str, str], Any, tuple[float, float]], "urllib3.BaseHTTPResponse"]
"""Sends a request: verb, path, query, headers, body as JSON data or None, seconds to connect and to read."""
_IN_CLUSTER = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_OF_CLUSTER = {"server", "certificate-authority", "certificate-authority-data"}
_OF_USER = {"token", "client-certificate", "client-certificate-data", "client-key", "client-key-data"}


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach an API server. namespace: of the context; "" for none."""

    send: Send
    namespace: str


def connection(context: str | None) -> Connection:
    """The API server of a context, or of the current one; else that of a pod's ServiceAccount.

    Raises ValueError when no file says where it is.
    """
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    return direct(files, context) or _by_the_client(files, context)


def _by_the_client(files: str, context: str | None) -> Connection:
    from kubernetes import client
    from kubernetes.config import ConfigException, kube_config, load_incluster_config
    from yaml import YAMLError

    configuration = client.Configuration()
    configuration.retries = False  # neither retries nor redirects
    try:
        if _IN_CLUSTER.exists() and not any(Path(file).exists() for file in files.split(os.pathsep)):
            load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            return Connection(_through(client.ApiClient(configuration)), _IN_CLUSTER.read_text("utf-8").strip())
        contexts, active = kube_config.list_kube_config_contexts(files)  # type: ignore[no-untyped-call]
        kube_config.load_kube_config(  # type: ignore[no-untyped-call]
            files, context=context, client_configuration=configuration
        )
    except (ConfigException, OSError, TypeError, AttributeError, YAMLError) as error:
        raise ValueError(str(error)) from None
    chosen = next((one for one in contexts if one["name"] == context), active)
    return Connection(
        _through(client.ApiClient(configuration)), str((chosen.get("context") or {}).get("namespace") or "")
    )


def _through(api: "client.ApiClient") -> Send:
    from kubernetes.client.exceptions import ApiException

    def send(
        verb: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
        seconds: tuple[float, float],
    ) -> "urllib3.BaseHTTPResponse":
        call = api.param_serialize(
            verb,
            path,
            query_params=list(query.items()),
            header_params=dict(headers),
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            answer: urllib3.BaseHTTPResponse = api.call_api(*call, _request_timeout=seconds).response
        except ApiException as error:
            raise OSError(error.reason or str(error)) from None
        return answer

    return send


def direct(file: str, context: str | None) -> Connection | None:
    """The connection that a kubeconfig describes; None for one that only the Kubernetes client can read."""
    from urllib.request import getproxies

    import yaml

    if os.pathsep in file or getproxies():
        return None
    path = Path(file).expanduser()
    try:
        config = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
        chosen = _named(config["contexts"], context or config["current-context"])["context"]
        cluster = _named(config["clusters"], chosen["cluster"])["cluster"]
        user = _named(config["users"], chosen["user"])["user"] or {}
        if set(cluster) - _OF_CLUSTER or set(user) - _OF_USER or not any(user.values()):
            return None
        server = str(cluster["server"]).rstrip("/")
        pool = _pool(server, cluster, user, path.parent)
        return Connection(_sender(server, pool, user.get("token")), str(chosen.get("namespace") or ""))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, yaml.YAMLError):
        return None  # the client says what is wrong with it


def _named(entries: Any, name: str) -> Mapping[str, Any]:
    """The entry of a name. Raises KeyError when there is none, or several."""
    (found,) = [one for one in entries if one["name"] == name] or [None]
    if found is None:
        raise KeyError(name)
    entry: Mapping[str, Any] = found
    return entry


def _pool(server: str, cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> "urllib3.PoolManager":
    import urllib3

    if not server.startswith("https://"):
        return urllib3.PoolManager(retries=False)
    return urllib3.PoolManager(retries=False, ssl_context=_trust(cluster, user, folder))


def _trust(cluster: Mapping[str, Any], user: Mapping[str, Any], folder: Path) -> "ssl.SSLContext":
    """Whom to trust, and who asks; written data stands before a file, as for kubectl."""
    import ssl
    import tempfile

    authority = _text(cluster, "certificate-authority", folder)
    trust = ssl.create_default_context(cadata=authority or None)
    trust.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as adapters.credentials.without_formalities, imported by no verb
    certificate, key = (_text(user, name, folder) for name in ("client-certificate", "client-key"))
    if certificate and key:
        with tempfile.TemporaryDirectory() as private:  # only its owner may enter it
            file = Path(private) / "client.pem"
            file.write_text(f"{certificate}\n{key}\n", encoding="utf-8")
            trust.load_cert_chain(file)
    return trust


def _text(entry: Mapping[str, Any], name: str, folder: Path) -> str:
    import base64

    data = entry.get(f"{name}-data")
    if data:
        return base64.b64decode(data).decode()
    file = entry.get(name)
    return (folder / file).read_text("utf-8") if file else ""


def _sender(server: str, pool: "urllib3.PoolManager", token: str | None) -> Send:
    import json

    import urllib3

    known = {"Authorization": f"Bearer {token}"} if token else {}

    def send(
        verb: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: Any,
        seconds: tuple[float, float],
    ) -> urllib3.BaseHTTPResponse:
        return pool.request(
            verb,
            f"{server}{path}{'?' if query else ''}{urlencode(query)}",
            headers={**headers, **known},
            body=json.dumps(body) if body is not None else None,
            timeout=urllib3.Timeout(connect=seconds[0], read=seconds[1]),
            redirect=False,
            preload_content=False,
        )

    return send
