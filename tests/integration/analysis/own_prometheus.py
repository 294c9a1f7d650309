"""A Prometheus of a test's own."""

import socket
import subprocess
import time
from contextlib import contextmanager

import httpx
import pytest

from localplane.binaries import find_or_build

HISTORY = """
otlp: {translation_strategy: NoTranslation, convert_histograms_to_nhcb: true}
storage: {tsdb: {out_of_order_time_window: 2h}}
"""
"""Configuration with which history can be written."""


def free_port():
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def serving(folder, config):
    """A Prometheus with this configuration while the block runs; its base URL."""
    (folder / "prometheus.yaml").write_text(config)
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(find_or_build(print).prometheus),
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
        "--web.enable-otlp-receiver",
    ]
    with (folder / "prometheus.log").open("w") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(f"http://{address}/-/ready", process, folder / "prometheus.log")
            yield f"http://{address}"
        finally:
            process.terminate()
            process.wait(timeout=20)


def _wait_until_ready(url, process, log):
    for _ in range(200):
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    pytest.fail(log.read_text()[-2000:])
