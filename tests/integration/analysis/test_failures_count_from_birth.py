"""A series that is born with its first failures counts them, and one that is only met for the first time does not."""

import pytest
from expositions import counter
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.engine.queries import CheckRequest, outcomes

NAMESPACE = "births"
API = 'handler="/predict",method="POST"'
SCRAPES = 6
"""Of which the first lies before the window of a minute, and the second at its very beginning."""


def served(good, bad):
    """An application's exposition, in which a series is there from its first event on."""
    return counter("http_requests_total", f'{API},status="2xx"', good, lazy=True) + counter(
        "http_requests_total", f'{API},status="5xx"', bad, lazy=True
    )


# By revision: by pod, what each scrape finds: (good, bad) so far, "-" a scrape that failed, None not scraped at all.
BURST = [(20, 0), (40, 0), (40, 5), (70, 5), (70, 5), (70, 5)]
STORIES = {
    "burst": {"a": BURST},
    "two-pods": {"a": BURST, "b": [(20, 0), (40, 0), (40, 0), (70, 0), (70, 0), (70, 0)]},
    "first-failure-of-all": {"a": [(0, 0), (0, 0), (0, 0), (0, 5), (0, 5), (0, 5)]},
    "first-requests": {"a": [(0, 0), (0, 0), (15, 5), (15, 5), (15, 5), (15, 5)]},
    "failing-since-its-start": {"a": [None, None, (0, 0), (0, 5), (0, 10), (0, 15)]},
    "met-late": {"a": [None, None, None, (1000, 500), (1010, 500), (1020, 500)]},
    "met-again": {"a": [(1000, 500), "-", "-", (1010, 500), (1020, 500), (1030, 500)]},
    "restarted": {"a": [(100, 50), (110, 50), (0, 0), (10, 0), (20, 0), (30, 0)]},
    "restarted-and-failing": {"a": [(100, 50), (110, 50), (0, 0), (10, 10), (20, 20), (30, 30)]},
    "failures-long-ago": {"a": [(100, 5), (110, 5), (120, 5), (130, 5), (140, 5), (150, 5)]},
}
RIGHT = {
    "burst": (0.08, 0.125),
    "two-pods": (0.04, 0.077),
    "first-failure-of-all": (1, 1),
    "first-requests": (0.25, 0.25),
    "failing-since-its-start": (1, 1),
    "met-late": (0, 0),
    "met-again": (0, 0),
    "restarted": (0, 0),
    "restarted-and-failing": (0.4, 0.6),
    "failures-long-ago": (0, 0),
}
"""The least and the most that the share may be: increase() extrapolates what is older than the window."""


@pytest.fixture(scope="module")
def recorded(prometheus, last_minute):
    recording = Recording(prometheus)
    for revision, pods in STORIES.items():
        for pod, scrapes in pods.items():
            target = {"namespace": NAMESPACE, "modeldeployment": "m", "revision": revision, "instance": pod, "job": "p"}
            _record(recording, scrapes, target, last_minute, scraped=True)
    target = {"namespace": NAMESPACE, "modeldeployment": "m", "revision": "pushed", "instance": "a", "job": "p"}
    _record(recording, BURST, target, last_minute, scraped=False)
    recording.play()


def _record(recording, scrapes, target, last_minute, *, scraped):
    """`scraped`: there is an `up` beside the series, as whenever Prometheus itself asks the pod."""
    for number, found in enumerate(scrapes):
        at = last_minute - SCRAPE_SECONDS * (SCRAPES - 1 - number)
        if found is None:
            continue
        if scraped:
            recording.scraped(f"# TYPE up gauge\nup {0 if found == '-' else 1}\n", at, **target)
        if found != "-":
            recording.scraped(served(*found), at, **target)
        recording.gone(at, **target)


async def asked(revision, endpoint, metrics, telemetry, tick, interval="60s"):
    health = Health(interval=interval, checks=({"name": "check", "preset": "fastapi-error-rate"},))
    due = CheckRequest("key", endpoint, health, QueryContext(NAMESPACE, "m", revision, f"m-{revision}"))
    return (await outcomes([due], tick, metrics, telemetry))["key"][0]


@pytest.mark.parametrize("revision", RIGHT)
@pytest.mark.usefixtures("recorded")
async def test_each_failure_counts_in_the_window_in_which_it_happened(
    revision, endpoint, metrics, telemetry, last_minute
):
    least, most = RIGHT[revision]
    found = await asked(revision, endpoint, metrics, telemetry, last_minute)
    assert least - 1e-9 <= found.value <= most + 1e-9


@pytest.mark.usefixtures("recorded")
async def test_series_that_are_pushed_count_from_birth_beside_older_ones(endpoint, metrics, telemetry, last_minute):
    found = await asked("pushed", endpoint, metrics, telemetry, last_minute)
    least, most = RIGHT["burst"]
    assert least <= found.value <= most


@pytest.mark.usefixtures("recorded")
async def test_of_two_windows_one_counts_the_birth(endpoint, metrics, telemetry, last_minute):
    """The series is born in the last scrape of the first half of the minute."""
    first, second = [
        await asked("first-failure-of-all", endpoint, metrics, telemetry, tick, "30s")
        for tick in (last_minute - 2 * SCRAPE_SECONDS, last_minute)
    ]
    assert first.value == 1
    assert second.reason is Reason.NOT_A_NUMBER
