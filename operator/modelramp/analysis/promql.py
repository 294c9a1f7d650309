"""Variables in PromQL: where they may stand, and how a name gets into a query without becoming part of its code."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from modelramp.analysis.dialects import extension_in
from modelramp.analysis.matchers import LONGEST, operators_in
from modelramp.analysis.query_context import VARIABLES, QueryContext, value_of
from modelramp.api.times import format_duration

# Blanks around the name are stripped afterwards: a pattern that also looks for them tries every way to divide them,
# which took seconds for two thousand blanks, and nothing can end a search that has begun.
_HOLE = r"\{\{(?P<name>[^{}]*)\}\}"
_CODE = re.compile(_HOLE + r"|(?P<regex>[=!]~\s*)?(?P<open>[\"'`])|#[^\n]*")
_STRING = {
    '"': re.compile(_HOLE + r'|\\.|(?P<close>")', re.DOTALL),
    "'": re.compile(_HOLE + r"|\\.|(?P<close>')", re.DOTALL),
    "`": re.compile(_HOLE + r"|(?P<close>`)"),
}
_GO_META = re.compile(r"[\\.+*?()|\[\]{}^$]")
_USUAL_HOLES = 32
_PROBE = QueryContext("namespace", "name", "revision", "service", "stable", "stable-service")


@dataclass(frozen=True, slots=True)
class Hole:
    """A variable in a query.

    quote: the quotation mark of the string literal around it; empty in code.
    regex: the literal is the right-hand side of =~ or !~, so the name is matched as it is written, not as a pattern.
    """

    name: str
    quote: str
    regex: bool


class NoStableVersion(Exception):
    """The query refers to the stable version, and there is none yet."""


def _parts(query: str) -> tuple[str | Hole, ...]:
    """The query cut at its variables; not kept of queries with so many that keeping them would fill the memory."""
    return _kept(query) if len(query.split("{{")) <= _USUAL_HOLES else _cut(query)


def _cut(query: str) -> tuple[str | Hole, ...]:
    """The query cut at its variables. Comments are left alone; string literals follow PromQL's (Go's) rules."""
    parts: list[str | Hole] = []
    quote, regex, done, at = "", False, 0, 0
    while found := (_STRING[quote] if quote else _CODE).search(query, at):
        at = found.end()
        groups = found.groupdict()
        if groups["name"] is not None:
            parts += [query[done : found.start()], Hole(groups["name"].strip(), quote, regex)]
            done = at
        elif groups.get("open"):
            quote, regex = groups["open"], groups["regex"] is not None
        elif groups.get("close"):
            quote = ""
    return (*parts, query[done:])


_kept = lru_cache(maxsize=1024)(_cut)


def holes(query: str) -> tuple[Hole, ...]:
    """The variables of a query, in their order."""
    return tuple(part for part in _parts(query) if isinstance(part, Hole))


def variables_in(query: str) -> frozenset[str]:
    """Names of the variables that a query uses, known or not.

    >>> sorted(variables_in('rate(x{revision="{{ revision }}"}[{{window}}])'))
    ['revision', 'window']
    """
    return frozenset(hole.name for hole in holes(query))


def unknown_variables(query: str) -> frozenset[str]:
    """Names in double braces that stand for nothing."""
    return variables_in(query) - frozenset(VARIABLES)


def variable_problem(query: str) -> str | None:
    """An error message about the variables of a query; None when they are valid."""
    if unknown := unknown_variables(query):
        listed = ", ".join(f"{{{{{name}}}}}" for name in sorted(unknown))
        return f"unknown variable {listed}; known are {', '.join(VARIABLES)}"
    for hole in holes(query):
        if not hole.quote and hole.name != "window":
            braced = f"{{{{{hole.name}}}}}"
            return f'{braced} stands outside quotes; write it inside a string, as in label="{braced}"'
    return None


def literal(value: str) -> str:
    """A regular expression of Go that matches this value and nothing else."""
    return _GO_META.sub(r"\\\g<0>", value)


def _quoted(value: str, hole: Hole) -> str:
    if hole.regex:
        value = literal(value)
    if hole.quote == "`":
        if "`" in value:
            raise ValueError("a name with a backtick cannot stand in a backtick string; use double quotes")
        return value
    return value.replace("\\", "\\\\").replace(hole.quote, "\\" + hole.quote).replace("\n", "\\n")


def render(query: str, subject: QueryContext, window: int) -> str:
    """The query with its variables replaced; names are escaped for the literal around them.

    window: seconds. Raises NoStableVersion, and ValueError when `variable_problem` would find something.
    """
    return "".join(part if isinstance(part, str) else _filled(part, subject, window) for part in _parts(query))


def _filled(hole: Hole, subject: QueryContext, window: int) -> str:
    if hole.name == "window":
        return format_duration(window)
    if not hole.quote or hole.name not in VARIABLES:
        raise ValueError(f"variable {hole.name} cannot stand here")
    value = value_of(hole.name, subject)
    if value is None:
        raise NoStableVersion(f"{{{{{hole.name}}}}} has no value: no version has worked yet")
    return _quoted(value, hole)


MOST_OPERATORS = 400
"""Operators and brackets that are read: the parser's time grows with their square, 400 take a tenth of a second."""
MOST_LEVELS = 100
"""Operators, functions and parentheses within each other that are read; far more than any query has."""


