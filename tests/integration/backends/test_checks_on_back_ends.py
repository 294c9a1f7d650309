"""The same samples, the same 22 checks, the same verdicts as with Prometheus; and how failures are told."""

import math
from collections import defaultdict

import pytest

from modelramp.adapters.clock import SystemClock
from modelramp.analysis.query_context import QueryContext
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

pytestmark = pytest.mark.timeout(400)

MINUTES = 12
SCRAPE = 15
OWN = '{namespace="{{namespace}}",modeldeployment="{{name}}",revision="{{revision}}"}'
BOUNDS = (0.1, 0.2, 0.4, 0.8, 1.6)


def own(metric, by=""):
    return f"sum {by}(increase({metric}{OWN}[{{{{window}}}}]))"


PAIR = {"bad": own("model_errors_total"), "total": own("prediction_requests_total")}
SECONDS = {"sum": own("prediction_latency_seconds_sum"), "count": own("prediction_latency_seconds_count")}
BUCKETS = own("prediction_latency_seconds_bucket", "by (le) ")
RATE = f"sum(rate(model_errors_total{OWN}[{{{{window}}}}])) / sum(rate(prediction_requests_total{OWN}[{{{{window}}}}]))"
CHECKS = {
    "ratio": {"ratio": PAIR, "max": 0.05},
    "rates": {"compare": PAIR},
    "means": {"compare": SECONDS | {"maxRelativeIncrease": 0.5}},
    "quantiles": {"compare": {"buckets": BUCKETS, "maxRelativeIncrease": 0.5}},
    "looks": {"sequential": PAIR},
    "looks-at-limit": {"sequential": PAIR, "max": 0.05},
    "change": {"sequential": PAIR | {"detect": "change"}},
    "change-at-limit": {"sequential": PAIR | {"detect": "change"}, "max": 0.05},
    "looks-at-means": {"sequential": SECONDS},
    "psi": {"drift": {"buckets": BUCKETS}},
    "quality": {"drift": {"measure": "performance", **PAIR}},
    "fair": {
        "fairness": {
            "bad": own("model_errors_total", "by (group) "),
            "total": own("prediction_requests_total", "by (group) "),
        }
    },
    "cost": {
        "cost": {"usage": {"tokens": own("tokens_total")}, "prices": {"tokens": 0.001}, "count": PAIR["total"]},
        "max": 0.05,
    },
    "errors": {"preset": "error-rate", "max": 0.05},
    "latency": {"preset": "p95-latency", "max": 0.7},
    "query": {"query": RATE, "max": 0.05},
    "least": {"query": f"1 - {RATE}", "min": 0.95, "minSamples": 50, "samples": PAIR["total"]},
    "scalar": {"query": f"scalar({RATE})", "max": 0.05},
    "subquery": {"query": f"max_over_time(({RATE})[3m:30s])", "max": 0.05},
    "or-zero": {"query": f"({own('model_errors_total')} or vector(0)) / {PAIR['total']}", "max": 0.05},
    "earlier": {"query": RATE.replace("}]))", "}] offset 1m))"), "max": 0.05},
    "quantile": {"query": f"histogram_quantile(0.9, {BUCKETS})", "max": 0.7},
}
SILENT = {
    "nothing": {"query": "sum(no_such_metric)", "max": 1},
    "several": {"query": f"sum by (group) (increase(prediction_requests_total{OWN}[{{{{window}}}}]))", "max": 1},
    "nan": {"query": "vector(0) / 0", "max": 1},
    "refused": {"query": "sum(rate(prediction_requests_total[1m])", "max": 1},
    "unknown": {"query": "no_such_function(up)", "max": 1},
    "clashing": {"query": f"prediction_requests_total{OWN} / on() prediction_requests_total{OWN}", "max": 1},
}
SAME_REASON = {"several", "refused", "unknown", "clashing"}


class Server:
    """A model server with fixed shares of errors, slow answers and tokens."""

    def __init__(self, *, bad):
        self.bad = bad
        self.turn = 0
        self.values = defaultdict(float)

    def serve(self, requests):
        self.turn += 1
        for number in range(requests):
            group = "ab"[number % 2]
            self.values["prediction_requests_total", ("group", group)] += 1
            failing = (number % 10 < 5 and group == "b") if self.bad else number % 100 in {0, 51}
            self.values["model_errors_total", ("group", group)] += failing
            self.values["tokens_total", ()] += 200 if self.bad else 20
            seconds = (number % 20 + 1) / 20 * (1.5 if self.bad else 0.4) * (1 + self.turn % 7 / 50)
            self.values["prediction_latency_seconds_sum", ()] += seconds
            self.values["prediction_latency_seconds_count", ()] += 1
            for bound in (*BOUNDS, math.inf):
                le = "+Inf" if bound == math.inf else str(bound)
                self.values["prediction_latency_seconds_bucket", ("le", le)] += seconds <= bound


