import pytest

from examples import digits
from examples.server import tokens
from examples.server.feedback import SeenIds
from examples.server.telemetry import GROUPS_MAX
from examples.server.tokens import Answered

KNOWN = digits.held_out()


async def ask(pod, count=1, **fields):
    response = await pod.client.post("/predict", json={"instances": KNOWN.pixels[:count].tolist(), **fields})
    return response.json()


async def tell(pod, request_id, label):
    response = await pod.client.post("/feedback", json={"requestId": request_id, "label": label})
    return response.status_code, response.json()


@pytest.fixture
def versions(pod):
    return pod(MODEL_VARIANT="v1", MODEL_REVISION="aaa"), pod(MODEL_VARIANT="v2", MODEL_REVISION="bbb")


async def test_a_label_that_reaches_another_version_counts_for_the_one_that_answered(versions):
    v1, v2 = versions
    answer = await ask(v2)
    right = answer["predictions"][0]

    assert await tell(v1, answer["requestId"], right) == (200, {"fate": "counted", "answeredBy": "bbb"})

    assert await v1.metric("model_feedback_total", answered_by="bbb") == 1
    assert await v1.metric("model_feedback_correct_total", answered_by="bbb") == 1
    assert await v1.metric("model_feedback_total", answered_by="aaa") == 0


async def test_a_wrong_answer_is_counted_as_asked_but_not_as_correct(versions):
    v1, v2 = versions
    answer = await ask(v2)
    await tell(v1, answer["requestId"], (answer["predictions"][0] + 1) % 10)

    assert await v1.metric("model_feedback_total", answered_by="bbb") == 1
    assert await v1.metric("model_feedback_correct_total", answered_by="bbb") == 0


async def test_labels_of_a_batch_are_counted_one_by_one(versions):
    v1, _ = versions
    answer = await ask(v1, 3)
    a, b, c = answer["predictions"]

    assert (await tell(v1, answer["requestId"], [a, b, (c + 1) % 10]))[1]["fate"] == "counted"
    assert await v1.metric("model_feedback_total", answered_by="aaa") == 3
    assert await v1.metric("model_feedback_correct_total", answered_by="aaa") == 2


async def test_the_group_that_asked_is_counted_with_the_outcome(versions):
    v1, v2 = versions
    answer = await ask(v2, group="phone")
    await tell(v1, answer["requestId"], answer["predictions"][0])

    assert await v1.metric("prediction_group_total", group="phone", outcome="correct", answered_by="bbb") == 1
    assert await v1.metric("prediction_group_total", group="phone", outcome="wrong", answered_by="bbb") == 0


async def test_a_client_cannot_invent_groups_without_end(pod):
    server = pod()
    for number in range(GROUPS_MAX + 5):
        answer = await ask(server, group=f"g{number}")
        await tell(server, answer["requestId"], 0)

    groups = {s.labels["group"] for s in next(iter(server.service.telemetry.groups.collect())).samples}
    assert len(groups) == GROUPS_MAX + 1
    assert "other" in groups


async def test_a_label_is_counted_once_by_a_pod(versions):
    v1, _ = versions
    answer = await ask(v1)
    fates = [(await tell(v1, answer["requestId"], 3))[1]["fate"] for _ in range(3)]

    assert fates == ["counted", "duplicate", "duplicate"]
    assert await v1.metric("model_feedback_total", answered_by="aaa") == 1
    assert await v1.metric("model_feedback_received_total", fate="duplicate") == 2


async def test_a_label_that_comes_too_late_is_not_counted(pod, clock):
    server = pod(FEEDBACK_MAX_AGE_SECONDS="3600")
    answer = await ask(server)
    clock.now += 3601.5

    assert await tell(server, answer["requestId"], 3) == (200, {"fate": "expired", "answeredBy": None})
    assert await server.metric("model_feedback_total", answered_by="local") == 0


async def test_another_number_of_labels_than_answers_is_not_counted_and_may_be_corrected(pod):
    server = pod()
    answer = await ask(server, 2)

    assert (await tell(server, answer["requestId"], [1]))[1]["fate"] == "mismatched"
    assert (await tell(server, answer["requestId"], [1, 2]))[1]["fate"] == "counted"


@pytest.mark.parametrize("unknown", ["x", "aaa.AAAA.BBBB", "a.b.c.d.e", "ü.AA.AA", "..", "aaa.AA=A.BB", "a" * 500])
async def test_an_unknown_id_is_counted_as_unknown(versions, unknown):
    v1, _ = versions

    assert await tell(v1, unknown, 3) == (200, {"fate": "unknown", "answeredBy": None})
    assert await v1.metric("model_feedback_received_total", fate="unknown") == 1


async def test_an_id_cannot_be_moved_to_another_revision(versions):
    v1, v2 = versions
    answer = await ask(v2)
    moved = answer["requestId"].replace("bbb.", "aaa.", 1)

    assert (await tell(v1, moved, 3))[1]["fate"] == "unknown"


async def test_without_a_shared_key_only_the_pod_that_answered_counts(pod):
    one, other = pod(FEEDBACK_KEY=None), pod(FEEDBACK_KEY=None)
    answer = await ask(one)

    assert (await tell(other, answer["requestId"], 3))[1]["fate"] == "unknown"
    assert (await tell(one, answer["requestId"], 3))[1]["fate"] == "counted"


@pytest.mark.parametrize("label", [10, -1, "3", 1.5, [], True, None])
async def test_a_label_that_is_no_digit_is_refused(pod, label):
    status, body = await tell(pod(), "id", label)

    assert status == 422
    assert body["error"].startswith("label")


def test_one_flipped_bit_breaks_the_seal():
    token = tokens.seal(Answered("rev.1", 1_800_000_000, bytes(8), "phone", (1, 2, 3)), b"key")

    assert tokens.unseal(token, b"key") == Answered("rev.1", 1_800_000_000, bytes(8), "phone", (1, 2, 3))
    assert tokens.unseal(token, b"other") is None
    for place in range(len(token)):
        for other in ("A", "B"):
            if token[place] != other:
                assert tokens.unseal(token[:place] + other + token[place + 1 :], b"key") is None, place


def test_the_ids_remembered_are_bounded():
    seen = SeenIds(capacity=2)

    assert [seen.first_time(name) for name in (b"1", b"2", b"3", b"3", b"1")] == [True, True, True, False, True]
