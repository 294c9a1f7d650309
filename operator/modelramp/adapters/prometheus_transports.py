"""Connections to Prometheus servers: one pool for all questions, and one for each client certificate."""

import asyncio
import hashlib
import os
import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import httpx

from modelramp.adapters.addresses import Addresses
from modelramp.adapters.checked_http import checked_transport
from modelramp.adapters.credentials import ClientCertificate, trusting
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason

_IDLE: Final = 64
_IDLE_SECONDS: Final = 30.0
"""Below the idle time-outs of servers and proxies: a connection that they close meanwhile would look like a failure."""
_CLIENTS: Final = 64
"""Client certificates whose connections are kept."""


@dataclass(slots=True, eq=False)
class _Pool:
    transport: httpx.AsyncBaseTransport
    users: int = 0


class Transports:
    """Transports and no clients: no cookies, no redirects, neither proxies nor a .netrc of the machine.

    Connections of different client certificates are never shared.
    """

    def __init__(self, addresses: Addresses, ca_file: str | None) -> None:
        """addresses: checks those that objects name. ca_file: PEM with the authorities that are trusted."""
        self._addresses = addresses
        self._ca_file = ca_file
        verify = trusting(cafile=ca_file)
        self._plain = {checked: self._made(verify, checked=checked) for checked in (True, False)}
        self._clients: OrderedDict[tuple[bool, str], _Pool] = OrderedDict()

    @asynccontextmanager
    async def using(
        self, client: ClientCertificate | None, *, checked: bool
    ) -> AsyncIterator[httpx.AsyncBaseTransport]:
        """The transport for a question. checked: the address was named by an object. Raises PrometheusUnavailable."""
        if client is None:
            yield self._plain[checked]
            return
        pool = await self._pool(client, checked=checked)
        pool.users += 1
        try:
            yield pool.transport
        finally:
            pool.users -= 1

    async def close(self) -> None:
        """Close all connections."""
        for transport in (*self._plain.values(), *(pool.transport for pool in self._clients.values())):
            await transport.aclose()

    async def _pool(self, client: ClientCertificate, *, checked: bool) -> _Pool:
        text = repr((client.certificate, client.key, client.authority))
        key = (checked, hashlib.sha256(text.encode()).hexdigest())
        if key not in self._clients:
            context = await asyncio.to_thread(_context, client, self._ca_file)
            if key not in self._clients:
                self._clients[key] = _Pool(self._made(context, checked=checked))
        self._clients.move_to_end(key)
        pool = self._clients[key]
        await self._trim(pool)
        return pool

    async def _trim(self, wanted: _Pool) -> None:
        """Close the connections that were used longest ago, unless a question is under way on them."""
        idle = [key for key, pool in self._clients.items() if not pool.users and pool is not wanted]
        for key in idle[: max(0, len(self._clients) - _CLIENTS)]:
            await self._clients.pop(key).transport.aclose()

    def _made(self, verify: ssl.SSLContext, *, checked: bool) -> httpx.AsyncBaseTransport:
        if checked:
            return checked_transport(self._addresses, verify, keep_alive=_IDLE, keep_alive_seconds=_IDLE_SECONDS)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=_IDLE, keepalive_expiry=_IDLE_SECONDS)
        return httpx.AsyncHTTPTransport(verify=verify, limits=limits, trust_env=False)


def _context(client: ClientCertificate, ca_file: str | None) -> ssl.SSLContext:
    try:
        context = trusting(cadata=client.authority) if client.authority else trusting(cafile=ca_file)
        _load(context, client)
    except (ssl.SSLError, ValueError, OSError):
        # Not the text of the exception: it may repeat what it could not read.
        raise PrometheusUnavailable(
            Reason.PROMETHEUS_UNREACHABLE,
            "the client certificate cannot be used: its certificate, key or authority is no PEM, or they do not fit "
            "together",
        ) from None
    return context


def _load(context: ssl.SSLContext, client: ClientCertificate) -> None:
    """The library reads certificates from files only; this one is in memory, since the operator writes none."""
    number = os.memfd_create("client-certificate", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(number), "w", encoding="ascii") as file:
            file.write(f"{client.certificate}\n{client.key}\n")
        # An encrypted key would make the library ask the terminal for its password.
        context.load_cert_chain(f"/proc/self/fd/{number}", password="")
    finally:
        os.close(number)
