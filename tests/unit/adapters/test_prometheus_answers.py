import json
import math

import pytest

from modelramp.adapters.prometheus_answers import instant_samples, range_samples, read_body
from modelramp.adapters.prometheus_words import Sent
from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Sample


def test_a_vector_gives_one_sample_for_each_series():
    rows = [{"metric": {"revision": "a"}, "value": [1.5, "0.25"]}, {"metric": {}, "value": [1.5, "3"]}]
    assert instant_samples("vector", rows) == (Sample({"revision": "a"}, 0.25), Sample({}, 3.0))


def test_an_empty_vector_gives_no_sample():
    assert instant_samples("vector", []) == ()


def test_a_scalar_gives_one_sample_without_labels():
    assert instant_samples("scalar", [1700000000, "1"]) == (Sample({}, 1.0),)


@pytest.mark.parametrize(("text", "value"), [("+Inf", math.inf), ("-Inf", -math.inf), ("1e-7", 1e-7)])
def test_values_come_as_text(text, value):
    assert instant_samples("vector", [{"metric": {}, "value": [1, text]}])[0].value == value


def test_not_a_number_is_passed_on_as_such():
    assert math.isnan(instant_samples("vector", [{"metric": {}, "value": [1, "NaN"]}])[0].value)


UNUSABLE = {
    "a text": ("string", [1, "x"], Reason.QUERY_INVALID, "must give a number"),
    "a time range": ("matrix", [], Reason.QUERY_INVALID, "avg_over_time"),
    "a histogram without a count": ("vector", [{"metric": {}, "histogram": [1, {}]}], Reason.QUERY_FAILED, "form"),
    "a histogram that is none": ("vector", [{"metric": {}, "histogram": [1, "x"]}], Reason.QUERY_FAILED, "form"),
    "a bucket without a count": (
        "vector",
        [{"metric": {}, "histogram": [1, {"count": "3", "buckets": [[0, "1", "2"]]}]}],
        Reason.QUERY_FAILED,
        "form",
    ),
    "a value that is no number": ("vector", [{"metric": {}, "value": [1, "x"]}], Reason.QUERY_FAILED, "form"),
    "a value that is null": ("vector", [{"metric": {}, "value": None}], Reason.QUERY_FAILED, "form"),
    "a series without labels": ("vector", [{"value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
    "a series that is none": ("vector", ["x"], Reason.QUERY_FAILED, "form"),
    "no list": ("vector", {"a": 1}, Reason.QUERY_FAILED, "form"),
    "a short scalar": ("scalar", [1], Reason.QUERY_FAILED, "form"),
    "an unknown type": ("stream", [], Reason.QUERY_FAILED, "form"),
    "a number that is no text": ("vector", [{"metric": {}, "value": [1, 2]}], Reason.QUERY_FAILED, "form"),
    "a truth": ("vector", [{"metric": {}, "value": [1, True]}], Reason.QUERY_FAILED, "form"),
    "a number as Python writes it": ("vector", [{"metric": {}, "value": [1, "1_0"]}], Reason.QUERY_FAILED, "form"),
    "digits of another script": ("vector", [{"metric": {}, "value": [1, "\u0661"]}], Reason.QUERY_FAILED, "form"),
    "blanks around a number": ("vector", [{"metric": {}, "value": [1, " 1"]}], Reason.QUERY_FAILED, "form"),
    "a label that is a list": ("vector", [{"metric": {"a": []}, "value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
    "a label that is an object": ("vector", [{"metric": {"a": {}}, "value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
    "a label that is a number": ("vector", [{"metric": {"a": 1}, "value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
    "a label that is null": ("vector", [{"metric": {"a": None}, "value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
    "labels that are a list": ("vector", [{"metric": [], "value": [1, "1"]}], Reason.QUERY_FAILED, "form"),
}


@pytest.mark.parametrize(("kind", "result", "reason", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_gives_no_number_is_no_answer(kind, result, reason, words):
    with pytest.raises(PrometheusUnavailable, match=words) as caught:
        instant_samples(kind, result)
    assert caught.value.reason is reason


HISTOGRAM = {"count": "12", "sum": "NaN", "buckets": [[3, "-Inf", "0.1", "8"], [0, "1", "+Inf", "3"]]}
READ = Native(((-math.inf, 0.1, 8.0), (1.0, math.inf, 3.0)), 12.0)


def test_a_native_histogram_is_read_beside_numbers_and_has_no_value():
    rows = [{"metric": {}, "histogram": [1, HISTOGRAM]}, {"metric": {"a": "b"}, "value": [1, "2"]}]
    native, number = instant_samples("vector", rows)
    assert (native.histogram, math.isnan(native.value)) == (READ, True)
    assert number == Sample({"a": "b"}, 2.0)


def test_an_empty_native_histogram_has_no_buckets():
    (sample,) = instant_samples("vector", [{"metric": {}, "histogram": [1, {"count": "0", "sum": "0"}]}])
    assert sample.histogram == Native((), 0.0)


def test_a_series_may_turn_into_a_native_histogram_within_a_range():
    rows = [{"metric": {"r": "a"}, "values": [[60, "1"]], "histograms": [[120, HISTOGRAM], [180, HISTOGRAM]]}]
    found = range_samples("matrix", rows)
    assert found[60] == (Sample({"r": "a"}, 1.0),)
    assert [found[at][0].histogram for at in (120, 180)] == [READ, READ]


def test_a_range_is_sorted_by_instant_and_leaves_out_instants_without_samples():
    rows = [
        {"metric": {"r": "a"}, "values": [[120, "1"], [180.0, "NaN"]]},
        {"metric": {"r": "b"}, "values": [[60, "2"], [120, "3"]]},
    ]
    found = range_samples("matrix", rows)
    assert list(found) == [60, 120, 180]
    assert found[120] == (Sample({"r": "a"}, 1.0), Sample({"r": "b"}, 3.0))


@pytest.mark.parametrize(
    "rows",
    [
        [{"metric": {}, "histograms": [[1, {}]]}],
        [{"metric": {}, "values": [[1, "1"]], "histograms": [[2, {}]]}],
        [{"metric": {}, "histograms": [["x", {"count": "1"}]]}],
        [{"metric": {}, "histograms": 3}],
        [{"metric": {}}],
        [{"metric": {}, "values": [["x", "1"]]}],
        [{"metric": {}, "values": [["NaN", "1"]]}],
        [{"metric": {}, "values": [[math.nan, "1"]]}],
        [{"metric": {}, "values": [[math.inf, "1"]]}],
        [{"metric": {}, "values": [[True, "1"]]}],
        [{"metric": {}, "values": [[60, 1]]}],
        [{"metric": {"a": []}, "values": [[60, "1"]]}],
        [{"metric": {}, "values": "text"}],
    ],
)
def test_a_range_with_anything_but_numbers_is_no_answer(rows):
    with pytest.raises(PrometheusUnavailable):
        range_samples("matrix", rows)


ERRORS = {
    "PromQL that does not parse": (400, "bad_data", Reason.QUERY_INVALID),
    "a query that cannot be executed": (422, "execution", Reason.QUERY_FAILED),
    "a query that takes too long": (503, "timeout", Reason.PROMETHEUS_TIMEOUT),
    "a query that was cancelled": (503, "canceled", Reason.PROMETHEUS_TIMEOUT),
    "a server that is not ready": (503, "unavailable", Reason.PROMETHEUS_UNREACHABLE),
    "an error with a code of success": (200, "execution", Reason.QUERY_FAILED),
}


@pytest.mark.parametrize(("code", "kind", "reason"), ERRORS.values(), ids=ERRORS)
def test_an_error_of_prometheus_keeps_its_words(code, kind, reason):
    body = json.dumps({"status": "error", "errorType": kind, "error": "1:5: parse error:\n unexpected <x>"}).encode()
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(code, body)
    assert caught.value.reason is reason
    assert caught.value.detail == "Prometheus: 1:5: parse error: unexpected <x>"


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 429, 500, 502, 503])
def test_a_strangers_page_is_not_repeated(code):
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(code, b"<html>inside another service</html>")
    assert caught.value.reason is Reason.PROMETHEUS_UNREACHABLE
    assert "inside" not in caught.value.detail
    assert f"HTTP {code}" in caught.value.detail


@pytest.mark.parametrize("body", [b"", b"OK", b"[]", b"{}", b'{"status":"success"}', b"[" * 100_000])
def test_a_success_that_is_no_prometheus_answer_is_no_answer(body):
    with pytest.raises(PrometheusUnavailable):
        read_body(200, body)


ASKED = r'error when executing query="sum(rate(x{a=\"b\"}[1m])" for (time=1795871272000, step=300000): '
RANGE = r'error when executing query="x" on the time range (start=1795871272000, end=1795871872000, step=60000): '
VICTORIAMETRICS = {
    "a query that does not parse": (
        422,
        ASKED + 'argList: unexpected token ""; want ",", ")"; unparsed data: ""',
        Reason.QUERY_INVALID,
        'argList: unexpected token ""; want ",", ")"; unparsed data: ""',
    ),
    "a function that it does not know": (
        422,
        ASKED + 'unsupported function "histogram_count"',
        Reason.QUERY_INVALID,
        'unsupported function "histogram_count"',
    ),
    "a function with too few arguments": (
        422,
        'cannot evaluate "label_replace(up)": unexpected number of args; got 1; want 5',
        Reason.QUERY_INVALID,
        "unexpected number of args; got 1; want 5",
    ),
    "series that clash": (
        422,
        ASKED + r'cannot evaluate "a / on() \"b\"": duplicate time series on the right side of / on(): {a="b"} and {}',
        Reason.QUERY_FAILED,
        'duplicate time series on the right side of / on(): {a="b"} and {}',
    ),
    "a range that is too much": (
        422,
        RANGE + "cannot select more than -search.maxSamplesPerQuery=3000 samples",
        Reason.QUERY_FAILED,
        "cannot select more than -search.maxSamplesPerQuery=3000 samples",
    ),
    "a query that takes too long": (
        422,
        ASKED + "timeout exceeded during query execution: 2.000 seconds (elapsed 2.013 seconds)",
        Reason.PROMETHEUS_TIMEOUT,
        "timeout exceeded during query execution: 2.000 seconds",
    ),
    "a bad parameter": (400, "cannot parse `step` arg", Reason.QUERY_INVALID, "cannot parse `step` arg"),
    "too many at a time": (429, "too many requests", Reason.PROMETHEUS_UNREACHABLE, "too many requests"),
    "a store that is down": (503, "cannot reach vmstorage", Reason.PROMETHEUS_UNREACHABLE, "cannot reach vmstorage"),
    "a bug": (500, "index out of range", Reason.QUERY_FAILED, "index out of range"),
}


@pytest.mark.parametrize(("code", "words", "reason", "said"), VICTORIAMETRICS.values(), ids=VICTORIAMETRICS)
def test_an_error_type_that_is_no_word_of_prometheus_goes_by_the_code(code, words, reason, said):
    body = json.dumps({"status": "error", "errorType": str(code), "error": words}).encode()
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(code, body)
    assert (caught.value.reason, caught.value.detail) == (reason, f"Prometheus: {said}")


@pytest.mark.parametrize(
    "words",
    [
        "no data for time={}000 here",
        "no data from start={}.123 to end={}.123",
        "on timeRange=[2026-11-28T13:07:{:.2}.001Z..2026-11-28T13:08:{:.2}Z]",
        "rpc error: read tcp 10.0.0.7:401{:.2}->10.0.0.9:9095: i/o timeout",
        "request 0b0e7d6e-1c7c-4b57-9d0a-0000000000{:.2} and 4bf92f3577b34da6a3ce929d0e0e47{:.2} failed",
        'error when executing query="' + "x" * 3000 + '" for (time={}000, step=300000): why',
    ],
)
def test_an_error_has_the_same_words_at_every_tick(words):
    said = set()
    for second in ("10", "70"):
        body = {"status": "error", "errorType": "422", "error": words.replace("{:.2}", second)}
        body["error"] = body["error"].replace("{}", f"17958712{second}")
        with pytest.raises(PrometheusUnavailable) as caught:
            read_body(422, json.dumps(body).encode())
        said.add(caught.value.detail)
    assert len(said) == 1


NO_PROMETHEUS = {
    "a wrong path of VictoriaMetrics": (400, b'unsupported path requested: "/x/api/v1/query"\n', "path prefix"),
    "a wrong path": (404, b"404 page not found\n", "path prefix"),
    "a tenant that is missing": (401, b"no org id\n", "no org id"),
    "a tenant that is missing, as JSON": (401, b'{"status":"error","errorType":"x","error":"no org id"}', "no org id"),
    "a gateway's refusal": (403, b'{"message":"no API key was found in the request"}', "no API key was found"),
    "a cloud's refusal": (403, b'{"error":{"code":403,"message":"Permission denied on x"}}', "Permission denied on x"),
    "a server that wants TLS": (400, b"Client sent an HTTP request to an HTTPS server.\n", "to an HTTPS server"),
    "a page that is cut in a letter": (401, b"a" * 120 + "ä".encode() * 600, "aaa … ää"),
    "too many at a time": (429, b"couldn't start executing the request", "asked too much"),
}


@pytest.mark.parametrize(("code", "body", "words"), NO_PROMETHEUS.values(), ids=NO_PROMETHEUS)
def test_a_refusal_has_the_servers_own_words(code, body, words):
    with pytest.raises(PrometheusUnavailable, match=words) as caught:
        read_body(code, body)
    assert caught.value.reason is Reason.PROMETHEUS_UNREACHABLE
    assert "check secretRef" not in caught.value.detail
    assert "\n" not in caught.value.detail


def test_a_refusals_words_are_cut_and_escaped():
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(401, b"who \x1b[2K\xe2\x80\xae?\n" + b"x" * 9000)
    assert "who \\x1b[2K\\u202e? xxx" in caught.value.detail
    assert len(caught.value.detail) < 256


@pytest.mark.parametrize("said", [b"bad token aGFsZnRva2Vu", b"token AGFSZNRVA2", b"no tokens like GFsZ, please"])
def test_a_refusal_that_repeats_a_part_of_the_credentials_is_not_passed_on(said):
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(401, said, Sent(("aGFsZnRva2Vu",), credentials=True))
    assert caught.value.detail.startswith("the server refuses the credentials (HTTP 401); check secretRef")


def test_credentials_that_are_refused_for_another_cause_have_the_servers_words():
    with pytest.raises(PrometheusUnavailable, match=r"\(HTTP 401\): no org id; check secretRef"):
        read_body(401, b"no org id", Sent(("aGFsZnRva2Vu",), credentials=True))


def test_a_gateway_that_waited_in_vain_is_a_time_out():
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(504, b"<html>Gateway Time-out</html>")
    assert caught.value.reason is Reason.PROMETHEUS_TIMEOUT


def test_a_long_error_is_cut():
    with pytest.raises(PrometheusUnavailable) as caught:
        read_body(400, json.dumps({"status": "error", "errorType": "bad_data", "error": "x" * 9000}).encode())
    assert 250 < len(caught.value.detail.encode()) <= 256
