import asyncio
import functools
import itertools
import json
import random

import httpx
import pytest
from click.testing import CliRunner

from examples.load import LoadGenerator, Plan
from examples.load.__main__ import main
from examples.load.traffic import questions
from tests.sim.clock import VirtualLoop, run_virtually

URL = "http://127.0.0.1:8080"
FAST = {"url": URL, "rps": 400, "duration": 0.25, "feedback_delay": 0.05}


def in_virtual_time(test):
    """Run an asynchronous test in a loop that jumps to the next timer: how busy the machine is does not matter."""

    @functools.wraps(test)
    def run(*args, **kwargs):
        run_virtually(test(*args, **kwargs), VirtualLoop())

    return run


def generator_of(plan, transport):
    return LoadGenerator(plan, transport=transport, clock=asyncio.get_running_loop().time)


class Gateway(httpx.AsyncBaseTransport):
    """Passes each request to any of the pods, whatever it is, as a Service would."""

    def __init__(self, *pods) -> None:
        self._pods = [httpx.ASGITransport(pod.app) for pod in pods]
        self._chance = random.Random(3)  # noqa: S311

    async def handle_async_request(self, request):
        return await self._chance.choice(self._pods).handle_async_request(request)


async def test_the_accuracy_in_the_metrics_is_what_the_sender_knows_although_labels_land_anywhere(pod):
    pods = pod(MODEL_VARIANT="v2", MODEL_REVISION="aaa"), pod(MODEL_VARIANT="v3", MODEL_REVISION="bbb")
    plan = Plan(**FAST | {"rps": 50, "duration": 2})  # real models answer: a busy machine needs its time
    final = await LoadGenerator(plan, transport=Gateway(*pods)).run()

    assert final.sent + final.skipped == 100
    assert final.sent > 50
    assert (final.answered, final.all_failed) == (final.sent, 0)
    assert final.feedback.fates == {"counted": final.sent}
    by_revision = {seen.revision: seen for seen in final.versions}
    assert by_revision["aaa"].accuracy > 0.8
    assert by_revision["bbb"].accuracy < 0.5
    for revision, seen in by_revision.items():
        counted = [await p.metric("model_feedback_total", answered_by=revision) or 0 for p in pods]
        correct = [await p.metric("model_feedback_correct_total", answered_by=revision) or 0 for p in pods]
        assert (sum(counted), sum(correct)) == (seen.answered, seen.correct)
        assert min(counted) > 0


async def until(reached):
    for _ in range(300):
        if reached():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("not reached in 3 s")


def answering(reply):
    calls = []

    async def handle(request):
        calls.append(request)
        await asyncio.sleep(0)
        return reply(request)

    return httpx.MockTransport(handle), calls


def refuse_connection(request):
    raise httpx.ConnectError("refused", request=request)


def hang(request):
    raise httpx.ReadTimeout("silent", request=request)


def hang_up(request):
    raise httpx.RemoteProtocolError("closed", request=request)


FAILING = {
    "502 from the gateway": (lambda _: httpx.Response(502, text="Bad Gateway"), "status", 502),
    "a redirect": (lambda _: httpx.Response(302, headers={"location": "/"}), "status", 302),
    "nobody listens": (refuse_connection, "connect", None),
    "no answer in time": (hang, "timeout", None),
    "the connection breaks": (hang_up, "RemoteProtocolError", None),
    "200 without JSON": (lambda _: httpx.Response(200, text="<html>"), "answer", 200),
    "200 with other JSON": (lambda _: httpx.Response(200, json={"predictions": []}), "answer", 200),
}


@pytest.mark.parametrize(("reply", "kind", "status"), FAILING.values(), ids=FAILING)
@in_virtual_time
async def test_whatever_is_not_a_good_answer_is_a_failure_and_is_not_repeated(reply, kind, status):
    transport, calls = answering(reply)
    final = await generator_of(Plan(url=URL, rps=200, duration=0.05), transport).run()

    assert (final.sent, final.failed, final.answered, len(calls)) == (10, 10, 0, 10)
    assert {(f.what, f.kind, f.status) for f in final.failures} == {("predict", kind, status)}


def good(request):
    if request.url.path == "/feedback":
        return httpx.Response(503)
    return httpx.Response(200, json={"predictions": [1], "version": "1", "revision": "a", "requestId": "a.b.c"})


@in_virtual_time
async def test_labels_that_fail_are_failures_of_their_own():
    transport, _ = answering(good)
    final = await generator_of(Plan(**FAST), transport).run()

    assert (final.answered, final.failed, final.feedback.failed, final.all_failed) == (100, 0, 100, 100)


