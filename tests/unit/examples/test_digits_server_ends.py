"""The real server on a real socket, told to stop by a real signal."""

import asyncio
import signal
import socket

import httpx
import structlog
from digit_pods import Pod

from examples import digits
from examples.server import process

ASKED = {"instances": [digits.held_out().pixels[0].tolist()]}


def open_client(port):
    return httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False)


async def until(ask, wished):
    for _ in range(200):
        try:
            if (await ask()).status_code == wished:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.02)
    raise AssertionError(f"never answered {wished}")


async def test_sigterm_answers_what_is_on_its_way_and_what_comes_while_draining(pod, unused_tcp_port):
    server = pod(PORT=unused_tcp_port, DRAIN_SECONDS=0.8, MODEL_LATENCY_SECONDS=1.2)
    running = asyncio.create_task(process.run(server.service, server.app))
    async with open_client(unused_tcp_port) as client, open_client(unused_tcp_port) as newcomer:
        await until(lambda: client.get("/ready"), 200)
        on_its_way = asyncio.create_task(client.post("/predict", json=ASKED))
        await asyncio.sleep(0.1)
        signal.raise_signal(signal.SIGTERM)
        await until(lambda: client.get("/ready"), 503)
        await asyncio.sleep(0.4)
        late = asyncio.create_task(newcomer.post("/predict", json=ASKED))

        assert (await on_its_way).status_code == 200
        assert (await late).status_code == 200
        assert (await late).headers["connection"] == "close"
        assert await asyncio.wait_for(running, 5) == 0


async def test_a_model_that_cannot_be_loaded_ends_the_process_with_1(clock, monkeypatch):
    unloaded_pod = Pod(clock, PORT=0)
    monkeypatch.setattr(unloaded_pod.service, "load", lambda: 1 / 0)
    with structlog.testing.capture_logs() as lines:
        code = await process.run(unloaded_pod.service, unloaded_pod.app)

    assert code == 1
    assert lines[0]["reason"] == "division by zero"


async def test_an_address_in_use_ends_the_process_with_1(pod):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = pod(PORT=taken.getsockname()[1])
        with structlog.testing.capture_logs() as lines:
            code = await process.run(server.service, server.app)

    assert code == 1
    assert "in use" in lines[0]["reason"]
