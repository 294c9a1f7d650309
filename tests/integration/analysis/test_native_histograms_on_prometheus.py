"""Native histograms from a real Prometheus: the quantiles are its own, and the checks weigh them."""

import json
import math

import numpy as np
import pytest
from click.testing import CliRunner
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.stats.histograms import quantile
from modelramp.analysis.stats.native_histograms import from_native
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict
from modelramp.cli.main import main
from modelramp.engine.queries import CheckRequest, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

MINUTES = 5
EACH = 40
"""Observations between two scrapes."""
TWOS = (0.0625, 0.125, 0.25, 0.5, 1, 2)
BOUNDS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6)


def seconds(scale, seed):
    return lambda count: np.random.default_rng(seed).exponential(scale, count)


def both_sides(count):
    values = np.random.default_rng(4).normal(0.2, 1, count)
    values[::7] = 0
    return values


def half_nan(count):
    values = seconds(0.2, 5)(count)
    values[::2] = math.nan
    return values


EXPONENTIAL = {
    "r1": (seconds(0.2, 1), 3),
    "good": (seconds(0.2, 2), 3),
    "coarse": (seconds(0.2, 3), 0),
    "bad": (seconds(0.6, 4), 3),
    "bad-coarse": (seconds(0.6, 5), -1),
    "half-nan": (half_nan, 3),
    "both-sides": (both_sides, 5),
}
"""By revision: what it observes, and the schema of its histogram."""
CUSTOM = {"r1": seconds(0.2, 6), "good": seconds(0.2, 7), "bad": seconds(0.6, 8)}


LATENCIES = {
    "fast": (seconds(0.2, 9), False),
    "slow": (seconds(4.0, 10), False),
    "custom": (seconds(0.2, 11), True),
    "beyond": (seconds(8.0, 12), True),
}
"""By revision: how long answers take, and whether its own histogram has custom buckets."""


def inbound(target, revision):
    """Labels of a pod's own traffic in Linkerd's proxy, which counts in milliseconds."""
    return target | {"revision": revision, "direction": "inbound", "srv_port": "8080"}


@pytest.fixture(scope="module", autouse=True)
def history(prometheus, last_minute):
    recording = Recording(prometheus)
    scrapes = MINUTES * 60 // SCRAPE_SECONDS
    target = {"namespace": "natives", "modeldeployment": "digits"}
    for number in range(scrapes + 1):
        at, seen = last_minute - (scrapes - number) * SCRAPE_SECONDS, number * EACH
        for revision, (draw, schema) in EXPONENTIAL.items():
            recording.exponential("exp", draw(scrapes * EACH)[:seen], schema, at, **target, revision=revision)
        for revision, draw in CUSTOM.items():
            recording.custom("nhcb", draw(scrapes * EACH)[:seen], BOUNDS, at, **target, revision=revision)
            recording.custom("twos", draw(scrapes * EACH)[:seen], TWOS, at, **target, revision=revision)
        for revision, (draw, custom) in LATENCIES.items():
            values = draw(scrapes * EACH)[:seen]
            if custom:
                recording.custom("prediction_latency_seconds", values, BOUNDS, at, **target, revision=revision)
            else:
                recording.exponential("prediction_latency_seconds", values, 3, at, **target, revision=revision)
            recording.custom("response_latency_ms", values * 1000, (50, 500, 5000), at, **inbound(target, revision))
        recording.exponential("idle", [], 3, at, **target, revision="good")
    recording.play()


def increase(metric, revision):
    return f'sum(increase({metric}{{namespace="natives",revision="{revision}"}}[5m]))'


# Not with NaN among the observations: Prometheus 3.15 forgets then which bucket it has found (promql/quantile.go).
COMPARABLE = [("exp", revision) for revision in EXPONENTIAL if revision != "half-nan"]


