"""A server of a few lines on this machine, for what speaks HTTP: it answers each request by calling a function."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def small_server(answer, tls=None):
    """Yields the server's host and port.

    answer(request, body): the code, and what is sent: bytes, a text or what becomes JSON. request: the handler, which
    has the command, the path and the headers.
    """

    class Handler(BaseHTTPRequestHandler):
        def _answer(self):
            code, found = answer(self, self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            text = found if isinstance(found, bytes | str) else json.dumps(found)
            body = text.encode() if isinstance(text, str) else text
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PATCH = do_POST = do_DELETE = _answer  # noqa: N815 - names of the standard library

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
