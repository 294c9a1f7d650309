import re
import subprocess
import sys

import promql_parser
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelramp.analysis.matchers import MOST_PARTS, MOST_WRITTEN, NotNarrowed, narrowed
from modelramp.analysis.presets import PRESETS
from tests.unit.analysis.work import lines_run


def selectors(node):
    """Every selector of a tree, found by looking at whatever the nodes have."""
    if isinstance(node, promql_parser.VectorSelector):
        return [node]
    if isinstance(node, (list, tuple)):
        return [found for each in node for found in selectors(each)]
    parts = ("lhs", "rhs", "expr", "param", "args", "vector_selector")
    return [found for part in parts if (each := getattr(node, part, None)) is not None for found in selectors(each)]


def is_narrow(selector, namespace):
    return any(
        (each.name, each.op, each.value) == ("namespace", promql_parser.MatchOp.Equal, namespace)
        for each in selector.matchers.matchers
    )


REWRITTEN = {
    "up": 'up{namespace="ml"}',
    'up{job="a"}': 'up{job="a",namespace="ml"}',
    '{__name__=~".+"}': '{__name__=~".+",namespace="ml"}',
    'up{namespace="ml"}': 'up{namespace="ml"}',
    'up{namespace="other"}': 'up{namespace="other",namespace="ml"}',
    'up{namespace=~".*"}': 'up{namespace=~".*",namespace="ml"}',
    'up{namespace!="ml"}': 'up{namespace!="ml",namespace="ml"}',
    "rate(up[5m])": 'rate(up{namespace="ml"}[300000ms])',
    "rate(up[5m] offset 90s)": 'rate(up{namespace="ml"}[300000ms] offset 90000ms)',
    "up @ 1609746000.123 offset -1500ms": 'up{namespace="ml"} @ 1609746000.123 offset -1500ms',
    "up[5m:1m] @ end()": 'up{namespace="ml"}[300000ms:60000ms] @ end()',
    "max_over_time(rate(up[1m])[10m:])": 'max_over_time(rate(up{namespace="ml"}[60000ms])[600000ms:])',
    "absent(up) or vector(1)": 'absent(up{namespace="ml"}) or vector(1.0)',
    "sum(up) by (a) / count without (b) (down)": (
        'sum by (a) (up{namespace="ml"}) / count without (b) (down{namespace="ml"})'
    ),
    "topk(5, up)": 'topk(5.0, up{namespace="ml"})',
    'count_values("v", up)': 'count_values("v", up{namespace="ml"})',
    "a + on (x) group_left (y) b": 'a{namespace="ml"} + on (x) group_left (y) b{namespace="ml"}',
    "a * ignoring (x) group_right () b": 'a{namespace="ml"} * ignoring (x) group_right () b{namespace="ml"}',
    "a > bool 2": 'a{namespace="ml"} > bool 2.0',
    "a and b unless c": 'a{namespace="ml"} and b{namespace="ml"} unless c{namespace="ml"}',
    "-(a)^2": '-(a{namespace="ml"}) ^ 2.0',
    "scalar(a) + Inf": 'scalar(a{namespace="ml"}) + Inf',
    '{"a.b", "c.d"="e"}': '{__name__="a.b","c.d"="e",namespace="ml"}',
    'sum by ("a.b") (c)': 'sum by ("a.b") (c{namespace="ml"})',
    "by": 'by{namespace="ml"}',
    "up # {": 'up{namespace="ml"}',
    "1 + time()": "1.0 + time()",
    "histogram_quantile(0.95, sum by (le) (rate(x_bucket[5m])))": (
        'histogram_quantile(0.95, sum by (le) (rate(x_bucket{namespace="ml"}[300000ms])))'
    ),
}


@pytest.mark.parametrize(("query", "expected"), REWRITTEN.items())
def test_every_selector_gets_the_matcher(query, expected):
    assert narrowed(query, "ml") == expected


TEXTS = {
    "a quotation mark that ends the string": r'up{a="x\"} or secret{b=\""}',
    "another kind of quotation mark": "up{a='\"} or secret{b=\"'}",
    "a backslash before the end": r'up{a="\\"} or up{b="x"}',
    "a backquote": 'up{a=`"} or secret{b="`}',
    "a line break": r'up{a="\n} or secret"}',
    "a comment in a string": 'up{a="#"} or secret',
    "a label's name": r'up{"a\"=\"b\"} or secret{c"="d"}',
    "an argument": r'label_replace(up, "a", "\") or secret or (", "b", "")',
}


@pytest.mark.parametrize("query", TEXTS.values(), ids=TEXTS)
def test_a_text_never_becomes_code(query):
    try:
        found = narrowed(query, "ml")
    except NotNarrowed:
        return
    before, after = selectors(promql_parser.parse(query)), selectors(promql_parser.parse(found))
    assert [each.name for each in before] == [each.name for each in after]
    assert all(is_narrow(each, "ml") for each in after)


