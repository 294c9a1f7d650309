"""What arrives from the API server: out of order, twice, late, odd, or not at all. Nothing of it stops the rest."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelramp.api.errors import ApiServerUnavailable
from modelramp.api.kinds import ENDPOINT_SLICE, HEALTH_POLICY, MODEL_DEPLOYMENT, POLICIES, SERVICE
from modelramp.desired.kinds import watched
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.engine.listing import Listing
from modelramp.engine.ports import TOO_DEEP
from modelramp.engine.store import Store
from tests.unit.engine.test_policies_and_their_users import WEB, deployment, limit, policy
from tests.unit.engine.test_whose_children_are_believed import CHILD, KEY, child, endpoints


class Clock:
    """Virtual time: sleeping gives the loop back."""

    def __init__(self):
        self.time = 1_700_000_000.0
        self.slept = []

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds
        await asyncio.sleep(0)


class Cluster:
    """Lists what it is given, page by page; watches report `meanwhile` (by kind) after its first page."""

    def __init__(self, **pages):
        self.of = pages
        self.meanwhile = {}
        self.written = []

    async def pages(self, kind, namespace=None, selector=""):
        for page in self.of.get(kind.kind, ((),)):
            yield tuple(page)
            for event, obj in self.meanwhile.pop(kind.kind, ()):
                self.watch(kind, event, obj)

    async def replace_status(self, obj):
        self.written.append(obj)
        return obj


class Silent(Cluster):
    """Fails `times` times before it answers."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    async def pages(self, kind, namespace=None, selector=""):
        if self.times:
            self.times -= 1
            raise ApiServerUnavailable(f"list {kind.plural}: no answer")
        async for page in super().pages(kind, namespace, selector):
            yield page


class Telemetry:
    def __init__(self):
        self.warned, self.gauges = [], {}

    def warn(self, event, **fields):
        self.warned.append((event, fields))

    log = warn

    def count(self, metric, **labels):
        pass

    def gauge(self, metric, value, **labels):
        if value is None:
            self.gauges.pop((metric, *labels.values()), None)
        else:
            self.gauges[metric, *labels.values()] = value


def listing(cluster=None, clock=None, **store):
    marked = []
    made = Listing(
        store=store.get("store") or Store(),
        cluster=cluster or Cluster(),
        telemetry=Telemetry(),
        clock=clock or Clock(),
        namespaces=(),
        sweep_interval=600.0,
        mark=marked.append,
        beat=lambda: None,
    )
    made.marked = marked
    made._cluster.watch = made.observe
    return made


def unreadable(found):
    return {labels[1:] for labels in found._telemetry.gauges if labels[0] == "modelramp_unreadable_objects"}


# versions


@pytest.mark.parametrize(("first", "second"), [("9", "10"), ("99", "100"), ("999999", "1000000")])
@pytest.mark.parametrize("kind", [MODEL_DEPLOYMENT, DEPLOYMENT, HEALTH_POLICY], ids=lambda kind: kind.kind)
def test_versions_are_numbers_and_no_texts(kind, first, second):
    def seen(version, value):
        if kind == HEALTH_POLICY:
            return policy(value, version=version)
        if kind == MODEL_DEPLOYMENT:
            obj = deployment("digits", version=version)
            return {**obj, "status": {"breaches": value}}
        return child(DEPLOYMENT, version=version, spec={"replicas": value})

    found = listing()
    store = found.store
    store.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB, version=1))
    for version, value in ((first, 1), (second, 2), (first, 1)):
        found.observe(kind, "MODIFIED", seen(version, value))
    known = {
        MODEL_DEPLOYMENT: lambda: store.records[KEY].obj["status"]["breaches"],
        DEPLOYMENT: lambda: store.children(KEY, DEPLOYMENT)[CHILD]["spec"]["replicas"],
        HEALTH_POLICY: lambda: next(iter(store.policies._known.values())).policy.spec.parameters[0].default,
    }
    assert int(known[kind]()) == 2


