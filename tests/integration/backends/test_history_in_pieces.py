"""A range that a server refuses for its size is asked for in pieces, by whatever words it refuses."""

import pytest
from back_ends import prometheus, victoriametrics

from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus_history import PrometheusHistory
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.cli.backtest.history import NoHistory, read_history
from modelramp.cli.backtest.source import Notices
from modelramp.engine.queries import CheckRequest

pytestmark = pytest.mark.timeout(400)
TICKS = 195
SCRAPE = 15
STINGY = {
    "prometheus": lambda folder: prometheus(folder, "", "--query.max-samples=120"),
    "victoriametrics": lambda folder: victoriametrics(folder, "-search.maxPointsPerTimeseries=100"),
}
COUNTED = 'sum(increase(prediction_requests_total{revision="{{revision}}"}[{{window}}]))'


@pytest.fixture(params=sorted(STINGY))
def stingy(request, tmp_path):
    with STINGY[request.param](tmp_path) as running:
        yield running


def due(endpoint, query):
    health = Health(checks=({"name": "counted", "query": query, "min": 1},))
    return CheckRequest("k", endpoint, health, QueryContext("ml", "digits", "r1", "digits-r1"))


async def read(back_end, query):
    newest = int(SystemClock().now() - 60) // 60 * 60
    ticks = [newest - 60 * n for n in range(TICKS - 1, -1, -1)]
    labels = {"__name__": "prediction_requests_total", "revision": "r1"}
    samples = [(at, float(number)) for number, at in enumerate(range(ticks[0] - 120, newest + 1, SCRAPE))]
    back_end.write({tuple(labels.items()): samples})
    pieces = []
    history = PrometheusHistory(Notices(), timeout=10)
    found = await read_history(due(back_end.endpoint, query), ticks, history, Notices(), pieces.append)
    return [said.checks[0] for _, said in found], pieces


async def test_a_range_that_is_too_much_is_asked_for_in_pieces(stingy):
    said, pieces = await read(stingy, COUNTED)
    assert {check.verdict for check in said} == {Verdict.HEALTHY}, said[0].detail
    assert len(said) == TICKS
    assert len(pieces) > 1


async def test_a_query_that_does_not_parse_is_not_asked_for_in_pieces(stingy):
    with pytest.raises(NoHistory, match="counted can never be asked: Prometheus: "):
        await read(stingy, "sum(rate(prediction_requests_total[1m])")


async def test_a_query_that_always_fails_is_no_data(stingy):
    said, _ = await read(stingy, 'vector(1) + on() (label_replace(vector(1), "a", "b", "", "") or vector(2))')
    assert {(check.verdict, check.reason) for check in said} == {(Verdict.NO_DATA, Reason.QUERY_FAILED)}
