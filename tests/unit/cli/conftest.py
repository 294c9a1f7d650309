"""A command line against an API server of a few lines."""

import json
from contextlib import ExitStack

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli import asking
from modelramp.cli.main import main
from tests.unit.small_server import small_server


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs a command line against a Server; its exit code and output."""
    monkeypatch.setattr(asking.time, "sleep", lambda seconds: None)
    servers = ExitStack()

    def call(server, *arguments):
        def answer(request, body):
            path, _, query = request.path.partition("?")
            return server.answer(request.command, path, query, json.loads(body or "{}"))

        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {"server": f"http://{servers.enter_context(small_server(answer))}"}}],
            "users": [{"name": "u", "user": {"token": "t"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u", "namespace": "ml"}}],
            "current-context": "c",
        }
        (tmp_path / "config").write_text(yaml.safe_dump(config))
        monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
        result = CliRunner().invoke(main, arguments)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.output

    with servers:
        yield call