def test_late_news_of_a_former_object_of_that_name_change_nothing():
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", version=1))
    former, present = child(DEPLOYMENT, uid="old", version=5), child(DEPLOYMENT, uid="new", version=8)
    for event, obj in (("ADDED", former), ("ADDED", present), ("MODIFIED", former), ("DELETED", former)):
        found.observe(DEPLOYMENT, event, obj)
    assert found.store.children(KEY, DEPLOYMENT)[CHILD]["metadata"]["uid"] == "new"

    again = deployment("digits", version=9)
    again["metadata"]["uid"] = "another"
    found.observe(MODEL_DEPLOYMENT, "ADDED", again)
    for event in ("MODIFIED", "DELETED"):
        found.observe(MODEL_DEPLOYMENT, event, deployment("digits", version=8))
    assert found.store.records[KEY].uid == "another"


# lists


async def test_what_was_added_while_a_list_was_under_way_is_kept():
    cluster = Cluster(ModelDeployment=[[deployment("a")], []], Deployment=[[child(DEPLOYMENT)], []])
    found = listing(cluster)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits"))
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("gone"))
    cluster.meanwhile = {
        "ModelDeployment": [("ADDED", deployment("born"))],
        "Deployment": [("ADDED", child(DEPLOYMENT, f"digits-{'c' * 10}", uid="2", revision="c" * 10))],
    }
    cluster.of["ModelDeployment"][0].append(deployment("digits"))

    await found.sync()
    assert {name for _, name in found.store.records} == {"a", "digits", "born"}
    assert len(found.store.children(KEY, DEPLOYMENT)) == 2


async def test_what_was_deleted_while_a_list_was_under_way_does_not_come_back():
    cluster = Cluster(
        ModelDeployment=[[], [deployment("digits"), deployment("a")]],
        Deployment=[[], [child(DEPLOYMENT)]],
        HealthPolicy=[[], [policy(1)]],
    )
    found = listing(cluster)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB))
    found.observe(HEALTH_POLICY, "ADDED", policy(1))
    found.observe(DEPLOYMENT, "ADDED", child(DEPLOYMENT))
    cluster.meanwhile = {
        "Deployment": [("DELETED", child(DEPLOYMENT, version=2))],
        "HealthPolicy": [("DELETED", policy(1, version=2))],
        "ModelDeployment": [("DELETED", deployment("a", version=2))],
    }

    await found.sync()
    assert list(found.store.records) == [KEY]
    assert not found.store.children(KEY, DEPLOYMENT)
    assert found.store.policies.names(HEALTH_POLICY, None) == frozenset()


async def test_what_a_list_lacks_is_gone_with_all_that_is_known_of_it():
    cluster = Cluster()
    found = listing(cluster)
    for kind, obj in ((MODEL_DEPLOYMENT, deployment("digits", WEB)), (HTTP_ROUTE, child(HTTP_ROUTE))):
        found.observe(kind, "ADDED", obj)
    await found.sync()

    assert entries(found) == 0


async def test_what_cannot_be_read_and_is_gone_is_no_longer_shown_though_no_watch_said_so():
    cluster = Cluster(ModelDeployment=[[deployment("kept")]])
    found = listing(cluster)
    for name in ("digits", "kept"):
        found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment(name), "status": {"phase": "None such"}})
    assert {name for _, _, name in unreadable(found)} == {"digits", "kept"}
    cluster.meanwhile = {"ModelDeployment": [("ADDED", {**deployment("born"), "status": {"phase": "None such"}})]}
    cluster.of["ModelDeployment"] = [[{**deployment("kept"), "status": {"phase": "None such"}}], []]

    await found.sync()
    assert {name for _, _, name in unreadable(found)} == {"kept", "born"}


async def test_an_object_without_a_name_in_a_list_lets_nothing_be_taken_for_gone():
    cluster = Cluster(ModelDeployment=[[{"metadata": {}}]], HealthPolicy=[[{"metadata": {}}]])
    found = listing(cluster)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB))
    found.observe(HEALTH_POLICY, "ADDED", policy(1))
    await found.sync()

    assert list(found.store.records) == [KEY]
    assert limit(found.store, "digits") is not None or found.store.policies.names(HEALTH_POLICY, None)
    assert ("ModelDeployment", "", "") in unreadable(found)


