"""Credentials for Prometheus, from Secrets and files. They never appear in logs or errors."""

import asyncio
import base64
import binascii
import re
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from modelramp.adapters.prometheus_words import NOTHING_SENT, Sent
from modelramp.api.errors import Gone, ModelrampError, PrometheusUnavailable
from modelramp.api.kinds import SECRET, Ref
from modelramp.api.names import Reason
from modelramp.engine.ports import Clock, Cluster, Endpoint

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""(namespace, name) -> the Secret's data, decoded."""

KEPT_SECONDS = 30.0
"""Seconds after which a changed Secret is noticed, at most."""
_MOST = 1024
_LONGEST_FILE: Final = 64 << 10
_CREDENTIALS: Final = frozenset({"token", "username", "password"})
_VALUE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")


def without_formalities(context: ssl.SSLContext) -> ssl.SSLContext:
    """Accept certificates of any form; chain, host name and dates are verified as before.

    From Python 3.13 on, contexts refuse certificates that lack extensions of RFC 5280. Go does not, so authorities of
    many clusters and companies work with kubectl and Prometheus without them.
    """
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def trusting(*, cafile: str | None = None, cadata: str | None = None) -> ssl.SSLContext:
    """Verifies servers with the given authorities (PEM), else with the system's."""
    return without_formalities(ssl.create_default_context(cafile=cafile, cadata=cadata))


def secret_reader(cluster: Cluster) -> ReadSecret:
    """Reads Secrets from the cluster; values that are not UTF-8 are left out."""

    async def read(namespace: str, name: str) -> Mapping[str, str]:
        secret = await cluster.get(Ref(SECRET, namespace, name))
        found = {}
        for key, value in (secret.get("data") or {}).items():
            try:
                found[key] = base64.b64decode(value).decode()
            except (binascii.Error, UnicodeDecodeError):
                continue
        return found

    return read


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """The client certificate, as PEM. authority: the only CA that is trusted; "" for the default ones."""

    certificate: str = field(repr=False)
    key: str = field(repr=False)
    authority: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Presented:
    """What a query is sent with. sent: the secret parts of it."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    sent: Sent = NOTHING_SENT
    client: ClientCertificate | None = None

    def over(self, other: "Presented") -> "Presented":
        """Both together; this one's headers take precedence."""
        taken = {name.lower() for name in self.headers}
        rest = {name: value for name, value in other.headers.items() if name.lower() not in taken}
        secrets = (*self.sent.secrets, *other.sent.secrets)
        sent = Sent(secrets, credentials=self.sent.credentials or other.sent.credentials)
        return Presented({**rest, **self.headers}, sent, self.client or other.client)


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of files with the operator's own credentials; another process may rewrite them at any time."""

    token: str | None = None
    certificate: str | None = None
    key: str | None = None


class Credentials:
    """Credentials of endpoints, from Secrets and files, cached for a short time."""

    def __init__(self, read_secret: ReadSecret, clock: Clock) -> None:
        self._read = read_secret
        self._clock = clock
        self._kept: dict[Endpoint | Files, tuple[float, Presented]] = {}

    async def presented(self, endpoint: Endpoint) -> Presented:
        """The credentials for an endpoint. Raises PrometheusUnavailable if they cannot be used."""
        plain = Presented(dict(endpoint.headers))
        if endpoint.secret is None:
            return plain
        place = Endpoint("", endpoint.secret, (), endpoint.secret_headers)
        return (await self._fresh(place, lambda: self._from_secret(place))).over(plain)

    async def presented_from(self, files: Files) -> Presented:
        """The credentials in the operator's own files. Raises PrometheusUnavailable if they cannot be used."""
        return await self._fresh(files, lambda: asyncio.to_thread(_from_files, files))

    def forget(self, endpoint: Endpoint, files: Files) -> None:
        """Drop the cached credentials: the server refused them."""
        self._kept.pop(Endpoint("", endpoint.secret, (), endpoint.secret_headers), None)
        self._kept.pop(files, None)

    async def _fresh(self, place: Endpoint | Files, read: Callable[[], Awaitable[Presented]]) -> Presented:
        now = self._clock.now()
        if place in self._kept and 0 <= now - self._kept[place][0] < KEPT_SECONDS:
            return self._kept[place][1]
        found = await read()
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[place] = (now, found)
        return found

    async def _from_secret(self, endpoint: Endpoint) -> Presented:
        secret = endpoint.secret or ("", "")
        return presented_by(await self._data(secret), "/".join(secret), endpoint.secret_headers)

    async def _data(self, secret: tuple[str, str]) -> Mapping[str, str]:
        name = "/".join(secret)
        try:
            return await self._read(*secret)
        except Gone:
            raise _unusable(f"Secret {name} does not exist") from None
        except ModelrampError as error:
            raise _unusable(f"Secret {name} cannot be read: {error}") from None


