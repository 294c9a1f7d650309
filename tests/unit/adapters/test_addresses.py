import asyncio
import socket
import threading
import time
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.adapters.addresses import (
    LOOKUPS,
    STALE_SECONDS,
    Addresses,
    AddressList,
    forms,
    getaddrinfo,
    shown,
)
from modelramp.api.errors import AddressRefused

API_SERVER = "10.96.0.1"


def book(names):
    """A resolver that knows these names, and otherwise spells IPv4 as the system does."""

    def resolve(host):
        if host in names:
            return names[host]
        return list(getaddrinfo(host))

    return resolve


def addresses(allowed=(), denied=(), names=None, **options):
    known = {"kubernetes.default.svc": [API_SERVER], **(names or {})}
    return Addresses(
        AddressList.of(allowed),
        AddressList.of(denied),
        (API_SERVER, "kubernetes.default.svc"),
        resolve=book(known),
        **options,
    )


INNER = [
    "http://127.0.0.1:9090",
    "http://127.255.1.2",
    "http://localhost:8080",
    "http://0x7f.1",
    "http://0177.0.0.1",
    "http://2130706433",
    "http://127.1",
    "http://0",
    "http://0.0.0.0",
    "http://0.1.2.3",
    "http://[::1]:9090",
    "http://[::]",
    "http://[::127.0.0.1]",
    "http://[::ffff:127.0.0.1]",
    "http://[::ffff:7f00:1]",
    "http://[::ffff:a9fe:a9fe]",
    "http://[2002:7f00:1::]",
    "http://[2002:a9fe:a9fe::1]",
    "http://[64:ff9b::7f00:1]",
    "http://[64:ff9b::169.254.169.254]",
    "http://[64:ff9b:1::a9fe:a9fe]",
    "http://[64:ff9b:1:a9fe:00a9:fe00::]",
    "http://[2001:0:7f00:1::]",
    "http://[2001:db8::5efe:127.0.0.1]",
    "http://169.254.169.254/latest/meta-data",
    "http://[fe80::1]",
    "http://[fe80::1%25lo]",
    "http://[fec0::1]",
    "http://[ff02::1]",
    "http://224.0.0.1",
    "http://255.255.255.255",
    "http://[fd00:ec2::254]",
    "http://168.63.129.16",
    "http://100.100.100.200",
    f"https://{API_SERVER}",
    f"https://[::ffff:{API_SERVER}]:443",
    f"http://[64:ff9b::{API_SERVER}]",
    "https://kubernetes.default.svc",
    "https://KUBERNETES.default.svc.:443",
]


@pytest.mark.parametrize("url", INNER)
async def test_what_only_the_operator_can_reach_is_refused(url):
    with pytest.raises(AddressRefused):
        await addresses().admitted(url)


@pytest.mark.parametrize("url", ["http://", "http://[::1", "http://a..b", "http://" + "a" * 300, "http://h:99999"])
async def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(AddressRefused):
        await addresses().admitted(url)


@pytest.mark.parametrize("inner", ["127.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", API_SERVER])
async def test_a_name_is_judged_by_every_address_that_it_has(inner):
    known = {"metrics.example.com": ["198.51.100.7", inner]}
    with pytest.raises(AddressRefused):
        await addresses(names=known).admitted("https://metrics.example.com/prometheus")


async def test_an_admitted_name_comes_with_the_addresses_that_were_checked():
    known = {"metrics.example.com": ["198.51.100.7", "198.51.100.7", "2001:DB8::7"]}
    pinned = await addresses(names=known).admitted("https://Metrics.Example.com./prometheus")
    assert (pinned.port, pinned.ips) == (443, ("198.51.100.7", "2001:db8::7"))


async def test_services_in_the_cluster_are_admitted_unless_their_range_is_denied():
    assert (await addresses().admitted("http://10.96.3.4:9090")).ips == ("10.96.3.4",)
    for url in ("http://10.96.3.4:9090", "http://[::ffff:10.96.3.4]", "http://[64:ff9b::10.96.3.4]"):
        with pytest.raises(AddressRefused):
            await addresses(denied=["10.96.0.0/12"]).admitted(url)


ALLOWED = {
    "a host": ("metrics.internal", "http://metrics.internal:9090"),
    "a host with a dot and capitals": ("Metrics.Internal.", "http://METRICS.internal.:9090"),
    "a suffix": ("*.internal", "http://metrics.internal"),
    "a suffix as people write it too": (".internal", "http://a.metrics.internal"),
    "a range": ("127.0.0.0/8", "http://127.9.9.9"),
    "an address": ("::1", "http://[::1]:9090"),
    "a mapped address of a range": ("127.0.0.0/8", "http://[::ffff:127.0.0.1]"),
    "the API server": (API_SERVER, "https://kubernetes.default.svc"),
}


@pytest.mark.parametrize(("entry", "url"), ALLOWED.values(), ids=ALLOWED)
async def test_the_allow_list_admits_what_would_be_refused(entry, url):
    names = {"metrics.internal": ["127.0.0.1"], "a.metrics.internal": ["127.0.0.1"]}
    assert await addresses([entry], denied=["0.0.0.0/0"], names=names).admitted(url)


NOT_ALLOWED = {
    "the name of the suffix itself": ("*.internal", "http://internal"),
    "a name that only ends alike": ("*.internal", "http://evilinternal"),
    "a host below": ("metrics.internal", "http://a.metrics.internal"),
    "a translated address of a range": ("198.51.100.0/24", "http://[64:ff9b:1:c633:64:7f00:0:1]"),
    "another address": ("127.0.0.2", "http://127.0.0.1"),
}


