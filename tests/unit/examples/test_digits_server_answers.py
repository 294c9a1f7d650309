import json
import re
from pathlib import Path

import pytest
import structlog
from prometheus_client.parser import text_string_to_metric_families

from examples import digits
from examples.server.service import Stage
from examples.server.settings import Settings, WrongSettingsError, from_environment

IMAGE = digits.held_out().pixels[0].tolist()


async def test_the_server_lives_before_it_is_ready(unloaded_pod):
    assert (await unloaded_pod.client.get("/health")).status_code == 200
    assert (await unloaded_pod.client.get("/ready")).status_code == 503
    early = await unloaded_pod.client.post("/predict", json={"instances": [IMAGE]})
    assert early.status_code == 503
    assert "loading" in early.json()["error"]

    unloaded_pod.service.load()

    assert (await unloaded_pod.client.get("/ready")).status_code == 200


def test_the_crash_variant_never_becomes_ready(pod):
    with pytest.raises(RuntimeError, match="never starts"):
        pod(MODEL_VARIANT="crash")


async def test_an_answer_says_what_and_who(pod):
    known = digits.held_out()
    response = await pod(MODEL_VARIANT="v2", MODEL_REVISION="7c9f").client.post(
        "/predict", json={"instances": known.pixels[:20].tolist(), "group": "desktop"}
    )

    answer = response.json()
    assert response.status_code == 200
    assert sum(a == b for a, b in zip(answer["predictions"], known.labels[:20], strict=True)) >= 17
    assert (answer["version"], answer["revision"]) == ("2.0.0", "7c9f")
    assert answer["requestId"].startswith("7c9f.")


async def test_two_equal_requests_get_two_ids(pod):
    client = pod().client
    ids = {(await client.post("/predict", json={"instances": [IMAGE]})).json()["requestId"] for _ in range(2)}

    assert len(ids) == 2


async def test_while_draining_it_answers_but_sheds_its_connections(pod):
    draining = pod()
    before = await draining.client.post("/predict", json={"instances": [IMAGE]})
    draining.service.stage = Stage.DRAINING
    after = await draining.client.post("/predict", json={"instances": [IMAGE]})

    assert (before.status_code, after.status_code) == (200, 200)
    assert "connection" not in before.headers
    assert after.headers["connection"] == "close"
    assert (await draining.client.get("/ready")).status_code == 503


