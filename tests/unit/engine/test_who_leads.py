"""What a process believes of the Lease: by changes that it has seen and its steady clock, never by a wall clock."""

import pytest

from modelramp.api.errors import NotLeading
from modelramp.api.kinds import LEASE, Ref
from modelramp.engine.leadership import (
    GIVE_UP_SECONDS,
    LEASE_SECONDS,
    Belief,
    Fenced,
    FencedWebhooks,
    Lease,
    lease_of,
    object_of,
)
from modelramp.engine.ports import Delivery

REF = Ref(LEASE, "modelramp-system", "modelramp")
HOUR = 3600.0


def lease(holder="other", renewed="2026-11-28T12:00:00.000000Z", term=4, version="1", **fields):
    return Lease(holder, renewed, term, uid="u", version=version, **fields)


def follower(found=None, at=100.0):
    return Belief("me").read(found if found is not None else lease(), at)


def leader(at=100.0):
    return follower(lease(holder="", seconds=1), at).wrote(lease("me", term=5, version="2"), at, at + 0.1)


def test_nobody_claims_a_lease_that_was_never_read():
    assert Belief("me").claim(1e9, "now") is None


@pytest.mark.parametrize(
    "renewed", ["2026-11-28T12:00:00Z", "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "soon", ""]
)
def test_a_lease_is_free_when_it_has_not_changed_for_its_duration_whatever_times_stand_in_it(renewed):
    belief = follower(lease(renewed=renewed))

    assert belief.claim(100 + LEASE_SECONDS - 0.1, "now") is None
    assert belief.claim(100 + LEASE_SECONDS, "now") == lease("me", "now", term=5)


@pytest.mark.parametrize(
    "change", [lease(renewed="later"), lease(term=5), lease("third"), Lease("other", lease().renewed, 4, uid="another")]
)
def test_every_renewal_begins_the_wait_again(change):
    belief = follower().read(change, 109.0)

    assert belief.claim(110.0, "now") is None
    assert belief.claim(119.0, "now") is not None


def test_an_annotation_renews_nothing():
    assert follower().read(lease(version="2"), 109.0).claim(110.0, "now") == lease("me", "now", term=5, version="2")


def test_a_lease_that_was_given_up_is_taken_at_once():
    assert follower(lease(holder="", seconds=1)).claim(100.0, "now") == lease("me", "now", term=5)


def test_a_holder_that_a_person_removed_may_write_still():
    assert follower(lease(holder="")).claim(109.0, "now") is None


@pytest.mark.parametrize(("says", "lasts"), [(1, 10), (30, 30), (10**9, 60)])
def test_a_longer_duration_is_respected_within_reason(says, lasts):
    belief = follower(lease(seconds=says))

    assert belief.claim(100 + lasts - 0.1, "now") is None
    assert belief.claim(100.0 + lasts, "now") is not None


def test_a_missing_lease_is_made_after_the_same_wait():
    belief = Belief("me").read(None, 100.0)

    assert belief.claim(109.0, "now") is None
    assert belief.claim(110.0, "now") == Lease("me", "now", 1)


def test_a_leader_renews_in_its_term_and_stops_before_anybody_may_take_over():
    belief = leader(at=100.0)

    assert belief.leads(106.9)
    assert belief.claim(102.0, "now") == lease("me", "now", term=5, version="2")
    assert not belief.leads(100 + GIVE_UP_SECONDS)
    assert GIVE_UP_SECONDS < LEASE_SECONDS


def test_a_renewal_counts_from_when_it_was_sent():
    belief = leader().wrote(lease("me", term=5, version="3"), 102.0, 108.0)

    assert belief.leads(108.9)
    assert not belief.leads(109.0)


def test_a_leader_that_slept_begins_a_new_term_if_the_lease_is_its_own_still():
    belief = leader(at=100.0)

    assert not belief.leads(100 + HOUR)
    assert belief.claim(100 + HOUR, "now").term == 6


def test_whoever_reads_another_holder_follows_at_once():
    belief = leader(at=100.0).read(lease("other", term=6, version="3"), 101.0)

    assert not belief.leads(101.0)
    assert belief.claim(105.0, "now") is None


def test_a_leader_makes_a_deleted_lease_again_in_its_own_term():
    belief = leader(at=100.0).read(None, 101.0)

    assert belief.leads(101.0)
    assert belief.claim(101.0, "now") == Lease("me", "now", 5)


def test_who_has_given_the_lease_up_does_not_lead():
    assert not leader(at=100.0).released().leads(100.0)


@pytest.mark.parametrize("spec", [None, {}, {"holderIdentity": None}, {"leaseTransitions": True, "renewTime": 5}])
def test_a_lease_of_a_strange_form_belongs_to_nobody_but_is_waited_for(spec):
    found = lease_of({"spec": spec, "metadata": {"uid": "u", "resourceVersion": "1"}})

    assert (found.holder, found.term, found.seconds) == ("", 0, LEASE_SECONDS)
    assert not found.released


def test_a_write_is_a_compare_and_swap_unless_the_lease_is_new():
    written = object_of(lease("me"), REF)

    assert written["metadata"] == {
        "namespace": "modelramp-system",
        "name": "modelramp",
        "uid": "u",
        "resourceVersion": "1",
    }
    assert lease_of(written) == lease("me")
    assert object_of(Lease("me", "now", 1), REF)["metadata"].keys() == {"namespace", "name"}


class Recording:
    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        async def call(*arguments, **_):
            self.calls.append(name)

        return call


WRITES = {"create": ({},), "apply": ({},), "replace_status": ({},), "delete": (REF, "u", "1")}


@pytest.mark.parametrize("method", WRITES)
async def test_who_does_not_lead_sends_no_write(method):
    cluster = Recording()
    with pytest.raises(NotLeading):
        await getattr(Fenced(cluster, lambda: False), method)(*WRITES[method])
    await getattr(Fenced(cluster, lambda: True), method)(*WRITES[method])

    assert cluster.calls == [method]


async def test_who_does_not_lead_reads_all_the_same():
    cluster = Recording()
    await Fenced(cluster, lambda: False).get(REF)
    await Fenced(cluster, lambda: False).list(LEASE, "ml", "a=b", most=1)

    assert cluster.calls == ["get", "list"]


async def test_who_does_not_lead_calls_no_webhook():
    webhooks = Recording()

    assert (await FencedWebhooks(webhooks, lambda: False).call(None)).delivery is Delivery.NOT_SENT
    await FencedWebhooks(webhooks, lambda: True).call(None)
    assert webhooks.calls == ["call"]
