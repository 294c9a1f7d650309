"""No regular expression takes more than a few steps for each character, whatever the text.

A search holds the interpreter and nothing can end it, so one pattern that tries every way to divide a text lets the
author of one object stop the operator for everybody. The texts here repeat what the pattern itself speaks of.
"""

import ast
import importlib
import itertools
import re
import sys
from collections.abc import Iterator
from re import _constants as op
from re import _parser
from typing import Any

import pytest

from modelramp.analysis.promql import _CODE, _STRING
from modelramp.api.crd import crd
from modelramp.api.policy import PolicyKind
from modelramp.api.policy_crd import policy_crd
from modelramp.cli.documents import _KINDS
from tests.rules.backtracking import Search, TooManySteps
from tests.rules.tree import ROOT, under

CALLS = {"compile", "match", "search", "sub", "subn", "fullmatch", "split", "findall", "finditer"}
# Patterns that these get as an argument are found where they are written.
PASSED_ON = {"rules.py": "matches(", "structural.py": "the CRD", "documents.py": "_KINDS"}
# Read by Prometheus, whose matcher is linear; here it only sees names of at most 63 characters.
SHORT_TEXTS = {r"(?:httproute-.+?-[0-9]+-[0-9a-f]{20}-svc-)?(.+)-[0-9]+@kubernetes(?:gateway|crd)"}
N = 40
PER_CHARACTER = 60


@pytest.fixture(autouse=True)
def deeper():
    """The counting matcher calls itself for each repeat of a group; the real one does not."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(20_000)
    yield
    sys.setrecursionlimit(limit)


def _written() -> Iterator[tuple[str, str, bool]]:
    """Place, pattern and whether it must match as a whole, for each pattern in the operator's code."""
    for path in under("operator"):
        module = ".".join(path.relative_to(ROOT / "operator").with_suffix("").parts)
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            called = ast.unparse(node.func)
            if called not in {f"re.{name}" for name in CALLS} | {"matches"}:
                continue
            try:
                names = vars(importlib.import_module(module)).copy()
                pattern = eval(ast.unparse(node.args[0]), names)  # noqa: S307 - the operator's own code
            except NameError:
                assert path.name in PASSED_ON, f"{path.name}:{node.lineno}: make the pattern a constant of the module"
                continue
            if isinstance(pattern, bytes):
                pattern = pattern.decode("ascii")  # it means the same of characters
            yield f"{path.name}:{node.lineno}", pattern, called in ("re.fullmatch", "matches")


def _in_schemas(node: Any) -> Iterator[str]:
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and isinstance(node.get("pattern"), str):
        yield node["pattern"]
    for one in inner:
        yield from _in_schemas(one)


def patterns() -> list[Any]:
    definitions = [crd(), *(policy_crd(kind) for kind in PolicyKind)]
    schema = sorted(set(_in_schemas(definitions)))
    found = [
        *_written(),
        *(("the CRD", pattern, False) for pattern in schema),
        *((f"YAML {kind}", rf"(?:{pattern})\Z", True) for kind, pattern, _ in _KINDS),
    ]
    return [
        pytest.param(pattern, whole, id=f"{place}-{number}") for number, (place, pattern, whole) in enumerate(found)
    ]


def characters(tree: Any) -> Iterator[str]:
    """A character for each thing that a pattern speaks of."""
    for kind, value in tree:
        if kind in (op.LITERAL, op.NOT_LITERAL):
            yield chr(value)
        elif kind is op.RANGE:
            yield chr(value[0])
        elif kind is op.CATEGORY:
            yield {op.CATEGORY_DIGIT: "0", op.CATEGORY_WORD: "a", op.CATEGORY_SPACE: " "}.get(value, "-")
        elif kind is op.IN:
            yield from itertools.islice(characters(value), 6)
        elif kind in (op.MAX_REPEAT, op.MIN_REPEAT):
            yield from characters(value[2])
        elif kind is op.SUBPATTERN:
            yield from characters(value[3])
        elif kind is op.BRANCH:
            for branch in value[1]:
                yield from characters(branch)


def texts(pattern: str, n: int) -> Iterator[str]:
    """A beginning that fits, n repeats of one or two characters, and an end that does not fit."""
    spoken = list(characters(_parser.parse(pattern)))
    starts = list(dict.fromkeys("".join(spoken[:length]) for length in (0, 1, 2, 12)))
    alphabet = list(dict.fromkeys(["a", " ", "0", *spoken]))[:14]
    repeats = [*alphabet, *("".join(two) for two in itertools.permutations(alphabet, 2)), "".join(spoken[:12])]
    for repeated in filter(None, repeats):
        for before, after in itertools.product(starts, ("", "\0")):
            yield before + repeated * (n // len(repeated)) + after


def most_steps(pattern: str, whole: bool, n: int) -> float:
    most = 0.0
    for text in texts(pattern, n):
        try:
            most = max(most, Search(pattern, 0, text, whole=whole, most=10**5).steps / max(1, len(text)))
        except TooManySteps:
            pytest.fail(f"{pattern!r} does not come to an end with {text!r}")
    return most


@pytest.mark.parametrize(("pattern", "whole"), patterns())
def test_steps_for_a_character_do_not_grow_with_the_text(pattern, whole):
    if pattern in SHORT_TEXTS:
        pytest.skip("only sees short texts")
    short, long = most_steps(pattern, whole, N), most_steps(pattern, whole, 2 * N)
    assert long <= min(PER_CHARACTER, 1.3 * short), f"{short:.1f} steps a character, {long:.1f} for twice the text"


@pytest.mark.parametrize(
    "pattern", [r"\{\{\s*(?P<name>[^{}]*?)\s*\}\}", r"(a|a)*b", r"\s+$", r"(\w+\s?)*;", r"'.*',.*;"]
)
def test_a_pattern_that_is_not_linear_is_found(pattern):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        test_steps_for_a_character_do_not_grow_with_the_text(pattern, False)


@pytest.mark.parametrize("pattern", [_CODE, *_STRING.values()])
def test_variables_of_the_longest_query_take_a_few_steps_a_character(pattern):
    for begun in ("{{" + " " * 4094, "{{ " * 1365, "{{a" + " " * 4092 + "}", "{" * 4096, "=~" + " " * 4093, "#" * 4096):
        assert Search(pattern.pattern, pattern.flags, begun).steps < 12 * 4096


@pytest.mark.parametrize("text", ["x{{ a }}", "ab1", "", "a.b.c", "httpx://a/b", "12m3s", "x\n"])
@pytest.mark.parametrize(("pattern", "whole"), patterns())
def test_the_counting_matcher_finds_what_the_real_one_finds(pattern, whole, text):
    real = re.compile(pattern)
    assert Search(pattern, 0, text, whole=whole).found is ((real.fullmatch if whole else real.search)(text) is not None)
