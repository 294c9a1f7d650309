"""A joint query on a real Prometheus says of each object what the object's own query says, on random series."""

import random

import pytest
from recorded import SCRAPE_SECONDS, Recording

from modelramp.analysis.increases import as_scraped
from modelramp.analysis.joint import joint_query
from modelramp.engine.queries import QueryResult

SEEDS = range(4)
NAMESPACES, REVISIONS = ("shop", "bank"), ("a", "a.b", "b", 'q"uo|te', "none")
NAMED = '{of="SEED",namespace="NAMESPACE",revision="REVISION"}'
FAILED = '{of="SEED",namespace="NAMESPACE",revision="REVISION",code=~"5.."}'
QUERIES = [
    "requestsNAMED",
    "sum(rate(requestsNAMED[1m]))",
    "sum(rate(requestsFAILED[1m])) / sum(rate(requestsNAMED[1m]))",
    "sum by (code) (rate(requestsNAMED[1m])) / ignoring (code) group_left () sum(rate(requestsNAMED[1m]))",
    "max without (pod) (irate(requestsNAMED[1m]))",
    "avg without (pod, revision) (rate(requestsNAMED[1m] offset 30s))",
    "count(requestsNAMED > 100) or count(requestsNAMED)",
    "sum(requestsFAILED) or sum(requestsNAMED)",
    "sum(requestsFAILED) or vector(0)",
    "(sum(rate(requestsFAILED[1m])) or vector(0)) / sum(rate(requestsNAMED[1m]))",
    "(sum(requestsFAILED) or vector(0)) + on () group_left () sum(requestsNAMED)",
    "requestsNAMED unless on (pod) requestsFAILED",
    "rate(requestsNAMED[1m]) * on (pod) group_left (zone) placeNAMED",
    "quantile(0.9, requestsNAMED)",
    "max_over_time(sum(rate(requestsNAMED[30s]))[2m:30s])",
    "histogram_quantile(0.9, sum by (le) (rate(seconds_bucketNAMED[1m])))",
    "histogram_quantile(0.9, sum by (le, pod) (rate(seconds_bucketNAMED[1m])))",
    "sum(rate(seconds_sumNAMED[1m])) / sum(rate(seconds_countNAMED[1m]))",
    "stddev(requestsNAMED) > bool 3",
    "-sum(requestsNAMED) ^ 2 % 7",
]
COUNTS = [
    ("sum(increase(requestsFAILED[1m]))", "sum(increase(requestsNAMED[1m]))"),
    ("sum(increase(requestsFAILED[1m])) or vector(0)", "sum(increase(requestsNAMED[1m]))"),
    ("sum by (code) (increase(requestsNAMED[1m]))", "sum(increase(requestsNAMED[1m]))"),
    ("sum(increase(seconds_bucketNAMED[2m])) by (le)", "sum(increase(seconds_countNAMED[2m]))"),
]
EVERY = [*QUERIES, *(as_scraped(*pair).text for pair in COUNTS)]


def escaped(text):
    return text.replace("\\", r"\\").replace('"', r"\"")


def series_of(dice, seed):
    """What each pod of each revision serves: all lack some series, and some pods start late, restart or end."""
    for namespace in NAMESPACES:
        for revision in REVISIONS[:-1]:
            for pod in range(dice.randint(1, 3)):
                labels = {"of": str(seed), "namespace": namespace, "revision": revision, "pod": f"p{pod}"}
                codes = dice.sample(["200", "404", "500", "503"], dice.randint(1, 4))
                yield labels, codes, dice.randint(0, 6), dice.choice([None, 8, 12]), dice.choice([None, None, 16])


def exposition(labels, codes, at):
    text = ",".join(f'{name}="{escaped(value)}"' for name, value in labels.items())
    lines = ["# TYPE requests counter", "# TYPE place gauge", "# TYPE seconds histogram"]
    lines += [f'requests{{{text},code="{code}"}} {at * (7 + int(code) % 13)}' for code in codes]
    lines += [f'place{{{text},zone="z{labels["pod"]}"}} 1']
    rising = [at * 3, at * 5, at * 9]
    lines += [f'seconds_bucket{{{text},le="{le}"}} {n}' for le, n in zip(("0.1", "1", "+Inf"), rising, strict=True)]
    return "\n".join([*lines, f"seconds_sum{{{text}}} {at * 2.5}", f"seconds_count{{{text}}} {at * 9}", ""])


@pytest.fixture(scope="module", params=SEEDS)
def seed(request, prometheus, last_minute):
    dice, recording = random.Random(request.param), Recording(prometheus)  # noqa: S311 - data, no secret
    for labels, codes, born, restart, end in series_of(dice, request.param):
        for number, at in enumerate(range(last_minute - 300, last_minute + 1, SCRAPE_SECONDS)):
            if born <= number and (end is None or number < end) and dice.random() > 0.05:
                age = number - restart if restart is not None and number >= restart else number
                recording.scraped(exposition(labels, codes, age), at)
    recording.play()
    return request.param


def told(query, seed, namespace, revision):
    query = query.replace("NAMED", NAMED).replace("FAILED", FAILED)
    for name, value in (("SEED", str(seed)), ("NAMESPACE", namespace), ("REVISION", escaped(revision))):
        query = query.replace(name, value)
    return query


def rows(samples):
    return sorted((sorted(sample.labels.items()), f"{sample.value:.9g}") for sample in samples)


@pytest.mark.parametrize("query", EVERY)
async def test_asked_jointly_and_one_by_one_they_say_the_same(query, seed, metrics, endpoint, last_minute):
    objects = [(namespace, revision) for namespace in NAMESPACES for revision in REVISIONS]
    forms = [joint_query(told(query, seed, *each)) for each in objects]
    assert len({joint for joint, _ in forms}) == 1
    together = forms[0][0].text([values for _, values in forms])
    seen = 0
    for at in (last_minute - 120, last_minute - 60, last_minute):
        answer = QueryResult(await metrics.instant(endpoint, together, at))
        for each, (joint, values) in zip(objects, forms, strict=True):
            alone = await metrics.instant(endpoint, told(query, seed, *each), at)
            ours = answer.own(joint, values).pick(())
            assert rows(ours) == rows(alone), each
            seen += len(alone)
    assert seen > 5
