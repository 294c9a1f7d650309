"""Imports go one way, and no reason is promised that is never given."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from modelramp.api.names import Reason
from tests.rules.tree import ROOT, under


def test_imports_go_one_way():
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_reason_is_given_somewhere():
    """A reason that people search the documentation for, and that no code gives, is a promise broken."""
    given = {
        name for path in under("operator") if path.name != "names.py" for name in produced(path.read_text("utf-8"))
    }
    assert [reason.name for reason in Reason if reason.name not in given] == []


def produced(code: str) -> Iterator[str]:
    """Names of the reasons that the code gives: as an argument, a result, or a value that becomes one of these.

    What only tells reasons apart gives none: a comparison, a pattern, a key, a set or tuple of nothing but reasons, the
    default of a field.
    """
    yield from _given(ast.parse(code))


def _given(node: ast.AST) -> Iterator[str]:
    if _is_reason(node):
        yield node.attr
    elif not isinstance(node, (ast.Compare, ast.MatchValue)) and not _classifies(node):
        children = node.values if isinstance(node, ast.Dict) else ast.iter_child_nodes(node)
        for child in children:
            yield from _given(child)


def _classifies(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return node.value is not None and _is_reason(node.value)
    elements = node.elts if isinstance(node, (ast.Set, ast.Tuple, ast.List)) else []
    return isinstance(node, ast.Set) or (len(elements) > 0 and all(map(_is_reason, elements)))


def _is_reason(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Reason"


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("RolloutEvent(Reason.A, 'x')", ["A"]),
        ("return_value = cause if late else Reason.A", ["A"]),
        ("NAMES = {'Accepted': (Reason.A, 'refuses')}", ["A"]),
        ("HELD = frozenset({Reason.A})", []),
        ("KINDS = {'held': (Reason.A, Reason.B), 'x': (Reason.C,)}", []),
        ("KIND_OF = {Reason.A: 'held'}", []),
        ("held = reason is Reason.A or reason in (Reason.B, Reason.C)", []),
        ("reason: Reason = Reason.A", []),
        ("match reason:\n    case Reason.A: pass", []),
    ],
)
def test_a_reason_that_is_only_told_apart_is_not_given(code, found):
    assert list(produced(code)) == found
