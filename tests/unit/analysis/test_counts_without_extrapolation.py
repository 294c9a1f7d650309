"""Queries that count ask for what was scraped: each increase() of a counter becomes a difference of its samples."""

import promql_parser
import pytest

from modelramp.analysis.checks import ask, judge
from modelramp.analysis.increases import MOST, as_scraped
from modelramp.analysis.kinds import check_kind
from modelramp.analysis.promql import nodes
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.engine.ports import Sample

CONTEXT = QueryContext("ml", "digits", "r2", "digits-r2", "r1", "digits-r1")
TOTAL = 'sum(increase(asked_total{n="a"}[1m]))'


def calls(query):
    return {node.func.name for node in nodes(promql_parser.parse(query)) if type(node).__name__ == "Call"}


COUNTERS = {
    "a name": "sum(increase(x_total[1m]))",
    "matchers": 'sum by (a) (increase(x_total{b="c",d=~"5.."}[60s]))',
    "brackets and an increase in a string": 'sum(increase(x_total{b=") increase(y_total[5m]"}[1m]))',
    "a quoted name": 'sum(increase({"x.total", a="b"}[1m]))',
    "a label for the name": 'sum(increase({__name__="x_total"}[1m]))',
    "blanks and a comment": "sum(increase ( x_total { a='b' } [ 1m ] )) # increase(",
    "two of them": "sum(increase(x_total[1m])) + sum(increase(y_total[1m]))",
    "beside others": "sum(increase(x_total[1m])) or sum(increase(y_total[1m])) * 0 or vector(0)",
    "an offset": "sum(increase(x_total[1m] offset 1h30m))",
}

UNENDED = [COUNTERS["a quoted name"], COUNTERS["a label for the name"]]
"""Of these the end of the name is not read: they may be native histograms, for which increase() is the last way."""


@pytest.mark.parametrize("query", COUNTERS.values(), ids=COUNTERS)
def test_no_increase_of_a_counter_is_left(query):
    found = as_scraped(query, TOTAL)
    assert found.rest == ""
    assert "last_over_time" in calls(found.text)
    assert "increase" not in calls(found.text) or query in UNENDED


def test_the_values_before_are_those_at_the_windows_beginning():
    assert "x_total[300s] offset 60000ms)" in as_scraped("increase(x_total[1m])").text
    assert "x_total[300s] offset 5460000ms)" in as_scraped("increase(x_total[1m] offset 1h30m)").text


def test_a_series_may_be_native_where_its_name_does_not_say_what_it_is():
    assert as_scraped("sum(increase(seconds[1m]))").text.endswith(
        "or (increase(seconds[60000ms]) * (1 - 1 / count_over_time(seconds[60000ms])))))"
    )


def test_births_are_witnessed_by_the_counter_of_the_total():
    text = as_scraped('sum(increase(failed_total{code="500"}[1m]))', f"{TOTAL} or vector(0)").text
    assert 'and on (job, instance, pod, namespace) last_over_time(asked_total{n="a"}[300s] offset 60000ms)' in text


OTHERS = {
    "a subquery": "sum(increase(sum(x_total)[1m:15s]))",
    "many names": 'sum(increase({__name__=~"x_.*"}[1m]))',
    "a fixed time": "sum(increase(x_total[1m] @ 1700000000))",
    "an unknown range": "sum(increase(x_total[2*1m]))",
}


@pytest.mark.parametrize("query", OTHERS.values(), ids=OTHERS)
def test_what_is_no_counter_is_weighted_and_said(query):
    found = as_scraped(query, TOTAL)
    assert ") * (1 - 1 / count_over_time(" in found.text
    assert "k - 1" in found.rest


@pytest.mark.parametrize(
    "query", ["sum(rate(x_total[1m]))", "my_increase(x[1m])", "sum by (increase) (x)", "increase("]
)
def test_anything_else_stays_as_it_is(query):
    assert as_scraped(query).text == query


@pytest.mark.parametrize(
    "query", [" + ".join(["increase(x_total[1m])"] * (MOST + 1)), f'increase(x_total{{a="{"b" * 3_000}"}}[1m])']
)
def test_too_long_a_query_is_asked_as_it_is_and_said(query):
    assert as_scraped(query).text == query
    assert "too long" in as_scraped(query).rest


@pytest.mark.parametrize("query", [*COUNTERS.values(), *OTHERS.values()])
def test_asking_costs_time_in_proportion_to_the_query(query):
    assert len(as_scraped(query * 3).text) < 12 * 3 * (len(query) + 200)


def ratio(bad):
    total = 'sum(increase(asked_total{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))'
    return Check(name="errors", ratio={"bad": bad, "total": total}, max="0.5")


PLAIN = 'sum(increase(failed_total{namespace="{{namespace}}",revision="{{revision}}"}[{{window}}]))'
ODD = 'sum(increase(sum(failed_total{namespace="{{namespace}}",revision="{{revision}}"})[{{window}}:15s]))'


def test_a_check_asks_for_counts_as_scraped():
    bad, total = ask(ratio(PLAIN), CONTEXT, 60).questions
    assert "increase(" not in bad.text + total.text
    assert bad.text.count('asked_total{namespace="ml",revision="r2"}[300s]') == 1


@pytest.mark.parametrize(("query", "said"), [(PLAIN, False), (ODD, True)])
def test_status_and_lint_say_what_is_not_counted_as_scraped(query, said):
    check = ratio(query)
    found = judge(check, {"candidate.bad": (Sample({}, 1.0),), "candidate.total": (Sample({}, 100.0),)})
    assert ("(bad: not counted as scraped)" in found.detail) is said
    advice = check_kind(check).lint(check, Health(checks=(check,)), "spec.health.checks[0]")
    assert [each.path for each in advice if "k - 1" in each.message] == ["spec.health.checks[0].ratio.bad"] * said
