"""Sequential checks and budgets add up from tick to tick, over restarts and missed ticks, and begin anew in time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.analysis.accumulated import Window
from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.kinds.sequential import change_looks, change_text, looks_text, mean_looks, rate_looks
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.stats.change import ChangeLooks
from modelramp.analysis.stats.sequential import MeanLooks, RateLooks, Spread
from modelramp.api.check import Check
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.core.state import Observed, State
from modelramp.core.status.read import read_status, state_of
from modelramp.core.status.write import status_of
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

START, MINUTE = 1_800_000_000, 60
OWN = '{revision="{{revision}}"}'
RATES = {"name": "c", "sequential": {"bad": f"bad{OWN}", "total": f"total{OWN}"}}
MEANS = {"name": "c", "sequential": {"sum": f"bad{OWN}", "count": f"total{OWN}"}}
LIMIT = RATES | {"max": "0.03"}
CHANGE = {"name": "c", "sequential": RATES["sequential"] | {"detect": "change"}}
CHANGE_LIMIT = CHANGE | {"max": "0.03"}
BUDGET = {"name": "c", "cost": {"sum": f"bad{OWN}", "count": f"total{OWN}", "budget": 100}}


class Recorded:
    """A Prometheus whose counts are given by tick and query; a tick that is missing has no series."""

    def __init__(self, counts):
        self.counts = counts

    def _at(self, query, at):
        number = (at - START) // MINUTE
        if not 0 < number <= len(self.counts):
            return ()
        if self.counts[number - 1] is None:
            raise PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no answer")
        part, revision = query.split("{")[0], "r2" if "r2" in query else "r1"
        return (Sample({}, float(self.counts[number - 1][revision, part])),)

    async def instant(self, endpoint, query, at, asker=None):
        return self._at(query, at)

    async def range(self, endpoint, query, start, end, step, asker=None):
        return {at: self._at(query, at) for at in range(start, end + 1, step)}


class Log:
    def warn(self, event, **fields):
        raise AssertionError(event, fields)


def tick(bad, total=30, stable_bad=3, stable_total=270):
    return {("r2", "bad"): bad, ("r2", "total"): total, ("r1", "bad"): stable_bad, ("r1", "total"): stable_total}


def due(check, **fields):
    subject = QueryContext("ml", "digits", "r2", "digits-r2", "r1", "digits-r1")
    return CheckRequest("k", Endpoint("http://prometheus"), Health(checks=(check,)), subject, since=START, **fields)


def at(number):
    return START + number * MINUTE


def restarted(outcome):
    """The outcome as a new operator reads it from the status that the old one wrote."""
    raw = status_of(
        "digits", None, State(checks=(outcome,)), Observed(), generation=1, now=START, before=read_status({})
    )
    return state_of(read_status(raw)).checks[0]


async def looked(one, counts, first=1, *, restart=False):
    """The outcomes tick by tick, each asked at its time."""
    prometheus, found = Recorded(counts), []
    for number in range(first, len(counts) + 1):
        (outcome,) = (await outcomes([one], at(number), prometheus, Log()))["k"]
        found.append(outcome)
        one = one.after([restarted(outcome) if restart else outcome])
    return found


amounts = st.floats(0, 1e9)


@given(counts=st.lists(amounts, min_size=4, max_size=4), evidence=st.lists(amounts, min_size=5, max_size=5))
def test_the_text_holds_every_number_exactly(counts, evidence):
    check, one, other = Check(**CHANGE), Proportion(*sorted(counts[:2])), Proportion(*sorted(counts[2:]))
    found = ChangeLooks(tuple(evidence), one, other, 7, 0.1 + 0.2)
    assert change_looks(check, Window(memory=change_text(check, Window(), found))) == found
    looks = RateLooks(one, other, 0.1 + 0.2)
    assert rate_looks(check, Window(memory=looks_text(check, Window(), looks))) == looks
    spread = Spread(Mean(*counts[:2]), 3, evidence[0])
    means = MeanLooks(spread, spread, 0.1 + 0.2)
    assert mean_looks(check, Window(memory=looks_text(check, Window(), means))) == means


counts = st.lists(st.builds(tick, st.integers(0, 30), st.integers(30, 60)), min_size=3, max_size=20)


@pytest.mark.parametrize("check", [RATES, MEANS, LIMIT, CHANGE, CHANGE_LIMIT, BUDGET])
@settings(max_examples=15, deadline=None)
@given(counts=counts, split=st.integers(1, 20))
async def test_a_restart_and_a_replay_end_with_the_same_evidence_to_the_last_digit(check, counts, split):
    straight = await looked(due(check), counts)
    assert [o.memory for o in await looked(due(check), counts, restart=True)] == [o.memory for o in straight]
    split = min(split, len(counts) - 1)
    one = due(check).after([straight[split - 1]])
    missed = tuple(at(number) for number in range(split + 1, len(counts) + 1))
    replayed = (await missed_outcomes([Missed(one, missed)], Recorded(counts), Log()))["k"]
    assert [replayed[moment][0] for moment in missed] == straight[split:]


async def test_evidence_adds_up_until_it_is_enough():
    verdicts = [found.verdict for found in await looked(due(RATES), [tick(4)] * 6)]
    assert (verdicts[0], verdicts[-1]) == (Verdict.HEALTHY, Verdict.BREACH)


async def test_a_minute_without_an_answer_says_nothing_and_forgets_nothing():
    found = await looked(due(LIMIT), [tick(2), None, tick(2)])
    assert (found[1].verdict, found[1].memory) == (Verdict.NO_DATA, found[0].memory)
    assert found[2].samples == 60


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: replace(one, since=at(1)),
        lambda one: replace(one, subject=replace(one.subject, revision="r2b")),
        lambda one: replace(one, health=Health(checks=(LIMIT | {"max": "0.04"},))),
        lambda one: replace(one, memory={"c": "{broken"}),
        lambda one: replace(one, memory={"c": '{"looks": [1, 2]}'}),
    ],
    ids=["a new weight", "a new revision", "an edited check", "broken", "of another form"],
)
async def test_evidence_of_something_else_is_not_counted(changed):
    (first,) = await looked(due(LIMIT), [tick(2)])
    second = await looked(changed(due(LIMIT).after([first])), [tick(2), tick(2)], first=2)
    assert second[-1].samples == 30


async def test_a_window_that_reaches_back_before_the_weight_is_not_counted():
    young = replace(due(LIMIT), since=START + 30)
    found = await looked(young, [tick(30), tick(2)])
    assert (found[0].reason, found[0].memory) == (Reason.WARMING_UP, "")
    assert found[1].samples == 30


async def test_a_budget_is_spent_over_all_weights_and_stops_the_rollout():
    found = await looked(due(BUDGET), [tick(60)])
    heavier = replace(due(BUDGET), since=at(1)).after(found)
    (second,) = await looked(heavier, [tick(60), tick(60)], first=2)
    assert (second.verdict, second.value, second.limit) == (Verdict.BREACH, 120, "<= 100")
    assert second.detail == "120 spent, 120 % of the budget of 100"


async def test_what_a_promoted_version_costs_is_on_no_budget():
    promoted = due(BUDGET)
    promoted = replace(promoted, subject=replace(promoted.subject, stable="r2", stable_service="digits-r2"))
    found = await looked(promoted, [tick(60)] * 3)
    assert (found[-1].verdict, found[-1].value) == (Verdict.HEALTHY, 0)


@pytest.mark.parametrize("check", [MEANS, CHANGE])
async def test_the_memory_is_small_enough_for_a_status(check):
    (*_, last) = await looked(due(check), [tick(n / 7, 30 + n) for n in range(300)])
    assert 0 < len(last.memory) < 300
