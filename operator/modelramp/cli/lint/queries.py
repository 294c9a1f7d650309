"""Lint of queries beyond what the API server can check."""

from collections.abc import Iterator
from typing import Any

from modelramp.analysis.checks import limits_of, preset_problem
from modelramp.analysis.presets import ALIASES, preset_named
from modelramp.analysis.promql import nodes, parse, render, variables_in
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.quantity import format_duration
from modelramp.cli.lint.kinds import of_kind, of_namespace, of_syntax
from modelramp.cli.output import Advice, Level

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


_OLD = "it reads what the reference model server serves, and no other; the old name goes with the next release"


def of_check(check: Check, health: Health, path: str) -> Iterator[Advice]:
    """Errors and warnings about one check; `path` is where it stands."""
    if check.preset is None and check.query is None:
        yield from of_kind(check, health, path)
    if check.samples is not None and (unread := of_syntax(check.samples, f"{path}.samples")) is not None:
        yield unread
    elif check.samples is not None:
        yield from of_namespace(check.samples, f"{path}.samples")
    if check.preset is not None:
        preset = preset_named(check.preset)
        if preset is None:
            yield Advice(Level.ERROR, f"{path}.preset", preset_problem(check.preset) or "")
            return
        if check.preset in ALIASES:
            yield Advice(Level.WARNING, f"{path}.preset", f"{check.preset} is the old name of {preset.name}: {_OLD}")
        yield from _of_limits(check, path, *preset.range)
    if check.query is not None:
        if (unread := of_syntax(check.query, f"{path}.query")) is not None:
            yield unread
            return
        yield from of_namespace(check.query, f"{path}.query")
        yield from _of_query(check, health, f"{path}.query")
        low = 0.0 if never_negative(check.query) else float("-inf")
        yield from _of_limits(check, path, low, float("inf"))


def _of_limits(check: Check, path: str, low: float, high: float) -> Iterator[Advice]:
    """low, high: between these every value that the check measures lies."""
    limits = limits_of(check)
    field = f"{path}.max" if check.max is not None else f"{path}.min" if check.min is not None else path
    above = limits.max is not None and limits.max < high
    below = limits.min is not None and limits.min > low
    if not above and not below:
        span = f"lies between {low:g} and {high:g}" if high != float("inf") else f"is never below {low:g}"
        why = f"the value {span}" if limits.max is not None or limits.min is not None else "it has no limit"
        yield Advice(Level.ERROR, field, f"this check can never breach: {why}; set a limit that can be crossed")
    if (limits.max is not None and limits.max < low) or (limits.min is not None and limits.min > high):
        yield Advice(Level.ERROR, field, "this check always breaches: no value of the query can keep the limit")


def _of_query(check: Check, health: Health, path: str) -> Iterator[Advice]:
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
