"""An A/B test is asked with the checks, adds up tick by tick, and a replay ends with the very same evidence."""

import pytest

from modelramp.analysis.counts import CANDIDATE, STABLE
from modelramp.analysis.experiment import evidence_of, judge_test
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.api.names import Reason
from modelramp.api.times import to_text
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Sample
from modelramp.engine.store import Store
from tests.unit.engine.turns_of_ticks import each_alone, ticks_of

START, MINUTE = 1_800_000_000, 60
KEY = ("ml", "digits")
OWN = '{revision="{{revision}}"}'
TEST = {
    "split": 20,
    "metric": {"name": "conversion", "good": f"good{OWN}", "total": f"total{OWN}"},
    "minEffect": "0.01",
    "assignment": f"users{OWN}",
}


USERS = {"unit": "User", "minEffect": "0.2", "metric": {"name": "m", "goal": "Increase", "users": "u"}}


def answered(**parts):
    """One tick of both versions: (candidate, stable) of each part."""
    return {
        f"{arm}.{part}": [Sample({}, float(value))]
        for part, both in parts.items()
        for arm, value in zip((CANDIDATE, STABLE), both, strict=True)
    }


def test_users_of_earlier_ticks_count_in_the_tick_in_which_they_buy():
    test = ABTest.model_validate(USERS | {"metric": {"name": "m", "good": "g", "users": "u"}, "minEffect": "0.01"})
    memory, evening = "", answered(good=(40, 30), users=(0, 0))
    for tick in [answered(good=(10, 10), users=(400, 400)), evening]:
        found = judge_test(ABTestRun(test, 50, "newer", START, memory), tick, whole=True)
        memory = found.memory

    assert (found.candidate, found.stable) == ("12.5 % of 400", "10 % of 400")
    assert found.verdict is Verdict.HEALTHY
    assert found.sample_ratio.startswith("400 : 400 against 50 : 50")


def test_squares_of_amounts_per_user_are_carried_on():
    metric = USERS["metric"] | {"sum": "s", "squares": "q"}
    test, memory = ABTest.model_validate(USERS | {"metric": metric}), ""
    for _ in range(3):
        tick = answered(sum=(900, 800), squares=(4000, 3500), users=(300, 300))
        found = judge_test(ABTestRun(test, 50, "newer", START, memory), tick, whole=True)
        memory = found.memory

    assert evidence_of(ABTestRun(test, 50, "newer", START, memory)).squares == (12_000, 10_500)
    assert found.candidate == "3 of 900"
    assert found.estimate == pytest.approx(1 / 3)
    assert found.low < found.estimate < found.high
    broken = judge_test(
        ABTestRun(test, 50, "newer", START, memory), tick | {"stable.squares": [Sample({}, -1.0)]}, True
    )
    assert (broken.verdict, broken.memory) == (Verdict.NO_DATA, memory)


class Counts:
    """What Prometheus says of (metric, version) at each instant: never whole numbers, and never the same twice."""

    silent = ()

    async def instant(self, endpoint, query, at, asker=None):
        if at in self.silent:
            raise PrometheusUnavailable("PrometheusTimeout", "no answer within 10 s")
        return tuple(Sample(labels, self.count(own, at)) for labels, own in each_alone(query))

    def count(self, query, at):
        metric, stable = query.split("{")[0], "stable" in query
        each = {"good": 20.0, "total": 200.0, "users": 100.0}[metric] * (4 if stable else 1)
        return each + (at - START) / 700

    async def range(self, endpoint, query, start, end, step, asker=None):
        return {at: await self.instant(endpoint, query, at) for at in range(start, end + 1, step)}


def deployment(last_tick, memory="", weight=20):
    revision = "newer"
    status = {
        "phase": "Progressing",
        "stable": {"revision": "stable"},
        "candidate": {"revision": revision, "weight": weight, "step": 0, "stepEntered": to_text(START)},
        "lastTick": to_text(last_tick),
    }
    if memory:
        test = {"revision": revision, "question": 1, "startedAt": to_text(START), "memory": memory}
        status["experiment"] = test
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"namespace": "ml", "name": "digits", "uid": "u", "resourceVersion": "1"},
        "spec": {
            "model": {"name": "digits", "version": "2"},
            "template": {"spec": {"containers": [{"name": "model", "image": "digits:2"}]}},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "rollout": {"strategy": "ABTest", "abTest": TEST},
        },
        "status": status,
    }


async def ticked(obj, now, silent=()):
    store, counts = Store(), Counts()
    counts.silent = silent
    store.observe(MODEL_DEPLOYMENT, "ADDED", obj)
    found = await ticks_of(store, counts, now + 5)
    return [outcome.ab_test for outcome in found[KEY] if outcome.ab_test is not None]


async def one_by_one(minutes):
    memory = ""
    for minute in range(1, minutes + 1):
        last = START + (minute - 1) * MINUTE
        (found,) = await ticked(deployment(last, memory), last + MINUTE)
        memory = found.memory
    return found


