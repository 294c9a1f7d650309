"""What is written into the status is all that a restarted operator knows: it must be everything."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.api.evaluation import EvaluationState
from modelramp.api.hooks import HookState, On
from modelramp.api.names import Phase, Reason
from modelramp.api.text import visible
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.core.conditions import OBSTACLES
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.evaluation_results import Evaluation, MetricOutcome
from modelramp.core.hook_runs import MOST_EPISODES, HookRun
from modelramp.core.state import (
    ABTestState,
    BreachCounter,
    Candidate,
    CapacityWait,
    Deferred,
    Ending,
    HeldReplicas,
    HistoryRecord,
    Observed,
    Pods,
    Retiring,
    RolloutInput,
    ScaledToZero,
    State,
    Version,
)
from modelramp.core.status.read import read_status, state_of
from modelramp.core.status.write import status_of
from tests.unit.core.story import START, Story, spec

TARGET = RolloutInput(spec(), "v2")
SEEN = Observed(pods={"v1": Pods(1, 1, 1)}, served={"v1": 100}, routed=True)

names = st.text("bcdfghjklmnpqrstvwxz0123456789", min_size=1, max_size=10)
texts = st.text(max_size=40).map(visible)  # what cannot be seen is shown as an escape, in the status too
seconds = st.integers(0, 4_000_000_000)
counts = st.integers(0, 1000)
reasons = st.sampled_from(sorted(frozenset(Reason) - OBSTACLES))
versions = st.builds(Version, names, texts, seconds, seconds)
instants = st.integers(1, 4_000_000_000)
numbers = st.integers(-9999, 9999).map(float)
measured = st.builds(MetricOutcome, names, st.sampled_from(Verdict), texts, st.none() | numbers, texts)
results = st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=3)
evaluations = st.builds(
    Evaluation,
    names,
    names,
    instants,
    st.sampled_from(EvaluationState),
    seconds,
    names,
    texts,
    results.map(lambda found: tuple(sorted(found.items()))),
    st.lists(measured, max_size=3).map(tuple),
)
candidates = st.builds(
    Candidate,
    versions,
    st.integers(0, 100),
    st.integers(-1, 19),
    seconds,
    st.booleans(),
    st.none() | evaluations,
    st.none() | st.builds(CapacityWait, seconds, texts, seconds),
)
checks = st.dictionaries(names, st.integers(1, 100), max_size=3).map(lambda found: tuple(sorted(found.items())))
watches = st.builds(BreachCounter, names, seconds, counts, counts, checks)
outcomes = st.builds(
    CheckOutcome,
    names,
    st.sampled_from(Verdict),
    reasons,
    texts,
    st.none() | st.integers(-9999, 9999).map(float) | st.just(math.inf) | st.just(-math.inf),
    texts,
)
endings = st.builds(HistoryRecord, names, texts, seconds, seconds, texts, reasons, texts, st.integers(0, 100))
episodes = st.builds(
    HookRun,
    st.sampled_from(On),
    names,
    names,
    texts,
    seconds,
    names,
    seconds,
    counts,
    st.lists(names, max_size=3).map(tuple),
    texts,
    st.sampled_from(HookState),
    texts,
    seconds,
    texts,
    seconds,
)
ab_tests = st.builds(
    ABTestState,
    names,
    st.integers(0, 2**32 - 1),
    seconds,
    st.sampled_from(Ending),
    *(texts,) * 7,
    sticky=st.booleans(),
)
states = st.builds(
    State,
    phase=st.sampled_from(Phase),
    reason=reasons,
    detail=texts,
    stable=st.none() | versions,
    previous=st.none() | versions,
    candidate=st.none() | candidates,
    failed=st.none() | names,
    restored=st.booleans(),
    paused=st.booleans(),
    watch=st.none() | watches,
    last_tick=seconds,
    recent_ticks=st.text("+-?", max_size=10),
    checks=st.lists(outcomes, max_size=3, unique_by=lambda found: found.name).map(tuple),
    deferred=st.none() | st.builds(Deferred, names, seconds, counts),
    held=st.none() | st.builds(HeldReplicas, counts, names, seconds),
    zero=st.none() | st.builds(ScaledToZero, seconds, seconds),
    retiring=st.lists(st.builds(Retiring, names, st.none() | seconds), max_size=3).map(tuple),
    history=st.lists(endings, max_size=3).map(tuple),
    request=texts,
    hooks=st.lists(episodes, max_size=3).map(tuple),
    ab_test=st.none() | ab_tests,
)


def written(state, *, target=TARGET, seen=SEEN, obstacle=None):
    before = read_status({})
    status = status_of("digits", target, state, seen, generation=3, now=START, before=before, obstacle=obstacle)
    return json.loads(json.dumps(status))


@settings(max_examples=80, deadline=None)
@given(states, st.booleans())
def test_a_state_comes_back_from_the_status_as_it_was(state, readable):
    assert state_of(read_status(written(state, target=TARGET if readable else None))) == state


def test_an_empty_status_is_the_initial_state():
    assert state_of(read_status({})) == state_of(read_status(None)) == State()


def test_fields_of_a_newer_operator_are_no_obstacle():
    status = written(State()) | {"newField": {"a": 1}}

    assert state_of(read_status(status)) == State()


@pytest.mark.parametrize("obstacle", sorted(OBSTACLES))
def test_an_obstacle_is_shown_and_does_not_overwrite_the_cause_of_a_rollback(obstacle):
    state = Story.of().begun().run("bbb").state

    status = written(state, obstacle=RolloutEvent(obstacle, "spec.routing: no such thing", warning=True))
    assert (status["reason"], status["message"]) == (obstacle, "spec.routing: no such thing")
    assert state_of(read_status(status)) == state


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_a_value_that_is_no_finite_number_can_be_written(value):
    outcome = CheckOutcome("latency", Verdict.BREACH, Reason.ABOVE_MAXIMUM, "beyond", value, "<= 5 s")

    status = written(replace(State(), checks=(outcome,), last_tick=START))
    assert status["checks"][0]["value"] in {"+Inf", "-Inf", "NaN"}


def test_a_status_of_many_long_texts_stays_far_below_what_etcd_takes():
    text = "x" * 5000
    ended = HistoryRecord("v" * 10, text[:128], 1, 2, "RolledBack", Reason.THRESHOLD_REACHED, text, 10)
    outcome = CheckOutcome("c", Verdict.BREACH, Reason.ABOVE_MAXIMUM, text)
    state = State(detail=text, history=(ended,) * 20, checks=(outcome,) * 32, request=text[:200])
    hook = HookRun(On.BREACH, "tell", "v1", text[:128], 1, "id", checks=(text[:63],) * 8, cause=text[:256])
    state = replace(state, hooks=(replace(hook, message=text[:256]),) * MOST_EPISODES)

    assert len(json.dumps(written(state))) < 100_000


def test_columns_of_kubectl_get_are_filled_during_a_rollout():
    story = Story.of().begun().run("hb?h")

    status = written(story.state)
    assert status["phase"] == "Progressing"
    assert status["stable"]["modelVersion"] == "1.4.0"
    assert (status["candidate"]["modelVersion"], status["candidate"]["weight"]) == ("2.0.0", 10)
    assert (status["progress"], status["breaches"], status["ticks"]) == ("1/3", 0, "+-?+")
    assert status["next"] == "08:05:00Z"
    assert status["observedGeneration"] == 3


def test_the_scale_subresource_finds_the_pods_of_what_serves():
    status = written(Story.of().state)

    assert status["replicas"] == 1
    assert status["selector"] == "modelramp.io/deployment=digits,modelramp.io/revision=v1"


@pytest.mark.parametrize(
    ("served", "revision"),
    [({"v1": 90, "v2": 10}, "v1"), ({"v1": 50, "v2": 50}, "v1"), ({"v1": 49, "v2": 51}, "v2"), ({"v2": 100}, "v2")],
)
def test_the_scale_subresource_finds_the_pods_with_most_of_the_traffic(served, revision):
    story = Story.of(rollout={"capacity": {"candidate": "Full"}}).begun()
    seen = Observed(pods={"v1": Pods(2, 1, 1), "v2": Pods(2, 2, 2)}, served=served, routed=True)
    target, parts = story.target, {"generation": 1, "now": START, "before": read_status({})}
    status = status_of("digits", target, story.state, seen, **parts)

    assert status["selector"] == f"modelramp.io/deployment=digits,modelramp.io/revision={revision}"
    assert status["replicas"] == int(revision[1])


def test_the_scale_subresource_finds_all_pods_with_traffic_where_pods_follow_it():
    story = Story.of().begun()
    seen = Observed(pods={"v1": Pods(4, 4, 4), "v2": Pods(2, 2, 2)}, served={"v1": 2, "v2": 1}, routed=True)
    target, parts = story.target, {"generation": 1, "now": START, "before": read_status({})}
    status = status_of("digits", target, story.state, seen, **parts)

    assert status["selector"] == "modelramp.io/deployment=digits,modelramp.io/revision in (v1,v2)"
    assert status["replicas"] == 6
