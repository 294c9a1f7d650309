"""A module has one subject and can be read in one sitting; its name says what is inside."""

from tests.rules.tree import functions, shown, under

CODE = ("operator", "localplane", "examples", "benchmarks", "docs")
MODULE_LINES = 500
FUNCTION_LINES = 60
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
