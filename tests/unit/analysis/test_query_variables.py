import tracemalloc

import promql_parser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.analysis.presets import PRESETS
from modelramp.analysis.promql import NoStableVersion, parse_problem, render, unknown_variables, variables_in
from modelramp.analysis.query_context import VARIABLES, QueryContext

DIGITS = QueryContext("ml", "digits", "7c9f", "digits-7c9f", "5b1d", "digits-5b1d")


def test_every_variable_is_replaced_with_and_without_spaces_inside_the_braces():
    query = "up{" + ",".join(f'l{n}="{{{{{v}}}}}",m{n}="{{{{ {v} }}}}"' for n, v in enumerate(VARIABLES)) + "}"
    values = ["ml", "digits", "7c9f", "5b1d", "digits-7c9f", "digits-5b1d", "1m30s"]
    expected = "up{" + ",".join(f'l{n}="{v}",m{n}="{v}"' for n, v in enumerate(values)) + "}"
    assert render(query, DIGITS, 90) == expected


def test_the_window_may_stand_in_code_and_in_text():
    assert render('x[{{window}}] # {{window}}\n + y{w="{{window}}"}', DIGITS, 60) == 'x[1m] # {{window}}\n + y{w="1m"}'


any_name = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@settings(deadline=None)
@given(any_name)
@pytest.mark.parametrize("quote", ['"', "'"])
def test_no_name_can_leave_the_string_it_stands_in(quote, name):
    subject = QueryContext(name, "n", "r", "s")
    text = render(f"up{{a={quote}x{{{{namespace}}}}y{quote}}}", subject, 60)
    (matcher,) = promql_parser.parse(text).matchers.matchers
    assert matcher.value == f"x{name}y"


NASTY = ['"', '"} or vector(1) or up{a="', "'", "\\", '\\"', "a\nb", "#", "{{window}}", ".*", "a|b", "(", "`"]


@pytest.mark.parametrize("name", NASTY)
def test_a_name_that_looks_like_code_stays_a_name(name):
    text = render('up{a="{{name}}"}', QueryContext("ns", name, "r", "s"), 60)
    (matcher,) = promql_parser.parse(text).matchers.matchers
    assert matcher.value == name


@pytest.mark.parametrize("operator", ["=~", "!~", "=~  ", "!~\n"])
@pytest.mark.parametrize(("name", "pattern"), [("a.b", r"a\.b"), ("x|y", r"x\|y"), (".*", r"\.\*"), ("a-b", "a-b")])
def test_in_a_pattern_a_name_matches_only_itself(operator, name, pattern):
    text = render(f'up{{a{operator}"{{{{name}}}}.+"}}', QueryContext("ns", name, "r", "s"), 60)
    (matcher,) = promql_parser.parse(text).matchers.matchers
    assert matcher.value == f"{pattern}.+"


def test_a_name_with_a_backtick_is_refused_in_a_backtick_string():
    assert render("up{a=`{{name}}`}", DIGITS, 60) == "up{a=`digits`}"
    with pytest.raises(ValueError, match="backtick"):
        render("up{a=`{{name}}`}", QueryContext("ns", "a`b", "r", "s"), 60)


def test_a_backslash_does_not_hide_the_end_of_a_backtick_string():
    assert render('up{a=`\\`,b="{{name}}"}', DIGITS, 60) == 'up{a=`\\`,b="digits"}'


def test_a_quotation_mark_escaped_in_a_string_does_not_end_it():
    assert render(r'up{a="\"{{name}}", b="x"}', QueryContext("n", '"', "r", "s"), 60) == r'up{a="\"\"", b="x"}'


def test_a_query_about_the_stable_version_cannot_be_put_before_there_is_one():
    with pytest.raises(NoStableVersion, match=r"\{\{stable\}\} has no value"):
        render('up{r="{{stable}}"}', QueryContext("ml", "digits", "7c9f", "digits-7c9f"), 60)


def test_variables_and_unknown_ones_are_found():
    query = 'a{x="{{revision}}", y="{{ revison }}"}[{{window}}] # {{nothing}}'
    assert variables_in(query) == {"revision", "revison", "window"}
    assert unknown_variables(query) == {"revison"}


PROBLEMS = {
    "misspelt variable": ('up{a="{{revison}}"}', "unknown variable {{revison}}; known are namespace"),
    "variable in code": ("up{{name}}", "{{name}} stands outside quotes"),
    "broken brackets": ("sum(rate(x[1m])", "not PromQL"),
    "window missing": ("rate(x)", "not PromQL"),
    "unknown function": ("frobnicate(x)", "not PromQL"),
    "broken pattern": ('x{a=~"["}', "not PromQL"),
    "empty": ("", "not PromQL"),
    "a text": ('("up")', "gives a text"),
    "a range": ("up[{{window}}]", "gives a range of values"),
    "a subquery": ("(up[5m:1m])", "gives a range of values"),
}


@pytest.mark.parametrize(("query", "words"), PROBLEMS.values(), ids=PROBLEMS)
def test_a_query_that_prometheus_would_refuse_is_explained(query, words):
    problem = parse_problem(query)
    assert problem is not None
    assert words in problem.message
    assert problem.certain


@pytest.mark.parametrize("query", ["1", "vector(1)", 'rate(x{r="{{revision}}"}[{{window}}]) > 0'])
def test_a_right_query_has_no_problem(query):
    assert parse_problem(query) is None


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_parses_and_names_no_object(preset):
    assert parse_problem(preset.query) is None
    assert variables_in(preset.query) == {"window"}


def test_queries_that_consist_of_variables_do_not_stay_in_memory():
    tracemalloc.start()
    try:
        for number in range(300):
            assert len(variables_in("{{a}}" * 800 + str(number))) == 1
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 5_000_000
