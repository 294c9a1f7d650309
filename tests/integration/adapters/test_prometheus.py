"""The Prometheus adapter against a real Prometheus. What it cannot be made to do: tests/unit/adapters."""

import math
import signal
import time

import pytest

from modelramp.adapters import prometheus
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus_stream import Bounds
from modelramp.analysis.matchers import narrowed
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Endpoint, Sample
from tests.integration.asking import metrics_of


@pytest.fixture
async def metrics(telemetry):
    async with metrics_of(telemetry, timeout=2) as made:
        yield made


@pytest.fixture
def endpoint(plane):
    return Endpoint(plane.prometheus_url)


@pytest.fixture
def now():
    return int(SystemClock().now())


VALUES = {
    "a scalar": ("1 + 1", (2.0,)),
    "a vector": ("vector(3)", (3.0,)),
    "nothing": ("vector(1) > 2", ()),
    "infinity": ("vector(1) / 0", (math.inf,)),
    "no such metric": ("sum(no_such_metric_at_all)", ()),
}


@pytest.mark.parametrize(("query", "values"), VALUES.values(), ids=VALUES)
async def test_a_query_gives_its_values(query, values, metrics, endpoint, now):
    assert tuple(sample.value for sample in await metrics.instant(endpoint, query, now)) == values


async def test_zero_by_zero_is_not_a_number(metrics, endpoint, now):
    (sample,) = await metrics.instant(endpoint, "vector(0) / 0", now)
    assert math.isnan(sample.value)


async def test_series_keep_their_labels(metrics, endpoint, now):
    query = 'label_replace(vector(1), "revision", "7c9f", "", "")'
    assert await metrics.instant(endpoint, query, now) == (Sample({"revision": "7c9f"}, 1.0),)


async def test_the_instant_is_the_one_that_was_asked_for(metrics, endpoint):
    assert (await metrics.instant(endpoint, "time()", 1_700_000_040))[0].value == 1_700_000_040


async def test_a_range_has_every_instant_of_the_grid(metrics, endpoint):
    found = await metrics.range(endpoint, "time()", 600, 780, 60)
    assert {at: samples[0].value for at, samples in found.items()} == {600: 600, 660: 660, 720: 720, 780: 780}


async def test_a_range_leaves_out_instants_without_samples(metrics, endpoint):
    found = await metrics.range(endpoint, "vector(time()) > 660", 600, 780, 60)
    assert sorted(found) == [720, 780]


async def test_a_query_as_long_as_the_resource_allows_is_asked(metrics, endpoint, now):
    query = "+".join(["1"] * 2048)
    assert (await metrics.instant(endpoint, query, now))[0].value == 2048


UNUSABLE = {
    "PromQL that does not parse": ("sum(", Reason.QUERY_INVALID, "parse error"),
    "a text": ('"hello"', Reason.QUERY_INVALID, "must give a number"),
    "a time range": ("up[1m]", Reason.QUERY_INVALID, "time range"),
    "a query that cannot be executed": (
        'vector(1) + on() (label_replace(vector(1), "a", "b", "", "") or vector(2))',
        Reason.QUERY_FAILED,
        "many-to-many|multiple matches|duplicate series",
    ),
}


@pytest.mark.parametrize(("query", "reason", "words"), UNUSABLE.values(), ids=UNUSABLE)
async def test_a_query_without_a_number_has_a_reason_and_others_go_on(query, reason, words, metrics, endpoint, now):
    with pytest.raises(PrometheusUnavailable, match=words) as caught:
        await metrics.instant(endpoint, query, now)
    assert caught.value.reason is reason
    assert (await metrics.instant(endpoint, "1", now))[0].value == 1


async def test_a_path_that_is_no_prometheus_says_so(metrics, endpoint, now):
    with pytest.raises(PrometheusUnavailable, match="path prefix") as caught:
        await metrics.instant(Endpoint(f"{endpoint.address}/wrong"), "1", now)
    assert caught.value.reason is Reason.PROMETHEUS_UNREACHABLE


async def test_a_frozen_prometheus_is_a_time_out_and_its_thaw_is_noticed(metrics, endpoint, now, plane):
    plane.signal_component("prometheus", signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(PrometheusUnavailable) as caught:
            await metrics.instant(endpoint, "1", now)
        assert time.monotonic() - began < 4
    finally:
        plane.signal_component("prometheus", signal.SIGCONT)
    assert caught.value.reason is Reason.PROMETHEUS_TIMEOUT
    assert (await metrics.instant(endpoint, "1", now + 60))[0].value == 1


async def test_a_stopped_prometheus_is_unreachable_and_its_return_is_noticed(metrics, endpoint, now, plane):
    plane.stop_component("prometheus")
    try:
        for _ in range(5):
            with pytest.raises(PrometheusUnavailable) as caught:
                await metrics.instant(endpoint, "1", now)
            assert caught.value.reason is Reason.PROMETHEUS_UNREACHABLE
    finally:
        plane.start_component("prometheus")
    assert (await metrics.instant(endpoint, "1", now + 60))[0].value == 1


async def test_a_time_out_that_is_no_whole_second_is_accepted(telemetry, endpoint, now):
    async with metrics_of(telemetry, timeout=2.5) as metrics:
        assert (await metrics.instant(endpoint, "1", now))[0].value == 1


async def test_series_that_prometheus_cuts_at_the_limit_are_no_answer(metrics, endpoint, now, monkeypatch):
    monkeypatch.setattr(prometheus, "OWN", Bounds(2 << 20, 2))
    rows = [f'label_replace(vector(1), "n", "{n}", "", "")' for n in range(4)]
    assert len(await metrics.instant(endpoint, " or ".join(rows[:2]), now)) == 2
    with pytest.raises(PrometheusUnavailable) as caught:
        await metrics.instant(endpoint, " or ".join(rows), now)
    assert caught.value.reason is Reason.ANSWER_TOO_LARGE


async def test_an_annotation_of_the_query_leaves_the_answer_whole(metrics, endpoint, now):
    found = await metrics.instant(endpoint, "quantile(2, vector(1))", now)
    assert found[0].value == math.inf


async def test_a_narrowed_query_sees_no_series_without_its_namespace(metrics, endpoint, now):
    selectors = ("up", '{__name__=~".+"}', 'up{namespace=~".*"}', "max_over_time(up[5m:1m])", "up offset 1ms")
    assert await metrics.instant(endpoint, "count(up)", now), "there is something to see"
    for selector in selectors:
        for query in (selector, f"sum by (job) ({selector})", f"({selector}) * 1", f"{selector} or up"):
            assert await metrics.instant(endpoint, narrowed(query, "ml"), now) == ()
