"""When two objects ask for one host and path, the route that first had the traffic keeps it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.core.hostnames import (
    Claim,
    Claimant,
    Parent,
    Path,
    Scope,
    Standing,
    equal,
    fresh,
    overtakes,
    path_of,
    prefixes,
    takes,
    turned_down,
    wildcards,
)

PUBLIC = Parent("infra", "public")


def scope(*hosts, path="/", parents=(PUBLIC,), plain=True):
    return Scope(tuple(parents), hosts or ("*",), (Path(path_of(path), plain),))


def on(section=None, port=None, name="public"):
    return scope("pay.example", parents=(Parent("infra", name, section, port),))


PAY, SHOP = scope("pay.example"), scope("*.shop.example")

EQUAL = {
    "the same": (PAY, PAY, True),
    "another host": (PAY, scope("shop.example"), False),
    "one host of several": (scope("a.example", "pay.example"), scope("pay.example", "b.example"), True),
    "another path": (PAY, scope("pay.example", path="/v1"), False),
    "a slash at the end": (scope("pay.example", path="/v1/"), scope("pay.example", path="/v1"), True),
    "an escaped letter": (scope("pay.example", path="/%761"), scope("pay.example", path="/v1"), True),
    "another Gateway": (PAY, on(name="private"), False),
    "a Gateway of that name elsewhere": (PAY, scope("pay.example", parents=(Parent("ml", "public"),)), False),
    "one of several Gateways": (PAY, scope("pay.example", parents=(Parent("ml", "public"), PUBLIC)), True),
    "a listener against the whole Gateway": (on("https"), PAY, True),
    "the same listener": (on("https"), on("https"), True),
    "another listener": (on("https"), on("http"), False),
    "a port against the whole Gateway": (on(port=443), PAY, True),
    "another port": (on(port=443), on(port=80), False),
    "a listener that may have that port": (on("https"), on(port=443), True),
    "two routes without hostnames": (scope(), scope(), True),
    "a catch-all reserves no host": (scope(), PAY, False),
    "a wildcard reserves no narrower host": (scope("*.shop.example"), scope("eu.shop.example"), False),
    "the same wildcard": (scope("*.shop.example"), scope("*.shop.example"), True),
    "a route that wants a header, too": (PAY, scope("pay.example", plain=False), False),
}


@pytest.mark.parametrize(("one", "other", "wished"), EQUAL.values(), ids=EQUAL)
def test_two_scopes_are_equal_when_they_take_the_same_requests(one, other, wished):
    assert (equal(one, other), equal(other, one)) == (wished, wished)


TAKES = {
    "a deeper path": (scope("pay.example", path="/v1"), PAY, "takes pay.example/v1 out of pay.example/"),
    "the prefix itself": (PAY, scope("pay.example", path="/v1"), ""),
    "a path that only begins alike": (scope("pay.example", path="/v10"), scope("pay.example", path="/v1"), ""),
    "a header on the same path": (scope("pay.example", plain=False), PAY, "takes pay.example/ out of pay.example/"),
    "a narrower host": (scope("eu.shop.example"), SHOP, "takes eu.shop.example out of *.shop.example"),
    "a narrower host with a shorter path": (
        scope("eu.shop.example"), scope("*.shop.example", path="/v1"), "takes eu.shop.example out of *.shop.example",
    ),
    "two labels narrower": (scope("a.eu.shop.example"), SHOP, "takes a.eu.shop.example out of *.shop.example"),
    "a narrower wildcard": (scope("*.eu.shop.example"), SHOP, "takes *.eu.shop.example out of *.shop.example"),
    "a wider host": (SHOP, scope("eu.shop.example"), ""),
    "a wider host with a deeper path": (
        scope("*.example", path="/v1"), scope("eu.shop.example"), "may take eu.shop.example/v1 out of eu.shop.example/",
    ),
    "a catch-all with a deeper path": (scope(path="/v1"), PAY, "may take pay.example/v1 out of pay.example/"),
    "the domain of a wildcard": (scope("shop.example"), SHOP, ""),
    "a host that only ends alike": (scope("eshop.example"), SHOP, ""),
    "any host out of a catch-all": (PAY, scope(), ""),
    "a deeper path of a catch-all": (scope(path="/v1"), scope(), "takes */v1 out of */"),
    "on another Gateway": (on(name="private"), scope("*.example"), ""),
    "on another listener": (on("http"), scope("*.example", parents=(Parent("infra", "public", "https"),)), ""),
}  # fmt: skip


@pytest.mark.parametrize(("one", "other", "wished"), TAKES.values(), ids=TAKES)
def test_a_narrower_host_or_a_deeper_path_takes_traffic_out_of_another(one, other, wished):
    assert takes(one, other) == wished


LONG = "a-long-name-of-its-own.evil.example.org"
OVERTAKES = {
    "a wildcard beside a long hostname": (scope("*.example", LONG), PAY, True),
    "a wildcard alone": (scope("*.example"), PAY, False),
    "a wildcard as long as the host": (scope("*.example"), scope("p.example"), True),
    "the other route has a longer one": (scope("*.example", "b.evil.example.org"), scope("p.example", LONG), False),
    "a catch-all": (scope(), PAY, False),
    "a wildcard over others": (scope("*.shop.example", LONG), PAY, False),
    "another path": (scope("*.example", LONG, path="/v1"), PAY, False),
    "another Gateway": (scope("*.example", LONG, parents=(Parent("infra", "private"),)), PAY, False),
}


@pytest.mark.parametrize(("one", "other", "wished"), OVERTAKES.values(), ids=OVERTAKES)
def test_a_long_hostname_lifts_a_wildcard_above_a_host_on_some_gateways(one, other, wished):
    assert overtakes(one, other) is wished


def test_wildcards_and_prefixes_above_are_complete():
    assert list(wildcards("*.eu.shop.example")) == ["*.shop.example", "*.example"]
    assert list(prefixes("/a/b/c")) == ["/", "/a", "/a/b"]
    assert list(prefixes("/")) == []


FRESH = {
    "nothing is held": (PAY, None, 1),
    "all is held": (PAY, PAY, 0),
    "fewer hosts than before": (PAY, scope("pay.example", "b.example"), 0),
    "one more host": (scope("pay.example", "b.example"), PAY, 1),
    "another path": (scope("pay.example", path="/v1"), PAY, 1),
    "one listener of a Gateway that is held": (on("https"), PAY, 0),
    "the Gateway of a listener that is held": (PAY, on("https"), 1),
    "one more host and one more Gateway": (
        scope("pay.example", "b.example", parents=(PUBLIC, Parent("infra", "private"))), PAY, 2,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("wanted", "held", "parts"), FRESH.values(), ids=FRESH)
def test_only_what_is_new_is_in_question(wanted, held, parts):
    assert len(fresh(wanted, held)) == parts


VICTIM, THIEF = Claimant("ModelDeployment", "shop", "pay"), Claimant("ModelDeployment", "evil", "a")
OLD, NEW = "2026-11-28T10:00:00Z", "2026-11-28T11:00:00Z"


def claim(who, wanted, standing=Standing.ASKED, since=NEW):
    return Claim(who, wanted, standing, since)


VERDICTS = {
    "an older object asks for a host that a route carries": (
        claim(THIEF, PAY, since=OLD), None, claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
    "it has a route with another host": (
        claim(THIEF, PAY, since=OLD), scope("evil.example"), claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
    "it asks by the listener": (claim(THIEF, on("https"), since=OLD), None, claim(VICTIM, PAY, Standing.ROUTED), True),
    "the route carries it": (claim(VICTIM, PAY), PAY, claim(THIEF, PAY, Standing.ROUTED, OLD), False),
    "somebody deleted the route": (
        claim(VICTIM, PAY, Standing.KEPT), None, claim(THIEF, PAY, since=OLD), False,
    ),
    "somebody deleted the route of the other": (
        claim(THIEF, PAY, since=OLD), None, claim(VICTIM, PAY, Standing.KEPT), True,
    ),
    "a route that is gone is no route": (
        claim(THIEF, PAY, Standing.KEPT, OLD), None, claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
    "it was asked for earlier": (claim(THIEF, PAY, since=NEW), None, claim(VICTIM, PAY, since=OLD), True),
    "it was asked for later": (claim(VICTIM, PAY, since=OLD), None, claim(THIEF, PAY, since=NEW), False),
    "nothing says when it was asked for": (claim(THIEF, PAY, since=""), None, claim(VICTIM, PAY, since=NEW), True),
    "at the same time the names decide": (claim(VICTIM, PAY), None, claim(THIEF, PAY), True),
    "a wildcard overtakes a host that a route carries": (
        claim(THIEF, scope("*.example", LONG), since=OLD), None, claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
    "a long hostname is added to a wildcard that is held": (
        claim(THIEF, scope("*.example", LONG)), scope("*.example"), claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
    "a wildcard that overtakes is held": (
        claim(THIEF, scope("*.example", "b.example", LONG), since=OLD), scope("*.example", LONG),
        claim(VICTIM, PAY, Standing.ROUTED), False,
    ),
    "a host that nobody has a route for is not overtaken": (
        claim(THIEF, scope("*.example", LONG)), None, claim(VICTIM, PAY, since=OLD), False,
    ),
    "one host is held, and the new one is free": (
        claim(VICTIM, scope("pay.example", "b.example")), PAY, claim(THIEF, PAY, Standing.ROUTED, OLD), False,
    ),
    "one host is held, and the new one is not free": (
        claim(THIEF, scope("pay.example", "b.example")), scope("b.example"), claim(VICTIM, PAY, Standing.ROUTED), True,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("asked", "held", "rival", "wished"), VERDICTS.values(), ids=VERDICTS)
def test_who_is_turned_down(asked, held, rival, wished):
    assert (turned_down(asked, held, [rival]) is rival) is wished


def test_the_claim_that_stands_best_is_named():
    rivals = [claim(VICTIM, PAY, since=OLD), claim(Claimant("HTTPRoute", "x", "y"), PAY, Standing.ROUTED)]
    assert turned_down(claim(THIEF, PAY), None, rivals) is rivals[1]


HOSTS = st.sampled_from(["*", "a.example", "b.example", "*.example", "c.a.example"])
PARENTS = st.builds(Parent, st.just("infra"), st.sampled_from("pq"), st.sampled_from([None, "x", "y"]))
PATHS = st.builds(Path, st.sampled_from(["/", "/v1", "/v1/a"]), st.booleans())
SCOPES = st.builds(
    Scope,
    st.lists(PARENTS, min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(HOSTS, min_size=1, max_size=2, unique=True).map(tuple),
    st.lists(PATHS, min_size=1, max_size=2, unique=True).map(tuple),
)
CLAIMS = st.builds(
    Claim,
    st.builds(Claimant, st.just("ModelDeployment"), st.sampled_from("abc"), st.sampled_from("xy")),
    SCOPES,
    st.sampled_from(Standing),
    st.sampled_from(["", OLD, NEW]),
)


@given(CLAIMS, st.lists(CLAIMS, max_size=4), st.data())
def test_no_claim_of_anybody_puts_in_question_what_a_route_carries(own, others, data):
    kept = data.draw(st.lists(st.sampled_from(own.scope.hosts), min_size=1, unique=True).map(tuple))
    asked = Claim(own.claimant, Scope(own.scope.parents, kept, own.scope.paths), Standing.ASKED, own.since)
    assert turned_down(asked, own.scope, others) is None


@given(CLAIMS, CLAIMS)
def test_of_two_equal_claims_exactly_one_is_turned_down(one, other):
    one, other = (Claim(each.claimant, each.scope, Standing.ASKED, each.since) for each in (one, other))
    lost = [turned_down(one, None, [other]) is not None, turned_down(other, None, [one]) is not None]
    met = equal(one.scope, other.scope) and one.claimant != other.claimant
    assert sum(lost) == (1 if met else 0)
