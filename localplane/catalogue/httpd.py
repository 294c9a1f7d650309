"""A small HTTP server for tests of the plane and of rollouts: says who answered, counts, drains on SIGTERM.

Paths: `/` (JSON: pod, tag, path), `/healthz`, `/ready`, `/metrics`, and `/status/<code>` to be answered with that code.
Environment: POD_IP and PORT (8080) to listen on, TAG; READY=never; START_DELAY_S before it listens; DELAY_S for each
answer; ERROR_RATIO of answers with 500; DRAIN_S (2) between SIGTERM and the end, in which it still serves.
"""

import json
import os
import random
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TAG = os.environ.get("TAG", "")
POD = os.environ.get("HOSTNAME", "")
DELAY_S = float(os.environ.get("DELAY_S", "0"))
DRAIN_S = float(os.environ.get("DRAIN_S", "2"))
ERROR_RATIO = float(os.environ.get("ERROR_RATIO", "0"))
_chance = random.Random()  # noqa: S311 - spreads errors over requests
_lock = threading.Lock()
_answers: dict[int, int] = {}
_draining = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """One connection; HTTP/1.1, so that a gateway keeps it open as with a real server."""

    protocol_version = "HTTP/1.1"
    timeout = 120
    # Headers and body leave in one packet each; waiting to merge them costs 40 ms an answer.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer any path."""
        match self.path:
            case "/healthz":
                self._answer(200, b"ok\n")
            case "/ready":
                ready = os.environ.get("READY") != "never" and not _draining.is_set()
                self._answer(200 if ready else 503, b"ready\n" if ready else b"not ready\n")
            case "/metrics":
                self._answer(200, _metrics().encode())
            case _:
                self._serve()

    def do_POST(self) -> None:
        """Read the body and answer as to a GET."""
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._serve()

    def _serve(self) -> None:
        time.sleep(DELAY_S)
        wished = self.path.removeprefix("/status/")
        code = int(wished) if wished.isdigit() else 200
        if _chance.random() < ERROR_RATIO:
            code = 500
        with _lock:
            _answers[code] = _answers.get(code, 0) + 1
        self._answer(code, json.dumps({"pod": POD, "tag": TAG, "path": self.path}).encode() + b"\n")

    def _answer(self, code: int, body: bytes) -> None:
        self.send_response(code)
        # The kind that Prometheus insists on; everything here is text.
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        if _draining.is_set():
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it is called by
        """Stay silent: a line for each request would be most of the work."""


class Server(ThreadingHTTPServer):
    """Accepts bursts, and does not wait for idle connections at the end."""

    daemon_threads = True
    request_queue_size = 256


def _metrics() -> str:
    with _lock:
        lines = [f'localplane_requests_total{{code="{code}"}} {count}' for code, count in sorted(_answers.items())]
    return "# TYPE localplane_requests_total counter\n" + "".join(f"{line}\n" for line in lines)


def main() -> None:
    """Serve until SIGTERM, then for DRAIN_S longer."""
    time.sleep(float(os.environ.get("START_DELAY_S", "0")))
    server = Server((os.environ.get("POD_IP", "127.0.0.1"), int(os.environ.get("PORT", "8080"))), Handler)

    def drain(_number: int, _frame: object) -> None:
        _draining.set()
        threading.Timer(DRAIN_S, server.shutdown).start()

    signal.signal(signal.SIGTERM, drain)
    print(f"{POD} ({TAG}) listens on {server.server_address}", flush=True)
    server.serve_forever(poll_interval=0.05)
    print("drained", flush=True)


if __name__ == "__main__":
    main()