async def test_a_list_gives_the_event_loop_back_between_objects():
    clock = Clock()
    cluster = Cluster(ModelDeployment=[[deployment(f"d{number}") for number in range(100)]])
    found = listing(cluster, clock)
    take = found._take

    def slow(*args):
        clock.time += 0.01
        return take(*args)

    found._take = slow
    await found.sync()
    assert clock.slept.count(0.0) >= 30, "twenty milliseconds at a time"


async def turns(work, count=50):
    """Let a task that never ends have some turns of the event loop."""
    task = asyncio.create_task(work)
    for _ in range(count):
        await asyncio.sleep(0)
    task.cancel()


async def test_a_gap_in_a_watch_is_filled_by_one_list_at_once_and_a_watch_that_always_fails_by_few():
    clock = Clock()
    found = listing(clock=clock)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB))
    found.observe(DEPLOYMENT, "ADDED", child(DEPLOYMENT))
    asked, began, pages = [], clock.time, found._cluster.pages

    def noting(kind, *args):
        asked.append((clock.time - began, kind))
        found.list_again(DEPLOYMENT)  # its watch has failed again
        return pages(kind, *args)

    found._cluster.pages = noting
    found.list_again(DEPLOYMENT)
    await turns(found._list_after_gaps())
    assert asked[:3] == [(0, DEPLOYMENT), (5, DEPLOYMENT), (10, DEPLOYMENT)]
    assert found.store.children(KEY, DEPLOYMENT) == {}, "the list lacks it, though no watch said so"


async def test_a_kind_that_could_not_be_listed_after_a_gap_is_tried_again():
    found = listing(cluster=Silent(times=2))
    found.list_again(DEPLOYMENT)
    await turns(found._list_after_gaps())
    assert [fields["kind"] for event, fields in found._telemetry.warned] == ["Deployment"] * 2


@pytest.mark.parametrize("kind", [MODEL_DEPLOYMENT, DEPLOYMENT], ids=lambda kind: kind.kind)
def test_a_watch_that_repeats_the_answer_to_a_write_is_no_news(kind):
    found = listing()
    obj = deployment("digits", WEB, version=3) if kind == MODEL_DEPLOYMENT else child(DEPLOYMENT, version=3)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB, version=2))
    found.store.observe(kind, "MODIFIED", obj)
    found.marked.clear()
    found.observe(kind, "MODIFIED", obj)
    assert found.marked == []
    found.observe(kind, "MODIFIED", {**obj, "metadata": {**obj["metadata"], "resourceVersion": "4"}})
    assert found.marked == [KEY]
    found.observe(kind, "DELETED", obj if kind == MODEL_DEPLOYMENT else child(DEPLOYMENT, version=4))
    assert (KEY in found.store.records) == (kind == DEPLOYMENT)


# odd objects

ODD = {
    "no metadata": {},
    "metadata of another type": {"metadata": 7},
    "no name": {"metadata": {"namespace": "ml"}},
    "no namespace": {"metadata": {"name": "digits", "uid": "1"}},
    "a number for a name": {"metadata": {"name": 7, "namespace": "ml"}},
    "a number for a version": {"metadata": {"name": "a", "namespace": "ml", "resourceVersion": 7}},
    "labels of another type": {"metadata": {"name": "a", "namespace": "ml", "labels": ["x"]}},
    "a label that is a list": {"metadata": {"name": "a", "namespace": "ml", "labels": {"modelramp.io/deployment": []}}},
    "owners of another type": {"metadata": {"name": "a", "namespace": "ml", "ownerReferences": {"uid": 1}}},
    "no labels": {"metadata": {"name": "a", "namespace": "ml", "labels": None, "annotations": None}},
    "a status of another type": {"metadata": {"name": "a", "namespace": "ml", "uid": "u"}, "status": [1]},
    "a spec of another type": {"metadata": {"name": "a", "namespace": "ml", "uid": "u"}, "spec": [1]},
}