REFUSED = {
    "no PromQL": ("sum(", "does not know this PromQL"),
    "a modifier that the parser does not know": ("rate(up[5m] smoothed)", "does not know this PromQL"),
    "several sets of matchers": ('up{a="1" or b="2"}', "`or` between its matchers"),
    "series that no selector names": ('info(label_replace(vector(1), "job", "x", "", ""))', "info() reads series"),
    "a time that makes the parser panic": ("up @ -5", "fails on this PromQL"),
    "too many operators": ("+".join(["1"] * (MOST_PARTS + 2)), "more than 100 operators"),
    "too many brackets": ("(" * 2000 + "up" + ")" * 2000, "more than 100 operators"),
    "too many signs": ("-" * 4000 + "up", "more than 100 operators"),
    "too many words": (" AND ".join(["up"] * 200), "more than 100 operators"),
    "brackets behind a quotation mark in a comment": ('# "\n' + "(" * 2000 + "up" + ")" * 2000 + '#"', "more than 100"),
    "too long": ("x" * 20_000, "more than 16384 characters"),
}


@pytest.mark.parametrize(("query", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_narrowed_is_refused_with_a_reason(query, words):
    for _ in range(2):
        with pytest.raises(NotNarrowed) as caught:
            narrowed(query, "ml")
        assert words in str(caught.value)


@pytest.mark.parametrize("query", [" + ".join(["x"] * 100), "(" * 99 + "x" + ")" * 99, "-" * 100 + "x"])
def test_the_worst_query_that_is_read_takes_little_work(query):
    assert 'namespace="ml"' in narrowed(query, "ml")
    assert lines_run(lambda: narrowed(query, "shop")) < 100_000


@pytest.mark.parametrize("namespace", ["ml", "a-b.c", 'x"} or up{a="', "é\n"])
def test_any_namespace_is_quoted(namespace):
    (selector,) = selectors(promql_parser.parse(narrowed("up", namespace)))
    assert is_narrow(selector, namespace)


def test_doing_it_twice_changes_nothing():
    once = narrowed("sum(rate(x[5m])) / absent(y)", "ml")
    assert narrowed(once, "ml") == once


@pytest.mark.parametrize("preset", PRESETS)
def test_queries_of_presets_can_be_narrowed(preset):
    query = re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda hole: "1m" if hole[1] == "window" else "x", PRESETS[preset].query)
    found = narrowed(query, "ml", MOST_WRITTEN)
    assert all(is_narrow(each, "ml") for each in selectors(promql_parser.parse(found)))


LABELS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
DURATIONS = st.sampled_from(["5m", "90s", "1h30m", "1500ms", "2d"])


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


STRINGS = st.text("abc\"'`\\{}()#\n=~é ", max_size=8).map(quoted)


@st.composite
def plain(draw):
    matchers = [
        f"{draw(LABELS)}{draw(st.sampled_from(['=', '!=']))}{draw(STRINGS)}" for _ in range(draw(st.integers(0, 2)))
    ]
    if draw(st.booleans()):
        matchers.append(f'namespace{draw(st.sampled_from(["=", "!="]))}"{draw(st.sampled_from(["ml", "other"]))}"')
    return f"{draw(st.sampled_from(['up', 'a:b', 'sum_x']))}{{{','.join(matchers)}}}"


def moved(draw, text):
    if draw(st.booleans()):
        text += f" @ {draw(st.sampled_from(['start()', 'end()', '1700000000.5']))}"
    return text + (f" offset {draw(DURATIONS)}" if draw(st.booleans()) else "")


@st.composite
def vectors(draw, depth=3):
    """A query that gives a vector."""
    if depth == 0:
        return moved(draw, draw(plain()))
    inner = vectors(depth - 1)
    match draw(st.integers(0, 6)):
        case 0:
            return f"rate({moved(draw, f'{draw(plain())}[{draw(DURATIONS)}]')})"
        case 1:
            return f"max_over_time({moved(draw, f'({draw(inner)})[{draw(DURATIONS)}:{draw(DURATIONS)}]')})"
        case 2:
            by = draw(st.sampled_from(["", "by (a, le)", "without (b)"]))
            return f"{draw(st.sampled_from(['sum', 'count', 'max']))} {by} ({draw(inner)})"
        case 3:
            middle = draw(
                st.sampled_from(["+", "/", "> bool", "== on (a)", "* on (a) group_left (b)", "and", "unless"])
            )
            return f"({draw(inner)}) {middle} ({draw(inner)})"
        case 4:
            return f"absent({draw(inner)})"
        case 5:
            return f"-({draw(inner)})"
        case _:
            return f"label_replace({draw(inner)}, {draw(STRINGS)}, {draw(STRINGS)}, {draw(STRINGS)}, {draw(STRINGS)})"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(vectors())
def test_no_selector_of_any_query_is_forgotten(query):
    try:
        before = selectors(promql_parser.parse(query))
    except ValueError:
        return
    try:
        found = narrowed(query, "ml")
    except NotNarrowed:
        assert len(query) > MOST_PARTS  # it has too many operators
        return
    after = selectors(promql_parser.parse(found))
    assert [each.name for each in before] == [each.name for each in after]
    assert all(is_narrow(each, "ml") for each in after)
    assert [(each.offset, *((m.name, m.value) for m in each.matchers.matchers)) for each in before] == [
        (each.offset, *((m.name, m.value) for m in each.matchers.matchers[: len(was.matchers.matchers)]))
        for was, each in zip(before, after, strict=True)
    ]


def test_the_parser_is_loaded_when_it_is_needed_only():
    code = "import sys; import modelramp.analysis.matchers; sys.exit('promql_parser' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, env={"PYTHONPATH": "operator"}).returncode == 0
