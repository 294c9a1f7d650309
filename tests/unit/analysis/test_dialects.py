"""A query of a newer Prometheus or in MetricsQL is not called wrong, and a mistake is, whatever stands beside it."""

import promql_parser
import pytest

from modelramp.analysis.promql import Unreadable, parse, parse_problem

NEWER = [
    "rate(x[2*30s])",
    "rate(x[2*{{window}}])",
    "rate(x[{{window}} + 5s])",
    "changes(x[24m+((1.5*2m)+2m)])",
    "changes(x[-5m+35m])",
    "count_over_time(x[step()])",
    "count_over_time(x[1+(STep()-5)*2])",
    "count_over_time(x[max_of(min_of(step()+1,1h),1ms)])",
    "sum_over_time(x[29s+1s:5s+5s])",
    "sum_over_time(x[30s:20*500ms] offset (20*(3*7s)))",
    "x offset (2 * 2)",
    "x offset -min_of(step(), 1s)+8000",
    "x offset step()*0",
    "increase(x[1m] anchored)",
    'sum(rate(x{revision="{{revision}}"}[{{window}}] smoothed))',
    "x anchored",
    "h </ 2",
    "h >/ +Inf",
    'info(x, {version=~".*"})',
    'sum(rate(x{a="[2*"}[2*30s])) # [2*',
]
METRICSQL = [
    "increase_pure(x[{{window}}])",
    "sum(increase_prometheus(x[5m])) by (a)",
    "x default 0",
    "(a + b) default 0",
    "x if y",
    "rate(x[5m]) keep_metric_names",
    'WITH (f = {a="b"}) sum(rate(x{f}[5m]))',
    "rate(x[5i])",
    "x > 45Mi",
    "median(x)",
    "quantiles('q', 0.5, 0.9, x)",
    "sum(x) by (a) limit 5",
]
WRONG = [
    "rate(x[2*30s]",
    "sum(rate(x[2*30s])",
    "rate(x[2*30s])) + 1",
    "rate(x[2*30s]) +",
    "rat(x[2*30s])",
    "rate(x[2*])",
    "rate(x[2 30s])",
    "rate(x[2*y])",
    "rate(x[5 minutes])",
    "rate(x[5x])",
    "x[1m] smoothed anchored(",
    "x </",
    "x offset (2",
    "x offset ()",
    "increase_pure(x[5m]",
    "increase_pure(x[5m]) +",
    "x default",
    'increase_pure(x{a="b)[5m])',
    "frobnicate(x)",
    "rate(x)",
    'x{a=~"["} + rate(y[2*30s])',
    "sum((x)",
    "x[",
]


@pytest.mark.parametrize("query", [*NEWER, *METRICSQL])
def test_what_some_server_takes_is_no_certain_mistake(query):
    problem = parse_problem(query)
    assert problem is not None
    assert not problem.certain, problem.message


@pytest.mark.parametrize("query", METRICSQL)
def test_metricsql_is_named(query):
    problem = parse_problem(query)
    assert problem is not None
    assert "MetricsQL, which VictoriaMetrics answers" in problem.message


@pytest.mark.parametrize("query", WRONG)
def test_what_no_server_takes_is_a_mistake(query):
    problem = parse_problem(query)
    assert problem is not None
    assert problem.certain, problem.message


class PanicException(BaseException):
    __module__ = "pyo3_runtime"


def test_a_parser_that_panics_is_an_answer_too(monkeypatch):
    # Another class in the parser's place: which queries make it panic differs from release to release.
    def panic(query):
        raise PanicException("index out of bounds")

    monkeypatch.setattr(promql_parser, "parse", panic)
    with pytest.raises(Unreadable, match="the parser fails"):
        parse("x @ -5")
    problem = parse_problem("x @ -5")
    assert problem is not None
    assert "the parser fails" in problem.message


def test_other_exceptions_are_not_hidden(monkeypatch):
    def interrupted(query):
        raise KeyboardInterrupt

    monkeypatch.setattr(promql_parser, "parse", interrupted)
    with pytest.raises(KeyboardInterrupt):
        parse("x")