@pytest.mark.parametrize(("metric", "revision"), [*COMPARABLE, *(("nhcb", revision) for revision in CUSTOM)])
async def test_quantiles_are_prometheus_own(endpoint, metrics, last_minute, metric, revision):
    query = increase(metric, revision)
    (answer,) = await metrics.instant(endpoint, query, last_minute)
    buckets = from_native(answer.histogram.buckets, answer.histogram.count)
    for q in (0.05, 0.25, 0.4, 0.5, 0.75, 0.9, 0.95, 0.999):
        (said,) = await metrics.instant(endpoint, f"histogram_quantile({q}, {query})", last_minute)
        found = quantile(buckets, q)
        # Beyond the last edge Prometheus says that edge, and a limit there could never be breached.
        assert found == pytest.approx(said.value, rel=1e-9) or (math.isinf(found) and said.value == buckets.edges[-2])


async def test_the_quantile_of_custom_buckets_at_powers_of_two_is_prometheus_own(
    endpoint, metrics, telemetry, last_minute
):
    query = QUERIES["named"].replace("METRIC", "twos")
    one = due(endpoint, "bad", ({"name": "p50", "compare": {"buckets": query, "quantile": "0.5"}},))
    (found,) = (await outcomes([one], last_minute, metrics, telemetry))["k"]
    own = 'sum(increase(twos{namespace="natives",revision="REVISION"}[1m]))'
    bad, stable = [
        (await metrics.instant(endpoint, f"histogram_quantile(0.5, {own.replace('REVISION', of)})", last_minute))[0]
        for of in ("bad", "r1")
    ]
    assert found.value == pytest.approx(bad.value - stable.value, rel=0.02)


NAMED = '{namespace="{{namespace}}",modeldeployment="{{name}}",revision="{{revision}}"}'
QUERIES = {
    "named": f"sum(increase(METRIC{NAMED}[{{{{window}}}}]))",
    "grouped": 'sum by (namespace, modeldeployment, revision) (increase(METRIC{modeldeployment!=""}[{{window}}]))',
}


def checks(query):
    return (
        {"name": "p90", "compare": {"buckets": query, "quantile": "0.9"}},
        {"name": "psi", "drift": {"buckets": query}},
        {"name": "ks", "drift": {"measure": "ks", "buckets": query}},
    )


def due(endpoint, revision, given):
    subject = QueryContext("natives", "digits", revision, f"digits-{revision}", "r1", "digits-r1")
    return CheckRequest("k", endpoint, Health(checks=given), subject)


async def said(one, metrics, telemetry, last_minute):
    """What the newest tick says, asked as an instant and as the end of a range."""
    ticks = tuple(last_minute - 60 * n for n in (2, 1, 0))
    replayed = (await missed_outcomes([Missed(one, ticks)], metrics, telemetry))["k"][last_minute]
    now = (await outcomes([one], last_minute, metrics, telemetry))["k"]
    assert replayed == now
    return now


CASES = [
    ("exp", "good", Verdict.HEALTHY),
    ("exp", "coarse", Verdict.HEALTHY),
    ("exp", "bad", Verdict.BREACH),
    ("exp", "bad-coarse", Verdict.BREACH),
    ("exp", "half-nan", Verdict.BREACH),
    ("nhcb", "good", Verdict.HEALTHY),
    ("nhcb", "bad", Verdict.BREACH),
]


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
@pytest.mark.parametrize(("metric", "revision", "verdict"), CASES)
async def test_a_native_histogram_is_compared_and_searched_for_drift(
    endpoint, metrics, telemetry, last_minute, query, metric, revision, verdict
):
    one = due(endpoint, revision, checks(query.replace("METRIC", metric)))
    found = await said(one, metrics, telemetry, last_minute)
    assert [outcome.verdict for outcome in found] == [verdict] * 3, [outcome.detail for outcome in found]


