"""The real engine with one thing broken on purpose is noticed: otherwise the silence of the simulation says nothing."""

import pytest

from modelramp.analysis import experiment
from modelramp.api.verdict import Verdict
from modelramp.core import breaches, decide, follow_cluster, schedule
from modelramp.core.events import RolloutEvent
from modelramp.core.strategies.ab_test import ABTestStrategy
from modelramp.core.strategies.canary import Canary
from modelramp.core.strategies.strategy import Advance
from modelramp.desired import traffic
from modelramp.desired.routers import gateway_api
from modelramp.desired.routers.gateway_api import HTTP_ROUTE
from modelramp.engine import ticker, writes
from tests.sim.faults import Fault
from tests.sim.kubelet import Pods
from tests.sim.scenarios import ROLLBACK, SUPERSEDED, TEST_OPEN, TEST_WON, Scenario, tell


class DeafGateway(Scenario):
    """From the first step on the gateway takes and confirms nothing for a while. No check needs any traffic."""

    def world(self, *args, **options):
        world = super().world(*args, **options)

        def hears(world):
            world.gateways.silent = False
            world.gateways.look_again()

        def hangs(world):
            world.gateways.silent = True

        return world.at(60, hangs, when=lambda world: world.status.get("phase") == "Healthy").at(900, hears)


INFORM = {"checks": [{"name": "errors", "preset": "error-rate", "max": "0.01", "role": "inform"}]}
DEAF = DeafGateway(serves="2.0.0", health=INFORM)
CRASHING = Scenario(serves="1.0.0", failed="2.0.0", pods={"2.0.0": Pods(crash_after=90.0)})
CRASHED = [(ROLLBACK, {"fault": Fault.CRASH_AFTER, "at_call": call}) for call in range(40, 80, 4)]
LATE = [(SUPERSEDED, {"fault": Fault.LATE_EFFECT, "at_call": call}) for call in range(40, 130)]


async def without_fence(writer, owner, obj, before, priority):
    if before is None or writes.differs(before, obj):
        answer = await writer.cluster.apply(obj)
        writer.store.observe(HTTP_ROUTE, "MODIFIED", answer)
        return True
    return False


async def without_status(writer, record, obj, status, decision, priority):
    record.state = decision.state


def only_stable_and_candidate(target, state, seen, served, now):
    living = [state.stable, state.candidate.version if state.candidate else None]
    return {version.revision: target.spec.replicas for version in living if version}


WRONG = {
    "a tick without data clears the count": (
        (breaches, "_next", lambda counted, verdict: counted + 1 if verdict is Verdict.BREACH else 0),
        [(ROLLBACK, {})],
        "no data is neither",
    ),
    "a tick without data counts": (
        (breaches, "_next", lambda counted, verdict: 0 if verdict is Verdict.HEALTHY else counted + 1),
        [(ROLLBACK, {})],
        "no data is neither",
    ),
    "a healthy tick does not clear the count": (
        (breaches, "_next", lambda counted, verdict: counted + 1 if verdict is Verdict.BREACH else counted),
        [(ROLLBACK, {})],
        "three consecutive breaches",
    ),
    "two breaches roll back": (
        (decide, "tripped", lambda before, watch, health: "two" if watch.shared >= 2 else None),
        [(ROLLBACK, {})],
        "rolled back without 3",
    ),
    "an A/B test is won without a verdict": (
        (ABTestStrategy, "advance", lambda *_: Advance(True)),
        [(TEST_OPEN, {})],
        "left upwards with the verdict Undecided",
    ),
    "an A/B test counts its minutes twice": (
        (experiment, "_add", lambda one, other: (one[0] + 2 * other[0], one[1] + 2 * other[1])),
        [(TEST_WON, {})],
        "visits were counted",
    ),
    "it takes four breaches": (
        (decide, "tripped", lambda before, watch, health: "four" if watch.shared >= 4 else None),
        [(ROLLBACK, {})],
        "did not roll back on the breaching tick",
    ),
    "traffic from before the step is blamed on it": (
        (decide, "finalize", lambda health, outcome, *_: schedule.finalize(health, outcome, 0, 0)),
        [(ROLLBACK, {})],
        "breaches; histories",
    ),
    "steps end when they like": (
        (Canary, "ends", lambda *_: 0),
        [(ROLLBACK, {})],
        "one step at a time",
    ),
    "a restart forgets the minutes that it missed": (
        (
            ticker,
            "to_evaluate",
            lambda last, newest, step: range(newest, newest + step if newest > last else newest, step),
        ),
        CRASHED,
        "Prometheus was never asked",
    ),
    "pods end with their traffic": (
        (follow_cluster, "_retired", lambda *_: ()),
        [(ROLLBACK, {})],
        "while the gateway gave it traffic",
    ),
    "an answer about an older route counts": (
        (gateway_api, "_ASKED_FOR", {}),
        [(DEAF, {})],
        "moved up after no time of traffic",
    ),
    "the previous version is deleted at once": (
        ("modelramp.desired.objects", "replicas_by_revision", only_stable_and_candidate),
        [(ROLLBACK, {})],
        "stable keeps its capacity",
    ),
    "the route names what has no endpoint": (
        (
            traffic,
            "shown_weights",
            lambda wanted, *_: (dict(wanted.weights), RolloutEvent("x", "")),
        ),
        [(CRASHING, {})],
        "and still gets traffic",
    ),
    "the route is written without a fence": (
        (writes.Writer, "_apply_route", without_fence),
        LATE,
        "the persisted status says",
    ),
    "the status is not persisted first": (
        (writes.Writer, "status", without_status),
        [(ROLLBACK, {})],
        "the persisted status says|before its status was written",
    ),
    "an exception ends the engine": (
        (decide, "count", lambda *_: 1 / 0),
        [(ROLLBACK, {})],
        "ZeroDivisionError",
    ),
}


def test_a_gateway_that_is_deaf_for_a_while_is_waited_for():
    tell(DEAF, seed=7)


def tell_all(stories):
    for scenario, options in stories:
        tell(scenario, **{"seed": 7, **options})


@pytest.mark.parametrize(("place", "stories", "finding"), WRONG.values(), ids=WRONG)
def test_what_is_broken_on_purpose_is_noticed(monkeypatch, place, stories, finding):
    target, name, wrong = place
    monkeypatch.setattr(*((f"{target}.{name}", wrong) if isinstance(target, str) else place))

    with pytest.raises(AssertionError, match=finding):
        tell_all(stories)