@pytest.mark.parametrize("obj", ODD.values(), ids=ODD)
@pytest.mark.parametrize("kind", watched(), ids=lambda kind: kind.kind)
@pytest.mark.parametrize("event", ["ADDED", "MODIFIED", "DELETED"])
def test_an_odd_object_is_no_matter_of_the_others(kind, event, obj):
    found = listing()
    found.observe(kind, event, obj)
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits"))

    assert KEY in found.store.records


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
metadata = st.dictionaries(
    st.sampled_from(["name", "namespace", "uid", "resourceVersion", "labels", "annotations", "ownerReferences"]),
    anything | st.just("digits") | st.just({"modelramp.io/deployment": "digits"}),
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(watched()),
    st.sampled_from(["ADDED", "MODIFIED", "DELETED"]),
    st.fixed_dictionaries(
        {"metadata": metadata | anything},
        optional={"spec": anything, "status": anything, "endpoints": anything, "data": anything},
    ),
)
def test_whatever_arrives_is_taken_in_or_said(kind, event, obj):
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("other"))
    found.observe(kind, event, obj)
    wanted = deployment("digits", version=9)
    wanted["metadata"]["uid"] = "of-its-own"  # the uid of a deleted object never comes back
    found.observe(MODEL_DEPLOYMENT, "ADDED", wanted)

    assert KEY in found.store.records


def test_an_object_that_nests_too_deeply_is_shown_where_people_look():
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits"), "spec": TOO_DEEP})
    record = found.store.records[KEY]
    assert (record.target, record.problem) == (None, f"spec: it {TOO_DEEP}")

    found.observe(DEPLOYMENT, "ADDED", child(DEPLOYMENT, "deep", spec=TOO_DEEP))
    found.observe(DEPLOYMENT, "ADDED", child(DEPLOYMENT, "deep", spec=TOO_DEEP, version=2))
    assert unreadable(found) == {("Deployment", "ml", "deep")}
    assert [fields["name"] for _, fields in found._telemetry.warned] == ["deep"], "said once"
    found.observe(DEPLOYMENT, "MODIFIED", child(DEPLOYMENT, "deep", version=3))
    assert unreadable(found) == set()


# policies


async def patched(found, seconds):
    """Let the follow-up of watches run for so long."""
    running = asyncio.create_task(found._follow_up())
    until = found._clock.time + seconds
    while found._clock.time < until:
        await asyncio.sleep(0)
        if not found._changed.is_set() and not found._unresolved:
            found._clock.time += 0.01
    running.cancel()


async def test_users_of_a_policy_are_resolved_in_slices_and_keep_what_they_have_until_then():
    found = listing()
    store, clock = found.store, found._clock
    for number in range(60):
        found.observe(MODEL_DEPLOYMENT, "ADDED", deployment(f"d{number}", WEB | {"parameters": {"most": str(number)}}))
    found.observe(HEALTH_POLICY, "ADDED", policy(1))
    await patched(found, 1.0)
    assert limit(store, "d59") == 59
    before = {name: record.target for name, record in store.records.items()}
    resolve, resolved = store.resolve, []

    def slow(users):
        clock.time += 0.01
        resolved.extend(users)
        return resolve(users)

    store.resolve, clock.slept = slow, []
    found.observe(HEALTH_POLICY, "MODIFIED", policy(2, version=2))
    assert {name: record.target for name, record in store.records.items()} == before, "not at once"
    await patched(found, 3.0)
    assert len(resolved) == 60
    assert clock.slept.count(0.02) >= 18, "others get their turn after every twenty milliseconds"


async def test_a_policy_that_is_patched_again_and_again_is_resolved_once_for_all_patches():
    found = listing()
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits", WEB))
    for number in range(50):
        found.observe(HEALTH_POLICY, "MODIFIED", policy(number, version=number + 1))
    found.marked.clear()
    await patched(found, 2.0)
    assert found.marked == [KEY]
    assert limit(found.store, "digits") == 49