@pytest.mark.parametrize(("entry", "url"), NOT_ALLOWED.values(), ids=NOT_ALLOWED)
async def test_the_allow_list_admits_nothing_else(entry, url):
    names = {host: ["127.0.0.1"] for host in ("internal", "evilinternal", "a.metrics.internal")}
    with pytest.raises(AddressRefused):
        await addresses([entry], names=names).admitted(url)


@pytest.mark.parametrize("entry", ["http://a.example.com", "a b", "10.0.0.0/33", "", "*", "a..b", "host:9090"])
def test_an_entry_that_is_none_is_refused(entry):
    with pytest.raises(ValueError, match="must be a host, a suffix"):
        AddressList.of([entry])


async def test_every_refusal_has_the_same_words():
    """Whether a name exists, and what is behind it, is nobody's business."""
    words = set()
    for url in ("http://127.0.0.1", "http://no-such-host.invalid", API_SERVER.join(("https://", "")), "http://a..b"):
        with pytest.raises(AddressRefused) as caught:
            await addresses().admitted(url)
        words.add(str(caught.value))
    assert words == {AddressRefused.MESSAGE}


async def test_the_log_gets_the_cause():
    with pytest.raises(AddressRefused) as caught:
        await addresses().admitted("http://localhost")
    assert "loopback" in caught.value.cause


async def test_a_name_that_does_not_resolve_may_do_so_later():
    def resolve(_host):
        raise socket.gaierror(socket.EAI_AGAIN, "later")

    with pytest.raises(AddressRefused) as caught:
        await Addresses(resolve=resolve).admitted("http://metrics.example.com")
    assert not caught.value.resolved


@given(st.integers(0, 2**32 - 1), st.sampled_from(["::ffff:0:0", "::", "64:ff9b::"]))
def test_no_wrapping_hides_an_ipv4_address(number, prefix):
    inner = ip_address(number)
    assert inner in forms(ip_address(int(ip_address(prefix)) + number))
    assert inner in forms(ip_address((0x2002 << 112) + (number << 80)))


class Hanging:
    """A resolver whose names of one zone never answer until they are let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.asked = []

    def __call__(self, host):
        self.asked.append(host)
        if host.endswith(".hang"):
            self.let_go.wait(20)
        return ["198.51.100.7"]


@pytest.fixture
def hanging(monkeypatch):
    monkeypatch.setattr("modelramp.adapters.addresses.RESOLVE_SECONDS", 0.3)
    resolver = Hanging()
    yield resolver
    resolver.let_go.set()


async def test_names_that_never_answer_cost_only_their_own_namespace(hanging):
    checker = Addresses(resolve=hanging)
    doomed = [asyncio.create_task(checker.admitted(f"http://{n}.hang", "evil")) for n in range(200)]
    await asyncio.sleep(0.05)
    began = time.monotonic()
    assert await checker.admitted("http://metrics.example.com", "shop")
    assert time.monotonic() - began < 0.25
    for each in await asyncio.gather(*doomed, return_exceptions=True):
        assert isinstance(each, AddressRefused)
    assert len(hanging.asked) < LOOKUPS, "each of them had a thread"


async def test_a_namespace_whose_lookups_hang_has_them_again_when_they_end(hanging):
    checker = Addresses(resolve=hanging)
    for n in range(2):
        with pytest.raises(AddressRefused):
            await checker.admitted(f"http://{n}.hang", "evil")
    with pytest.raises(AddressRefused):
        await checker.admitted("http://metrics.example.com", "evil")
    hanging.let_go.set()
    assert await checker.admitted("http://metrics.example.com", "evil")


async def test_a_name_is_looked_up_once_for_all_who_ask_at_a_time(hanging):
    checker = Addresses(resolve=hanging)
    await asyncio.gather(*(checker.admitted("http://metrics.example.com", str(n)) for n in range(50)))
    assert hanging.asked == ["metrics.example.com"]


async def test_who_gives_up_waiting_does_not_end_the_lookup_of_others(hanging):
    checker = Addresses(resolve=hanging)
    first, second = (asyncio.create_task(checker.admitted("http://a.hang", each)) for each in ("ml", "shop"))
    await asyncio.sleep(0.05)
    first.cancel()
    hanging.let_go.set()
    assert (await second).ips == ("198.51.100.7",)


async def test_a_name_server_that_fails_costs_no_name_that_was_known():
    now, broken = [0.0], [False]

    def resolve(_host):
        if broken[0]:
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return ["198.51.100.7"]

    checker = Addresses(resolve=resolve, monotonic=lambda: now[0])
    await checker.admitted("http://metrics.example.com")
    broken[0], now[0] = True, 60.0
    assert (await checker.admitted("http://metrics.example.com")).ips == ("198.51.100.7",)
    now[0] = STALE_SECONDS + 1
    with pytest.raises(AddressRefused):
        await checker.admitted("http://metrics.example.com")


SHOWN = {
    "https://hooks.example.com/a?token=hush&x=hush": "https://hooks.example.com/a?token=***&x=***",
    "https://hooks.example.com/a?hush": "https://hooks.example.com/a?***",
    "https://ann:hush@hooks.example.com:8443/a#hush": "https://hooks.example.com:8443/a",
    "https://ann:hush@x@hooks.example.com/a;b?q=hush;z=hush": "https://hooks.example.com/a;b?q=***&z=***",
    "http://h/\x1b[2J\u202egpj": "http://h/\\x1b[2J\\u202egpj",
    "http://[::1?token=hush": "(no usable URL)",
    "http://plain:9090/prometheus": "http://plain:9090/prometheus",
}


@pytest.mark.parametrize(("url", "text"), SHOWN.items())
def test_a_url_is_shown_without_its_secrets(url, text):
    assert shown(url) == text
