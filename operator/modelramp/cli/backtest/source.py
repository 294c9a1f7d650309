"""Opening Prometheus for one run of a command: bounded, quiet, and without a cluster."""

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import click

from modelramp.adapters.prometheus_history import PrometheusHistory

_PATIENCE = 2.0


class Notices:
    """Fulfils engine.ports.Telemetry: warnings go to people once each, the operator's own metrics nowhere."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def log(self, event: str, **fields: Any) -> None:
        """Nothing: a command's output is its result."""

    def warn(self, event: str, **fields: Any) -> None:
        """One line on standard error, once."""
        text = f"{event}: " + ", ".join(str(value) for value in fields.values())
        if text not in self._told:
            self._told.add(text)
            click.echo(f"warning: {text}", err=True)

    def count(self, metric: str, **labels: str) -> None:
        """Nothing."""

    def observe(self, metric: str, value: float, **labels: str) -> None:
        """Nothing."""

    def gauge(self, metric: str, value: float | None, **labels: str) -> None:
        """Nothing."""


@dataclass(slots=True)
class Progress:
    """Says how far a long run is, on standard error, every few seconds; a short one says nothing.

    before: what earlier parts of the run have done.
    """

    total: int
    what: str
    before: int = 0
    last: float = field(default_factory=time.monotonic)

    def __call__(self, done: int) -> None:
        """Tell it if the last line is long enough ago."""
        if time.monotonic() - self.last >= _PATIENCE:
            self.last = time.monotonic()
            click.echo(f"{self.before + done:,} of {self.total:,} {self.what}", err=True)


@asynccontextmanager
async def opened(
    token: str | None, ca_file: str | None, seconds: float, headers: Mapping[str, str]
) -> AsyncIterator[PrometheusHistory]:
    """Prometheus for one run, with a bearer token from the command line. seconds: for one query."""
    yield PrometheusHistory(Notices(), timeout=seconds, ca_file=ca_file, token=token, headers=headers)
