"""A query that sees the series of one namespace only.

The query is parsed, every selector gets the matcher, and the tree is written out again. promql-parser's own printer
does not escape strings (0.11), so that a label value could become code: the printer here does. What it prints is read
once more before anybody sends it. (The parser's own walk() is no help: its cost grows with the cube of the depth.)
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

LONGEST: Final = 16_384
"""Characters of a query."""
MOST_PARTS: Final = 100
"""Operators and brackets of a query, outside of its strings.

The parser copies each subtree at each level: 100 cost 40 ms, 4,000 cost 20 s.
"""
MOST_WRITTEN: Final = 400
"""The same of a query that modelramp has written (analysis.increases): longer, but it nests little."""

MOST_SERIES: Final = 500
"""Series to which a result is limited."""

_PART: Final = re.compile(r"[(\[{+\-*/%^<>]|==|!=|\b(?:and|or|unless|atan2)\b", re.IGNORECASE)
TEXT: Final = re.compile(r'"(?:[^"\\\n]|\\.)*("?)|\'(?:[^\'\\\n]|\\.)*(\'?)|`[^`]*(`?)|#[^\n]*')
"""A string or a comment. The last group is what closes the string, empty when it is not closed."""
_NAME: Final = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_LABEL_OF_NAMESPACES: Final = "namespace"
_UNRESTRICTED: Final = frozenset({"info"})
"""Functions that read series which no selector names."""

Labels = tuple[tuple[str, str], ...]


class NotNarrowed(ValueError):
    """The query cannot be limited to a namespace. The message says why, for people."""


def narrowed(query: str, namespace: str, most: int = MOST_PARTS) -> str:
    """The query with the matcher `namespace="..."` on every selector. Raises NotNarrowed. most: operators and brackets.

    Only what is fetched is limited, so a result may still carry other values in the label, by label_replace() say.

    >>> narrowed('sum(rate(x{namespace!="a"}[5m])) / absent(y)', "ml")
    'sum(rate(x{namespace!="a",namespace="ml"}[300000ms])) / absent(y{namespace="ml"})'
    """
    found = _narrowed(query, namespace, most)
    if isinstance(found, NotNarrowed):
        raise NotNarrowed(str(found))
    return found


@lru_cache(maxsize=16_384)
def _narrowed(query: str, namespace: str, most: int) -> str | NotNarrowed:
    # What cannot be done is remembered too: it is asked for again at every tick.
    try:
        return _rewritten(query, namespace, most)
    except NotNarrowed as problem:
        return problem.with_traceback(None)
    except RecursionError:
        return NotNarrowed("the query is nested too deeply")
    except BaseException as error:
        # A panic in Rust, as for `x @ -5` (0.11), is no Exception.
        if type(error).__module__ != "pyo3_runtime":
            raise
        return NotNarrowed("the parser that adds the namespace fails on this PromQL")


def operators_in(query: str) -> int:
    """How many operators and brackets stand in a query, outside of its strings."""
    return sum(1 for _ in _PART.finditer(TEXT.sub(" ", query)))


def _rewritten(query: str, namespace: str, most: int) -> str:
    if len(query) > LONGEST:
        raise NotNarrowed(f"the query has more than {LONGEST} characters")
    if operators_in(query) > most:
        raise NotNarrowed(f"the query has more than {most} operators and brackets")
    text = "".join(_written(_parsed(query), namespace))
    # Writing adds what is missing: where the second reading finds nothing missing, every selector has it.
    if "".join(_written(_parsed(text), namespace)) != text:
        raise NotNarrowed("the query is read in two ways")
    return text


def only(query: str, series: Sequence[Labels]) -> str:
    """The query with a result that has nothing but these series, each given by some of its labels. Raises NotNarrowed.

    >>> only("sum by (a) (x)", [(("a", "1"),)])
    '(sum by (a) (x)) and on (a) (label_replace(vector(1), "a", "1", "", ""))'
    """
    if not series or len(series) > MOST_SERIES or len({tuple(name for name, _ in labels) for labels in series}) > 1:
        raise NotNarrowed(f"the result cannot be limited to 1 to {MOST_SERIES} series with the same labels")
    names = _labels([name for name, _ in series[0]])
    return f"({query}) and on ({names}) ({' or '.join(map(_vector, series))})"


def _vector(labels: Labels) -> str:
    found = "vector(1)"
    for name, value in labels:
        found = f'label_replace({found}, {_quoted(name)}, {_quoted(value.replace("$", "$$"))}, "", "")'
    return found


def _parsed(query: str) -> Any:
    import promql_parser

    try:
        return promql_parser.parse(query)
    except ValueError as error:
        raise NotNarrowed(f"the parser that adds the namespace does not know this PromQL: {error}") from None


def _is_narrow(selector: Any, namespace: str) -> bool:
    """Whether every series of the selector is of the namespace."""
    import promql_parser

    return not selector.matchers.or_matchers and any(
        (matcher.name, matcher.op, matcher.value) == (_LABEL_OF_NAMESPACES, promql_parser.MatchOp.Equal, namespace)
        for matcher in selector.matchers.matchers
    )


def _written(node: Any, namespace: str) -> Iterator[str]:
    writer = _WRITERS.get(type(node).__name__)
    if writer is None:
        raise NotNarrowed(f"the query has a part that is not known ({type(node).__name__})")
    yield from writer(node, namespace)


def _binary(node: Any, namespace: str) -> Iterator[str]:
    modifier = node.modifier
    yield from _written(node.lhs, namespace)
    yield f" {node.op} "
    if modifier is not None:
        yield from _matching(modifier)
    yield from _written(node.rhs, namespace)


def _matching(modifier: Any) -> Iterator[str]:
    if modifier.return_bool:
        yield "bool "
    if modifier.matching is not None:
        word = "on" if str(modifier.matching.type).endswith("Include") else "ignoring"
        yield f"{word} ({_labels(modifier.matching.labels)}) "
    side = {"ManyToOne": "group_left", "OneToMany": "group_right"}.get(str(modifier.card).rpartition(".")[2])
    if side is not None:
        yield f"{side} ({_labels(modifier.group_labels or ())}) "
    for word, value in (("fill_left", modifier.fill_values.lhs), ("fill_right", modifier.fill_values.rhs)):
        if value is not None:
            yield f"{word} ({_number(value)}) "


def _aggregate(node: Any, namespace: str) -> Iterator[str]:
    yield str(node.op)
    if node.modifier is not None:
        word = "by" if str(node.modifier.type).endswith("By") else "without"
        yield f" {word} ({_labels(node.modifier.labels)}) "
    yield "("
    if node.param is not None:
        yield from _written(node.param, namespace)
        yield ", "
    yield from _written(node.expr, namespace)
    yield ")"


def _call(node: Any, namespace: str) -> Iterator[str]:
    if node.func.name in _UNRESTRICTED:
        raise NotNarrowed(f"{node.func.name}() reads series of other namespaces")
    yield f"{node.func.name}("
    for number, argument in enumerate(node.args):
        if number:
            yield ", "
        yield from _written(argument, namespace)
    yield ")"


def _selector(node: Any, namespace: str, reach: str = "") -> Iterator[str]:
    if node.matchers.or_matchers:
        raise NotNarrowed("a selector has `or` between its matchers")
    matchers = [
        f"{_label(each.name)}{_OPERATORS[_last(each.op)]}{_quoted(each.value)}" for each in node.matchers.matchers
    ]
    if not _is_narrow(node, namespace):
        matchers.append(f"{_LABEL_OF_NAMESPACES}={_quoted(namespace)}")
    name = node.name or ""
    if name and not _NAME.fullmatch(name):
        matchers.insert(0, _quoted(name))
        name = ""
    yield f"{name}{{{','.join(matchers)}}}{reach}{_moved(node)}"


def _subquery(node: Any, namespace: str) -> Iterator[str]:
    yield from _written(node.expr, namespace)
    step = _duration(node.step) if node.step is not None else ""
    yield f"[{_duration(node.range)}:{step}]{_moved(node)}"


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
        raise NotNarrowed("a time after @ is not after 1970")
    return f"{since / _MILLISECOND / 1000:.3f}"


def _duration(length: timedelta) -> str:
    return f"{round(length / _MILLISECOND)}ms"


def _number(value: float) -> str:
    return {"inf": "Inf", "-inf": "-Inf", "nan": "NaN"}.get(repr(value), repr(value))


def _labels(names: Any) -> str:
    return ", ".join(map(_label, names))


def _label(name: str) -> str:
    return name if _LABEL.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    """A string literal of PromQL, in the escapes that it shares with Go."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _last(member: Any) -> str:
    """The name of a member of the parser's enumerations."""
    return str(member).rpartition(".")[2]


_OPERATORS: Final = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
_WRITERS: Final[dict[str, Callable[[Any, str], Iterator[str]]]] = {
    "AggregateExpr": _aggregate,
    "BinaryExpr": _binary,
    "Call": _call,
    "MatrixSelector": lambda node, namespace: _selector(node.vector_selector, namespace, f"[{_duration(node.range)}]"),
    "NumberLiteral": lambda node, _: iter((_number(node.val),)),
    "ParenExpr": lambda node, namespace: iter(("(", *_written(node.expr, namespace), ")")),
    "StringLiteral": lambda node, _: iter((_quoted(node.val),)),
    "SubqueryExpr": _subquery,
    "UnaryExpr": lambda node, namespace: iter(("-", *_written(node.expr, namespace))),
    "VectorSelector": _selector,
}
