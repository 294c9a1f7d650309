"""Counts on a real Prometheus are those of the counters: none is extrapolated, none is lost, none is counted twice."""

import numpy as np
import pytest
from recorded import Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import count_questions
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict
from modelramp.engine.queries import CheckRequest
from modelramp.engine.replay import Missed, missed_outcomes

MINUTES, WINDOW, PODS = 16, 60, 4
OWN = 'namespace="scraped",revision="{{revision}}"'
BAD = f"sum(increase(failed_total{{{OWN}}}[{{{{window}}}}])) or vector(0)"
TOTAL = f"sum(increase(asked_total{{{OWN}}}[{{{{window}}}}]))"
NATIVE = f"sum(increase(seconds{{{OWN}}}[{{{{window}}}}]))"
STORIES = [(story, scrapes) for scrapes in (1, 2, 4, 10) for story in ("steady", "restarts", "missed", "born")]


class Pod:
    """What one pod counted, and what a scraper that misses nothing would have counted by minute."""

    def __init__(self, story, scrapes, number, seed):
        self.random, self.story, self.number = np.random.default_rng([seed, number, scrapes]), story, number
        self.every = WINDOW // scrapes
        self.phase = 1 + int(self.random.integers(self.every))
        born = story == "born"
        self.asked, self.failed = (0, {}) if born else (5_000, {"500": 400, "503": 400})
        self.scraped, self.restarts = {}, [290 + 31 * number, 670 + 37 * number] if story == "restarts" else []

    def scrape(self, recording, start, second):
        """One scrape and what happened since the last one."""
        requests = int(self.random.poisson(self.every))
        failures = self.random.binomial(requests, 0.05, 2) if second > 200 or self.story != "born" else (0, 0)
        if self.restarts and second >= self.restarts[0]:
            self.restarts.pop(0)
            self.asked, self.failed = 0, {"500": 0, "503": 0}
        self.asked += requests
        for code, found in zip(("500", "503"), failures, strict=True):
            if found or code in self.failed:
                self.failed[code] = self.failed.get(code, 0) + int(found)
        if self.story == "missed" and self.random.random() < 0.2:
            recording.gone(start + second, **self.target)
            return
        self.scraped[start + second] = {"asked": self.asked, **self.failed}
        recording.scraped(f"# TYPE asked_total counter\nasked_total {self.asked}\n", start + second, **self.target)
        for code, found in self.failed.items():
            text = f'# TYPE failed_total counter\nfailed_total{{code="{code}"}} {found}\n'
            recording.scraped(text, start + second, **self.target)

    @property
    def target(self):
        revision = f"{self.story}-{WINDOW // self.every}"
        return {"namespace": "scraped", "revision": revision, "instance": f"pod-{self.number}", "job": "pods"}

    def rises(self):
        """When each sample showed how many more requests and failures than the one before."""
        last = {}
        for number, (at, counters) in enumerate(sorted(self.scraped.items())):
            rose = {name: value - last.get(name, 0) for name, value in counters.items()}
            rose = {name: rise if rise >= 0 else counters[name] for name, rise in rose.items()}
            last = counters
            if number:
                yield at, rose.pop("asked"), sum(rose.values())


@pytest.fixture(scope="module")
def history(prometheus, last_minute):
    """By story and scrapes a window: failures and requests of each minute, as the counters themselves tell them."""
    counted, start = {}, last_minute - WINDOW * MINUTES
    for story, scrapes in STORIES:
        recording, counts = Recording(prometheus), {}
        for number in range(PODS):
            pod = Pod(story, scrapes, number, seed=20_261_129)
            for second in range(pod.phase, WINDOW * MINUTES + 1, pod.every):
                pod.scrape(recording, start, second)
            for at, asked, failed in pod.rises():
                tick = -(-at // WINDOW) * WINDOW
                before = counts.get(tick, (0, 0))
                counts[tick] = before[0] + failed, before[1] + asked
        recording.play()
        counted[story, scrapes] = counts
    return counted


def subject(story, scrapes):
    return QueryContext("scraped", "m", f"{story}-{scrapes}", "m")


@pytest.mark.parametrize(("story", "scrapes"), STORIES)
async def test_a_minute_counts_what_its_scrapes_showed(history, endpoint, metrics, last_minute, story, scrapes):
    ticks = range(last_minute - WINDOW * (MINUTES - 3), last_minute + 1, WINDOW)
    answers = []
    for question in count_questions("x", {"bad": BAD, "total": TOTAL}, subject(story, scrapes), WINDOW):
        found = await metrics.range(endpoint, question.text, ticks[0], ticks[-1], WINDOW)
        answers.append([found[tick][0].value if found.get(tick) else 0 for tick in ticks])
    assert list(zip(*answers, strict=True)) == [history[story, scrapes].get(tick, (0, 0)) for tick in ticks]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("scrapes", [1, 2, 4, 10])
async def test_failures_of_new_series_are_found_within_ten_ticks(endpoint, metrics, telemetry, last_minute, scrapes):
    sequential = {"bad": BAD, "total": TOTAL, "detect": "change"}
    check = {"name": "errors", "sequential": sequential, "max": 0.03, "failureThreshold": 1}
    due = CheckRequest("k", endpoint, Health(checks=(check,)), subject("born", scrapes))
    ticks = tuple(range(last_minute - WINDOW * (MINUTES - 3), last_minute + 1, WINDOW))
    found = (await missed_outcomes([Missed(due, ticks)], metrics, telemetry))["k"]
    assert Verdict.BREACH in {found[tick][0].verdict for tick in ticks[:10]}


async def test_a_native_histogram_is_not_extrapolated_either(prometheus, endpoint, metrics, last_minute):
    recording, values = Recording(prometheus), [0.3]
    for second in range(0, 121, 20):
        recording.exponential("seconds", values, 3, last_minute - 120 + second, namespace="scraped", revision="native")
        values = [*values, *[0.4] * 10]
    recording.play()
    (asked,) = count_questions("x", {"buckets": NATIVE}, QueryContext("scraped", "m", "native", "m"), WINDOW)
    (found,) = await metrics.instant(endpoint, asked.text, last_minute)
    assert found.histogram.count == pytest.approx(20)
