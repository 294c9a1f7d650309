"""Writes a parsed query as PromQL.

promql-parser's own printer does not escape strings (0.11), so that a label value could become code: the one here does.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)


class NotWritten(ValueError):
    """The query has a part that cannot be written. The message says why, for people."""


class Printer:
    """Writes queries as they are; what writes something else overrides how a part is written."""

    def text(self, tree: Any) -> str:
        """The query. Raises NotWritten."""
        return "".join(self.written(tree))

    def written(self, node: Any) -> Iterator[str]:
        """An expression of promql_parser, in pieces. Raises NotWritten."""
        writer = _WRITERS.get(type(node).__name__)
        if writer is None:
            raise NotWritten(f"the query has a part that is not known ({type(node).__name__})")
        yield from writer(self, node)

    def matchers(self, selector: Any) -> list[str]:
        """The matchers of a selector."""
        return [f"{label(each.name)}{operator(each)}{quoted(each.value)}" for each in selector.matchers.matchers]

    def grouping(self, aggregate: Any) -> str:
        """What stands between an aggregation and its bracket: `by` or `without`, if any."""
        if aggregate.modifier is None:
            return ""
        return f" {'by' if is_by(aggregate.modifier) else 'without'} ({labels(aggregate.modifier.labels)}) "

    def matching(self, modifier: Any) -> str:
        """Which labels of both sides have to match: `on` or `ignoring`, if any."""
        if modifier.matching is None:
            return ""
        return f"{'on' if is_on(modifier) else 'ignoring'} ({labels(modifier.matching.labels)}) "

    def call(self, node: Any) -> Iterator[str]:
        """A function with its arguments."""
        yield f"{node.func.name}("
        for number, argument in enumerate(node.args):
            if number:
                yield ", "
            yield from self.written(argument)
        yield ")"

    def binary(self, node: Any) -> Iterator[str]:
        """An operator between two expressions."""
        yield from self.written(node.lhs)
        yield f" {node.op} "
        if node.modifier is not None:
            yield from self._modified(node.modifier)
        yield from self.written(node.rhs)

    def _modified(self, modifier: Any) -> Iterator[str]:
        if modifier.return_bool:
            yield "bool "
        yield self.matching(modifier)
        if (side := many_side(modifier)) is not None:
            yield f"{side} ({labels(modifier.group_labels or ())}) "
        for word, value in (("fill_left", modifier.fill_values.lhs), ("fill_right", modifier.fill_values.rhs)):
            if value is not None:
                yield f"{word} ({number(value)}) "

    def aggregate(self, node: Any) -> Iterator[str]:
        """An aggregation over series."""
        yield f"{node.op}{self.grouping(node)}("
        if node.param is not None:
            yield from self.written(node.param)
            yield ", "
        yield from self.written(node.expr)
        yield ")"

    def selector(self, node: Any, reach: str = "") -> Iterator[str]:
        """A selector. reach: the range behind it, in brackets."""
        if node.matchers.or_matchers:
            raise NotWritten("a selector has `or` between its matchers")
        matchers, name = self.matchers(node), node.name or ""
        if name and not _NAME.fullmatch(name):
            matchers.insert(0, quoted(name))
            name = ""
        yield f"{name}{{{','.join(matchers)}}}{reach}{_moved(node)}"

    def matrix(self, node: Any) -> Iterator[str]:
        """A selector with a range."""
        return self.selector(node.vector_selector, f"[{_duration(node.range)}]")

    def subquery(self, node: Any) -> Iterator[str]:
        """An expression with a range."""
        yield from self.written(node.expr)
        step = _duration(node.step) if node.step is not None else ""
        yield f"[{_duration(node.range)}:{step}]{_moved(node)}"

    def parenthesis(self, node: Any) -> Iterator[str]:
        """An expression in brackets."""
        yield "("
        yield from self.written(node.expr)
        yield ")"

    def unary(self, node: Any) -> Iterator[str]:
        """A minus before an expression."""
        yield "-"
        yield from self.written(node.expr)


def is_by(modifier: Any) -> bool:
    """Whether an aggregation keeps the labels that it names, and drops the others."""
    return str(modifier.type).endswith("By")


def is_on(modifier: Any) -> bool:
    """Whether an operator compares the labels that it names, and no others."""
    return str(modifier.matching.type).endswith("Include")


def many_side(modifier: Any) -> str | None:
    """`group_left` or `group_right`, if many series of one side match one of the other."""
    return {"ManyToOne": "group_left", "OneToMany": "group_right"}.get(_last(modifier.card))


def operator(matcher: Any) -> str:
    """The operator of a matcher."""
    return _OPERATORS[_last(matcher.op)]


def labels(names: Sequence[str]) -> str:
    """Names of labels, with commas between them."""
    return ", ".join(map(label, names))


def label(name: str) -> str:
    """The name of a label, quoted where it must be."""
    return name if _LABEL.fullmatch(name) else quoted(name)


def quoted(text: str) -> str:
    """A string literal of PromQL, in the escapes that it shares with Go."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _moved(node: Any) -> str:
    """The modifiers @ and offset."""
    at = ""
    if node.at is not None:
        kind = _last(node.at.type)
        at = f" @ {kind.lower()}()" if kind in ("Start", "End") else f" @ {_seconds(node.at.at)}"
    return at + (f" offset {_duration(node.offset)}" if node.offset is not None else "")


def _seconds(at: datetime) -> str:
    since = (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - _EPOCH
    if since <= timedelta():
        raise NotWritten("a time after @ is not after 1970")
    return f"{since / _MILLISECOND / 1000:.3f}"


def _duration(length: timedelta) -> str:
    return f"{round(length / _MILLISECOND)}ms"


def number(value: float) -> str:
    """A number as PromQL writes it."""
    return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def _last(member: Any) -> str:
    """The name of a member of the parser's enumerations."""
    return str(member).rpartition(".")[2]


_OPERATORS: Final = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_WRITERS: Final[dict[str, Callable[[Printer, Any], Iterator[str]]]] = {
    "AggregateExpr": lambda printer, node: printer.aggregate(node),
    "BinaryExpr": lambda printer, node: printer.binary(node),
    "Call": lambda printer, node: printer.call(node),
    "MatrixSelector": lambda printer, node: printer.matrix(node),
    "NumberLiteral": lambda _, node: iter((number(node.val),)),
    "ParenExpr": lambda printer, node: printer.parenthesis(node),
    "StringLiteral": lambda _, node: iter((quoted(node.val),)),
    "SubqueryExpr": lambda printer, node: printer.subquery(node),
    "UnaryExpr": lambda printer, node: printer.unary(node),
    "VectorSelector": lambda printer, node: printer.selector(node),
}
