import asyncio
import threading

import pytest
from back_ends import STARTED, prometheus

from tests.integration.asking import metrics_of


@pytest.fixture(params=sorted(STARTED))
def back_end(request, tmp_path):
    """A server to be compared with Prometheus, with nothing in it."""
    folder = tmp_path / request.param
    folder.mkdir()
    with STARTED[request.param](folder) as running:
        yield running


@pytest.fixture
def reference(tmp_path):
    """A Prometheus with nothing in it."""
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus(folder) as running:
        yield running


@pytest.fixture
def ask(telemetry):
    """Asks from code that is in no event loop, or in one of virtual time."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def opened():
        return metrics_of(telemetry)

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(30)

    made = run(opened())
    yield lambda question: run(question(made))
    run(made.close())
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