def presented_by(data: Mapping[str, str], name: str, headers: Iterable[tuple[str, str]] = ()) -> Presented:
    """The credentials in a Secret's data. name: of the Secret. headers: names, and the keys that have their values."""
    found, secrets = {}, []
    for header, key in headers:
        value = data.get(key, "").strip("\r\n")
        if not _VALUE.fullmatch(value):
            raise _unusable(f"Secret {name}: `{key}` is missing, or has characters that no header may have")
        found[header] = value
        secrets.append(value)
    presented = Presented(found, Sent(tuple(secrets), credentials=bool(found)), _client(data, name))
    if not found and presented.client is None and not _CREDENTIALS & data.keys():
        raise _unusable(
            f"Secret {name} needs the key `token`, the keys `username` and `password`, or `tls.crt` and `tls.key`"
        )
    return presented.over(authorization(data, name)) if _CREDENTIALS & data.keys() else presented


def _client(data: Mapping[str, str], name: str) -> ClientCertificate | None:
    certificate, key = data.get("tls.crt", ""), data.get("tls.key", "")
    if bool(certificate) != bool(key):
        raise _unusable(f"Secret {name} needs both `tls.crt` and `tls.key`, or neither")
    return ClientCertificate(certificate, key, data.get("ca.crt", "")) if key else None


def _from_files(files: Files) -> Presented:
    found = Presented()
    if files.token is not None:
        found = authorization({"token": _text_of(files.token)}, f"in {files.token}")
    if files.certificate is not None and files.key is not None:
        client = ClientCertificate(_text_of(files.certificate), _text_of(files.key))
        found = Presented(found.headers, found.sent, client)
    return found


def _text_of(path: str) -> str:
    try:
        with Path(path).open(encoding="ascii") as file:
            return file.read(_LONGEST_FILE)
    except (OSError, UnicodeError) as error:
        raise _unusable(f"{path} cannot be read ({type(error).__name__})") from None


def plain_problem(url: str, *, allowed: bool) -> str | None:
    """Why credentials cannot be sent to a URL, as a sentence; None when they can. allowed: over http as well."""
    if allowed or url.lower().startswith("https:"):
        return None
    return (
        "credentials are not sent over http, where everybody on the way can read them: give an https address, or set "
        "MODELRAMP_ALLOW_PLAIN_CREDENTIALS=true in the operator"
    )


def authorization(data: Mapping[str, str], name: str) -> Presented:
    """The Authorization header: bearer from `token`, else basic from `username` and `password`. name: of the Secret."""
    token = data.get("token", "").strip()
    user, password = data.get("username", "").strip(), data.get("password", "").rstrip("\r\n")
    if token:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise _unusable(f"Secret {name}: `token` has characters that no bearer token may have")
        return Presented({"Authorization": f"Bearer {token}"}, Sent((token,), credentials=True))
    if user and password:
        both = base64.b64encode(f"{user}:{password}".encode()).decode()
        return Presented({"Authorization": f"Basic {both}"}, Sent((both, user, password), credentials=True))
    raise _unusable(f"Secret {name} needs the key `token`, or the keys `username` and `password`")


def _unusable(text: str) -> PrometheusUnavailable:
    return PrometheusUnavailable(Reason.PROMETHEUS_UNREACHABLE, text)
