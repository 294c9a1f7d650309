"""Presets against the servers themselves, installed from PyPI and scraped by a real Prometheus: `make nightly`."""

import asyncio
import os
import subprocess
import time
import venv
from pathlib import Path

import httpx
import pytest
from own_prometheus import free_port, serving

from modelramp.adapters.clock import SystemClock
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Endpoint
from modelramp.engine.queries import CheckRequest, outcomes

pytestmark = [
    pytest.mark.skipif(not os.environ.get("MODELRAMP_NIGHTLY"), reason="installs servers for a minute: make nightly"),
    pytest.mark.timeout(600),
]
APPS = Path(__file__).parent / "live"
PACKAGES = (
    "fastapi",
    "uvicorn",
    "prometheus-fastapi-instrumentator==8.1.0",
    "starlette-exporter==0.24.0",
    "flask",
    "prometheus-flask-exporter==0.23.2",
)
SERVERS = {
    "fastapi": ("asgi_app.py", "fastapi"),
    "starlette": ("asgi_app.py", "starlette"),
    "flask": ("flask_app.py",),
}
WINDOW = 60
CONFIG = """
global: {{scrape_interval: 2s, scrape_timeout: 2s}}
scrape_configs:
- job_name: pods
  static_configs:
  - {{targets: ["127.0.0.1:{port}"], labels: {{namespace: live, modeldeployment: {name}, revision: r}}}}
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python that has the servers, which this project's own environment has not."""
    folder = tmp_path_factory.mktemp("servers")
    venv.create(folder, with_pip=True)
    command = [folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *PACKAGES]
    subprocess.run(command, check=True, timeout=500)
    return folder / "bin" / "python"


@pytest.fixture(params=SERVERS)
def server(request, python, tmp_path):
    """A live server and a Prometheus that scrapes it every other second: its name and both addresses."""
    port, (app, *rest) = free_port(), SERVERS[request.param]
    with (
        (tmp_path / "log").open("w") as log,
        subprocess.Popen([python, APPS / app, str(port), *rest], stdout=log, stderr=log) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _until(lambda: httpx.get(f"{url}/healthz").status_code == 200)
            with serving(tmp_path, CONFIG.format(port=port, name=request.param)) as prometheus:
                _until(lambda: _value(prometheus, "up") == "1")
                yield request.param, url, prometheus
        finally:
            process.terminate()
            process.wait(timeout=20)


def _until(holds, seconds=60):
    for _ in range(seconds * 5):
        try:
            if holds():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    pytest.fail("it did not come up in time")


def _value(prometheus, query, **params):
    found = httpx.get(f"{prometheus}/api/v1/query", params={"query": query, **params}).json()["data"]["result"]
    return found[0]["value"][1] if found else None


async def _next_scrape(prometheus):
    """The second after a scrape that succeeded and began after this call."""
    called = SystemClock().now()
    for _ in range(150):
        if found := _value(prometheus, f"timestamp(up) > {called} and up == 1"):
            return int(float(found)) + 1
        await asyncio.sleep(0.2)
    pytest.fail("no scrape succeeded in 30 s")


async def asked(name, measure, prometheus, metrics, telemetry, tick):
    health = Health(interval=f"{WINDOW}s", checks=({"name": "check", "preset": f"{name}-{measure}", "max": 0.01},))
    due = CheckRequest("key", Endpoint(prometheus), health, QueryContext("live", name, "r", f"{name}-r"))
    return (await outcomes([due], tick, metrics, telemetry))["key"][0]


async def test_a_preset_says_what_the_client_counted(server, metrics, telemetry):
    """Forty good answers, five failures within one scrape, the first ever, thirty good ones, and many probes."""
    name, url, prometheus = server
    await asyncio.sleep(WINDOW)  # so that scrapes lie before the window
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:

        async def send(number, kind):
            return [(await client.post(f"/predict/{kind}")).status_code for _ in range(number)]

        for _ in range(100):
            await client.get("/healthz")
        codes = await send(40, 200)
        tick = await _next_scrape(prometheus)
        assert (await asked(name, "error-rate", prometheus, metrics, telemetry, tick)).verdict is Verdict.HEALTHY
        codes += await send(3, 503) + await send(2, "raise")
        await _next_scrape(prometheus)
        codes += await send(28, 200) + await send(2, 404)
        first = await _next_scrape(prometheus)
        last = await _next_scrape(prometheus)
    right = sum(code >= 500 for code in codes) / len(codes)
    assert right == pytest.approx(5 / 75)
    # Births count where the target was scraped when the window began (decision 0025); a busy server may have missed it.
    ticks = [tick for tick in range(first, last + 1) if _value(prometheus, "up == 1", time=tick - WINDOW)]
    assert ticks
    for tick in ticks:
        found = await asked(name, "error-rate", prometheus, metrics, telemetry, tick)
        assert (found.verdict, found.value) == (Verdict.BREACH, pytest.approx(right, rel=0.1))
    latency = await asked(name, "p95-latency", prometheus, metrics, telemetry, last)
    assert 0 < latency.value <= 0.5