@pytest.fixture
def last_minute():
    return int(SystemClock().now() - 50) // 60 * 60


@pytest.fixture
def history(last_minute):
    """A stable version, a candidate as good, and a bad one, side by side."""
    found = defaultdict(list)
    servers = {"r1": Server(bad=False), "good": Server(bad=False), "bad": Server(bad=True)}
    for second in range(0, 60 * MINUTES + 1, SCRAPE):
        for revision, server in servers.items():
            server.serve(100)
            target = {"namespace": "ml", "modeldeployment": "digits", "revision": revision}
            for (name, label), value in server.values.items():
                labels = {"__name__": name, **target} | ({label[0]: label[1]} if label else {})
                found[tuple(sorted(labels.items()))].append((last_minute - 60 * MINUTES + second, value))
    return found


def due(endpoint, revision, checks):
    subject = QueryContext("ml", "digits", revision, f"digits-{revision}", "r1", "digits-r1")
    health = Health(checks=tuple({"name": name, **fields} for name, fields in checks.items()))
    return CheckRequest("k", endpoint, health, subject)


async def said(endpoint, revision, checks, metrics, telemetry, last_minute):
    one = due(endpoint, revision, checks)
    ticks = tuple(last_minute - 60 * n for n in range(MINUTES - 1, 0, -1))
    missed = (await missed_outcomes([Missed(one, ticks)], metrics, telemetry))["k"]
    one = one.after(missed[ticks[-1]])
    return {o.name: o for o in (await outcomes([one], last_minute, metrics, telemetry))["k"]}


def test_there_are_as_many_checks_as_the_documentation_says():
    assert len(CHECKS) == 22


@pytest.mark.parametrize(("revision", "verdict"), [("good", Verdict.HEALTHY), ("bad", Verdict.BREACH)])
async def test_every_kind_of_check_says_the_same_as_with_prometheus(
    reference, back_end, history, metrics, telemetry, last_minute, revision, verdict
):
    for each in (reference, back_end):
        each.write(history)
        found = await said(each.endpoint, revision, CHECKS, metrics, telemetry, last_minute)
        expected = dict.fromkeys(CHECKS, verdict)
        if revision == "bad":
            expected["means"] = Verdict.NO_DATA  # a sum and a count hold no spread
        assert {o.name: o.verdict for o in found.values()} == expected, (
            each.name,
            [(o.name, o.detail) for o in found.values() if o.verdict is not verdict],
        )


async def test_what_has_no_number_is_no_data_for_the_same_reason(
    reference, back_end, history, metrics, telemetry, last_minute
):
    found = {}
    for each in (reference, back_end):
        each.write(history)
        found[each.name] = await said(each.endpoint, "good", SILENT, metrics, telemetry, last_minute)
        assert {o.verdict for o in found[each.name].values()} == {Verdict.NO_DATA}
    theirs, ours = found[back_end.name], found[reference.name]
    assert {n: theirs[n].reason for n in SAME_REASON} == {n: ours[n].reason for n in SAME_REASON}
    assert theirs["nan"].reason in {Reason.NOT_A_NUMBER, Reason.EMPTY_RESULT}


async def test_a_wrong_path_is_hinted_at(back_end, metrics, last_minute):
    wrong = back_end.endpoint
    wrong = type(wrong)(f"{wrong.address}/wrong", wrong.secret, wrong.headers)
    with pytest.raises(PrometheusUnavailable, match="path prefix"):
        await metrics.instant(wrong, "1", last_minute)


async def test_a_long_range_has_every_instant_that_was_asked_for(reference, back_end, history, metrics, last_minute):
    """Instants that are no multiples of the step: a back end that rounds them answers for others."""
    start = last_minute - 60 * MINUTES + 7
    values = []
    for each in (reference, back_end):
        each.write(history)
        found = await metrics.range(each.endpoint, "time()", start, start + 590, 10)
        assert {at: samples[0].value for at, samples in found.items()} == {
            at: at for at in range(start, start + 591, 10)
        }
        counted = await metrics.range(each.endpoint, "sum(prediction_requests_total)", start, start + 590, 10)
        values.append({at: samples[0].value for at, samples in counted.items()})
    assert values[0] == values[1]
