"""One query in place of the queries of many objects that differ in the values of labels only.

Asked for two revisions, `sum(rate(errors{revision="a"}[1m]))` becomes
`sum by (revision) (rate(errors{revision=~"a|b"}[1m]))`, and each takes the series with its own value. That says the
same as asking one by one where every selector has the label, and nothing on the way to the result mixes its values:
what is not known to keep them apart is asked by itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from modelramp.analysis.matchers import constant
from modelramp.analysis.printing import (
    NotWritten,
    Printer,
    is_by,
    is_on,
    label,
    labels,
    many_side,
    number,
    operator,
    quoted,
)
from modelramp.analysis.promql import Unreadable, literal, nodes, parse

_PER_SERIES: Final = {
    *("abs", "ceil", "changes", "clamp", "clamp_max", "clamp_min", "delta", "deriv", "exp", "floor", "histogram_avg"),
    *("histogram_count", "histogram_fraction", "histogram_quantile", "histogram_stddev", "histogram_stdvar"),
    *("histogram_sum", "idelta", "increase", "irate", "ln", "log10", "log2", "predict_linear", "rate", "resets"),
    *("round", "sgn", "sqrt", "timestamp"),
    *(f"{what}_over_time" for what in ("avg", "count", "first", "last", "mad", "max", "min", "present", "quantile")),
    *(f"{what}_over_time" for what in ("stddev", "stdvar", "sum")),
}
"""Functions that make one series of one (of the buckets of one histogram), and keep its other labels."""
_PER_GROUP: Final = {"avg", "count", "group", "max", "min", "quantile", "stddev", "stdvar", "sum"}
"""Aggregations that make one series of each group."""
_SET_OPERATORS: Final = {"and", "or", "unless"}
_NO_KEYS: Final = {"__name__", "le"}
"""Labels that functions drop or read."""
_SLOT: Final = re.compile("\0(.+?)\0")
_CONSTANT: Final = "vector"
_LENGTH_OF_REPLACING: Final = 27
"""Characters of a label_replace() beside its label and value."""

Values = tuple[str, ...]
"""The values of a joint query's keys for one object, in their order."""


@dataclass(frozen=True, slots=True)
class JointQuery:
    """A query that can be asked for many objects at once.

    parts: its text, cut where the matcher of a key stands; there, the place of the key. Where a constant stands,
    vector(0), its number: there every object needs a series of its own. keys: the labels by whose values objects pick
    their series. added: those keys that the series of an object's own query would not have.
    """

    parts: tuple[str | int | float, ...]
    keys: tuple[str, ...]
    added: frozenset[str]

    def text(self, values: Sequence[Values]) -> str:
        """The query for the objects with these values.

        >>> joint, own = joint_query('sum(x{revision="a"})')
        >>> joint.text([own, ("b",)])
        'sum by (revision) (x{revision=~"a|b"})'
        """
        each = [tuple(zip(self.keys, own, strict=True)) for own in dict.fromkeys(values)]
        return self._text(values, lambda value: f"({' or '.join(constant(own, number(value)) for own in each)})")

    def as_written(self, values: Values) -> str:
        """The query for one object, with constants as they were written."""
        return self._text([values], lambda value: f"{_CONSTANT}({number(value)})")

    def length(self, values: Values) -> int:
        """Characters that one more object adds to the query."""
        replaced = sum(map(len, (*self.keys, *values))) + _LENGTH_OF_REPLACING * len(values)
        return sum(
            len(values[part]) + 1 if isinstance(part, int) else replaced
            for part in self.parts
            if not isinstance(part, str)
        )

    def _text(self, values: Sequence[Values], constants: Callable[[float], str]) -> str:
        found = [sorted(set(each)) for each in zip(*values, strict=True)]
        matchers = [_matcher(key, each) for key, each in zip(self.keys, found, strict=True)]
        return "".join(
            part if isinstance(part, str) else matchers[part] if isinstance(part, int) else constants(part)
            for part in self.parts
        )


AsOneOfMany = tuple[JointQuery, Values]
"""The joint form of one object's query, and the values that the object puts into it."""


@lru_cache(maxsize=4096)
def joint_query(query: str) -> AsOneOfMany | None:
    """The query in a form that can be asked for many objects, and the values that it names itself.

    None where series of two objects could not be told apart in the result, or where nobody can tell.
    """
    try:
        return _read(query)
    except (Unreadable, NotWritten, RecursionError):
        return None


def _read(query: str) -> AsOneOfMany:
    tree = parse(query)
    common = _common(tree)
    keys = tuple(sorted(common))
    if not keys:
        raise NotWritten("no label stands in every selector with one value")
    kept = _Kept(frozenset(keys)).of(tree)
    if kept is None:
        raise NotWritten("the query gives a number without labels")
    joint = JointQuery(_parts(tree, common), keys, frozenset(keys) - kept)
    values = tuple(common[key] for key in keys)
    # What is written is read once more: two ways to read it could give the series of one object to another.
    if _parts(parse(joint.as_written(values)), common) != joint.parts:
        raise NotWritten("the query is read in two ways")
    return joint, values


