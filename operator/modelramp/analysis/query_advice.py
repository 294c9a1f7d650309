"""Lint of queries beyond what the API server can check."""

import re
from collections.abc import Iterator
from typing import Any

from modelramp.analysis.increases import as_scraped
from modelramp.analysis.promql import nodes, parse, parse_problem, render, variables_in
from modelramp.analysis.query_context import QueryContext
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.times import format_duration

_PROBE = QueryContext("namespace", "name", "revision", "service", "stable", "stable-service")
_PROBE_WINDOW = 7919  # seconds; no query has this range by itself, so what has it came from {{window}}
_MANY = frozenset({"*"})
_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SINGLE_CALLS = frozenset({"scalar", "vector", "time", "pi", "absent", "absent_over_time"})
_SEVERAL_KEPT = frozenset({"topk", "bottomk", "limitk", "limit_ratio", "count_values"})
_NEVER_NEGATIVE = frozenset(
    {
        "rate",
        "increase",
        "irate",
        "histogram_fraction",
        "count_over_time",
        "abs",
        "absent",
        "sqrt",
    }
)
_AS_GIVEN = frozenset(
    {
        "avg_over_time",
        "clamp_max",
        "max_over_time",
        "min_over_time",
        "sum_over_time",
        "last_over_time",
        "label_replace",
        "label_join",
        "round",
    }
)
"""Functions that keep the sign of their first argument."""
_COUNTER_ENDINGS = ("_total", "_count", "_bucket")


_PER_SECOND = re.compile(r"\bi?rate\s*\(")


_OURS = QueryContext(
    "ns-of-ours", "name-of-ours", "revision-of-ours", "service-of-ours", "stable-of-ours", "before-of-ours"
)


def of_count(query: str, field: str, *, both: bool, any_version: bool = False) -> Iterator[Advice]:
    """Errors and warnings about a query that counts.

    both: it is asked of both versions. any_version: it need not say of which version it speaks.
    """
    if (problem := of_syntax(query, field)) is not None:
        yield problem
        return
    yield from of_namespace(query, field)
    if _PER_SECOND.search(query):
        message = "counts per second; evidence needs how many there were: use increase(...[{{window}}])"
        yield Advice(Level.WARNING, field, message)
    elif not any_version and (rest := as_scraped(render(query, _OURS, 60)).rest):
        message = f"{rest}; write sum(increase(counter{{...}}[{{{{window}}}}])), one increase() for each counter"
        yield Advice(Level.WARNING, field, message)
    if not any_version and not variables_in(query) & {"revision", "service"} and "revision" not in query:
        each = " of both versions" if both else ""
        message = f"names no version: the series{each} are found by the label revision, which it does not mention"
        yield Advice(Level.WARNING, field, message)


def of_syntax(query: str, field: str) -> Advice | None:
    """An error for a query that no server takes, a warning for one that the parser is too old or too strict for."""
    problem = parse_problem(query)
    if problem is None:
        return None
    return Advice(Level.ERROR if problem.certain else Level.WARNING, field, problem.message)


def of_namespace(query: str, field: str) -> Iterator[Advice]:
    """A warning when series of this name or revision are taken from every namespace. query: one that can be parsed."""
    for node in nodes(parse(render(query, _OURS, 60))):
        if type(node).__name__ != "VectorSelector":
            continue
        matchers = node.matchers.matchers
        fixed = any(one.name.endswith("namespace") or _OURS.namespace in one.value for one in matchers)
        if not fixed and any("-of-ours" in one.value for one in matchers):
            message = "names no namespace; a revision of the same model and template has the same name in another one"
            message += ': add namespace="{{namespace}}"'
            yield Advice(Level.WARNING, field, message)
            return


def of_query(check: Check, health: Health, path: str) -> Iterator[Advice]:
    """Warnings about a query that gives one number; `path`: where it stands."""
    query = check.query or ""
    tree, used = _parsed(query), variables_in(query)
    spread = _spread(tree)
    if spread:
        by = "" if spread == _MANY else f" (one for each {', '.join(sorted(spread))})"
        message = f"may give several series{by}, which counts as no data; aggregate to one, as in sum(...)"
        yield Advice(Level.WARNING, path, message)
    if not used & {"revision", "service"}:
        message = "names neither {{revision}} nor {{service}}, so it measures all versions together"
        yield Advice(Level.WARNING, path, message)
    if _is_filter(tree):
        message = "is a comparison, which gives nothing when it is false: that is no data, not a breach; use min or max"
        yield Advice(Level.WARNING, path, message)
    fixed = sorted(seconds for seconds in _ranges(tree) if seconds != _PROBE_WINDOW)
    if check.role is Role.ROLLBACK and fixed and fixed[-1] > health.interval_of(check):
        message = (
            f"looks back {format_duration(fixed[-1])}, longer than the check's interval "
            f"({format_duration(health.interval_of(check))}), so one burst is counted several times; write "
            "[{{window}}], or set role: hold"
        )
        yield Advice(Level.WARNING, path, message)
    if check.window is not None and "window" not in used:
        yield Advice(Level.WARNING, path, "does not use {{window}}, so the field window has no effect on it")