# forgetting


def entries(found):
    """Everything that is kept by name, however deep."""
    store, policies = found.store, found.store.policies
    claims = store.hosts
    hosts = (claims._claims, claims._routed, claims._waiting, claims._order, claims._uids, claims._copies)
    maps = (*hosts, store.records, store.unreadable, store._children, policies._known, policies._users)
    return sum(map(len, (*maps, policies._named, policies._shared, found._said, found._unresolved, found._unshown)))


async def test_names_that_are_gone_are_forgotten_everywhere():
    found = listing()
    objects = (
        (HEALTH_POLICY, policy(1)),
        (SERVICE, child(SERVICE)),
        (ENDPOINT_SLICE, endpoints("slice")),
        (HTTP_ROUTE, child(HTTP_ROUTE)),
        (DEPLOYMENT, child(DEPLOYMENT)),
    )
    for number in range(3000):
        name = f"d{number}"
        made = deployment(name, WEB, version=number + 1)
        made["spec"]["routing"]["gateway"]["hostnames"] = [f"{name}.example.com"]
        found.observe(MODEL_DEPLOYMENT, "ADDED", made)
        for event in ("ADDED", "DELETED"):
            for kind, obj in objects:
                labels = {**obj["metadata"].get("labels", {}), "modelramp.io/deployment": name}
                again = {**obj["metadata"], "labels": labels, "uid": f"{kind.kind}{number}"}
                found.observe(kind, event, {**obj, "metadata": again})
        found.observe(MODEL_DEPLOYMENT, "DELETED", made)
        found.observe(MODEL_DEPLOYMENT, "ADDED", {"metadata": {"name": name, "namespace": "ml", "labels": [1]}})
    await patched(found, 1.0)

    assert entries(found) <= 1024, "of what cannot be read so many are remembered, and nothing else"
    assert entries(found) - len(found._said) == 0
    assert len(found.store._deleted) <= 4096
    assert {labels[0] for labels in found._telemetry.gauges} <= {"modelramp_unreadable_objects"}


def test_policies_and_children_are_kinds_that_are_watched():
    assert set(POLICIES) < set(watched())


async def test_a_list_that_ends_in_the_middle_takes_nothing_for_gone():
    class Broken(Cluster):
        async def pages(self, kind, namespace=None, selector=""):
            yield ()
            if kind == MODEL_DEPLOYMENT:
                raise ApiServerUnavailable("gone")

    found = listing(Broken())
    found.observe(MODEL_DEPLOYMENT, "ADDED", deployment("digits"))
    assert await found._list_again([MODEL_DEPLOYMENT]) == {MODEL_DEPLOYMENT}
    assert KEY in found.store.records


def test_what_a_list_tells_again_is_not_parsed_again():
    store, obj = Store(), deployment("digits")
    store.observe(MODEL_DEPLOYMENT, "ADDED", obj)
    parsed = store.records["ml", "digits"].spec
    assert store.observe(MODEL_DEPLOYMENT, "MODIFIED", {**obj}) == ("ml", "digits")
    assert store.records["ml", "digits"].spec is parsed
    store.observe(MODEL_DEPLOYMENT, "MODIFIED", deployment("digits", version=2))
    assert store.records["ml", "digits"].spec is not parsed


def test_a_spec_that_is_too_large_to_keep_is_refused_with_its_size():
    store, obj = Store(), deployment("digits")
    store.observe(MODEL_DEPLOYMENT, "ADDED", obj)
    large = deployment("digits", version=2)
    large["spec"]["template"] = {"metadata": {"annotations": {"blob": "ä" * 150_000}}, "spec": {"containers": []}}
    store.observe(MODEL_DEPLOYMENT, "MODIFIED", large)
    record = store.records["ml", "digits"]
    assert record.target is None
    assert record.problem == "spec: has 293 KiB as JSON, at most 256 are read; put large texts into a ConfigMap"
