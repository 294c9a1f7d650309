import aiohttp
import pytest

from modelramp.adapters.web import Web, heartbeat_verdict


async def get(port, path):
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as response:
        return response.status, await response.text(), response.headers["Content-Type"]


async def test_the_kubelet_hears_what_the_callbacks_say():
    state = {"healthy": (True, "fine"), "ready": (False, "waiting for the first list")}
    server = Web(
        "127.0.0.1",
        0,
        healthy=lambda: state["healthy"],
        ready=lambda: state["ready"],
        metrics=lambda: (b"a 1\n", "text/plain; version=1.0.0; charset=utf-8"),
    )
    async with server:
        assert (await get(server.port, "/healthz"))[:2] == (200, "fine\n")
        assert (await get(server.port, "/readyz"))[:2] == (503, "waiting for the first list\n")
        state["ready"] = (True, "ready")
        assert (await get(server.port, "/readyz"))[0] == 200
        assert await get(server.port, "/metrics") == (200, "a 1\n", "text/plain; version=1.0.0; charset=utf-8")
        assert (await get(server.port, "/other"))[0] == 404
        port = server.port
    with pytest.raises(aiohttp.ClientConnectorError):
        await get(port, "/healthz")


BEATS = {
    "fresh": (1000, 1010, True),
    "at the limit": (1000, 1180, True),
    "beyond the limit": (1000, 1181, False),
    "in the future, since the clock was set back": (1000, 400, True),
}


@pytest.mark.parametrize(("beat", "now", "alive"), BEATS.values(), ids=BEATS)
def test_the_engine_is_alive_while_its_beat_is_young(beat, now, alive):
    assert heartbeat_verdict(beat, now, 180)[0] is alive


def test_a_stuck_engine_says_for_how_long():
    assert heartbeat_verdict(1000, 1300, 180)[1] == "last beat 300 s ago, limit 180 s: the engine is stuck"
