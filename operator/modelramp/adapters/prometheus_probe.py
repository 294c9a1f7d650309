"""Probes the operator's own Prometheus, even while no object queries it."""

import asyncio

from modelramp.api.errors import PrometheusUnavailable
from modelramp.engine.ports import Clock, Endpoint, Metrics, Telemetry

PROBE_SECONDS = 30.0
_QUESTION = "vector(1)"


class PrometheusProbe:
    """Sends a trivial query at intervals, sets modelramp_prometheus_up, and logs changes."""

    def __init__(self, metrics: Metrics, endpoint: Endpoint, telemetry: Telemetry, clock: Clock) -> None:
        self._metrics = metrics
        self._endpoint = endpoint
        self._telemetry = telemetry
        self._clock = clock

    async def look(self, patience: float = PROBE_SECONDS) -> str:
        """Probe once. Returns why there was no answer within `seconds`; empty when there was one."""
        problem = ""
        try:
            async with asyncio.timeout(patience):
                await self._metrics.instant(self._endpoint, _QUESTION, int(self._clock.now()))
        except PrometheusUnavailable as error:
            problem = str(error)
        except TimeoutError:
            problem = f"{self._endpoint.address}: no answer within {patience:g} s"
        self._telemetry.gauge("modelramp_prometheus_up", 0 if problem else 1)
        return problem

    async def run(self, problem: str) -> None:
        """Probe at intervals until cancelled. problem: the result of the last probe, which was already logged."""
        while True:
            await self._clock.sleep(PROBE_SECONDS)
            before, problem = problem, await self.look()
            if problem and not before:
                self._telemetry.warn("Prometheus does not answer", address=self._endpoint.address, reason=problem)
            elif before and not problem:
                self._telemetry.log("Prometheus answers again", address=self._endpoint.address)
