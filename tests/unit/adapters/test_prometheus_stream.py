"""Answers in pieces, by a server that may send anything."""

import gzip
import json
import math
import tracemalloc
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelramp.adapters.prometheus_answers import instant_samples, range_samples
from modelramp.adapters.prometheus_stream import (
    LARGEST_ITEM,
    PIECE,
    AnswerParser,
    Bounds,
    InstantReader,
    RangeReader,
    unpacked,
)
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from tests.unit.analysis.work import lines_run

ROOMY = Bounds(32 << 20, 200_000)


def answer(kind, result, **more):
    return json.dumps({"status": "success", "data": {"resultType": kind, "result": result}, **more}).encode()


def read(body, size=PIECE, reader=InstantReader, bounds=ROOMY):
    parser = AnswerParser(reader(), bounds)
    for at in range(0, len(body), size):
        parser.feed(body[at : at + size])
    return parser.result()


def refusal(body, **options):
    with pytest.raises(PrometheusUnavailable) as caught:
        read(body, **options)
    return caught.value


ROWS = [
    {"metric": {"__name__": "x", "revision": f"r{n}", "text": 'a "\\ é \u202e }] 😀'}, "value": [60.5, str(n)]}
    for n in range(30)
]
HISTOGRAM = {"count": "12", "sum": "NaN", "buckets": [[3, "-Inf", "0.1", "8"], [0, "1", "+Inf", "3"]]}
MATRIX = [
    {"metric": {"r": "a"}, "values": [[120, "1"], [180.0, "2"]], "histograms": [[240, HISTOGRAM]]},
    {"metric": {"r": "b"}, "values": [[60, "2"], [120, "3"]]},
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, PIECE])
def test_where_an_answer_is_cut_makes_no_difference(size):
    rows = [*ROWS, {"metric": {}, "histogram": [1, HISTOGRAM]}]
    found, _ = read(answer("vector", rows), size)
    expected = instant_samples("vector", rows)
    assert found[:-1] == expected[:-1]
    assert found[-1].histogram == expected[-1].histogram
    again, _ = read(answer("matrix", MATRIX), size, RangeReader)
    wanted = range_samples("matrix", MATRIX)
    assert list(again) == list(wanted)
    assert again[60] == wanted[60]
    assert again[240][0].histogram == wanted[240][0].histogram


