"""Credentials for Prometheus out of Secrets. They appear in no log line and no error."""

import base64
import binascii
from collections.abc import Awaitable, Callable, Mapping

from modelramp.api.errors import Gone, ModelrampError, PrometheusSilent
from modelramp.api.names import Reason
from modelramp.engine.ports import SECRET, Clock, Cluster, Ref

ReadSecret = Callable[[str, str], Awaitable[Mapping[str, str]]]
"""(namespace, name) -> the Secret's data, decoded."""

KEPT_SECONDS = 30.0
"""A changed Secret is noticed after at most this long."""
_MOST = 1024


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


class Credentials:
    """HTTP headers from Secrets, kept for a short while."""

    def __init__(self, read_secret: ReadSecret, clock: Clock) -> None:
        self._read = read_secret
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, dict[str, str]]] = {}

    async def headers(self, secret: tuple[str, str] | None) -> dict[str, str]:
        """The header with the credentials; empty without a Secret. Raises PrometheusSilent if it cannot be used."""
        if secret is None:
            return {}
        now = self._clock.now()
        if secret in self._kept and 0 <= now - self._kept[secret][0] < KEPT_SECONDS:
            return self._kept[secret][1]
        found = authorization(await self._data(secret), secret)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[secret] = (now, found)
        return found

    def forget(self, secret: tuple[str, str] | None) -> None:
        """Read again next time: Prometheus did not take them."""
        if secret is not None:
            self._kept.pop(secret, None)

    async def _data(self, secret: tuple[str, str]) -> Mapping[str, str]:
        name = "/".join(secret)
        try:
            return await self._read(*secret)
        except Gone:
            raise _unusable(f"Secret {name} does not exist") from None
        except ModelrampError as error:
            raise _unusable(f"Secret {name} cannot be read: {error}") from None


def plain_problem(url: str, *, allowed: bool) -> str | None:
    """Why credentials cannot be sent to a URL, as a sentence; None when they can. allowed: over http as well."""
    if allowed or url.lower().startswith("https:"):
        return None
    return (
        "credentials are not sent over http, where everybody on the way can read them: give an https address, or set "
        "MODELRAMP_ALLOW_PLAIN_CREDENTIALS=true in the operator"
    )


def authorization(data: Mapping[str, str], secret: tuple[str, str]) -> dict[str, str]:
    """The Authorization header: bearer from `token`, else basic from `username` and `password`."""
    token = data.get("token", "").strip()
    user, password = data.get("username", "").strip(), data.get("password", "").rstrip("\r\n")
    name = "/".join(secret)
    if token:
        if not token.isascii() or not token.isprintable() or " " in token:
            raise _unusable(f"Secret {name}: `token` has characters that no bearer token may have")
        return {"Authorization": f"Bearer {token}"}
    if user and password:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    raise _unusable(f"Secret {name} needs the key `token`, or the keys `username` and `password`")


def _unusable(text: str) -> PrometheusSilent:
    return PrometheusSilent(Reason.PROMETHEUS_UNREACHABLE, text)
