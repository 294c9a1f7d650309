"""Every kind of check on a real Prometheus: a good version keeps them all, a bad one breaches each."""

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import generate_latest
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest, asked, merged, outcomes
from modelramp.engine.replay import Missed, missed_outcomes

MINUTES = 12
WINDOW = "[{{window}}]"
OWN = 'namespace="{{namespace}}",modeldeployment="{{name}}",revision="{{revision}}"'


def own(metric, by=""):
    return f"sum {by}(increase({metric}{{{OWN}}}{WINDOW}))"


def for_all(metric, *also):
    labels = ", ".join(("namespace", "modeldeployment", "revision", *also))
    return f'sum by ({labels}) (increase({metric}{{modeldeployment!=""}}{WINDOW}))'


def checks(of):
    """All kinds, their queries made by `of`, which gets a metric and the label that is kept."""
    pair = {"bad": of("wrong_total"), "total": of("asked_total")}
    seconds = {"sum": of("seconds_sum"), "count": of("seconds_count")}
    found = {
        "ratio": {"ratio": pair, "max": "0.05"},
        "rates": {"compare": pair},
        "means": {"compare": seconds | {"maxRelativeIncrease": "0.5"}},
        "quantiles": {"compare": {"buckets": of("seconds_bucket", "le"), "maxRelativeIncrease": "0.5"}},
        "looks": {"sequential": pair},
        "looks-at-limit": {"sequential": pair, "max": "0.05"},
        "change": {"sequential": pair | {"detect": "change"}},
        "change-at-limit": {"sequential": pair | {"detect": "change"}, "max": "0.05"},
        "looks-at-means": {"sequential": seconds},
        "psi": {"drift": {"buckets": of("seconds_bucket", "le")}},
        "quality": {"drift": {"measure": "performance", **pair}},
        "fair": {"fairness": {"bad": of("wrong_total", "group"), "total": of("asked_total", "group")}},
        "cost": {
            "cost": {
                "usage": {"tokens": of("tokens_total")},
                "prices": {"tokens": "0.001"},
                "count": of("asked_total"),
            },
            "max": "0.05",
        },
    }
    return tuple({"name": name, **fields} for name, fields in found.items())


NAMED = checks(lambda metric, by="": own(metric, f"by ({by}) " if by else ""))
GROUPED = checks(for_all)


class Server:
    """A model server whose errors, latency, tokens and fairness are those of its version."""

    def __init__(self, bad, seed):
        self.bad, self.random = bad, np.random.default_rng(seed)
        self.registry = CollectorRegistry()
        self.asked = Counter("asked", "", ["group"], registry=self.registry)
        self.wrong = Counter("wrong", "", ["group"], registry=self.registry)
        self.tokens = Counter("tokens", "", registry=self.registry)
        self.seconds = Histogram("seconds", "", buckets=(0.1, 0.2, 0.4, 0.8, 1.6), registry=self.registry)

    def serve(self, requests):
        for number in range(requests):
            group = "ab"[number % 2]
            self.asked.labels(group).inc()
            unlucky = 0.4 if self.bad and group == "b" else 0.02
            self.wrong.labels(group).inc(self.random.random() < unlucky)
            self.tokens.inc(200 if self.bad else 20)
            self.seconds.observe(self.random.exponential(0.5 if self.bad else 0.2))


@pytest.fixture(scope="module")
def history(prometheus, last_minute):
    """A stable version, a candidate as good, and a bad one, side by side."""
    recording = Recording(prometheus)
    servers = {"r1": Server(False, 1), "good": Server(False, 2), "bad": Server(True, 3)}
    for second in range(0, 60 * MINUTES + 1, SCRAPE_SECONDS):
        for revision, server in servers.items():
            target = {"namespace": "kinds", "modeldeployment": "digits", "revision": revision}
            text = generate_latest(server.registry).decode()
            recording.scraped(text, last_minute - 60 * MINUTES + second, **target)
            server.serve(80)
    recording.play()


def due(endpoint, revision, given):
    subject = QueryContext("kinds", "digits", revision, f"digits-{revision}", "r1", "digits-r1")
    return CheckRequest("k", endpoint, Health(checks=given), subject)


async def verdicts(one, metrics, telemetry, last_minute):
    ticks = tuple(last_minute - 60 * n for n in range(MINUTES - 1, 0, -1))
    missed = (await missed_outcomes([Missed(one, ticks)], metrics, telemetry))["k"]
    one = one.after(missed[ticks[-1]])
    return (await outcomes([one], last_minute, metrics, telemetry))["k"]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("given", [NAMED, GROUPED], ids=["named", "grouped"])
@pytest.mark.parametrize(("revision", "verdict"), [("good", Verdict.HEALTHY), ("bad", Verdict.BREACH)])
async def test_a_good_version_keeps_every_kind_and_a_bad_one_breaches_each(
    endpoint, metrics, telemetry, last_minute, given, revision, verdict
):
    found = await verdicts(due(endpoint, revision, given), metrics, telemetry, last_minute)
    expected = {check["name"]: verdict for check in given}
    if revision == "bad":
        expected["means"] = Verdict.NO_DATA  # a sum and a count hold no spread
    assert {o.name: o.verdict for o in found} == expected, [o.detail for o in found]


def test_grouped_queries_of_ten_thousand_objects_are_asked_once(endpoint):
    one = due(endpoint, "good", GROUPED)
    objects = [asked(replace(one, subject=replace(one.subject, name=f"m{n}")), (0,)) for n in range(10_000)]
    texts = {question for check in GROUPED for question in str(check).split("'") if "increase(" in question}
    assert len(merged(objects, (0,))) == len(texts)
