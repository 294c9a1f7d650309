"""Whether the operator's own Prometheus answers: at the start in its first line, later as a gauge and in the log."""

import asyncio

from modelramp.adapters.prometheus import PROBE_SECONDS, PrometheusProbe
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.api.errors import PrometheusUnavailable
from modelramp.engine.ports import Endpoint
from modelramp.operator import start_line
from modelramp.settings import Settings

ADDRESS = "http://prometheus:9090"
REFUSED = PrometheusUnavailable(
    "PrometheusUnreachable", f"{ADDRESS}: the connection is refused; does Prometheus run there?"
)


class Told:
    def __init__(self):
        self.lines, self.up = [], []

    def log(self, event, **fields):
        self.lines.append((event, fields))

    warn = log

    def gauge(self, metric, value):
        assert metric == "modelramp_prometheus_up"
        self.up.append(value)


class Prometheus:
    """Answers as it is told, then no more at all."""

    def __init__(self, *answers):
        self.answers = list(answers)

    async def instant(self, endpoint, query, at):
        if not self.answers:
            await asyncio.Event().wait()
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer
        return ()


class Clock:
    """Sleeping ends at once, the last time never."""

    def __init__(self, sleeps):
        self.sleeps = sleeps
        self.done = asyncio.Event()

    def now(self):
        return 1_700_000_000.0

    async def sleep(self, seconds):
        assert seconds == PROBE_SECONDS
        if not self.sleeps:
            self.done.set()
            await asyncio.Event().wait()
        self.sleeps -= 1


async def test_a_change_is_told_once_and_the_gauge_follows_every_look():
    telemetry, clock = Told(), Clock(5)
    prometheus = Prometheus(None, REFUSED, REFUSED, None, None)
    running = asyncio.create_task(PrometheusProbe(prometheus, Endpoint(ADDRESS), telemetry, clock).run(""))
    await clock.done.wait()
    running.cancel()
    assert telemetry.up == [1, 0, 0, 1, 1]
    assert telemetry.lines == [
        ("Prometheus does not answer", {"address": ADDRESS, "reason": str(REFUSED)}),
        ("Prometheus answers again", {"address": ADDRESS}),
    ]


async def test_a_replica_that_follows_asks_nothing_and_goes_on():
    telemetry, clock, leads = OperatorTelemetry(), Clock(4), [False, False, True]
    prometheus = Prometheus(None)
    probe = PrometheusProbe(prometheus, Endpoint(ADDRESS), telemetry, clock, asks=lambda: bool(leads and leads.pop(0)))
    running = asyncio.create_task(probe.run(""))
    await clock.done.wait()

    assert not running.done()
    assert prometheus.answers == []
    running.cancel()


async def test_one_that_hangs_delays_nobody_for_long():
    telemetry = Told()
    problem = await PrometheusProbe(Prometheus(), Endpoint(ADDRESS), telemetry, Clock(0)).look(0.01)
    assert problem == f"{ADDRESS}: no answer within 0.01 s"
    assert telemetry.up == [0]


def test_the_start_line_says_what_is_set_and_whether_prometheus_answers():
    settings = Settings(prometheus_address=ADDRESS)
    line = start_line(settings, "", 3)
    assert {name: line[name] for name in ("prometheus", "prometheus_answers", "namespaces", "objects", "settings")} == {
        "prometheus": ADDRESS,
        "prometheus_answers": True,
        "namespaces": "all",
        "objects": 3,
        "settings": {},
    }
    settings = Settings(prometheus_address=ADDRESS, namespaces="ml,vision", query_timeout=5, log_level="debug")
    line = start_line(settings, str(REFUSED), None)
    assert line["prometheus_answers"] is False
    assert line["prometheus_problem"] == str(REFUSED)
    assert line["namespaces"] == ("ml", "vision")
    assert line["objects"] is None
    assert line["settings"] == {"query_timeout": 5.0, "log_level": "DEBUG"}
