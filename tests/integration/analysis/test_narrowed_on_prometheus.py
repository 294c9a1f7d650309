"""Rewritten queries on a real Prometheus that has series of two namespaces."""

import math

import pytest
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.matchers import NotNarrowed, narrowed

EXPOSITION = """# TYPE secret_total counter
secret_total{{path="/a"}} {0}
secret_total{{path="/b\\\\"}} {0}
"""


@pytest.fixture(scope="module")
def tick(prometheus, last_minute):
    recording = Recording(prometheus)
    for number, at in enumerate(range(last_minute - 300, last_minute + 1, SCRAPE_SECONDS)):
        recording.scraped(EXPOSITION.format(10 * number), at, namespace="shop", revision="v1")
        recording.scraped(EXPOSITION.format(1000 * number), at, namespace="bank", revision="v1")
    recording.play()
    return last_minute


QUERIES = {
    "a selector": "secret_total",
    "all names": '{__name__=~"secret.+"}',
    "another namespace": 'secret_total{namespace="bank"}',
    "not the own one": 'secret_total{namespace!="shop"}',
    "any": 'secret_total{namespace=~".*"}',
    "a rate": "sum by (namespace) (rate(secret_total[1m]))",
    "a subquery": "max_over_time(sum by (namespace) (secret_total)[2m:30s])",
    "an offset and a time": "secret_total @ end() offset 30s",
    "both sides": 'secret_total + on (path) group_left () secret_total{namespace="bank"}',
    "or": "absent(secret_total) or secret_total",
    "unless": 'secret_total unless secret_total{namespace="bank"}',
    "a text that looks like code": r'secret_total{path!="x\"} or secret_total{path=\""}',
    "a backslash": r'secret_total{path="/b\\"}',
    "a label that is written over": 'label_replace(secret_total, "was", "$1", "namespace", "(.*)")',
    "counted by value": 'count_values by (namespace) ("v", secret_total)',
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_a_query_sees_its_own_namespace_and_answers_as_if_there_were_no_other(query, metrics, endpoint, tick):
    found = await metrics.instant(endpoint, narrowed(query, "shop"), tick)
    assert {sample.labels.get("namespace") for sample in found} <= {"shop"}
    assert {sample.labels.get("was") for sample in found} <= {None, "shop"}
    nothing = await metrics.instant(endpoint, narrowed(query, "nobody"), tick)
    assert {sample.labels.get("namespace") for sample in nothing} <= {None, "nobody"}


PLAIN = ["secret_total", "rate(secret_total[1m])", "-secret_total ^ 2 > bool 1e3", "secret_total @ end() offset 1m30s"]


@pytest.mark.parametrize("query", PLAIN)
async def test_what_is_seen_is_what_the_query_itself_would_have_found(query, metrics, endpoint, tick):
    def values(samples):
        return sorted(
            (sample.labels["path"], sample.value) for sample in samples if sample.labels["namespace"] == "shop"
        )

    whole = values(await metrics.instant(endpoint, query, tick))
    assert values(await metrics.instant(endpoint, narrowed(query, "shop"), tick)) == whole
    assert len(whole) == 2
    assert not any(math.isnan(value) for _, value in whole)


async def test_info_would_see_others_and_is_refused():
    with pytest.raises(NotNarrowed):
        narrowed('info(label_replace(vector(1), "job", "x", "", ""))', "shop")
