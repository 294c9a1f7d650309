"""A query that sees the series of one namespace only.

The query is parsed, every selector gets the matcher, and the tree is written out again. What is written is read once
more before anybody sends it. (The parser's own walk() is no help: its cost grows with the cube of the depth.)
"""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from modelramp.analysis import printing
from modelramp.analysis.printing import NotWritten, Printer, quoted

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
    except NotWritten as problem:
        return NotNarrowed(str(problem))
    except RecursionError:
        return NotNarrowed("the query is nested too deeply")
    except BaseException as error:
        # A panic in Rust, as for `x @ -5` (0.11), is no Exception.
        if type(error).__module__ != "pyo3_runtime":
            raise
        return NotNarrowed("the parser that adds the namespace fails on this PromQL")


def operators_in(query: str) -> int:
    """The number of operators and brackets in a query, outside of its strings."""
    return sum(1 for _ in _PART.finditer(TEXT.sub(" ", query)))


def _rewritten(query: str, namespace: str, most: int) -> str:
    if len(query) > LONGEST:
        raise NotNarrowed(f"the query has more than {LONGEST} characters")
    if operators_in(query) > most:
        raise NotNarrowed(f"the query has more than {most} operators and brackets")
    printer = _Narrow(namespace)
    text = printer.text(_parsed(query))
    # Writing adds what is missing: where the second reading finds nothing missing, every selector has it.
    if printer.text(_parsed(text)) != text:
        raise NotNarrowed("the query is read in two ways")
    return text


def only(query: str, series: Sequence[Labels]) -> str:
    """The query with a result that has nothing but these series, each given by some of its labels. Raises NotNarrowed.

    >>> only("sum by (a) (x)", [(("a", "1"),)])
    '(sum by (a) (x)) and on (a) (label_replace(vector(1), "a", "1", "", ""))'
    """
    if not series or len(series) > MOST_SERIES or len({tuple(name for name, _ in labels) for labels in series}) > 1:
        raise NotNarrowed(f"the result cannot be limited to 1 to {MOST_SERIES} series with the same labels")
    names = printing.labels([name for name, _ in series[0]])
    return f"({query}) and on ({names}) ({' or '.join(constant(labels) for labels in series)})"


def constant(labels: Labels, value: str = "1") -> str:
    """A query whose result is one series with these labels. value: a number."""
    found = f"vector({value})"
    for name, text in labels:
        found = f'label_replace({found}, {quoted(name)}, {quoted(text.replace("$", "$$"))}, "", "")'
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


class _Narrow(Printer):
    """Writes the matcher of a namespace into every selector."""

    def __init__(self, namespace: str) -> None:
        self._namespace = namespace

    def matchers(self, selector: Any) -> list[str]:
        found = super().matchers(selector)
        if not _is_narrow(selector, self._namespace):
            found.append(f"{_LABEL_OF_NAMESPACES}={quoted(self._namespace)}")
        return found

    def call(self, node: Any) -> Iterator[str]:
        if node.func.name in _UNRESTRICTED:
            raise NotWritten(f"{node.func.name}() reads series of other namespaces")
        return super().call(node)
