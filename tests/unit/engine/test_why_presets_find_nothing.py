"""Why a preset finds nothing is looked up beside the ticks: after some of them, rarely, and for everybody in turn."""

import asyncio
from dataclasses import replace

import pytest

from modelramp.analysis.checks import judge
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.engine.lookups import PATIENCE_TICKS, REST_TICKS, Lookups
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest
from modelramp.engine.rounds import DueTicks
from tests.unit.engine.turns_of_ticks import Silent

CHECK = Check(name="errors", preset="reference-error-rate")
EMPTY = judge(CHECK, {"value": ()})
FINE = replace(EMPTY, reason=Reason.WITHIN_LIMIT, detail="fine")
SERVED = (Sample({"serves": "http_requests_total"}, 1), Sample({"found": "scraped"}, 1))
WHY = (
    "reference-error-rate: these pods do not serve model_errors_total or prediction_requests_total, but what "
    "fastapi-error-rate or vllm-error-rate reads"
)


class Prometheus:
    """Answers, raises or hangs, and remembers who asked when."""

    def __init__(self, said=SERVED):
        self.said = said
        self.asked = []

    async def instant(self, endpoint, query, at, asker=None):
        self.asked.append((asker.namespace, at))
        if self.said is None:
            await asyncio.sleep(3600)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def turn(namespace, tick, name="m", revision="r"):
    due = CheckRequest(
        name,
        Endpoint("http://p"),
        Health(checks=(CHECK,)),
        QueryContext(namespace, name, revision, f"{name}-{revision}"),
    )
    return DueTicks((namespace, name), revision, range(tick, tick + 60, 60), due, tick + 20, tick)


async def lived(lookups, ticks, namespaces=("ml",), said=lambda tick: EMPTY):
    """The detail of the check at each tick, of the last object."""
    told = []
    for number in range(ticks):
        for namespace in namespaces:
            (found,) = lookups.heard(turn(namespace, 60 * number), (said(number),))
        told.append(found.detail)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    return told


async def test_the_first_ticks_say_that_nothing_was_found_and_later_ones_why():
    prometheus = Prometheus()
    told = await lived(Lookups(prometheus, Silent()), PATIENCE_TICKS + 2)
    assert told == [EMPTY.detail] * PATIENCE_TICKS + [WHY] * 2
    assert prometheus.asked == [("ml", 60 * (PATIENCE_TICKS - 1))]


async def test_the_same_is_asked_again_only_after_a_rest():
    prometheus = Prometheus()
    await lived(Lookups(prometheus, Silent()), PATIENCE_TICKS + 2 * REST_TICKS)
    first = 60 * (PATIENCE_TICKS - 1)
    assert [at for _, at in prometheus.asked] == [first, first + 60 * REST_TICKS, first + 120 * REST_TICKS]


async def test_a_result_ends_the_doubt():
    prometheus = Prometheus()
    told = await lived(Lookups(prometheus, Silent()), 6, said=lambda tick: FINE if tick == 3 else EMPTY)
    assert told == [EMPTY.detail, EMPTY.detail, WHY, FINE.detail, EMPTY.detail, EMPTY.detail]


async def test_objects_of_a_namespace_take_turns():
    prometheus = Prometheus()
    lookups, names = Lookups(prometheus, Silent()), [f"m{number}" for number in range(4)]
    for number in range(PATIENCE_TICKS + len(names)):
        for name in names:
            lookups.heard(turn("ml", 60 * number, name), (EMPTY,))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert [at for _, at in prometheus.asked] == [60 * (PATIENCE_TICKS - 1 + place) for place in range(len(names))]


async def test_a_prometheus_that_hangs_holds_up_no_tick_and_nobody_of_another_namespace():
    prometheus = Prometheus(said=None)
    lookups = Lookups(prometheus, Silent())
    told = await asyncio.wait_for(lived(lookups, 20, ["evil", "evil", "good"]), timeout=5)
    assert told == [EMPTY.detail] * 20
    assert {namespace for namespace, _ in prometheus.asked} == {"evil", "good"}
    await lookups.stop()


@pytest.mark.parametrize("error", [PrometheusUnavailable(Reason.PROMETHEUS_TIMEOUT, "no"), RuntimeError("odd")])
async def test_a_look_up_that_fails_leaves_the_words_as_they_are(error):
    told = await lived(Lookups(Prometheus(said=error), Silent()), 5)
    assert told == [EMPTY.detail] * 5


async def test_objects_that_are_gone_are_forgotten():
    lookups = Lookups(Prometheus(), Silent())
    await lived(lookups, 3)
    lookups.forget([])
    (found,) = lookups.heard(turn("ml", 300), (EMPTY,))
    assert found.detail == EMPTY.detail
