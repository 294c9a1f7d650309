"""A module has one subject and can be read in one sitting; its name says what is inside."""

import ast
from collections import Counter
from pathlib import Path

from tests.rules.tree import ROOT, functions, shown, under

CODE = ("operator", "localplane", "examples", "benchmarks", "docs")
MODULE_LINES = 500
FUNCTION_LINES = 60
CRUMB_LINES = 60
CRUMBS_MOST = 25
REGISTRIES = {
    "routers",
    "workloads",
    "strategies",
    "kinds",
    "checks",
    "gates",
    "notifications",
    "commands",
    "lint",
    "presets",
}
"""Folders with one file for each of something: there a short file is right."""
ENTRY_POINTS = {"operator/modelramp/__main__.py", "operator/modelramp/cli/main.py"}
SAYS_NOTHING = {
    "utils",
    "util",
    "common",
    "misc",
    "helpers",
    "helper",
    "manager",
    "base",
    "core_utils",
    "tools",
    "stuff",
}


def test_there_is_code_to_look_at():
    assert len(under(*CODE)) > 50


def test_no_module_is_longer_than_500_lines():
    long = {
        shown(path): lines for path in under(*CODE) if (lines := path.read_text("utf-8").count("\n")) > MODULE_LINES
    }
    assert long == {}, "split it where a second subject begins"


def test_no_function_is_longer_than_60_lines():
    long = {
        f"{shown(path)}:{name}": lines
        for path in under(*CODE)
        for name, lines in functions(path)
        if lines > FUNCTION_LINES
    }
    assert long == {}, "give its parts names"


def test_no_module_has_a_name_that_says_nothing():
    assert [shown(path) for path in under(*CODE, "tests") if SAYS_NOTHING & {path.stem, path.parent.name}] == []


def crumbs() -> list[Path]:
    """Short files of the operator outside the folders that have one file for each of something."""
    modules = (path for path in under("operator") if path.name != "__init__.py")
    found = (path for path in modules if not REGISTRIES & set(path.relative_to(ROOT).parts))
    return [path for path in found if path.read_text("utf-8").count("\n") <= CRUMB_LINES]


def importers() -> Counter[str]:
    """How many modules of the operator import each of them, by dotted name."""
    found: Counter[str] = Counter()
    for path in under("operator"):
        names = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        found.update(names)
    return found


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "operator").with_suffix("").parts)


def test_a_short_file_has_a_second_importer():
    known = importers()
    alone = {shown(path) for path in crumbs() if known[dotted(path)] < 2}
    assert alone - ENTRY_POINTS == set(), "put it into the file of its subject, which imports it"


def test_short_files_are_few():
    assert len(crumbs()) <= CRUMBS_MOST, "put the smallest into the files of their subjects"