def _parsed(query: str) -> Any:
    return parse(render(query, _PROBE, _PROBE_WINDOW))


def _ranges(tree: Any) -> set[int]:
    return {int(node.range.total_seconds()) for node in nodes(tree) if getattr(node, "range", None) is not None}


def _is_filter(tree: Any) -> bool:
    while type(tree).__name__ == "ParenExpr":
        tree = tree.expr
    if type(tree).__name__ != "BinaryExpr" or str(tree.op) not in _COMPARISONS:
        return False
    return not (tree.modifier is not None and tree.modifier.return_bool)


def _spread(node: Any) -> frozenset[str]:
    """Labels in which the series of an answer may differ; empty for at most one series."""
    match type(node).__name__:
        case "NumberLiteral" | "StringLiteral":
            return frozenset()
        case "AggregateExpr":
            return _spread_of_aggregate(node)
        case "Call" if node.func.name in _SINGLE_CALLS:
            return frozenset()
        case "Call":
            labels = frozenset().union(*(_spread(argument) for argument in node.args))
            return labels - {"le"} if node.func.name == "histogram_quantile" else labels
        case "BinaryExpr":
            return _spread_of_binary(node)
        case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
            return _spread(node.expr)
        case _:
            return _MANY


def _spread_of_aggregate(node: Any) -> frozenset[str]:
    if str(node.op) in _SEVERAL_KEPT or (node.modifier and str(node.modifier.type) == "AggModifierType.Without"):
        return _MANY
    labels = frozenset(node.modifier.labels) if node.modifier else frozenset()
    return labels - _pinned(node)


def _spread_of_binary(node: Any) -> frozenset[str]:
    left, right = _spread(node.lhs), _spread(node.rhs)
    operator = str(node.op)
    if operator == "or":
        return left | right
    if operator in ("and", "unless") or type(node.rhs).__name__ == "NumberLiteral":
        return left
    if type(node.lhs).__name__ == "NumberLiteral":
        return right
    many = str(node.modifier.card) if node.modifier else ""
    if many.endswith("ManyToOne"):
        return left
    if many.endswith("OneToMany"):
        return right
    # Only series that match on both sides give an answer.
    return min(left, right, key=lambda labels: (labels == _MANY, len(labels)))


def _pinned(node: Any) -> frozenset[str]:
    """Labels that every selector below fixes to one value."""
    selectors = [inner.matchers.matchers for inner in nodes(node) if type(inner).__name__ == "VectorSelector"]
    fixed = [
        frozenset(one.name for one in matchers if str(one.op) == "MatchOp.Equal" and one.value)
        for matchers in selectors
    ]
    return frozenset.intersection(*fixed) if fixed else frozenset()


def never_negative(query: str) -> bool:
    """Whether no answer can lie below 0, as far as its form shows; a quantile may, when the buckets do."""
    return _not_negative(_parsed(query))


def _not_negative(node: Any) -> bool:
    match type(node).__name__:
        case "NumberLiteral":
            return bool(node.val >= 0)
        case "AggregateExpr" | "ParenExpr" | "SubqueryExpr":
            return _not_negative(node.expr) or str(getattr(node, "op", "")) in ("count", "group", "stddev", "stdvar")
        case "Call" if node.func.name == "clamp_min":
            return any(_not_negative(argument) for argument in node.args)
        case "Call":
            name = node.func.name
            return name in _NEVER_NEGATIVE or (name in _AS_GIVEN and _not_negative(node.args[0]))
        case "BinaryExpr" if str(node.op) in ("and", "unless"):
            return _not_negative(node.lhs)
        case "BinaryExpr":
            kept = {"+", "*", "/", "or"} | _COMPARISONS
            return str(node.op) in kept and _not_negative(node.lhs) and _not_negative(node.rhs)
        case "VectorSelector" | "MatrixSelector":
            name = getattr(node, "vector_selector", node).name or ""
            return bool(name == "up" or name.endswith(_COUNTER_ENDINGS))
        case _:
            return False
