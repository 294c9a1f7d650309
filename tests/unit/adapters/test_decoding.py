"""What nests more deeply than anything should is cut out of its object; all else is decoded as json.loads does."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelramp.adapters.decoding import LEVELS, decoded_line, decoded_list, decoded_object, nests
from modelramp.engine.ports import TOO_DEEP

DEPTHS = [600, 1_500, 9_900]
"""json.loads of Python 3.11 ends at about a thousand levels, that of 3.13 later; the API server takes 10,000."""

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


def deep(levels, opening='{"a":', closing="}"):
    return opening * levels + "1" + closing * levels


def as_object(spec, **members):
    metadata = {"name": "x", "labels": {"odd": '}]"{[\\', "a,b": ":"}}
    rest = {"kind": "K", "metadata": metadata, "status": {"phase": "Healthy"}} | members
    return (json.dumps(rest)[:-1] + f', "spec": {spec}}}').encode()


@given(values)
def test_what_is_flat_is_decoded_as_json_is(value):
    raw = json.dumps({"kind": "K", "items": [{"a": value}], "metadata": {}}).encode()
    assert decoded_list(raw) == decoded_object(raw) == json.loads(raw)
    assert decoded_line(raw) == raw


@given(values, st.integers(LEVELS + 1, 300), st.sampled_from([('{"a":', "}"), ("[", "]"), ('{"\\"":[', "]}")]))
def test_only_the_member_that_nests_is_cut_out(value, levels, brackets):
    raw = as_object(deep(levels, *brackets), other=value)
    assert decoded_object(raw) == json.loads(as_object(json.dumps(TOO_DEEP), other=value))


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_list_keeps_the_others_and_the_name_of_the_deep_one(levels):
    items = b",".join([as_object("{}"), as_object(deep(levels)), as_object(deep(levels, "[", "]")), as_object('"y"')])
    page = decoded_list(b'{"kind":"KList","metadata":{"continue":"t"},"items":[' + items + b"]}")
    assert page["metadata"] == {"continue": "t"}
    assert [item["spec"] for item in page["items"]] == [{}, TOO_DEEP, TOO_DEEP, "y"]
    assert {item["metadata"]["name"] for item in page["items"]} == {"x"}


@pytest.mark.parametrize("levels", DEPTHS)
def test_a_line_of_a_watch_can_be_decoded_by_anybody_afterwards(levels):
    line = b'{"type":"MODIFIED","object":' + as_object(deep(levels)) + b"}"
    found = json.loads(decoded_line(line))
    assert (found["type"], found["object"]["spec"]) == ("MODIFIED", TOO_DEEP)
    assert found["object"]["status"] == {"phase": "Healthy"}


def test_managed_fields_nest_as_their_object_does_and_are_left_out_then():
    raw = as_object("{}", metadata={"name": "x", "uid": "u", "managedFields": []})
    raw = raw.replace(b'"managedFields": []', b'"managedFields": [' + deep(500).encode() + b"]")
    assert decoded_object(raw)["metadata"] == {"name": "x", "uid": "u"}


def test_the_bound_is_exact():
    assert not nests(deep(LEVELS).encode(), LEVELS)
    assert nests(deep(LEVELS + 1).encode(), LEVELS)
    assert not nests(b'["' + b"[" * 5000 + b'"]', 1), "brackets in a text are none"
    assert not nests(b"[" + b",".join([b"[]"] * 5000) + b"]", 2), "many are not deep"


def test_an_item_that_is_no_json_has_no_name_and_takes_no_other_along():
    number = b'{"metadata":{"name":"long"},"spec":' + b"1" * 5000 + b"}"  # more digits than Python reads
    page = decoded_list(b'{"items":[{"metadata":{"name":"a"}},' + number + b",7]}")
    assert [item["metadata"] for item in page["items"]] == [{"name": "a"}, {}, {}]


@pytest.mark.parametrize("raw", [b"", b"<html>", b'{"items":[{"metadata":{', b"7", b"null", b"[1]", b'"a"'])
def test_an_answer_that_is_no_object_is_said(raw):
    with pytest.raises(ValueError, match=r"not an object|Expecting|Unterminated|Extra"):
        decoded_list(raw)


def test_a_line_that_nobody_can_read_is_left_out():
    assert decoded_line(b'{"type":"ADDED","object":{"metadata":' + b"[" * 500) == b""