@in_virtual_time
async def test_the_host_header_and_the_body_are_those_of_the_plan():
    transport, calls = answering(good)
    plan = Plan(url=URL, host="digits.example.com", rps=100, duration=0.01, feedback_delay=None)
    final = await generator_of(plan, transport).run()

    (request,) = calls
    body = json.loads(request.content)
    assert request.headers["host"] == "digits.example.com"
    assert (request.url.path, len(body["instances"][0])) == ("/predict", 64)
    assert final.feedback.sent == final.feedback.failed == 0


@in_virtual_time
async def test_a_server_that_hangs_does_not_slow_the_sender_and_the_rest_is_skipped():
    answered = asyncio.Event()

    async def wait(request):
        await answered.wait()
        return good(request)

    generator = generator_of(
        Plan(url=URL, rps=200, duration=0.2, in_flight_max=5, feedback_delay=None), httpx.MockTransport(wait)
    )
    running = asyncio.create_task(generator.run())
    await until(lambda: generator.snapshot().skipped == 35)
    assert generator.snapshot().in_flight == 5
    answered.set()
    final = await running

    assert (final.sent, final.skipped, final.answered) == (5, 35, 5)


async def test_a_machine_that_cannot_keep_the_pace_stops_at_the_end_of_the_plan():
    times = itertools.count(0, 0.5)
    transport, _ = answering(good)
    generator = LoadGenerator(
        Plan(url=URL, rps=100, duration=10, feedback_delay=None), transport=transport, clock=lambda: float(next(times))
    )
    final = await generator.run()

    assert 0 < final.sent < 20
    assert final.sent + final.skipped == 1000


@in_virtual_time
async def test_stop_ends_a_long_run_and_counts_the_labels_that_were_not_sent():
    transport, _ = answering(good)
    generator = generator_of(Plan(url=URL, rps=100, duration=3600, feedback_delay=600), transport)
    running = asyncio.create_task(generator.run())
    await until(lambda: generator.snapshot().answered >= 3)
    pending = generator.snapshot().feedback.pending
    generator.stop()
    final = await asyncio.wait_for(running, 5)

    assert pending >= 3
    assert final.feedback.dropped == final.answered
    assert final.feedback.pending == 0


class TakingTurns(httpx.AsyncBaseTransport):
    """A gateway that deals all requests out in turn, to two backends of 50 % each."""

    def __init__(self):
        self.turns = itertools.count()
        self.asked = {"a": [], "b": []}

    async def handle_async_request(self, request):
        backend = "ab"[next(self.turns) % 2]
        self.asked[backend].append(request.url.path)
        body = {"predictions": [1], "version": "1", "revision": backend, "requestId": "a.b.c", "fate": "counted"}
        return httpx.Response(200, json=body)


@pytest.mark.parametrize("seed", [0, 1, 2])
@in_virtual_time
async def test_questions_and_labels_reach_both_backends_of_a_gateway_that_deals_in_turn(seed):
    gateway = TakingTurns()
    plan = Plan(url=URL, rps=200, duration=1, feedback_delay=0.1, seed=seed)
    final = await generator_of(plan, gateway).run()

    assert final.answered == 200
    for asked in gateway.asked.values():
        assert 0.35 < asked.count("/predict") / len(asked) < 0.65


@in_virtual_time
async def test_a_generator_runs_once():
    transport, _ = answering(good)
    generator = generator_of(Plan(url=URL, rps=100, duration=0.01, feedback_delay=None), transport)
    await generator.run()

    with pytest.raises(RuntimeError, match="make a new one"):
        await generator.run()


def test_every_held_out_image_comes_once_before_any_comes_again():
    first = list(itertools.islice(questions(seed=1, phone_share=0.25), 719))

    assert len({(q.label, *q.pixels) for q in questions_as_desktop(first)}) == 719
    assert 0.2 < sum(q.group == "phone" for q in first) / 719 < 0.3
    assert first == list(itertools.islice(questions(seed=1, phone_share=0.25), 719))


def questions_as_desktop(asked):
    """Phone pictures are rounded after they were darkened, so undo both before comparing."""
    for question in asked:
        scale = 2.5 if question.group == "phone" else 1.0
        yield type(question)([round(ink * scale, 1) for ink in question.pixels], question.group, question.label)


def test_the_command_reports_failures_by_its_exit_code_and_in_its_file(tmp_path, unused_tcp_port):
    file = tmp_path / "out.jsonl"
    url = f"http://127.0.0.1:{unused_tcp_port}"
    done = CliRunner().invoke(main, ["--url", url, "--rps", "20", "--duration", "0.1", "--output", str(file)])
    lines = [json.loads(line) for line in file.read_text().splitlines()]

    assert done.exit_code == 1
    assert [line["type"] for line in lines] == ["failure", "failure", "summary"]
    assert lines[0]["kind"] == "connect"
    assert json.loads(done.stdout) == lines[-1]


def test_the_command_explains_a_wrong_plan():
    done = CliRunner().invoke(main, ["--url", "http://example.com"])

    assert done.exit_code == 2
    assert "say --remote" in done.stderr
