"""Joins the engine and the adapters; Kopf does discovery, watches, login and signals.

Kopf's handlers only put objects into the store. It adds no finalizer, no annotation and no timer to anything.
"""

import asyncio
import gc
import logging
import os
import platform
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import kopf

from modelramp import __version__
from modelramp.adapters.addresses import Addresses
from modelramp.adapters.clock import ClusterClock, steady_seconds
from modelramp.adapters.cluster import KubernetesCluster
from modelramp.adapters.credentials import secret_reader
from modelramp.adapters.kopf_session import Login, login_through
from modelramp.adapters.notifications.kubernetes_events import KubernetesEvents
from modelramp.adapters.notifications.log import LogChannel
from modelramp.adapters.notifications.metrics import MetricsChannel
from modelramp.adapters.prometheus import PrometheusMetrics, PrometheusProbe
from modelramp.adapters.telemetry import OperatorTelemetry, log_libraries
from modelramp.adapters.web import Web, heartbeat_verdict
from modelramp.adapters.webhooks import HttpWebhooks
from modelramp.analysis.stats import distributions
from modelramp.api.kinds import Kind
from modelramp.core.host_bindings import read_bindings
from modelramp.desired.kinds import selector, watched
from modelramp.engine.engine import Engine, Options
from modelramp.engine.leadership import CALL_SECONDS, Election
from modelramp.engine.ports import Clock, Telemetry
from modelramp.settings import Settings

_PROBE_SECONDS = 2.0
"""Seconds that the start waits for Prometheus, at most."""
_LISTED_SECONDS = 10.0
"""Seconds after which the start is logged without the number of objects."""


def kopf_settings(namespaces: tuple[str, ...]) -> kopf.OperatorSettings:
    """Kopf for watching only: children are filtered by the API server, nothing is written, stalls are noticed.

    With given namespaces nothing cluster-wide is watched: a Role does not allow it, and Kopf would retry without end.
    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.scanning.disabled = bool(namespaces)
    settings.watching.connect_timeout = 5.0
    settings.networking.request_timeout = 15.0
    settings.networking.connect_timeout = 5.0
    settings.process.ultimate_exiting_timeout = 10.0
    for kind in watched():
        if selector(kind):
            settings.watching.label_selectors[_group(kind), kind.plural] = selector(kind)
    return settings


def watches(engine: Engine, login: Login, *, clusterwide: bool) -> kopf.OperatorRegistry:
    """A registry whose handlers hand every watched object to the engine; those of the cluster only if clusterwide.

    What the engine could not list is left out: Kopf would end the whole operator over it.
    """
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login)
    for kind in watched():
        if kind not in engine.listing.unwatched and (kind.namespaced or clusterwide):
            _watch(registry, kind, engine)
    return registry


def collect_rarely() -> None:
    """Let the garbage collector pass over what is loaded now, and look for cycles less often.

    A full collection stops the event loop; a large answer of Prometheus set off several, of 60 to 100 ms each.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