async def test_ticks_one_by_one_across_restarts_and_a_replay_of_all_give_the_very_same_evidence():
    alone = await one_by_one(9)
    replayed = await ticked(deployment(START), START + 9 * MINUTE)

    assert replayed[-1] == alone
    assert len({found.memory for found in replayed}) == 9
    assert alone.candidate == "10.19 % of 1,804"
    assert alone.sample_ratio.startswith("904 : 3,604 against 20 : 80")


async def test_a_tick_whose_window_reaches_back_before_the_split_is_left_out():
    obj = deployment(START)
    obj["status"]["candidate"]["stepEntered"] = to_text(START + 30)
    first, second = await ticked(obj, START + 2 * MINUTE)

    assert (first.reason, first.candidate) == (Reason.WARMING_UP, "nothing counted yet")
    assert second.candidate.endswith("of 200")


async def test_a_delay_shifts_every_question_and_leaves_out_what_was_before_the_split():
    obj = deployment(START)
    obj["spec"]["rollout"]["abTest"] = {**TEST, "delay": "10m"}
    late = await ticked(obj, START + 12 * MINUTE)
    plain = await ticked(deployment(START), START + 2 * MINUTE)

    assert [found.reason for found in late[:10]] == [Reason.WARMING_UP] * 10
    assert [found.candidate for found in late[10:]] == [found.candidate for found in plain]
    assert [found.sample_ratio for found in late[10:]] == [found.sample_ratio for found in plain]


async def test_a_silent_tick_changes_nothing_and_the_next_one_goes_on():
    before = await one_by_one(3)
    at = START + 4 * MINUTE
    (silent,) = await ticked(deployment(at - MINUTE, before.memory), at, silent=(at,))
    assert (silent.verdict, silent.reason, silent.memory) == (
        Verdict.NO_DATA,
        Reason.PROMETHEUS_TIMEOUT,
        before.memory,
    )
    assert silent.difference == before.difference


async def test_another_weight_is_another_test():
    before = await one_by_one(3)
    (found,) = await ticked(deployment(START + 3 * MINUTE, before.memory, weight=50), START + 4 * MINUTE)

    assert found.candidate.endswith("of 200")


async def test_after_the_test_nothing_is_asked_for_it():
    assert await ticked(deployment(START, weight=100), START + MINUTE) == []


@pytest.mark.parametrize(
    "memory", ["nonsense", "[]", '{"test": 1}', '{"test": "newer 7", "sums": [1]}', "[" * 100_000, '{"sums": {}}']
)
def test_a_memory_that_cannot_be_read_begins_anew(memory):
    run = ABTestRun(ABTest.model_validate(TEST), 20, "newer", memory=memory)

    assert evidence_of(run).candidate == (0.0, 0.0)


def answers(**changed):
    good = {f"{arm}.{part}": 10.0 for arm in (CANDIDATE, STABLE) for part in ("good", "total", "assigned")}
    series = {name: [Sample({}, value)] for name, value in good.items()}
    return series | {name.replace("_", "."): found for name, found in changed.items()}


BAD = {
    "no series": ({"candidate_total": []}, Reason.EMPTY_RESULT, "candidate.total returned nothing"),
    "no event yet": ({"stable_good": []}, Reason.EMPTY_RESULT, "or vector(0)"),
    "several series": (
        {"candidate_good": [Sample({}, 1.0), Sample({}, 2.0)]},
        Reason.SEVERAL_SERIES,
        "aggregate it to one",
    ),
    "not a number": ({"stable_total": [Sample({}, float("nan"))]}, Reason.NOT_A_NUMBER, "not a finite number"),
    "negative": ({"candidate_good": [Sample({}, -1.0)]}, Reason.NOT_A_NUMBER, "a counter never falls"),
    "more good than all": ({"candidate_good": [Sample({}, 11.0)]}, Reason.NOT_A_NUMBER, "check both queries"),
    "infinite assignment": (
        {"candidate_assigned": [Sample({}, float("inf"))]},
        Reason.NOT_A_NUMBER,
        "not a finite number",
    ),
}


@pytest.mark.parametrize(("changed", "reason", "says"), BAD.values(), ids=BAD)
def test_bad_numbers_are_no_evidence_and_say_what_to_do(changed, reason, says):
    run = ABTestRun(ABTest.model_validate(TEST), 20, "newer")
    found = judge_test(run, answers(**changed), whole=True)

    assert (found.verdict, found.reason) == (Verdict.NO_DATA, reason)
    assert says in found.detail
    assert evidence_of(ABTestRun(run.test, 20, "newer", memory=found.memory)).candidate == (0.0, 0.0)


async def test_a_query_that_cannot_be_asked_says_why():
    obj = deployment(START)
    obj["spec"]["rollout"]["abTest"] = {**TEST, "assignment": "users{{nonsense}}"}
    (found,) = await ticked(obj, START + MINUTE)

    assert found.reason is Reason.QUERY_INVALID
    assert "unknown variable {{nonsense}}" in found.detail
