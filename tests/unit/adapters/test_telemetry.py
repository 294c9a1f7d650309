import ast
import io
import json
import logging
import math
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

import modelramp
from modelramp.adapters.catalogue import CATALOGUE, reference
from modelramp.adapters.telemetry import OperatorTelemetry, log_libraries

PACKAGE = Path(modelramp.__file__).parent
DOCUMENT = PACKAGE.parents[1] / "docs" / "reference" / "metrics.md"
KIND_OF_CALL = {"count": "counter", "observe": "histogram", "gauge": "gauge"}


@pytest.fixture
def stream():
    return io.StringIO()


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def series(telemetry):
    families = text_string_to_metric_families(telemetry.render()[0].decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_a_line_is_json_with_time_level_and_fields(stream):
    OperatorTelemetry(stream=stream).warn("RolledBack", namespace="ml", name="digits", revision="7c9f")
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "RolledBack",
        "level": "warning",
        "namespace": "ml",
        "name": "digits",
        "revision": "7c9f",
    }


def test_lines_below_the_level_are_left_out(stream):
    telemetry = OperatorTelemetry("WARNING", stream)
    telemetry.log("quiet")
    telemetry.warn("loud")
    assert [line["event"] for line in lines(stream)] == ["loud"]


def test_libraries_log_in_the_same_form(stream):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log_libraries("INFO", stream)
        logging.getLogger("kopf.x").warning("lost %s", "connection")
        logging.getLogger("kopf.x").debug("not this")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["logger"]) == ("lost connection", "warning", "kopf.x")


def test_libraries_log_no_urls_and_no_headers(stream):
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        log_libraries("DEBUG", stream)
        logging.getLogger("httpx").info("HTTP Request: POST https://pipelines.example.com/?token=abc")
        logging.getLogger("httpcore.http11").debug("send_request_headers.started headers=[(b'Authorization', b'abc')]")
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    assert lines(stream) == []


def test_logging_never_raises():
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    OperatorTelemetry(stream=Closed()).log("x", strange=object())


def test_counters_histograms_and_gauges_are_served(stream):
    telemetry = OperatorTelemetry(stream=stream)
    telemetry.count("modelramp_ticks_total", verdict="breach")
    telemetry.count("modelramp_ticks_total", verdict="breach")
    telemetry.observe("modelramp_query_seconds", 0.2)
    telemetry.gauge("modelramp_weight_percent", 10, namespace="ml", name="digits", revision="a")
    found = series(telemetry)
    assert found["modelramp_ticks_total", (("verdict", "breach"),)] == 2
    assert found["modelramp_query_seconds_count", ()] == 1
    assert found["modelramp_build_info", (("version", modelramp.__version__),)] == 1
    labels = (("name", "digits"), ("namespace", "ml"), ("revision", "a"))
    assert found["modelramp_weight_percent", labels] == 10


def test_a_gauge_set_to_none_is_gone_even_twice(stream):
    telemetry = OperatorTelemetry(stream=stream)
    telemetry.gauge("modelramp_breaches", 2, namespace="ml", name="digits")
    for _ in range(2):
        telemetry.gauge("modelramp_breaches", None, namespace="ml", name="digits")
    assert not [name for name, _ in series(telemetry) if name == "modelramp_breaches"]
    assert lines(stream) == []


def test_what_the_catalogue_does_not_name_is_an_error_in_the_log_and_no_exception(stream):
    telemetry = OperatorTelemetry(stream=stream)
    telemetry.count("modelramp_nonsense_total")
    telemetry.count("modelramp_ticks_total", verdikt="x")
    telemetry.observe("modelramp_ticks_total", 1, verdict="x")
    telemetry.gauge("modelramp_breaches", None, namespace="ml")
    assert [line["level"] for line in lines(stream)] == ["error"] * 4
    assert "nonsense" not in telemetry.render()[0].decode()


def test_every_counter_is_there_with_0_before_anything_is_counted(stream):
    """What is born with its first event is no increase, so that an alert would miss it."""
    found = series(OperatorTelemetry(stream=stream))
    for metric in CATALOGUE.values():
        if metric.type == "gauge":
            continue
        assert bool(metric.labels) == bool(metric.born), metric.name
        name = metric.name if metric.type == "counter" else f"{metric.name}_count"
        values = [value for (sample, _), value in found.items() if sample == name]
        assert values == [0] * max(1, len(metric.born)), metric.name
    assert ("modelramp_rollbacks_total", (("reason", "ThresholdReached"),)) in found


def test_two_telemetries_do_not_get_in_each_others_way(stream):
    one, other = OperatorTelemetry(stream=stream), OperatorTelemetry(stream=stream)
    one.count("modelramp_promotions_total")
    assert series(other)["modelramp_promotions_total", ()] == 0


def calls():
    """Every place in the package that counts, observes or gauges by a literal name."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
            if node.func.attr in KIND_OF_CALL and isinstance(name, str):
                labels = {keyword.arg for keyword in node.keywords}
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}", node.func.attr, name, labels


def test_every_call_in_the_package_is_in_the_catalogue():
    found = list(calls())
    assert len(found) > 5
    for place, call, name, labels in found:
        assert name in CATALOGUE, f"{place}: {name}"
        assert CATALOGUE[name].type == KIND_OF_CALL[call], place
        assert set(CATALOGUE[name].labels) == labels, place


def test_names_follow_the_rules_of_prometheus():
    for metric in CATALOGUE.values():
        assert metric.name.startswith("modelramp_")
        assert metric.name.endswith("_total") == (metric.type == "counter"), metric.name
        assert bool(metric.buckets) == (metric.type == "histogram"), metric.name


def test_the_document_is_current():
    assert DOCUMENT.read_text() == reference() + "\n", (
        "run: python -m modelramp.adapters.catalogue > docs/reference/metrics.md"
    )


def test_a_gauge_without_labels_keeps_its_series_when_its_value_is_removed(stream):
    telemetry = OperatorTelemetry(stream=stream)
    telemetry.gauge("modelramp_prometheus_up", 0)
    telemetry.gauge("modelramp_prometheus_up", None)

    assert math.isnan(series(telemetry)["modelramp_prometheus_up", ()])