EXP, NHCB, IDLE = (QUERIES["named"].replace("METRIC", metric) for metric in ("exp", "nhcb", "idle"))
SAYS_NOTHING = {
    "another scheme than the reference's": (
        {"drift": {"buckets": EXP, "reference": {"query": NHCB}}},
        Reason.NOT_EVALUATED,
        "different buckets",
    ),
    "nothing observed": ({"drift": {"buckets": IDLE}}, Reason.EMPTY_RESULT, "candidate: nothing was counted"),
    "no such series": ({"drift": {"buckets": "no_such_series"}}, Reason.EMPTY_RESULT, "has no buckets"),
    "several series": (
        {"drift": {"buckets": "increase(exp{revision!='{{revision}}'}[5m])"}},
        Reason.SEVERAL_SERIES,
        "add them up: sum(...)",
    ),
    "a histogram that falls": ({"drift": {"buckets": f"-{EXP}"}}, Reason.NOT_A_NUMBER, "use increase()"),
    "a number is wanted": ({"query": EXP, "max": 1}, Reason.QUERY_INVALID, "histogram_quantile(0.95, ...)"),
    "counts are wanted": (
        {"ratio": {"bad": EXP, "total": EXP}, "max": "0.1"},
        Reason.QUERY_INVALID,
        "bad gives a native histogram, not a number; wrap it",
    ),
}


@pytest.mark.parametrize(("fields", "reason", "words"), SAYS_NOTHING.values(), ids=SAYS_NOTHING)
async def test_a_native_histogram_that_says_nothing_has_a_reason(
    endpoint, metrics, telemetry, last_minute, fields, reason, words
):
    (found,) = await said(due(endpoint, "good", ({"name": "c", **fields},)), metrics, telemetry, last_minute)
    assert (found.verdict, found.reason) == (Verdict.NO_DATA, reason)
    assert words in found.detail


@pytest.mark.parametrize("revision", LATENCIES)
async def test_presets_of_latencies_speak_of_native_histograms_too(endpoint, metrics, telemetry, last_minute, revision):
    given = tuple(
        {"name": name, "preset": name}
        for name in ("reference-p95-latency", "reference-latency-mean", "linkerd-p95-latency")
    )
    own, mean, proxy = await said(due(endpoint, revision, given), metrics, telemetry, last_minute)
    draw, _ = LATENCIES[revision]
    true = draw(MINUTES * 60 // SCRAPE_SECONDS * EACH)
    if revision == "beyond":
        assert (own.verdict, own.value) == (proxy.verdict, proxy.value) == (Verdict.BREACH, math.inf)
    else:
        assert own.value == pytest.approx(np.quantile(true, 0.95), rel=0.3)
        assert own.verdict is (Verdict.BREACH if revision == "slow" else Verdict.HEALTHY)
        assert (proxy.value == math.inf) == (revision == "slow")
    assert mean.value == pytest.approx(true.mean(), rel=0.2)


MANIFEST = """
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {{name: digits, namespace: natives}}
spec:
  model: {{name: digits, version: 2.0.0}}
  template: {{spec: {{containers: [{{name: model, image: digits}}]}}}}
  routing: {{gateway: {{parentRefs: [{{name: public}}]}}}}
  health: {{checks: [{{name: p90, compare: {{buckets: '{query}', quantile: "0.9"}}}}]}}
"""


@pytest.mark.parametrize(("revision", "rollbacks"), [("good", 0), ("bad-coarse", 1)])
def test_a_backtest_replays_native_histograms(prometheus, last_minute, tmp_path, revision, rollbacks):
    manifest = tmp_path / "policy.yaml"
    manifest.write_text(MANIFEST.format(query=QUERIES["named"].replace("METRIC", "exp")))
    times = ["--from", str(last_minute - 60 * MINUTES), "--to", str(last_minute), "--no-sensitivity"]
    chosen = ["--prometheus", prometheus, "--revision", revision, "--stable", "r1"]
    done = CliRunner().invoke(main, ["backtest", "-f", str(manifest), *chosen, *times])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout.splitlines()[-1])["rollbacks"]["count"] == rollbacks