REFUSED = {
    "too few numbers": ({"instances": [[1.0, 2.0]]}, "instances[0]: 2 numbers, 64 wished"),
    "too many numbers": ({"instances": [IMAGE, [*IMAGE, 1]]}, "instances[1]: 65 numbers, 64 wished"),
    "no image": ({"instances": []}, "instances: List should have at least 1 item"),
    "too many images": ({"instances": [IMAGE] * 65}, "instances: List should have at most 64 items"),
    "text for a number": ({"instances": [["7", *IMAGE[1:]]]}, "instances[0][0]: Input should be a valid number"),
    "ink above 16": ({"instances": [[*IMAGE[:63], 255]]}, "instances[0][63]: Input should be less than or equal to 16"),
    "negative ink": ({"instances": [[-1, *IMAGE[1:]]]}, "instances[0][0]: Input should be greater than or equal to 0"),
    "not finite": ('{"instances": [[NaN, 1]]}', "instances[0][0]: not a finite number"),
    "not JSON": ("{", "body: not valid JSON"),
    "no object": ([], "body: not a JSON object"),
    "nothing": ({}, "instances: Field required"),
    "an unknown field": ({"instances": [IMAGE], "user": "x"}, "user: Extra inputs are not permitted"),
    "an odd group": ({"instances": [IMAGE], "group": "A b"}, "group: String should match"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
async def test_a_request_that_makes_no_sense_is_refused_with_the_place(pod, body, message):
    server = pod()
    content = body if isinstance(body, str) else json.dumps(body)
    response = await server.client.post("/predict", content=content, headers={"content-type": "application/json"})

    assert response.status_code == 422
    assert message in response.json()["error"]
    assert await server.metric("prediction_refused_total", reason="invalid") == 1
    assert await server.metric("prediction_requests_total") == 0


async def test_a_flood_of_problems_is_told_in_one_line(pod):
    response = await pod().client.post("/predict", json={"instances": [[99] * 64] * 10})

    assert len(response.json()["error"]) < 500
    assert response.json()["error"].endswith("and 635 more")


async def chunks():
    for _ in range(20):
        yield b"0" * 10_000


@pytest.mark.parametrize("body", [b"0" * 200_000, chunks], ids=["announced", "in chunks"])
async def test_a_body_that_is_too_large_is_not_read_to_its_end(pod, body):
    server = pod()
    response = await server.client.post("/predict", content=body if isinstance(body, bytes) else body())

    assert response.status_code == 413
    assert await server.metric("prediction_refused_total", reason="too-large") == 1


async def test_the_erroring_variant_fails_its_share_and_counts_it(pod):
    server = pod(MODEL_VARIANT="erroring", MODEL_ERROR_RATE="0.5")
    codes = [(await server.client.post("/predict", json={"instances": [IMAGE]})).status_code for _ in range(40)]

    assert set(codes) == {200, 500}
    assert await server.metric("prediction_requests_total") == 40
    assert await server.metric("model_errors_total") == codes.count(500)
    assert 10 <= codes.count(500) <= 30


async def test_the_slow_variant_waits_before_it_answers(pod, monkeypatch):
    waited = []

    async def nap(seconds):
        waited.append(seconds)

    monkeypatch.setattr("asyncio.sleep", nap)
    await pod(MODEL_VARIANT="slow").client.post("/predict", json={"instances": [IMAGE]})

    assert waited == [6.0]


async def test_every_series_a_check_divides_by_exists_before_the_first_request(pod):
    text = (await pod(MODEL_REVISION="7c9f").client.get("/metrics")).text
    samples = {s.name: s for family in text_string_to_metric_families(text) for s in family.samples}

    for name in (
        "prediction_requests_total",
        "prediction_latency_seconds_bucket",
        "model_errors_total",
        "model_feedback_total",
        "model_feedback_correct_total",
        "prediction_confidence_bucket",
        "prediction_class_total",
    ):
        assert samples[name].value == 0, name
    assert samples["model_feedback_total"].labels == {"answered_by": "7c9f"}


async def test_no_label_collides_with_those_that_prometheus_adds(pod):
    server = pod()
    await server.client.post("/predict", json={"instances": [IMAGE], "group": "phone"})
    text = (await server.client.get("/metrics")).text
    used = {label for family in text_string_to_metric_families(text) for s in family.samples for label in s.labels}

    assert used.isdisjoint({"namespace", "pod", "modeldeployment", "revision", "instance", "job", "service"})


async def test_confidences_and_classes_are_counted(pod):
    server = pod(MODEL_VARIANT="v2")
    answer = (await server.client.post("/predict", json={"instances": [IMAGE] * 3})).json()

    assert await server.metric("prediction_class_total", **{"class": str(answer["predictions"][0])}) == 3
    assert await server.metric("prediction_confidence_count") == 3
    assert await server.metric("prediction_latency_seconds_count") == 1


async def test_logs_hold_neither_inputs_nor_ids_that_could_be_used(pod):
    with structlog.testing.capture_logs() as lines:
        answer = (await pod().client.post("/predict", json={"instances": [IMAGE]})).json()

    (line,) = lines
    assert line["event"] == "predicted"
    assert set(line) == {"event", "log_level", "request", "instances", "seconds"}
    assert line["request"] not in answer["requestId"]


WRONG = {
    "an unknown variant": ({"MODEL_VARIANT": "v9"}, "MODEL_VARIANT: Input should be 'v1'"),
    "a port that is none": ({"PORT": "http"}, "PORT: Input should be a valid integer"),
    "a short key": ({"FEEDBACK_KEY": "hunter2"}, "FEEDBACK_KEY: Value should have at least 16"),
    "a rate above 1": ({"MODEL_ERROR_RATE": "5"}, "MODEL_ERROR_RATE: Input should be less than or equal to 1"),
    "a revision that is no label": ({"MODEL_REVISION": "a b"}, "MODEL_REVISION: String should match"),
}


@pytest.mark.parametrize(("environment", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_environment_is_named_without_its_values(monkeypatch, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(WrongSettingsError) as refused:
        from_environment()

    assert message in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_every_variable_stands_in_the_documentation():
    page = Path("docs/how-to/reference-server.md").read_text()
    documented = set(re.findall(r"^\| `([A-Z_]+)` \|", page, re.MULTILINE))

    assert documented == {field.alias for field in Settings.model_fields.values()}
