"""How late a tick is: counted from when it could be evaluated, and nothing that lies before a start is late."""

from modelramp.api.kinds import MODEL_DEPLOYMENT
from modelramp.engine.failing import FailingChecks
from modelramp.engine.store import Store
from modelramp.engine.ticker import Ticker
from tests.unit.engine.test_policies_and_their_users import WEB, deployment
from tests.unit.engine.turns_of_ticks import Silent

TICK = 1_800_000_000
SERVING = {
    "phase": "Healthy",
    "stable": {"revision": "a", "trafficSince": "2027-01-15T07:00:00Z"},
    "watch": {"revision": "a", "since": "2027-01-15T07:00:00Z"},
    "lastTick": "2027-01-15T07:50:00Z",
}


def ticker():
    store = Store()
    store.observe(MODEL_DEPLOYMENT, "ADDED", {**deployment("digits", WEB), "status": SERVING})
    return Ticker(store, Silent(), FailingChecks(Silent()), delay=5, patience=25, address="http://prometheus")


def possible(ticks, now):
    ((turn,),) = ticks.due(now).values()
    return turn.possible


def test_what_was_missed_before_the_start_is_not_late():
    assert possible(ticker(), TICK + 47.0) == TICK + 47.0


def test_a_tick_that_was_awaited_is_late_from_when_its_scrapes_were_stored():
    ticks = ticker()
    ticks.due(TICK + 5.0)
    assert possible(ticks, TICK + 66.0) == TICK + 65.0


def test_of_several_awaited_ticks_the_oldest_counts():
    ticks = ticker()
    ticks.due(TICK + 5.0)
    assert possible(ticks, TICK + 305.0) == TICK + 65.0