def children(node: Any) -> list[Any]:
    """The expressions that an expression of promql_parser is made of."""
    parts = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param", "vector_selector")]
    return [part for part in (*parts, *getattr(node, "args", ())) if part is not None]


def nodes(tree: Any) -> Iterator[Any]:
    """An expression of promql_parser and all that it is made of."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += children(node)


def _too_deep(tree: Any) -> bool:
    level = [tree]
    for _ in range(MOST_LEVELS):
        level = [child for node in level for child in children(node)]
        if not level:
            return False
    return True


class Unreadable(ValueError):
    """The parser cannot read a query; the message says why."""


def parse(query: str) -> Any:
    """A query without variables, as an expression of promql_parser. Raises Unreadable."""
    import promql_parser

    if len(query) > LONGEST or operators_in(query) > MOST_OPERATORS:
        raise Unreadable(
            f"has more than {LONGEST} characters or {MOST_OPERATORS} operators and brackets, which are not read any "
            "further; write it shorter"
        )
    try:
        return promql_parser.parse(query)
    except ValueError as error:
        raise Unreadable(f"not PromQL: {error}") from None
    except BaseException as error:
        # A panic in Rust is no Exception.
        if type(error).__module__ != "pyo3_runtime":
            raise
        raise Unreadable("the parser fails on this PromQL") from None


def _is_read(query: str) -> bool:
    try:
        parse(query)
    except Unreadable:
        return False
    return True


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """What is wrong with a query.

    message: a sentence. certain: no server takes it; otherwise the parser knows too little to tell.
    """

    message: str
    certain: bool = True


def parse_problem(query: str) -> QueryProblem | None:
    """Why Prometheus would refuse a query; None when it looks right.

    The parser knows PromQL as of its release: what it refuses may still be right on a newer Prometheus, so this is
    advice for people who write checks and never stops a query from being asked.
    """
    import promql_parser

    if problem := variable_problem(query):
        return QueryProblem(problem)
    text = render(query, _PROBE, 60)
    try:
        parsed = parse(text)
    except Unreadable as unreadable:
        if (extension := extension_in(text, str(unreadable), _is_read)) is None:
            return QueryProblem(str(unreadable))
        message = f"uses {extension}; the parser here does not read it, so nothing else is said about this query"
        return QueryProblem(message, certain=False)
    if _too_deep(parsed):
        return QueryProblem(
            f"nests more than {MOST_LEVELS} levels deep, which is not read any further; write it shorter"
        )
    while isinstance(parsed, promql_parser.ParenExpr):
        parsed = parsed.expr
    if isinstance(parsed, promql_parser.StringLiteral):
        return QueryProblem("the query gives a text; a check needs a number")
    if isinstance(parsed, (promql_parser.MatrixSelector, promql_parser.SubqueryExpr)):
        message = "the query gives a range of values; put a function such as rate() or avg_over_time() around it"
        return QueryProblem(message)
    return None
