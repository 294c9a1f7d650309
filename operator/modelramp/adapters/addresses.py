"""Checks the addresses that objects name, after resolving them.

Anyone who may write a ModelDeployment can make the operator send requests to an address of their choice. What the
operator can reach and they cannot is refused: the operator's own pod and node, the cloud's metadata service, the API
server, and ranges by setting. The operator's own settings are not checked.
"""

import asyncio
import re
import socket
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final, Self
from urllib.parse import urlsplit, urlunsplit

from modelramp.api.errors import AddressRefused
from modelramp.api.text import visible

Address = IPv4Address | IPv6Address
Resolve = Callable[[str], Iterable[str]]
"""Host name -> its IP addresses as text; blocks, and raises OSError or UnicodeError when there are none."""

RESOLVE_SECONDS: Final = 3.0
LOOKUPS: Final = 64
"""Concurrent lookups. Each takes a thread, since getaddrinfo cannot be cancelled."""
LOOKUPS_PER_NAMESPACE: Final = 2
LOOKUPS_SHARED: Final = 16
"""Of them, lookups of hosts that several namespaces share."""
FRESH_SECONDS: Final = 30.0
"""Seconds for which a resolved name is cached."""
STALE_SECONDS: Final = 600.0
"""Seconds for which it is used while lookups fail, so that a failing name server does not cost a tick."""
_MOST: Final = 1024
_API_SERVER: Final = "kubernetes.default.svc"
_OWN: Final = "/"
"""Account of the operator's own lookups, of which there are two names."""

