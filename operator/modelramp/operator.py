"""The front door: joins engine and adapters, and lets Kopf do what it does best: discovery, watches, login, signals.

Kopf's handlers only put objects into the store. It adds no finalizer, no annotation and no timer to anything.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import kopf

from modelramp import __version__
from modelramp.adapters.clock import SystemClock
from modelramp.adapters.cluster import KubernetesCluster
from modelramp.adapters.events import KubernetesEvents
from modelramp.adapters.prometheus import PrometheusMetrics
from modelramp.adapters.telemetry import OperatorTelemetry
from modelramp.adapters.web import WebServer
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.engine.engine import WATCHED, Engine, Options
from modelramp.engine.ports import MODEL_DEPLOYMENT, Kind
from modelramp.settings import Settings

HEARTBEAT_LIMIT_SECONDS = 120.0
"""An engine that has not looked at its clock for so long is stuck; the liveness probe says so."""


def kopf_settings() -> kopf.OperatorSettings:
    """Kopf for watching only: children are filtered by the API server, nothing is written, stalls are noticed."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = False
    settings.watching.chunk_size = 500
    settings.watching.connect_timeout = 5.0
    settings.networking.request_timeout = 15.0
    settings.networking.connect_timeout = 5.0
    settings.process.ultimate_exiting_timeout = 10.0
    for kind in WATCHED:
        if kind != MODEL_DEPLOYMENT:
            settings.watching.label_selectors[_group(kind), kind.plural] = LABEL_DEPLOYMENT
    return settings


def watches(engine: Engine) -> kopf.OperatorRegistry:
    """A registry whose handlers hand every watched object to the engine."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_client)
    for kind in WATCHED:
        _watch(registry, kind, engine)
    return registry


async def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. A failed engine ends the process: the kubelet starts a clean one."""
    telemetry = OperatorTelemetry(level=settings.log_level, version=__version__)
    clock = SystemClock()
    async with KubernetesCluster.connect(settings) as cluster:
        metrics = PrometheusMetrics(settings, cluster, telemetry)
        events = KubernetesEvents(cluster, clock, telemetry)
        options = Options(
            prometheus_address=settings.prometheus_address,
            namespaces=tuple(settings.namespaces),
            scrape_delay=settings.scrape_delay,
            writes_per_second=settings.writes_per_second,
        )
        engine = Engine(
            cluster=cluster, metrics=metrics, events=events, telemetry=telemetry, clock=clock, options=options
        )

        def alive() -> bool:
            return not engine.synced or clock.now() - engine.heartbeat < HEARTBEAT_LIMIT_SECONDS

        web = WebServer(settings, telemetry, healthy=alive, ready=lambda: engine.synced)
        async with web, events, metrics:
            await _run_both(engine, settings)


async def _run_both(engine: Engine, settings: Settings) -> None:
    """Run the engine and Kopf side by side; when one ends, the other is stopped."""
    running = asyncio.create_task(engine.run(), name="engine")
    watching = asyncio.create_task(
        kopf.operator(
            registry=watches(engine),
            settings=kopf_settings(),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
        ),
        name="kopf",
    )
    done, pending = await asyncio.wait({running, watching}, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


def _group(kind: Kind) -> str:
    group, slash, _ = kind.api_version.rpartition("/")
    return group if slash else ""


def _watch(registry: kopf.OperatorRegistry, kind: Kind, engine: Engine) -> None:
    group, _, version = kind.api_version.rpartition("/")

    @kopf.on.event(group, version, kind.plural, registry=registry, id=f"observe-{kind.plural}")
    async def observe(event: Mapping[str, Any], **_: Any) -> None:
        engine.observe(kind, event["type"] or "", event["object"])
