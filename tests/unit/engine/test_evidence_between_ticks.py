"""The ticker hands each check what it left at the last tick, in the order of the ticks, also after a restart."""

from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.times import to_text
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Sample
from modelramp.engine.store import Store
from tests.unit.engine.turns_of_ticks import each_alone, ticks_of

START, MINUTE = 1_800_000_000, 60
KEY = ("ml", "digits")
OWN = '{revision="{{revision}}"}'


class Counts:
    """Every minute two of 30 go wrong with the candidate, and one of 270 with the stable version."""

    def at(self):
        return {"bad": (2.0, 1.0), "total": (30.0, 270.0)}

    async def instant(self, endpoint, query, at, asker=None):
        counts = self.at()[query.split("{")[0]]
        return tuple(Sample(labels, counts["stable" in own]) for labels, own in each_alone(query))

    async def range(self, endpoint, query, start, end, step, asker=None):
        return {at: await self.instant(endpoint, query, at) for at in range(start, end + 1, step)}


def deployment(status):
    checks = [{"name": "looks", "sequential": {"bad": f"bad{OWN}", "total": f"total{OWN}"}}]
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"namespace": "ml", "name": "digits", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "model": {"name": "digits", "version": "2"},
            "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "health": {"checks": checks},
        },
        "status": status,
    }


def status(last_tick, memory="", *, stepped=START, weight=10):
    found = {
        "phase": "Progressing",
        "stable": {"revision": "stable"},
        "candidate": {"revision": "newer", "weight": weight, "step": 0, "stepEntered": to_text(stepped)},
        "lastTick": to_text(last_tick),
    }
    check = {"name": "looks", "verdict": "healthy", "reason": "WithinLimit", "memory": memory}
    return found | ({"checks": [check]} if memory else {})


class StableIsIdle(Counts):
    def at(self):
        return {"bad": (0.0, 0.0), "total": (300.0, 0.0)}


async def ticked(status, now, metrics=None):
    store = Store()
    store.observe(MODEL_DEPLOYMENT, "ADDED", deployment(status))
    found = (await ticks_of(store, metrics or Counts(), now + 5))[KEY]
    return [outcome.checks[0] for outcome in found]


async def test_missed_ticks_and_the_newest_add_up_in_their_order():
    found = await ticked(status(START), START + 4 * MINUTE)
    assert [check.samples for check in found] == [30, 60, 90, 120]


async def test_a_new_operator_goes_on_with_what_the_status_carries():
    before = await ticked(status(START), START + 2 * MINUTE)
    after = await ticked(status(START + 2 * MINUTE, before[-1].memory), START + 3 * MINUTE)
    straight = await ticked(status(START), START + 3 * MINUTE)
    assert after == straight[-1:]


async def test_the_next_step_begins_with_nothing():
    before = await ticked(status(START), START + 2 * MINUTE)
    stepped = status(START + 2 * MINUTE, before[-1].memory, stepped=START + 2 * MINUTE)
    (after,) = await ticked(stepped, START + 3 * MINUTE)
    assert after.samples == 30


async def test_a_version_with_all_the_traffic_waits_for_no_other_to_be_compared_with():
    (at_half,) = await ticked(status(START, weight=50), START + MINUTE, StableIsIdle())
    (at_all,) = await ticked(status(START, weight=100), START + MINUTE, StableIsIdle())

    assert (at_half.verdict, at_all.verdict) == (Verdict.NO_DATA, Verdict.HEALTHY)
    assert at_all.detail.endswith("(no other version serves: it is compared with itself)")
