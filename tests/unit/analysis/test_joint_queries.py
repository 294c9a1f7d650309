"""Queries that differ in the values of labels only are written as one, which keeps their series apart."""

import pytest

from modelramp.analysis.increases import as_scraped
from modelramp.analysis.joint import joint_query
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import count_questions, question

JOINT = {
    'x{r="a"}': 'x{r=~"a|b"}',
    'sum(x{r="a"})': 'sum by (r) (x{r=~"a|b"})',
    'sum by (pod) (x{r="a"})': 'sum by (pod, r) (x{r=~"a|b"})',
    'sum by (r) (x{r="a"})': 'sum by (r) (x{r=~"a|b"})',
    'avg without (pod) (x{r="a"})': 'avg without (pod) (x{r=~"a|b"})',
    'avg without (pod, r) (x{r="a"})': 'avg without (pod) (x{r=~"a|b"})',
    'quantile(0.9, x{r="a"})': 'quantile by (r) (0.9, x{r=~"a|b"})',
    'rate(x{r="a",code!="200"}[1m] offset 1m)': 'rate(x{r=~"a|b",code!="200"}[60000ms] offset 60000ms)',
    'sum(x{r="a"}) / sum(y{r="a"})': 'sum by (r) (x{r=~"a|b"}) / sum by (r) (y{r=~"a|b"})',
    'x{r="a"} / on (pod) y{r="a"}': 'x{r=~"a|b"} / on (pod, r) y{r=~"a|b"}',
    'x{r="a"} and ignoring (r, code) y{r="a"}': 'x{r=~"a|b"} and ignoring (code) y{r=~"a|b"}',
    'x{r="a"} * on (pod) group_left (v) y{r="a"}': 'x{r=~"a|b"} * on (pod, r) group_left (v) y{r=~"a|b"}',
    'sum(x{r="a"}) > bool 3': 'sum by (r) (x{r=~"a|b"}) > bool 3.0',
    'clamp_max(sum(x{r="a"}), 1)': 'clamp_max(sum by (r) (x{r=~"a|b"}), 1.0)',
    'max_over_time(sum(x{r="a"})[5m:1m])': 'max_over_time(sum by (r) (x{r=~"a|b"})[300000ms:60000ms])',
    'histogram_quantile(0.5, sum by (le) (x{r="a"}))': 'histogram_quantile(0.5, sum by (le, r) (x{r=~"a|b"}))',
}


@pytest.mark.parametrize("query", JOINT)
def test_a_query_is_asked_for_two(query):
    joint, own = joint_query(query)
    assert own == ("a",)
    assert joint.text([own, ("b",)]) == JOINT[query]
    assert joint.text([own, ("b",), own]) == JOINT[query]


def test_where_a_constant_stands_every_object_has_its_own():
    joint, own = joint_query('(sum(x{r="a"}) or vector(0)) / sum(y{r="a"})')
    zeros = ['label_replace(vector(0.0), "r", "a", "", "")', 'label_replace(vector(0.0), "r", "$$b", "", "")']
    both = r'{r=~"\\$b|a"}'
    written = f"(sum by (r) (x{both}) or ({' or '.join(zeros)})) / sum by (r) (y{both})"
    assert joint.text([own, ("$b",), own]) == written
    assert joint.added == {"r"}


APART = {
    "no label in every selector": 'sum(x{r="a"}) / sum(y{q="a"})',
    "two values": 'x{r="a"} / ignoring (r) y{r="b"}',
    "a pattern": 'sum(x{pod=~"a-.*"})',
    "an empty value": 'x{r=""}',
    "nothing is fetched": "vector(1)",
    "a number": "1 + 2",
    "a constant that is a query": 'sum(x{r="a"}) or vector(time())',
    "a constant beside a label": 'sum by (r) (x{r="a"}) or vector(0)',
    "absent": 'absent(x{r="a"})',
    "the largest of all": 'topk(1, x{r="a"})',
    "counted by value": 'count_values("v", x{r="a"})',
    "one number": 'scalar(x{r="a"})',
    "the label is written over": 'label_replace(x{r="a"}, "r", "b", "", "")',
    "sides with different labels": 'sum(x{r="a"}) / sum by (r) (y{r="a"})',
    "a label is carried over": 'x{r="a"} * on (pod) group_left (r) y{r="a"}',
    "the name only": '{__name__="x"}',
    "a bucket only": 'x_bucket{le="1"}',
    "no PromQL": "sum(",
}


