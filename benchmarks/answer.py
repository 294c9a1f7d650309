"""One large answer of a Prometheus, read and judged: how long does it hold the event loop?

One tenant has a hundred thousand series under the labels by which all objects are asked about. A process of its own
sends the answer, so that sending costs the measured one nothing. Run as a program: `python -m benchmarks.answer`.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from benchmarks.fleet import Quiet
from benchmarks.workloads import SPEC
from modelramp.adapters.addresses import Addresses, AddressList
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.analysis.query_context import QueryContext
from modelramp.api.spec import parse_spec
from modelramp.api.verdict import Verdict
from modelramp.engine.ports import Endpoint
from modelramp.engine.queries import CheckRequest
from modelramp.engine.questions import Questions
from modelramp.engine.rounds import DueTicks, Loading, Outcomes, Rounds
from modelramp.operator import collect_rarely

OBJECTS, SERIES, BYTES = 2_000, 130_000, 27 << 20
SECONDS = 60
HEALTH = parse_spec(SPEC | {"health": {"checks": [{"name": "errors", "preset": "reference-error-rate"}]}}).health


def body(tick: int) -> bytes:
    """An answer of that many series and at least that many bytes; the first ones are the objects' own."""
    filling = "x" * (BYTES // SERIES - 105)
    series = (
        {"metric": {"namespace": "ml", "modeldeployment": name, "revision": "r2"}, "value": [tick, "0.001"]}
        for name in (*map(_name, range(OBJECTS)), *(f"{n:06d}{filling}" for n in range(SERIES - OBJECTS)))
    )
    answer = {"status": "success", "data": {"resultType": "vector", "result": list(series)}}
    return json.dumps(answer, separators=(",", ":")).encode()


def _name(number: int) -> str:
    return f"m{number}"


class _Server(BaseHTTPRequestHandler):
    """Answers every question with the same."""

    answer = b""

    def do_POST(self) -> None:
        """Send it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def serve(tick: int) -> None:
    """Answer until killed; the port is the one line of output."""
    _Server.answer = body(tick)
    server = HTTPServer(("127.0.0.1", 0), _Server)
    print(server.server_port, flush=True)
    server.serve_forever()


async def hold(address: str, tick: int) -> dict[str, float]:
    """Judge all objects by the answer.

    held_seconds: the longest that a task which is always ready had to wait, in CPU seconds of the thread, so that other
    programs on the machine do not count.
    """
    clock, quiet, found = SystemClock(), Quiet(), dict[str, Outcomes]()
    longest = 0.0

    def deliver(turn: DueTicks, outcomes: Outcomes) -> None:
        found[turn.due.key] = outcomes

    async with PrometheusMetrics(quiet, clock, _no_secret, Addresses(AddressList.of(["127.0.0.0/8"]))) as metrics:
        rounds = Rounds(Questions(metrics, quiet, clock), quiet, clock, Loading(None), deliver)
        rounds.begin(tick, [_due(_name(number), Endpoint(address), tick) for number in range(OBJECTS)])
        while len(found) < OBJECTS:
            before = time.thread_time()
            await asyncio.sleep(0)
            longest = max(longest, time.thread_time() - before)
        await rounds.stop()
    checks = (check for outcomes in found.values() for check in outcomes[tick])
    return {"held_seconds": longest, "healthy": sum(check.verdict is Verdict.HEALTHY for check in checks)}


def _due(name: str, endpoint: Endpoint, tick: int) -> DueTicks:
    due = CheckRequest(f"ml/{name}", endpoint, HEALTH, QueryContext("ml", name, "r2", f"{name}-r2"))
    return DueTicks(("ml", name), "r2", range(tick, tick + 60, 60), due, tick + SECONDS, tick)


async def _no_secret(namespace: str, name: str) -> Mapping[str, bytes]:
    raise AssertionError((namespace, name))


def main() -> None:
    """Print what was found, as JSON."""
    collect_rarely()
    tick = int(SystemClock().now())
    command = [sys.executable, "-m", "benchmarks.answer", str(tick)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own program
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline())
            print(json.dumps(asyncio.run(hold(f"http://127.0.0.1:{port}", tick))))
        finally:
            server.kill()


if __name__ == "__main__":
    serve(int(sys.argv[1])) if sys.argv[1:] else main()