def _parts(tree: Any, common: dict[str, str]) -> tuple[str | int | float, ...]:
    parts = _SLOT.split(_Joint(common).text(tree))
    return tuple(part if place % 2 == 0 else _slot(part) for place, part in enumerate(parts))


def _slot(text: str) -> int | float:
    return float(text.removeprefix(_CONSTANT)) if text.startswith(_CONSTANT) else int(text)


def _common(tree: Any) -> dict[str, str]:
    """The labels that every selector compares with the same value."""
    found: set[tuple[str, str]] | None = None
    for node in nodes(tree):
        if type(node).__name__ == "VectorSelector":
            own = {(one.name, one.value) for one in node.matchers.matchers if operator(one) == "=" and one.value}
            found = own if found is None else found & own
    return {name: value for name, value in sorted(found or ()) if name not in _NO_KEYS}


def _matcher(key: str, values: Sequence[str]) -> str:
    if len(values) == 1:
        return f"{label(key)}={quoted(values[0])}"
    return f"{label(key)}=~{quoted('|'.join(map(literal, values)))}"


class _Joint(Printer):
    """Writes the query with a slot for the matcher of each key, and keeps the keys in every result."""

    def __init__(self, common: dict[str, str]) -> None:
        self._common = common
        self._keys = sorted(common)

    def matchers(self, selector: Any) -> list[str]:
        found = dict.fromkeys(map(self._slotted, selector.matchers.matchers))
        return list(found)

    def _slotted(self, matcher: Any) -> str:
        if operator(matcher) == "=" and self._common.get(matcher.name) == matcher.value:
            return f"\0{self._keys.index(matcher.name)}\0"
        return f"{label(matcher.name)}{operator(matcher)}{quoted(matcher.value)}"

    def grouping(self, aggregate: Any) -> str:
        modifier = aggregate.modifier
        if modifier is None:
            return f" by ({labels(self._keys)}) "
        if is_by(modifier):
            return f" by ({labels(self._with(modifier.labels))}) "
        return f" without ({labels(self._without(modifier.labels))}) "

    def matching(self, modifier: Any) -> str:
        if modifier.matching is None:
            return ""
        names = modifier.matching.labels
        if is_on(modifier):
            return f"on ({labels(self._with(names))}) "
        return f"ignoring ({labels(self._without(names))}) "

    def call(self, node: Any) -> Iterator[str]:
        if node.func.name != _CONSTANT:
            return super().call(node)
        return iter((f"\0{_CONSTANT}{number(node.args[0].val)}\0",))

    def _with(self, names: Sequence[str]) -> list[str]:
        return [*names, *(key for key in self._keys if key not in names)]

    def _without(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name not in self._common]


class _Kept:
    """Which of the keys the result of the query as it was written has; a joint one always has them all."""

    def __init__(self, keys: frozenset[str]) -> None:
        self._keys = keys

    def of(self, node: Any) -> frozenset[str] | None:
        """The keys that the series of an expression have; None for a number. Raises NotWritten."""
        match type(node).__name__:
            case "NumberLiteral" | "StringLiteral":
                return None
            case "VectorSelector" | "MatrixSelector":
                return self._keys
            case "ParenExpr" | "UnaryExpr" | "SubqueryExpr":
                return self.of(node.expr)
            case "Call":
                return self._called(node)
            case "AggregateExpr":
                return self._aggregated(node)
            case "BinaryExpr":
                return self._binary(node)
            case other:
                raise NotWritten(f"the query has a part that is not known ({other})")

    def _called(self, node: Any) -> frozenset[str]:
        if node.func.name == _CONSTANT and type(node.args[0]).__name__ == "NumberLiteral":
            return frozenset()
        found = [kept for argument in node.args if (kept := self.of(argument)) is not None]
        if node.func.name not in _PER_SERIES or len(found) != 1:
            raise NotWritten(f"{node.func.name}() may mix series of several objects")
        return found[0]

    def _aggregated(self, node: Any) -> frozenset[str]:
        kept = self.of(node.expr)
        if str(node.op) not in _PER_GROUP or kept is None or (node.param is not None and self.of(node.param)):
            raise NotWritten(f"{node.op} may mix series of several objects")
        if node.modifier is None:
            return frozenset()
        named = frozenset(node.modifier.labels)
        return kept & named if is_by(node.modifier) else kept - named

    def _binary(self, node: Any) -> frozenset[str] | None:
        left, right = self.of(node.lhs), self.of(node.rhs)
        if left is None or right is None:
            return right if left is None else left
        if left != right:
            # One side lost a key on its way: as written they match otherwise than with all the keys.
            raise NotWritten("the sides of an operator do not have the same keys")
        return left if node.modifier is None else self._matched(node, left)

    def _matched(self, node: Any, kept: frozenset[str]) -> frozenset[str]:
        modifier = node.modifier
        fills = modifier.fill_values
        if fills.lhs is not None or fills.rhs is not None or self._keys & set(modifier.group_labels or ()):
            raise NotWritten("an operator fills in series or labels")
        if modifier.matching is None or many_side(modifier) is not None or str(node.op) in _SET_OPERATORS:
            return kept
        named = frozenset(modifier.matching.labels)
        return kept & named if is_on(modifier) else kept - named
