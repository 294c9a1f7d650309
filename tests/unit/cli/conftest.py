"""A command line against an API server of a few lines."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli import asking
from modelramp.cli.main import main


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command line against a Server; its exit code and output."""
    servers = []
    monkeypatch.setattr(asking.time, "sleep", lambda seconds: None)

    def call(server, *arguments):
        class Handler(BaseHTTPRequestHandler):
            def _go(self):
                body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "{}")
                path, _, query = self.path.partition("?")
                code, found = server.answer(self.command, path, query, body)
                text = (found if isinstance(found, str) else json.dumps(found)).encode()
                self.send_response(code)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PATCH = do_POST = do_DELETE = _go  # noqa: N815 - names of the standard library

            def log_message(self, *args):
                del args

        http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(http)
        threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{http.server_port}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
            "current-context": "c",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        result = CliRunner().invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    yield call
    for http in servers:
        http.shutdown()
        http.server_close()
