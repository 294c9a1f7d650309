"""What the store says of hosts that several objects ask for, as routes and objects come, change and go."""

import random
import re
from collections import Counter

import pytest

from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.routing import Routing
from modelramp.core.host_bindings import read_bindings
from modelramp.core.hostnames import Claim, Claimant, Standing, taken_by, turned_down
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.engine.hosts import Hosts, asked_at, claim_of_route
from modelramp.engine.store import Store

VICTIM, THIEF = ("shop", "pay"), ("evil", "a")
PARENT = {"namespace": "infra", "name": "public"}


class Cluster:
    """A store, and short ways to tell it what a watch would."""

    def __init__(self, bindings=""):
        self.store = Store(read_bindings(bindings))
        self.version = 1
        self.deaths = Counter()
        self.objects = {}

    def deployment(
        self, key, *hosts, created="10:00:00", patched=None, path="/", parent=None, event="MODIFIED", **status
    ):
        self.version += 1
        before = self.objects.get(key, {"metadata": {"generation": 0}})
        obj = {
            "metadata": {
                "namespace": key[0],
                "name": key[1],
                "uid": self.uid("uid", key),
                "resourceVersion": str(self.version),
                "generation": before["metadata"]["generation"] + 1,
                "creationTimestamp": f"2026-11-28T{created}Z",
                "managedFields": [{"time": f"2026-11-28T{patched or created}Z"}],
            },
            "spec": {
                "model": {"name": "m", "version": "1"},
                "template": {"spec": {"containers": [{"name": "model", "image": "m:1"}]}},
                "routing": {
                    "gateway": {"parentRefs": [parent or PARENT], "hostnames": list(hosts), "path": path},
                },
            },
            "status": status,
        }
        self.objects[key] = obj
        self.store.observe(MODEL_DEPLOYMENT, event, obj)
        self.deaths[("uid", *key)] += event == "DELETED"

    def route(self, key, *hosts, owner=None, name=None, event="MODIFIED", path="/"):
        self.version += 1
        uid = self.uid("uid", key) if owner is None else owner
        references = [{"uid": uid, "controller": True}] if uid else []
        self.store.observe(
            HTTP_ROUTE,
            event,
            {
                "kind": "HTTPRoute",
                "metadata": {
                    "namespace": key[0],
                    "name": name or key[1],
                    "uid": self.uid("route", (key[0], name or key[1])),
                    "resourceVersion": str(self.version),
                    "creationTimestamp": "2026-11-28T10:30:00Z",
                    "labels": {"modelramp.io/deployment": key[1]},
                    "ownerReferences": references,
                },
                "spec": {
                    "parentRefs": [PARENT],
                    "hostnames": list(hosts),
                    "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}}], "backendRefs": []}],
                },
            },
        )

        self.deaths["route", key[0], name or key[1]] += event == "DELETED"

    def uid(self, what, key):
        """What is made anew under its old name has another uid."""
        return f"{what}-{key[0]}-{key[1]}-{self.deaths[(what, *key)]}"

    def rival(self, key):
        """Who keeps the object from its hosts, in the words of its status."""
        found = re.match("(.*?) (has had|asked for) ", self.store.turned_down(key))
        return found[1] if found else None


@pytest.fixture
def cluster():
    return Cluster()


@pytest.fixture
def served(cluster):
    """The victim has the traffic of its host; the thief's object is older and has the traffic of another."""
    cluster.deployment(THIEF, "evil.example", created="09:00:00")
    cluster.route(THIEF, "evil.example")
    cluster.deployment(VICTIM, "pay.example")
    cluster.route(VICTIM, "pay.example")
    return cluster