async def main(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. A failed engine ends the process: the kubelet starts a clean one."""
    collect_rarely()
    log_libraries(settings.log_level)
    logging.getLogger("kopf.objects").setLevel(logging.WARNING)  # or every watch event is a line
    telemetry = OperatorTelemetry(settings.log_level)
    telemetry.gauge("modelramp_build_info", 1, version=__version__)
    clock = ClusterClock(telemetry)
    connecting = KubernetesCluster.connect(telemetry, call_timeout=settings.kube_timeout, heard=clock.heard)
    async with await connecting as cluster, elected(settings, telemetry, clock) as election:
        addresses = Addresses.of_pod(settings.allowed_addresses, settings.denied_addresses, os.environ)
        own = settings.prometheus_endpoint
        metrics = PrometheusMetrics(
            telemetry,
            clock,
            secret_reader(cluster),
            addresses,
            own=own,
            files=settings.prometheus_files,
            timeout=settings.query_timeout,
            ca_file=settings.prometheus_ca_file,
            allow_plain_credentials=settings.allow_plain_credentials,
        )
        events = KubernetesEvents(cluster, clock, telemetry, instance=_pod())
        webhooks = HttpWebhooks(
            secret_reader(cluster),
            addresses,
            telemetry,
            ca_file=settings.webhook_ca_file,
            allow_plain_credentials=settings.allow_plain_credentials,
        )
        engine = Engine(
            cluster=cluster,
            metrics=metrics,
            channels=(events, LogChannel(telemetry), MetricsChannel(telemetry)),
            webhooks=webhooks,
            telemetry=telemetry,
            clock=clock,
            options=options(settings),
            election=election,
        )
        listing = engine.listing
        web = Web(
            settings.web_host,
            settings.web_port,
            healthy=lambda: heartbeat_verdict(
                engine.heartbeat, clock.now(), max(settings.heartbeat_limit, 3 * engine.shortest_interval())
            ),
            ready=listing.readiness,
            metrics=telemetry.render,
        )
        probe = PrometheusProbe(metrics, own, telemetry, clock, asks=engine.leads)
        async with metrics, events, webhooks, web:
            problem = await probe.look(_PROBE_SECONDS)
            beside = {
                "clock": clock.keep(cluster.ask_time),
                "probe": _tell_start_and_probe(engine, settings, telemetry, probe, problem),
            }
            await _run_all(engine, settings, login_through(telemetry, cluster.versions, listing.list_again), beside)


@asynccontextmanager
async def elected(settings: Settings, telemetry: Telemetry, clock: Clock) -> AsyncIterator[Election | None]:
    """What decides whether this replica leads, on connections of its own; None without a Lease."""
    if not settings.lease_namespace:
        yield None
        return
    async with await KubernetesCluster.connect(telemetry, call_timeout=CALL_SECONDS) as cluster:
        yield Election(
            cluster,
            telemetry,
            clock,
            steady=steady_seconds,
            namespace=settings.lease_namespace,
            name=settings.lease_name,
            identity=f"{_pod()}_{uuid4().hex[:8]}",
        )


def _pod() -> str:
    """Name of the pod, or of the machine where there is none."""
    return os.environ.get("HOSTNAME") or platform.node()


def options(settings: Settings) -> Options:
    """The engine's options as the settings have them."""
    return Options(
        prometheus_address=settings.prometheus_address,
        enforce_namespace=settings.enforce_namespace,
        namespaces=settings.namespaces,
        scrape_delay=settings.scrape_delay,
        writes_per_second=settings.writes_per_second,
        reports_per_minute=settings.report_writes_per_minute,
        answer_seconds=2 * settings.query_timeout + 5,  # a shared question, and the same by namespace
        host_bindings=read_bindings(settings.host_bindings),
        freeze=settings.freeze,
        load=_load,
    )


async def _load() -> None:
    await asyncio.to_thread(distributions.load)


async def _tell_start_and_probe(
    engine: Engine, settings: Settings, telemetry: Telemetry, probe: PrometheusProbe, problem: str
) -> None:
    """Log the settings as soon as the objects are listed; then keep probing Prometheus.

    problem: what the first look at Prometheus found.
    """
    listing = engine.listing
    with suppress(TimeoutError):
        async with asyncio.timeout(_LISTED_SECONDS):
            await listing.listed.wait()
    objects = len(listing.store.records) + len(listing.store.unreadable) if listing.synced else None
    telemetry.log("started", **start_line(settings, problem, objects))
    await probe.run(problem)


def start_line(settings: Settings, problem: str, objects: int | None) -> dict[str, Any]:
    """The first log line of the operator.

    problem: why its Prometheus does not answer; empty when it does. objects: None while they are not listed.
    """
    changed = settings.model_dump(mode="json", exclude_defaults=True, exclude={"prometheus_address", "namespaces"})
    return {
        "version": __version__,
        "prometheus": settings.prometheus_address,
        "prometheus_answers": not problem,
        **({"prometheus_problem": problem} if problem else {}),
        "namespaces": settings.namespaces or "all",
        "objects": objects,
        "settings": changed,
    }


async def _run_all(
    engine: Engine, settings: Settings, login: Login, beside: Mapping[str, Coroutine[Any, Any, None]]
) -> None:
    """Run the engine, Kopf and what goes beside them; when one ends, the others are stopped."""
    begun = asyncio.Event()
    watching = _watch_what_was_listed(engine, settings, login, begun)
    work = {"engine": engine.run(), "kopf": watching, "signals": _until_told_to_stop(begun), **beside}
    tasks = {asyncio.create_task(each, name=name) for name, each in work.items()}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    for task in done:
        task.result()


async def _until_told_to_stop(begun: asyncio.Event) -> None:
    """Return at SIGINT or SIGTERM: Kopf takes seconds to end, and another replica should lead before.

    begun: Kopf has begun, and has put its own handlers in the place of these.
    """
    told, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    waiting = [asyncio.create_task(event.wait()) for event in (begun, told)]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    await told.wait()


async def _watch_what_was_listed(engine: Engine, settings: Settings, login: Login, begun: asyncio.Event) -> None:
    """Run Kopf once the first list shows what may be watched. begun: set when it has started."""
    await engine.listing.listed.wait()
    await kopf.operator(
        registry=watches(engine, login, clusterwide=not settings.namespaces),
        settings=kopf_settings(settings.namespaces),
        standalone=True,
        clusterwide=not settings.namespaces,
        namespaces=settings.namespaces,
        ready_flag=begun,
    )


def _group(kind: Kind) -> str:
    group, slash, _ = kind.api_version.rpartition("/")
    return group if slash else ""


def _watch(registry: kopf.OperatorRegistry, kind: Kind, engine: Engine) -> None:
    group, _, version = kind.api_version.rpartition("/")

    @kopf.on.event(group, version, kind.plural, registry=registry, id=f"observe-{kind.plural}")
    async def observe(event: Mapping[str, Any], **_: Any) -> None:
        engine.observe(kind, event["type"] or "", event["object"])