@pytest.mark.parametrize("query", APART.values(), ids=APART)
def test_a_query_is_asked_alone(query):
    assert joint_query(query) is None


def test_only_labels_that_the_own_query_keeps_are_left_on_its_series():
    added = {query: joint_query(query)[0].added for query in JOINT}
    assert {query for query, names in added.items() if not names} == {
        'x{r="a"}',
        'sum by (r) (x{r="a"})',
        'avg without (pod) (x{r="a"})',
        'rate(x{r="a",code!="200"}[1m] offset 1m)',
        'x{r="a"} and ignoring (r, code) y{r="a"}',
        'x{r="a"} * on (pod) group_left (v) y{r="a"}',
    }


def test_values_are_text_and_no_pattern():
    joint, own = joint_query(r'x{r="a.b\"|c"}')
    assert joint.text([own]) == r'x{r="a.b\"|c"}'
    assert joint.text([own, ("b\\",)]) == r'x{r=~"a\\.b\"\\|c|b\\\\"}'


def test_labels_that_are_the_same_for_all_stay_as_they_are():
    joint, own = joint_query('sum(x{r="a",code="500"})')
    assert (joint.keys, own) == (("code", "r"), ("500", "a"))
    assert joint.text([own, ("500", "b")]) == 'sum by (code, r) (x{r=~"a|b",code="500"})'


def test_a_query_that_counts_as_scraped_is_asked_for_many():
    text = as_scraped('sum(increase(bad_total{r="a"}[1m]))', 'sum(increase(all_total{r="a"}[1m]))').text
    joint, own = joint_query(text)
    assert joint.text([own]).count('{r="a"}') == text.count('{r="a"}')


def of(name, limited=False):
    return QueryContext("ml", name, f"{name}-1", f"{name}-svc", f"{name}-0", f"{name}-old", limited)


NAMED = 'sum(x{ns="{{namespace}}",svc="svc-{{service}}",was="{{stable}}"})'


def test_objects_with_one_query_have_one_joint_query_and_their_own_values():
    first, other = (question("value", NAMED, of(name), 60).joint for name in ("fraud", "digits"))
    assert first[0] is other[0]
    assert first[0].keys == ("ns", "svc", "was")
    assert (first[1], other[1]) == (("ml", "svc-fraud-svc", "fraud-0"), ("ml", "svc-digits-svc", "digits-0"))
    assert first[0].text([first[1]]) == 'sum by (ns, svc, was) (x{ns="ml",svc="svc-fraud-svc",was="fraud-0"})'


def test_a_name_in_a_pattern_is_asked_alone():
    assert question("value", 'sum(x{ns="{{namespace}}",pod=~"{{name}}-.*"})', of("fraud"), 60).joint is None


def test_a_query_that_takes_long_to_read_is_asked_alone():
    assert question("value", "abs(" * 101 + 'x{r="{{revision}}"}' + ")" * 101, of("fraud"), 60).joint is None


def test_a_namespace_that_limits_queries_is_one_of_the_keys():
    joint, values = question("value", 'sum(x{r="{{revision}}"})', of("fraud", limited=True), 60).joint
    assert (joint.keys, values) == (("namespace", "r"), ("ml", "fraud-1"))


def test_counts_of_both_versions_are_one_query():
    parts = {"bad": 'sum(increase(b{r="{{revision}}"}[1m]))', "total": 'sum(increase(t{r="{{revision}}"}[1m]))'}
    new, old = (
        list(count_questions("candidate", parts, subject, 60))
        for subject in (of("fraud"), QueryContext("ml", "fraud", "fraud-0", "", "fraud-0"))
    )
    assert [each.joint[0] is other.joint[0] for each, other in zip(new, old, strict=True)] == [True, True]
    assert new[0].joint[1] != old[0].joint[1]