_METADATA: Final = frozenset(
    map(ip_address, ("168.63.129.16", "100.100.100.200", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"))
)
"""Metadata services of clouds that are not link-local: Azure, Alibaba, Oracle, AWS and Google over IPv6."""
_THIS_NETWORK: Final = ip_network("0.0.0.0/8")
_BROADCAST: Final = IPv4Address("255.255.255.255")
_NAT64: Final = ip_network("64:ff9b::/96")
_NAT64_LOCAL: Final = ip_network("64:ff9b:1::/48")
_V4_COMPATIBLE: Final = ip_network("::/96")
_HOST: Final = re.compile(r"(\*?\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


@dataclass(frozen=True, slots=True)
class Pinned:
    """A checked host. Connections go only to one of `ips`."""

    host: str
    port: int
    ips: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AddressList:
    """Hosts, domain suffixes and IP ranges, parsed from a setting."""

    hosts: frozenset[str] = frozenset()
    suffixes: tuple[str, ...] = ()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, entries: Iterable[str]) -> Self:
        """From `metrics.example.com`, `*.example.com`, `10.96.0.0/12`, `192.0.2.7`; raises ValueError for others."""
        hosts, suffixes, networks = set(), [], []
        for entry in entries:
            text = entry.strip().lower().removesuffix(".")
            try:
                networks.append(ip_network(text.strip("[]"), strict=False))
            except ValueError:
                if not _HOST.fullmatch(text) or text.replace(".", "").replace("/", "").isdigit():
                    raise ValueError(
                        f"{entry!r} must be a host, a suffix such as *.example.com, an IP address or a CIDR range"
                    ) from None
                if text.startswith(("*.", ".")):
                    suffixes.append(text.removeprefix("*"))
                else:
                    hosts.add(text)
        return cls(frozenset(hosts), tuple(suffixes), tuple(networks))

    def names(self, host: str) -> bool:
        """Whether the list contains the host by name."""
        return host in self.hosts or host.endswith(self.suffixes)

    def admits(self, address: Address) -> bool:
        """Whether the IP address lies in a range of the list."""
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self.networks)

    def touches(self, address: Address) -> bool:
        """Whether the IP address, or an IPv4 address that it may lead to, lies in a range of the list."""
        return any(form in network for form in forms(address) for network in self.networks)


class Addresses:
    """Checks addresses that objects name. Lookups are bounded in time and number, and fair by namespace."""

    def __init__(
        self,
        allowed: AddressList | None = None,
        denied: AddressList | None = None,
        api_servers: Sequence[str] = (),
        *,
        resolve: Resolve | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """allowed: admitted whatever else is said. denied: refused beside what always is.

        api_servers: hosts or IP addresses of the API server. resolve: getaddrinfo if not given.
        """
        self._allowed = allowed or AddressList()
        self._denied = denied or AddressList()
        self._api_servers = tuple(api_servers)
        self._lookups = Lookups(resolve or getaddrinfo, monotonic)

    @classmethod
    def of_pod(cls, allowed: Iterable[str], denied: Iterable[str], environ: Mapping[str, str]) -> Self:
        """With the entries of the settings, and the API server that a pod's environment names."""
        host = environ.get("KUBERNETES_SERVICE_HOST", "")
        servers = (host, _API_SERVER) if host else ()
        return cls(AddressList.of(allowed), AddressList.of(denied), servers)

    async def admitted(self, url: str, namespace: str = "") -> Pinned:
        """The host of a URL with its IP addresses; see `checked`."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError:
            raise AddressRefused("no usable URL") from None
        return await self.checked(host, port, namespace)

    async def checked(self, host: str, port: int, namespace: str = "") -> Pinned:
        """The host with its IP addresses, all of which objects may use.

        namespace: of the object that names it. Raises AddressRefused; OSError when a host that the allow-list names
        does not resolve, since its words are no secret.
        """
        name = host.lower().removesuffix(".")
        if self._allowed.names(name):
            return Pinned(host, port, await self._lookups.find(name, namespace))
        try:
            found = await self._lookups.find(name, namespace)
        except OSError as error:
            raise AddressRefused(f"it does not resolve ({type(error).__name__})", resolved=False) from None
        api_servers = await self._api_addresses()
        for text in found:
            if cause := self._cause(ip_address(text), api_servers):
                raise AddressRefused(f"{text} is {cause}")
        return Pinned(host, port, found)

    def _cause(self, address: Address, api_servers: frozenset[Address]) -> str | None:
        """Why objects may not use an IP address; None when they may."""
        if self._allowed.admits(address):
            return None
        if self._denied.touches(address):
            return "in MODELRAMP_DENIED_ADDRESSES"
        if not api_servers.isdisjoint(forms(address)):
            return "the API server"
        return next((cause for form in forms(address) if (cause := _always_refused(form))), None)

    async def _api_addresses(self) -> frozenset[Address]:
        found: set[Address] = set()
        for host in self._api_servers:
            try:
                found.update(map(ip_address, await self._lookups.find(host, _OWN)))
            except OSError:
                continue
        return frozenset(found)


class Lookups:
    """Resolves names off the event loop. A lookup that overruns its time limit keeps its slot until it ends."""

    def __init__(self, resolve: Resolve, monotonic: Callable[[], float]) -> None:
        self._resolve = resolve
        self._monotonic = monotonic
        self._kept: OrderedDict[str, tuple[float, tuple[str, ...]]] = OrderedDict()
        self._under_way: Counter[str] = Counter()
        self._pending: dict[str, asyncio.Future[tuple[str, ...]]] = {}
        self._ended = asyncio.Event()

    async def find(self, host: str, namespace: str) -> tuple[str, ...]:
        """The IP addresses of a host, canonical; an IP address stands for itself. Raises OSError."""
        try:
            return (str(ip_address(host)),)
        except ValueError:
            pass
        at, known = self._kept.get(host, (0.0, ()))
        if known and self._monotonic() - at < FRESH_SECONDS:
            return known
        try:
            found = await self._looked_up(host, namespace)
        except OSError:
            if known and self._monotonic() - at < STALE_SECONDS:
                return known
            raise
        self._kept[host] = (self._monotonic(), found)
        self._kept.move_to_end(host)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return found

    async def _looked_up(self, host: str, namespace: str) -> tuple[str, ...]:
        pending = self._pending.get(host)
        if pending is None:
            pending = self._pending[host] = asyncio.ensure_future(self._in_turn(host, namespace))
            pending.add_done_callback(
                lambda done: (self._pending.pop(host, None), done.cancelled() or done.exception())
            )
        try:
            # Others may wait for the same lookup: one that gives up does not cancel it for them.
            return await asyncio.wait_for(asyncio.shield(pending), 2 * RESOLVE_SECONDS)
        except asyncio.CancelledError:
            if pending.cancelled():
                raise OSError("the lookup was cancelled") from None
            raise

    async def _in_turn(self, host: str, namespace: str) -> tuple[str, ...]:
        async with asyncio.timeout(RESOLVE_SECONDS):
            while not self._has_place(namespace):
                self._ended.clear()
                await self._ended.wait()
        future = self._start(host, namespace)
        return await asyncio.wait_for(future, RESOLVE_SECONDS)

    def _has_place(self, namespace: str) -> bool:
        if namespace == _OWN:
            return True
        most = LOOKUPS_PER_NAMESPACE if namespace else LOOKUPS_SHARED
        return self._under_way.total() < LOOKUPS and self._under_way[namespace] < most

    def _start(self, host: str, namespace: str) -> "asyncio.Future[tuple[str, ...]]":
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[str, ...]] = loop.create_future()
        self._under_way[namespace] += 1

        def end(found: tuple[str, ...] | OSError) -> None:
            self._under_way[namespace] -= 1
            self._under_way += Counter()  # forgets who has none
            self._ended.set()
            if future.done():
                return
            if isinstance(found, OSError):
                future.set_exception(found)
            else:
                future.set_result(found)

        def work() -> None:
            found = _resolved(self._resolve, host)
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(end, found)

        # A daemon: the end of the process does not wait for a name server.
        threading.Thread(target=work, name="resolve", daemon=True).start()
        return future


def _resolved(resolve: Resolve, host: str) -> tuple[str, ...] | OSError:
    try:
        found = tuple(dict.fromkeys(str(ip_address(text)) for text in resolve(host)))
    except OSError as error:
        return error
    except ValueError:
        return socket.gaierror(socket.EAI_NONAME, "no usable name")
    return found or socket.gaierror(socket.EAI_NONAME, "no address")


def getaddrinfo(host: str) -> Iterator[str]:
    """IP addresses of a host by the system's resolver, which also reads `0x7f.1` and other odd spellings of IPv4."""
    for *_, address in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        yield str(address[0])


def forms(address: Address) -> tuple[Address, ...]:
    """The address itself, and the IPv4 addresses that it may lead to when it is a mapped or translated one."""
    if isinstance(address, IPv4Address):
        return (address,)
    packed = address.packed
    found: list[Any] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or address in _V4_COMPATIBLE:
        found.append(IPv4Address(packed[12:]))
    if address in _NAT64_LOCAL:
        # RFC 6052: where the IPv4 address lies depends on the length of the operator's prefix; byte 8 is skipped.
        places = ((6, 7, 9, 10), (7, 9, 10, 11), (9, 10, 11, 12), (12, 13, 14, 15))
        found += [IPv4Address(bytes(packed[place] for place in each)) for each in places]
    if packed[8:12] in (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe"):  # ISATAP
        found.append(IPv4Address(packed[12:]))
    return (address, *(form for form in found if form is not None))


def _always_refused(address: Address) -> str | None:
    if address.is_loopback:
        return "loopback"
    if address.is_link_local or (isinstance(address, IPv6Address) and address.is_site_local):
        return "link-local"
    if address.is_unspecified or address in _THIS_NETWORK or address == _BROADCAST:
        return "unspecified"
    if address.is_multicast:
        return "multicast"
    return "a metadata service" if address in _METADATA else None


def shown(url: str) -> str:
    """A URL as logs, Events and status may have it: no user, no values of its query, no control characters."""
    try:
        parts = urlsplit(url)
        _, _, host = parts.netloc.rpartition("@")
    except ValueError:
        return "(no usable URL)"
    query = "&".join(f"{name}=***" if equals else "***" for name, equals, _ in _pairs(parts.query))
    return visible(urlunsplit((parts.scheme, host, parts.path, query, "")))


def _pairs(query: str) -> list[tuple[str, str, str]]:
    return [pair.partition("=") for pair in re.split("[&;]", query)] if query else []