@given(
    st.lists(
        st.tuples(st.dictionaries(st.text(max_size=5), st.text(max_size=8), max_size=3), st.floats(allow_nan=False)),
        max_size=6,
    ),
    st.integers(1, 40),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_any_answer_is_read_as_a_whole_one_is(series, size, spaced):
    rows = [{"metric": labels, "value": [1, repr(value)]} for labels, value in series]
    body = json.dumps(
        {"status": "success", "data": {"resultType": "vector", "result": rows}}, indent=2 if spaced else None
    ).encode()
    assert read(body, size)[0] == instant_samples("vector", rows)


def test_the_order_of_the_fields_makes_no_difference():
    rows = '[{"value":[1,"2"],"metric":{}}]'
    data = f'{{"result":{rows},"x":[[1]],"resultType":"vector"}}'
    body = f'{{"warnings":["PromQL info: a"],"data":{data},"status":"success"}}'
    found, warnings = read(body.encode(), 5)
    assert (found[0].value, warnings) == (2.0, ("PromQL info: a",))


@pytest.mark.parametrize("size", [1, PIECE])
def test_a_scalar_gives_one_sample(size):
    assert [sample.value for sample in read(answer("scalar", [60, "1.5"]), size)[0]] == [1.5]
    assert math.isnan(read(answer("scalar", [60, "NaN"]), size)[0][0].value)


HOSTILE = {
    "empty": b"",
    "a list": b"[]",
    "no data": b'{"status":"success"}',
    "data that are none": b'{"status":"success","data":[]}',
    "result null": b'{"status":"success","data":{"resultType":"vector","result":null}}',
    "no result": b'{"status":"success","data":{"resultType":"vector"}}',
    "two results": b'{"status":"success","data":{"resultType":"vector","result":[],"result":[]}}',
    "two data": b'{"status":"success","data":{"resultType":"vector","result":[]},"data":{}}',
    "no status": b'{"data":{"resultType":"vector","result":[]}}',
    "half an answer": answer("vector", ROWS)[:-20],
    "more after the end": answer("vector", []) + b"{}",
    "UTF-16": answer("vector", []).decode().encode("utf-16"),
    "no UTF-8": b'{"status":"success\xff"}',
    "NaN in JSON": b'{"status":"success","data":{"resultType":"scalar","result":[NaN,"1"]}}',
    "infinity in JSON": b'{"status":"success","data":{"resultType":"scalar","result":[Infinity,"1"]}}',
    "deep": b'{"status":"success","data":{"resultType":"vector","result":' + b"[" * 200_000,
    "deep in a series": b'{"status":"success","data":{"resultType":"vector","result":[{"a":' + b"[" * 200_000,
    "deep in another field": b'{"x":' + b'{"a":' * 200_000,
    "a number of five million digits": b'{"status":"success","data":{"resultType":"scalar","result":['
    + b"9" * 5_000_000
    + b',"1"]}}',
    "a number with a huge exponent": answer("scalar", [60, "1"]).replace(b"60", b"1e999999") + b"x",
    "series that are numbers": answer("vector", [1, 2, 3]),
    "series that are lists": answer("vector", [[{}]] * 3),
    "empty objects": answer("vector", [{}] * 10),
    "labels that are lists": answer("vector", [{"metric": {"revision": ["a"]}, "value": [1, "1"]}]),
    "labels that are objects": answer("vector", [{"metric": {"revision": {}}, "value": [1, "1"]}]),
    "labels that are numbers": answer("vector", [{"metric": {"revision": 1}, "value": [1, "1"]}]),
    "a histogram without a count": answer("vector", [{"metric": {}, "histogram": [1, {}]}]),
    "warnings that are a number": answer("vector", [], warnings=5),
    "warnings that are an object": answer("vector", [], warnings={"a": "b"}),
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("size", [4096, PIECE])
def test_what_is_no_answer_has_a_reason(size, body):
    assert refusal(body, size=size).reason in {
        Reason.PROMETHEUS_UNREACHABLE,
        Reason.QUERY_FAILED,
        Reason.ANSWER_TOO_LARGE,
    }


@pytest.mark.parametrize("body", [HOSTILE["deep"], HOSTILE["two data"], answer("stream", []), answer("matrix", [])])
def test_a_range_is_as_careful(body):
    assert refusal(body, reader=RangeReader) if b"matrix" not in body else read(body, reader=RangeReader)[0] == {}


PARTIAL = {
    "a store that is down": answer("vector", ROWS, warnings=["fetch series for {replica=b}: rpc error"]),
    "a remote read that failed": answer("vector", ROWS, warnings=["PromQL warning: a", "remote_read: 503"]),
    "annotations that were left out": answer("vector", [], warnings=["3 more warning annotations omitted"]),
    "a warning that is no text": answer("vector", ROWS, warnings=[None]),
    "a look-alike": answer("vector", ROWS, warnings=["promql warning: x"]),
    "after many": answer("vector", ROWS, warnings=["PromQL info: a"] * 3000 + ["remote_read: 503"]),
    "more warnings than are looked at": answer("vector", ROWS, warnings=["PromQL info: a"] * 21),
    "VictoriaMetrics": answer("vector", ROWS, isPartial=True),
    "VictoriaMetrics, before its data": b'{"isPartial":true,' + answer("vector", ROWS)[1:],
}


@pytest.mark.parametrize("body", PARTIAL.values(), ids=PARTIAL)
def test_a_part_of_the_data_is_no_data(body):
    assert refusal(body).reason is Reason.PARTIAL_DATA


WHOLE = {
    "no warnings": {},
    "null": {"warnings": None},
    "about the query": {"warnings": ["PromQL warning: metric might not be a counter", "PromQL info: x"]},
    "as many as are looked at": {"warnings": ["PromQL info: x"] * 20},
    "any infos": {"infos": ["remote_read: 503", 5, None]},
    "statistics": {"stats": {"a": [1]}, "isPartial": False},
}


@pytest.mark.parametrize("more", WHOLE.values(), ids=WHOLE)
def test_what_is_said_about_the_query_leaves_the_data_whole(more):
    assert len(read(answer("vector", ROWS, **more))[0]) == len(ROWS)


def test_series_that_the_server_cut_are_too_many():
    body = answer("vector", ROWS, warnings=["results truncated due to limit"])
    assert refusal(body).reason is Reason.ANSWER_TOO_LARGE


def test_an_error_of_prometheus_keeps_its_words():
    body = json.dumps({"status": "error", "errorType": "execution", "error": "many-to-many"}).encode()
    error = refusal(body)
    assert (error.reason, error.detail) == (Reason.QUERY_FAILED, "Prometheus: many-to-many")


USELESS = {"string": "must give a number", "matrix": "avg_over_time", "stream": "form"}


@pytest.mark.parametrize(("kind", "words"), USELESS.items())
def test_a_query_of_the_wrong_type_is_said(kind, words):
    assert words in refusal(answer(kind, [60, "x"])).detail


def test_bytes_series_and_one_series_are_bounded():
    assert "more than 1 KiB" in refusal(answer("vector", ROWS), bounds=Bounds(1024, 100)).detail
    assert "29 series" in refusal(answer("vector", ROWS), bounds=Bounds(1 << 20, 29)).detail
    assert len(read(answer("vector", ROWS), bounds=Bounds(1 << 20, 30))[0]) == 30
    huge = answer("vector", [{"metric": {"a": "x" * 2 * LARGEST_ITEM}, "value": [1, "1"]}])
    assert "in one series" in refusal(huge).detail
    assert refusal(huge).reason is Reason.ANSWER_TOO_LARGE


def many(count):
    return [
        {"metric": {"namespace": f"team-{n % 50}", "revision": f"{n:010x}", "le": "0.25"}, "value": [60.123, f"{n}.5"]}
        for n in range(count)
    ]


WORK = {
    "series": answer("vector", many(8000)),
    "empty objects": b'{"status":"success","data":{"resultType":"vector","result":[' + b"{}," * 600_000,
    "numbers": b'{"status":"success","data":{"resultType":"vector","result":[' + b"1," * 900_000,
    "warnings": answer("vector", [], warnings=["x" * 20] * 80_000),
    "infos": answer("vector", [], infos=["x" * 20] * 10_000),
    "one long text": b'{"status":"success","error":"' + b"x" * 2_000_000,
    "one long list": b'{"status":"success","x":[' + b"[]," * 600_000,
    "spaces": b'{"status":"success",' + b" " * 2_000_000 + b'"x":1}',
}


@pytest.mark.parametrize("body", WORK.values(), ids=WORK)
def test_no_piece_takes_much_work_whatever_it_holds(body):
    """Other tasks of the loop have their turn between two pieces."""
    parser = AnswerParser(InstantReader(), ROOMY)
    with suppress(PrometheusUnavailable):
        for at in range(0, len(body), PIECE):
            lines_run(lambda at=at: parser.feed(body[at : at + PIECE]), most=100_000)


def test_memory_is_that_of_the_samples_and_not_of_the_text():
    body = answer("vector", many(5000))
    pieces = [body[at : at + PIECE] for at in range(0, len(body), PIECE)]
    tracemalloc.start()
    try:
        parser = AnswerParser(InstantReader(), ROOMY)
        for piece in pieces:
            parser.feed(piece)
        found, _ = parser.result()
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 5000
    assert kept < 700 * len(found)
    assert peak - kept < 1 << 20


def test_a_packed_body_comes_in_small_pieces():
    body = b" " * (1 << 24)
    unpack = unpacked("gzip")
    sizes = [len(piece) for piece in unpack(gzip.compress(body))]
    assert sum(sizes) == len(body)
    assert max(sizes) <= PIECE
    assert b"".join(unpacked("")(b"abc")) == b"abc"


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd", "deflate"])
def test_another_coding_was_not_asked_for(coding):
    with pytest.raises(PrometheusUnavailable):
        unpacked(coding)
