"""The API server, through kubernetes.aio: raw JSON of any kind, one time-out per call, errors mapped to ours."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp
import yaml
from kubernetes.aio import client, config
from kubernetes.aio.config import ConfigException
from kubernetes.aio.config.incluster_config import SERVICE_HOST_ENV_NAME, SERVICE_TOKEN_FILENAME

from modelramp.adapters import errors
from modelramp.adapters.decoding import decoded_list, decoded_object
from modelramp.adapters.paging import LARGEST, Pages, Versions, read_at_most
from modelramp.api.errors import Broken, Conflict, Gone, ModelrampError, Refused
from modelramp.api.kinds import EVENT, LEASE, WRITTEN, Kind, Ref
from modelramp.api.names import FIELD_MANAGER
from modelramp.desired.kinds import owned
from modelramp.desired.kinds import selector as watched_by
from modelramp.engine.ports import Object, Telemetry

Login = Callable[[client.Configuration], Awaitable[None]]
"""Puts the server's address and fresh credentials into a configuration; raises ConfigException or OSError."""


def login_with(kubeconfig: str | None, context: str | None) -> Login:
    """Log in with the given kubeconfig, else as the pod's ServiceAccount, else with the user's kubeconfig."""

    async def login(configuration: client.Configuration) -> None:
        try:
            if kubeconfig is None and context is None and _in_cluster():
                config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
            else:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    kubeconfig, context, configuration, persist_config=False
                )
        except (yaml.YAMLError, TypeError, KeyError, AttributeError) as error:
            # The library assumes a well-formed file.
            raise config.ConfigException(f"malformed kubeconfig ({type(error).__name__})") from error

    return login


def _in_cluster() -> bool:
    return bool(os.environ.get(SERVICE_HOST_ENV_NAME)) and Path(SERVICE_TOKEN_FILENAME).is_file()


APPLY = "application/apply-patch+yaml; charset=utf-8"
"""With its parameter, so that the client library sends text unchanged: it would encode an emoji as two surrogates."""
_ESCAPED = (*range(0x7F, 0xA0), 0x2028, 0x2029, *range(0xD800, 0xE000), 0xFEFF, 0xFFFE, 0xFFFF)
_AS_ESCAPES = {code: f"\\u{code:04x}" for code in _ESCAPED}
"""Characters that YAML forbids or treats as line breaks."""


def as_yaml(obj: Mapping[str, Any]) -> str:
    r"""The object as JSON that is YAML too: characters beyond U+FFFF stand for themselves.

    >>> as_yaml({"a": "\U0001f600\u2028\n"})
    '{"a": "😀\\u2028\\n"}'
    """
    return json.dumps(dict(obj), ensure_ascii=False).translate(_AS_ESCAPES)


JSON_PATCH = "application/json-patch+json"
CONNECT_SECONDS = 5.0
CONNECTIONS = 512
"""Connections; more than are ever used at once, so that slow calls for one namespace do not block the others."""
_PATIENCE_SECONDS = 5
_BEGINNINGS = 3
"""Restarts of a list whose continue token expires while it is read."""
_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_KINDS = {(kind.api_version, kind.kind): kind for kind in (EVENT, LEASE, *WRITTEN, *owned())}

Query = Sequence[tuple[str, str]]
Heard = Callable[[str, float], None]  # takes an answer's header Date, and the seconds from the request to it


@dataclass(frozen=True, slots=True)
class _Call:
    """One request. `verb` and `about` name it in logs, errors and metrics.

    most: bytes of the answer at which reading stops; None when the answer is a single object.
    """

    method: str
    path: str
    verb: str
    kind: str
    about: str
    query: Query = ()
    body: Object | Sequence[Object] | None = None
    content_type: str = _JSON
    most: int | None = None
    accept: str = _JSON

    def __str__(self) -> str:
        return f"{self.verb} {self.about}"


@dataclass(frozen=True, slots=True)
class _Answer:
    code: int
    retry_after: str
    body: bytes | None