def test_an_older_object_that_is_patched_to_a_host_with_traffic_is_turned_down(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")

    assert (served.rival(VICTIM), served.rival(THIEF)) == (None, "ModelDeployment shop/pay")


def test_the_same_after_a_restart_whatever_is_listed_first(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    for first, second in ((VICTIM, THIEF), (THIEF, VICTIM)):
        fresh = Cluster()
        fresh.route(first, "pay.example" if first == VICTIM else "evil.example")
        fresh.route(second, "pay.example" if second == VICTIM else "evil.example")
        for key in (first, second):
            fresh.store.observe(MODEL_DEPLOYMENT, "ADDED", served.objects[key])

        assert (fresh.rival(VICTIM), fresh.rival(THIEF)) == (None, "ModelDeployment shop/pay")


def test_a_route_that_somebody_deletes_leaves_the_host_where_it_was(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    served.route(VICTIM, "pay.example", event="DELETED")

    assert (served.rival(VICTIM), served.rival(THIEF)) == (None, "ModelDeployment shop/pay")


def routed_before(ready="Promoted", generation=2):
    """The status that an object has while its route is there; its spec was changed once before."""
    found = [{"type": "Available", "status": "True"}, {"type": "Ready", "reason": ready}]
    return {"observedGeneration": generation, "conditions": found}


STATUSES = {
    "it had its hosts": (routed_before(), None),
    "its spec was changed meanwhile": (routed_before(generation=1), "ModelDeployment evil/a"),
    "it had been turned down": (routed_before("HostnameTaken"), "ModelDeployment evil/a"),
    "it had no route": ({"observedGeneration": 2}, "ModelDeployment evil/a"),
    "nonsense": ({"observedGeneration": 2, "conditions": [{}]}, "ModelDeployment evil/a"),
}


@pytest.mark.parametrize(("status", "rival"), STATUSES.values(), ids=STATUSES)
def test_a_route_that_somebody_deletes_while_no_operator_runs(cluster, status, rival):
    cluster.deployment(VICTIM, "pay.example")
    cluster.deployment(VICTIM, "pay.example", patched="11:00:00", **status)
    cluster.deployment(THIEF, "pay.example", created="09:00:00")
    restarted = Cluster()
    for key in (THIEF, VICTIM):
        restarted.store.observe(MODEL_DEPLOYMENT, "ADDED", cluster.objects[key])

    assert restarted.rival(VICTIM) == rival


def test_the_host_is_free_when_its_route_goes_with_its_object(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    served.deployment(VICTIM, "pay.example", event="DELETED")
    assert served.rival(THIEF) == "HTTPRoute shop/pay"

    served.route(VICTIM, "pay.example", event="DELETED")
    assert served.rival(THIEF) is None


def test_the_host_is_free_when_its_route_has_left_it(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    served.deployment(VICTIM, "new.example", patched="12:00:00")
    assert served.rival(THIEF) == "ModelDeployment shop/pay"

    served.route(VICTIM, "new.example")
    assert served.rival(THIEF) is None


def test_what_was_turned_down_and_lost_its_route_keeps_its_own_host_from_nobody(served):
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    served.route(THIEF, "evil.example", event="DELETED")
    other = ("ml", "other")
    served.deployment(other, "evil.example", created="12:00:00")

    assert served.rival(other) is None


def test_while_nobody_has_a_route_the_first_who_asked_stands(cluster):
    cluster.deployment(THIEF, "evil.example", created="09:00:00")
    cluster.deployment(VICTIM, "pay.example")
    cluster.deployment(THIEF, "pay.example", created="09:00:00", patched="10:00:01")

    assert (cluster.rival(VICTIM), cluster.rival(THIEF)) == (None, "ModelDeployment shop/pay")


def test_a_first_version_that_cannot_start_loses_what_it_asked_for(cluster):
    cluster.deployment(VICTIM, "pay.example")
    cluster.deployment(THIEF, "pay.example", created="11:00:00")
    assert cluster.rival(THIEF) == "ModelDeployment shop/pay"

    cluster.deployment(VICTIM, "pay.example", phase="Degraded")
    assert cluster.rival(THIEF) is None


def test_who_is_turned_down_keeps_nothing_from_others(served):
    served.deployment(THIEF, "pay.example", "soon.example", created="09:00:00", patched="11:00:00")
    other = ("ml", "other")
    served.deployment(other, "soon.example", created="12:00:00")

    assert served.rival(other) is None


def test_another_write_to_the_spec_is_not_another_question(cluster):
    cluster.deployment(VICTIM, "pay.example")
    cluster.deployment(THIEF, "pay.example", created="10:00:01")
    cluster.deployment(VICTIM, "pay.example", patched="12:00:00")

    assert cluster.rival(VICTIM) is None


def test_a_copy_of_a_route_is_somebody_elses(served):
    served.route(THIEF, "pay.example", name="copy", owner="")
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    other = ("ml", "other")
    served.deployment(other, "pay.example", created="12:00:00")

    assert served.rival(VICTIM) is None
    assert served.rival(other) == "HTTPRoute evil/copy"
    served.route(VICTIM, "pay.example", event="DELETED")
    served.deployment(VICTIM, "pay.example", event="DELETED")
    assert served.rival(THIEF) == "HTTPRoute evil/copy"


def test_an_object_made_anew_under_its_old_name_begins_anew(served):
    served.deployment(VICTIM, "pay.example", event="DELETED")
    served.route(VICTIM, "pay.example", event="DELETED")
    served.deployment(THIEF, "pay.example", created="09:00:00", patched="11:00:00")
    served.route(THIEF, "pay.example")
    served.deployment(VICTIM, "pay.example", created="12:00:00")

    assert (served.rival(VICTIM), served.rival(THIEF)) == ("ModelDeployment evil/a", None)


TIMES = {
    "never changed": ({"generation": 1, "creationTimestamp": "a", "managedFields": [{"time": "b"}]}, "a"),
    "changed": ({"generation": 2, "managedFields": [{"time": "b"}, {"time": "c"}, {"time": "a"}]}, "c"),
    "its status was written": (
        {"generation": 2, "managedFields": [{"time": "b"}, {"time": "c", "subresource": "status"}]}, "b",
    ),
    "nothing is known": ({"generation": 2}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("metadata", "wished"), TIMES.values(), ids=TIMES)
def test_when_a_spec_became_what_it_is(metadata, wished):
    assert asked_at({"metadata": metadata}) == wished


def test_the_index_says_what_a_look_at_everything_would_say():
    """A thousand changes at random: by place, nothing is overlooked and nothing stays behind."""
    chance = random.Random(7)  # noqa: S311 - a test, not a secret
    cluster = Cluster()
    keys = [(namespace, name) for namespace in "abc" for name in ("x", "y")]
    hosts = ["p.example", "q.example", "*.example", "a.long.host.elsewhere"]
    for _ in range(1000):
        key = chance.choice(keys)
        wanted = chance.sample(hosts, chance.randint(0, 2))
        path = chance.choice(["/", "/v1"])
        event = "DELETED" if chance.random() < 0.2 else "MODIFIED"
        if chance.random() < 0.5:
            cluster.deployment(key, *wanted, created=f"10:00:0{chance.randint(0, 9)}", path=path, event=event)
        else:
            cluster.route(key, *wanted, event=event, path=path)
        for one in keys:
            assert cluster.store.turned_down(one) == looked_up(cluster.store.hosts, one)
    assert len(cluster.store.hosts._claims) > 3


def looked_up(hosts: Hosts, key):
    """The same by comparing with every claim that there is."""
    everything = [claim for claims in hosts._claims.values() for claim in claims]
    routed = [claim for claim in everything if claim.standing is not Standing.ASKED]

    def down(asked: Claim, among):
        held = hosts.of(asked.claimant, Standing.ROUTED)
        return turned_down(asked, held.scope if held else None, among)

    me = Claimant("ModelDeployment", *key)
    asked, kept = hosts.of(me, Standing.ASKED), hosts.of(me, Standing.KEPT)
    if asked is None:
        return ""
    if kept is not None:
        asked = Claim(me, asked.scope, Standing.KEPT, kept.since)
    waiting = [claim for claim in everything if claim.standing is Standing.ASKED and down(claim, routed) is None]
    found = down(asked, routed) or down(asked, waiting)
    return taken_by(found, asked) if found else ""


BOUND = "pay.example=shop"


def test_a_host_that_is_bound_to_another_namespace_is_turned_down_and_nobody_else_is_named():
    cluster = Cluster(BOUND)
    cluster.deployment(THIEF, "pay.example", created="09:00:00")
    cluster.deployment(VICTIM, "pay.example")

    assert cluster.store.turned_down(THIEF).startswith(
        "the operator's setting MODELRAMP_HOST_BINDINGS binds pay.example"
    )
    assert "shop" not in cluster.store.turned_down(THIEF)
    assert cluster.store.turned_down(VICTIM) == ""


def test_a_narrower_host_under_a_bound_one_is_turned_down():
    cluster = Cluster(BOUND)
    cluster.deployment(THIEF, "eu.pay.example")

    assert "binds eu.pay.example to other namespaces" in cluster.store.turned_down(THIEF)


def test_whom_a_host_is_bound_to_is_kept_from_it_by_nobody_else():
    cluster = Cluster(BOUND)
    cluster.deployment(THIEF, "pay.example", created="09:00:00")
    cluster.route(THIEF, "pay.example")  # it was there before the setting
    cluster.deployment(VICTIM, "pay.example")

    assert cluster.store.turned_down(VICTIM) == ""
    assert "binds pay.example" in cluster.store.turned_down(THIEF)


def foreign(namespace, name, *hosts, path="/", **more):
    route = {
        "kind": "HTTPRoute",
        "metadata": {"namespace": namespace, "name": name, "creationTimestamp": "2026-11-28T10:10:00Z"},
        "spec": {
            "parentRefs": [PARENT],
            "hostnames": list(hosts),
            "rules": [{"matches": [{"path": {"type": "PathPrefix", "value": path}}]}],
        },
        **more,
    }
    return claim_of_route(route)


def test_a_route_of_nobody_here_keeps_its_host_from_who_asks_later(cluster):
    cluster.deployment(VICTIM, "pay.example")
    cluster.store.hosts.foreign([foreign("old", "pay", "pay.example")])
    assert cluster.rival(VICTIM) == "HTTPRoute old/pay"

    cluster.store.hosts.foreign([])
    assert cluster.rival(VICTIM) is None


def test_a_route_of_nobody_here_that_comes_later_changes_nothing_and_is_said(served):
    served.store.hosts.foreign([foreign("new", "pay", "pay.example")])

    assert served.rival(VICTIM) is None
    assert served.store.hosts.shared(VICTIM) == (
        "HTTPRoute new/pay has the same hostname and path: the older of the two routes gets the traffic"
    )


REFUSED = {"parents": [{"parentRef": PARENT, "conditions": [{"type": "Accepted", "status": "False"}]}]}


def test_a_route_that_its_gateway_refuses_keeps_no_host_from_anybody(cluster):
    cluster.deployment(VICTIM, "pay.example")
    cluster.store.hosts.foreign([foreign("old", "pay", "pay.example", status=REFUSED)])

    assert cluster.rival(VICTIM) is None


SHARES = {
    "a narrower host": (
        ("*.shop.example", "/"), ("eu.shop.example", "/"), "takes eu.shop.example out of *.shop.example",
    ),
    "a deeper path": (("pay.example", "/"), ("pay.example", "/v1"), "takes pay.example/v1 out of pay.example/"),
    "a much deeper path": (("a.example", "/v"), ("a.example", "/v/a/b"), "takes a.example/v/a/b out of a.example/v"),
}  # fmt: skip


@pytest.mark.parametrize(("wide", "narrow", "words"), SHARES.values(), ids=SHARES)
def test_a_narrower_host_or_deeper_path_is_allowed_and_said_on_both(cluster, wide, narrow, words):
    for key, (host, path) in ((VICTIM, wide), (THIEF, narrow)):
        cluster.deployment(key, host, path=path)
        assert cluster.store.turned_down(key) == ""
        cluster.route(key, host, path=path)

    assert cluster.store.hosts.shared(VICTIM) == f"ModelDeployment evil/a {words}"
    assert cluster.store.hosts.shared(THIEF) == f"it {words} of ModelDeployment shop/pay"


def test_a_wildcard_beside_a_long_hostname_does_not_overtake_a_host_that_has_traffic(served):
    served.deployment(THIEF, "*.example", "a-long-name.of-its-own.example.org", created="09:00:00", patched="11:00:00")
    assert served.rival(THIEF) == "ModelDeployment shop/pay"
    assert "a hostname under a wildcard of this one" in served.store.turned_down(THIEF)

    served.deployment(THIEF, "*.example", created="09:00:00", patched="11:00:00")
    assert served.rival(THIEF) is None


def test_siblings_and_a_catch_all_are_not_said(cluster):
    for number, (host, path) in enumerate(
        [("pay.example", "/a"), ("pay.example", "/ab"), ("pay.example", "/b"), ("shop.example", "/")]
    ):
        cluster.deployment(("ml", f"m{number}"), host, path=path)
        cluster.route(("ml", f"m{number}"), host, path=path)
    cluster.deployment(THIEF)
    cluster.route(THIEF)

    assert {cluster.store.hosts.shared(key) for key in cluster.objects} == {""}


def test_many_under_one_wildcard_are_counted_in_words(cluster):
    cluster.deployment(VICTIM, "*.shop.example")
    cluster.route(VICTIM, "*.shop.example")
    for number in range(9):
        cluster.deployment(("ml", f"m{number}"), f"m{number}.shop.example")
        cluster.route(("ml", f"m{number}"), f"m{number}.shop.example")

    said = cluster.store.hosts.shared(VICTIM)
    assert said.count("out of *.shop.example") == 3
    assert said.endswith("; and more")


def test_a_route_that_somebody_deletes_stays_with_who_had_it_though_another_asked_earlier(cluster):
    cluster.deployment(THIEF, "pay.example", created="09:00:00", phase="Degraded")
    cluster.deployment(VICTIM, "pay.example")
    cluster.route(VICTIM, "pay.example")
    cluster.deployment(THIEF, "pay.example", created="09:00:00")
    cluster.route(VICTIM, "pay.example", event="DELETED")

    assert (cluster.rival(VICTIM), cluster.rival(THIEF)) == (None, "ModelDeployment shop/pay")


PREVIEW, NEXT, ELSEWHERE = ("a", "pay"), ("b", "pay"), ("c", "pay")


@pytest.fixture
def previews():
    """Asks for hosts of a preview, and says who has them already."""
    hosts = Hosts()

    def ask(key, *names, gateway="public"):
        parent = {"namespace": "infra", "name": gateway}
        routing = Routing.model_validate({"gateway": {"parentRefs": [parent], "hostnames": ["x.example"]}})
        found = re.match("(.*?) has had ", hosts.preview_turned_down(key, routing, names))
        return found[1] if found else None

    ask.hosts = hosts
    return ask


@pytest.mark.parametrize(("first", "second"), [(PREVIEW, NEXT), (NEXT, PREVIEW)])
def test_of_two_previews_without_a_route_the_first_to_ask_has_the_host(previews, first, second):
    assert previews(first, "p.example") is None
    assert previews(second, "p.example") == f"ModelDeployment {first[0]}/pay"
    assert previews(first, "p.example") is None, "asking again loses nothing"


def test_previews_on_other_gateways_or_hosts_are_in_nobody_s_way(previews):
    assert previews(PREVIEW, "p.example", "q.example") is None
    assert previews(NEXT, "p.example", gateway="another") is None
    assert previews(ELSEWHERE, "r.example") is None


@pytest.mark.parametrize("end", ["a preview that ends", "an object that is gone"])
def test_a_host_is_free_again_after(previews, end):
    previews(PREVIEW, "p.example")
    if end == "a preview that ends":
        previews(PREVIEW)
    else:
        previews.hosts.learn(PREVIEW, None, None, ())
    assert previews(NEXT, "p.example") is None
    assert previews(PREVIEW, "p.example") == "ModelDeployment b/pay"


def test_a_preview_that_asks_for_other_hosts_leaves_its_first(previews):
    previews(PREVIEW, "p.example")
    previews(PREVIEW, "q.example")
    assert previews(NEXT, "p.example") is None
    assert previews(ELSEWHERE, "q.example") == "ModelDeployment a/pay"