class KubernetesCluster:
    """Fulfils engine.ports.Cluster. Retries nothing but a 429 and a 401, once: the engine's next look is the retry."""

    def __init__(
        self,
        api: client.ApiClient,
        telemetry: Telemetry,
        call_timeout: float = 15.0,
        login: Login | None = None,
        heard: Heard | None = None,
    ) -> None:
        """call_timeout: seconds per call in all. login: renews credentials after a 401. heard: see Heard.

        versions: at which the complete lists began that a watch has the same objects of.
        """
        self._api = api
        self._telemetry = telemetry
        self._timeout = call_timeout
        self._login = login
        self._heard = heard
        self._pages = Pages()
        self.versions = Versions()

    @classmethod
    async def connect(
        cls,
        telemetry: Telemetry,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        call_timeout: float = 15.0,
        heard: Heard | None = None,
    ) -> Self:
        """Log in: with the given kubeconfig, else as the pod's ServiceAccount, else with the user's kubeconfig.

        Raises Refused when there are no credentials or they cannot be read.
        """
        configuration = client.Configuration(connection_pool_maxsize=CONNECTIONS)
        configuration.disable_strict_ssl_verification = True  # as credentials.without_formalities
        login = login_with(kubeconfig, context)
        try:
            await login(configuration)
        except (ConfigException, OSError) as error:
            raise Refused(
                f"no way to log in to a cluster: {errors.shortened(str(error))}; set KUBECONFIG or run in a pod"
            ) from error
        return cls(client.ApiClient(configuration), telemetry, call_timeout, login, heard)

    async def close(self) -> None:
        """Close all connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ask_time(self) -> None:
        """Make the smallest request there is, so that `heard` gets the time of its answer, even of a refusal."""
        await self._answer(_Call("GET", "/version", "get", "version", "the version"))

    async def get(self, ref: Ref) -> Object:
        """The object as it is now."""
        return await self._call(_Call("GET", _path(ref.kind, ref.namespace, ref.name), "get", ref.kind.kind, str(ref)))

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", *, fields: str = "", most: int | None = None
    ) -> tuple[Object, ...]:
        """All objects of a kind; each with apiVersion and kind, which the API leaves out for its own."""
        found: list[Object] = []
        async with aclosing(self.pages(kind, namespace, selector, fields)) as pages:
            async for page in pages:
                found += page
                if most is not None and len(found) >= most:
                    break
        return tuple(found[:most])

    async def list_versions(self, kind: Kind, namespace: str, selector: str = "") -> Mapping[str, str]:
        """The resourceVersions of the objects of a kind in a namespace, by name: nothing else of them is sent."""
        found: dict[str, str] = {}
        async with aclosing(self.pages(kind, namespace, selector, accept=_METADATA)) as pages:
            async for page in pages:
                found |= {str(obj["metadata"].get("name")): obj["metadata"].get("resourceVersion", "") for obj in page}
        return found

    async def pages(
        self, kind: Kind, namespace: str | None = None, selector: str = "", fields: str = "", *, accept: str = _JSON
    ) -> AsyncGenerator[tuple[Object, ...], None]:
        """All objects of a kind, a page at a time.

        The server forgets what a list began with after some minutes. It then offers to go on with what is there now,
        which is as good here: each object is read once, at some time since the list was asked for.
        """
        selectors = (("labelSelector", selector), ("fieldSelector", fields))
        selected = tuple((name, value) for name, value in selectors if value)
        about = f"{kind.plural} in {namespace or 'all namespaces'}"
        call = _Call("GET", _path(kind, namespace), "list", kind.kind, about, selected, accept=accept)
        token, beginnings, version = "", 1, ""
        while True:
            code, page = await self._page(kind, call, (("continue", token),) if token else ())
            token = (page.get("metadata") or {}).get("continue") or ""
            version = version or (page.get("metadata") or {}).get("resourceVersion") or ""
            if code == 410:
                beginnings += not token
                if beginnings > _BEGINNINGS:
                    raise self._counted(call, errors.of_answer(code, b"", str(call)))
                continue
            known = {"apiVersion": kind.api_version, "kind": kind.kind}
            yield tuple([{**known, **item} for item in page.get("items") or ()])
            if not token:
                if selector == watched_by(kind) and not fields:
                    self.versions.listed(kind.plural, namespace, version)
                return

    async def _page(self, kind: Kind, call: _Call, more: Query) -> tuple[int, Object]:
        """One page of a list, in as few objects as it takes to be read."""
        while True:
            sized = kind.plural if call.accept == _JSON else f"{kind.plural} in part"
            limit = self._pages.limit(sized)
            asked = replace(
                call, query=(*call.query, ("limit", str(limit)), *more), most=LARGEST if limit > 1 else None
            )
            try:
                answer = await self._answer(asked)
            except Gone as error:
                # A missing namespace has an empty list, so this can only be the kind.
                raise Gone(f"the API server serves no {kind.plural} of {kind.api_version}; install its CRD") from error
            if answer.body is None:
                self._pages.too_large(sized)
                continue
            page = self._decoded(call, answer, decoded_list)
            if answer.code != 410:
                self._pages.saw(sized, len(page.get("items") or ()), len(answer.body))
            return answer.code, page

    async def create(self, obj: Object) -> Object:
        """Make a new object; Conflict when the name exists."""
        ref = _ref(obj)
        path = _path(ref.kind, ref.namespace)
        query = (("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"))
        return await self._call(_Call("POST", path, "create", ref.kind.kind, str(ref), query, obj))

    async def apply(self, obj: Object) -> Object:
        """Server-side apply with force; a resourceVersion in `obj` makes it a compare-and-swap."""
        ref = _ref(obj)
        if obj["metadata"].get("resourceVersion"):
            obj = await self._pinned(ref, obj)
        path = _path(ref.kind, ref.namespace, ref.name)
        query = (("fieldManager", FIELD_MANAGER), ("force", "true"), ("fieldValidation", "Strict"))
        return await self._call(_Call("PATCH", path, "apply", ref.kind.kind, str(ref), query, obj, APPLY))

    async def _pinned(self, ref: Ref, obj: Object) -> Object:
        # Seen on 1.36: an apply with the resourceVersion of an object that was deleted makes it anew. Only with its
        # uid in the request does the API server answer 409.
        metadata = obj["metadata"]
        if metadata.get("uid"):
            return obj
        try:
            current = (await self.get(ref))["metadata"]
        except Gone as error:
            raise Conflict(str(error)) from error
        if current["resourceVersion"] != metadata["resourceVersion"]:
            raise Conflict(f"apply {ref}: version {metadata['resourceVersion']} is no longer current")
        return {**obj, "metadata": {**metadata, "uid": current["uid"]}}

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Object:
        """A JSON patch; one that sets metadata.resourceVersion is a compare-and-swap."""
        path = _path(ref.kind, ref.namespace, ref.name)
        query = (("fieldManager", FIELD_MANAGER), ("fieldValidation", "Strict"))
        return await self._call(_Call("PATCH", path, "patch", ref.kind.kind, str(ref), query, operations, JSON_PATCH))

    async def replace_status(self, obj: Object) -> Object:
        """PUT the status subresource. Raises Broken without a resourceVersion: it would not be a compare-and-swap."""
        ref = _ref(obj)
        if not obj["metadata"].get("resourceVersion"):
            raise Broken(f"status of {ref} without metadata.resourceVersion")
        path = _path(ref.kind, ref.namespace, ref.name) + "/status"
        query = (("fieldManager", FIELD_MANAGER),)
        return await self._call(_Call("PUT", path, "update the status of", ref.kind.kind, str(ref), query, obj))

    async def delete(self, ref: Ref, uid: str, resource_version: str | None = None) -> None:
        """Delete in the background if it is still that object, and raise Conflict if only its version moved."""
        preconditions = {"uid": uid, **({"resourceVersion": resource_version} if resource_version else {})}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": preconditions,
        }
        path = _path(ref.kind, ref.namespace, ref.name)
        try:
            await self._call(_Call("DELETE", path, "delete", ref.kind.kind, str(ref), (), body))
        except Gone:
            return
        except Conflict:
            # Both preconditions answer with 409; only the object itself tells which of them failed.
            if await self._is_still(ref, uid):
                raise

    async def _is_still(self, ref: Ref, uid: str) -> bool:
        try:
            found = await self.get(ref)
        except Gone:
            return False
        return bool(found["metadata"]["uid"] == uid)

    async def _call(self, call: _Call) -> Object:
        answer = await self._answer(call)
        if answer.code == 410:
            raise self._counted(call, errors.of_answer(answer.code, b"", str(call)))
        return self._decoded(call, answer, decoded_object)

    async def _answer(self, call: _Call) -> _Answer:
        """The answer; its code is 2xx, or 410 for an expired list, and else an error is raised."""
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._send(call)
                if await self._may_send_again(answer):
                    answer = await self._send(call)
        except errors.FOREIGN as error:
            raise self._counted(call, errors.of_failure(error, str(call), self._timeout)) from error
        if answer.code != 410 and not 200 <= answer.code < 300:
            raise self._counted(call, errors.of_answer(answer.code, answer.body or b"", str(call)))
        return answer

    def _decoded(self, call: _Call, answer: _Answer, decode: Callable[[bytes], dict[str, Any]]) -> Object:
        try:
            found = decode(answer.body or b"")
        except ValueError as error:
            raise self._counted(call, errors.of_failure(error, str(call), self._timeout)) from error
        self._count(call, "ok" if answer.code != 410 else "expired")
        return found

    async def _send(self, call: _Call) -> _Answer:
        # call_api with a serialised request neither raises on a status nor decodes by one: the generated methods
        # return None for 201, and their *_without_preload_content variants take a 404 for a success.
        method, url, headers, _, _ = await self._api.param_serialize(
            call.method,
            call.path,
            query_params=list(call.query),
            header_params={"Accept": call.accept, "Content-Type": call.content_type},
            auth_settings=["BearerToken"],
        )
        asked_at = asyncio.get_running_loop().time()
        response = await self._api.call_api(
            method,
            url,
            headers,
            _encoded(call),
            _request_timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=CONNECT_SECONDS),
        )
        if self._heard is not None and response.status < 500:  # a proxy that answers in its place has another clock
            self._heard(response.headers.get("Date", ""), asyncio.get_running_loop().time() - asked_at)
        body = (
            await response.read()  # type: ignore[no-untyped-call]
            if call.most is None
            else await read_at_most(response.response, call.most)
        )
        return _Answer(response.status, response.headers.get("Retry-After", ""), body)

    async def _may_send_again(self, answer: _Answer) -> bool:
        """Whether the server ignored the request and a retry may succeed; waits as long as it asks for."""
        if answer.code == 401 and self._login is not None:
            await self._login(self._api.configuration)
            return True
        if answer.code == 429 and answer.retry_after.isdecimal() and int(answer.retry_after) <= _PATIENCE_SECONDS:
            await asyncio.sleep(int(answer.retry_after))
            return True
        return False

    def _counted(self, call: _Call, error: ModelrampError) -> ModelrampError:
        self._count(call, type(error).__name__)
        return error

    def _count(self, call: _Call, result: str) -> None:
        self._telemetry.count("modelramp_api_requests_total", verb=call.verb.split()[0], kind=call.kind, result=result)


def _encoded(call: _Call) -> dict[str, Any] | list[Any] | str | None:
    """The body for the client library, which turns a mapping or a list into JSON itself."""
    if call.body is None:
        return None
    if not isinstance(call.body, Mapping):
        return [dict(each) for each in call.body]
    return as_yaml(call.body) if call.content_type == APPLY else dict(call.body)


def _path(kind: Kind, namespace: str | None, name: str = "") -> str:
    prefix = "/apis/" if "/" in kind.api_version else "/api/"
    scope = f"/namespaces/{_segment(namespace)}" if namespace else ""
    return f"{prefix}{kind.api_version}{scope}/{kind.plural}" + (f"/{_segment(name)}" if name else "")


def _segment(name: str) -> str:
    # Some names, such as a Secret's, are typed by people: one that climbs up a path must not reach another namespace.
    if name in {".", ".."}:
        raise Refused(f"{name!r} is not a valid object name")
    return quote(name, safe="")


def _ref(obj: Object) -> Ref:
    api_version, kind_name = obj.get("apiVersion", ""), obj.get("kind", "")
    kind = _KINDS.get((api_version, kind_name))
    if kind is None:
        raise Broken(f"desired.kinds names no Kind for {api_version} {kind_name}")
    metadata: Mapping[str, Any] = obj["metadata"]
    return Ref(kind, metadata.get("namespace", ""), metadata["name"])
