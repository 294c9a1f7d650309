"""The real engine with many ModelDeployments that all serve in good health: its memory, and the cost of a tick.

One object goes through a whole promotion in the simulated world of tests/sim; its objects as the API server holds
them are then copied under other names. Run as a program it prints JSON: `python -m benchmarks.fleet 10000`.
"""

import asyncio
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from modelramp.api.errors import Gone
from modelramp.api.kinds import Kind, Ref
from modelramp.core.events import RolloutEvent
from modelramp.engine.engine import Engine, Options
from modelramp.engine.ports import SHARED, Asker, Delivered, Delivery, Endpoint, Object, Sample, WebhookCall
from tests.sim.clock import VirtualLoop, run_virtually
from tests.sim.scenarios import ROLLOUT, tell

NAME, PLACE = "digits", "<name>"
PAGE = 500
START_SECONDS, TICK_SECONDS = 3.0, 60.0


class Clock:
    """The wall time of a virtual loop that begins at a given time."""

    def __init__(self, loop: VirtualLoop, start: float) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> float:
        return self._start + self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass(slots=True)
class Fleet:
    """A cluster with so many copies of a settled ModelDeployment; writes are counted and change only the status."""

    size: int
    templates: dict[str, list[str]]
    writes: Counter[str] = field(default_factory=Counter)

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> tuple[Object, ...]:
        del namespace
        return () if selector.startswith("!") else tuple(self._copies(kind))  # every route here has the label

    async def pages(
        self, kind: Kind, namespace: str | None = None, selector: str = ""
    ) -> AsyncIterator[tuple[Object, ...]]:
        del namespace
        copies = iter(()) if selector.startswith("!") else self._copies(kind)
        while page := tuple(islice(copies, PAGE)):
            yield page

    async def get(self, ref: Ref) -> Object:
        raise Gone(f"{ref} not found")

    async def create(self, obj: Object) -> Object:
        return self._count("create", obj)

    async def apply(self, obj: Object) -> Object:
        return self._count("apply", obj)

    async def replace_status(self, obj: Object) -> Object:
        return self._count("status", obj)

    async def delete(self, ref: Ref, uid: str, resource_version: str | None = None) -> None:
        del uid, resource_version
        self.writes[f"delete {ref.kind.kind}"] += 1

    def _copies(self, kind: Kind) -> Iterator[Object]:
        for number in range(self.size):
            for text in self.templates.get(kind.kind, ()):
                yield json.loads(text.replace(PLACE, f"{NAME}-{number:05d}"))

    def _count(self, verb: str, obj: Object) -> Object:
        self.writes[f"{verb} {obj['kind']}"] += 1
        return obj


@dataclass(slots=True)
class Healthy:
    """A Prometheus in which every model answers well; everywhere: whatever is asked."""

    samples: tuple[Sample, ...]
    everywhere: bool = False
    asked: int = 0

    async def instant(self, endpoint: Endpoint, query: str, at: int, asker: Asker = SHARED) -> tuple[Sample, ...]:
        del endpoint, at, asker
        self.asked += 1
        return self.samples if self.everywhere or "prediction_requests_total" in query else (Sample({}, 0.95),)

    async def range(
        self, endpoint: Endpoint, query: str, start: int, end: int, step: int, asker: Asker = SHARED
    ) -> Mapping[int, tuple[Sample, ...]]:
        return {at: await self.instant(endpoint, query, at, asker) for at in range(start, end + 1, step)}


class Quiet:
    """Nobody listens: neither Events nor log lines are kept; problems and broken decisions are counted."""

    name = "quiet"

    def __init__(self) -> None:
        self.warnings: Counter[str] = Counter()

    async def deliver(self, event: RolloutEvent) -> Delivery:
        del event
        return Delivery.TAKEN

    async def call(self, call: WebhookCall) -> Delivered:
        raise AssertionError(f"nothing calls a webhook here: {call}")

    def log(self, event: str, **fields: Any) -> None:
        pass

    def warn(self, event: str, **fields: Any) -> None:
        del fields
        self.warnings[event] += 1

    def count(self, metric: str, **labels: str) -> None:
        pass

    def observe(self, metric: str, value: float, **labels: str) -> None:
        pass

    def gauge(self, metric: str, value: float | None, **labels: str) -> None:
        pass


def settled() -> tuple[dict[str, list[str]], str, float]:
    """By kind: one promoted ModelDeployment and its objects, as JSON; the revision that serves; and the time then."""
    world = tell(ROLLOUT, seed=1)
    templates: dict[str, list[str]] = {}
    for obj in world.api.all():
        if obj["kind"] != "Gateway":
            templates.setdefault(obj["kind"], []).append(_template(json.dumps(obj), world.digits["metadata"]["uid"]))
    return templates, str(world.status["stable"]["revision"]), world.now()


def _template(text: str, owner: str) -> str:
    """The object with PLACE where its name stands; what the revision is made of keeps its words, or it were another."""
    placed = text.replace(NAME, PLACE).replace(f'"{owner}"', f'"uid-{PLACE}"')
    for kept in (f'"name": "{PLACE}", "version"', f'"image": "{PLACE}:', f'"app": "{PLACE}"'):
        placed = placed.replace(kept, kept.replace(PLACE, NAME))
    return placed


def megabytes() -> float:
    """Memory of this process that is resident now."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / 2**20


def drive(size: int) -> dict[str, float]:
    """Start an engine on so many objects and let it see two ticks."""
    templates, revision, start = settled()
    labels = [
        {"namespace": "ml", "modeldeployment": f"{NAME}-{number:05d}", "revision": revision} for number in range(size)
    ]
    prometheus = Healthy(tuple(Sample(each, 0.001) for each in labels))
    fleet, quiet, loop = Fleet(size, templates), Quiet(), VirtualLoop()
    before = megabytes()
    clock = Clock(loop, start)
    engine = Engine(
        cluster=fleet,
        metrics=prometheus,
        channels=(quiet,),
        webhooks=quiet,
        telemetry=quiet,
        clock=clock,
        options=Options(prometheus_address="http://prometheus:9090", writes_per_second=1e6, write_burst=1e6),
    )
    found: dict[str, float] = {}

    async def live() -> None:
        running = asyncio.create_task(engine.run())
        started = time.process_time()
        await asyncio.sleep(START_SECONDS)
        found["start_seconds"] = time.process_time() - started
        found["memory_mib"] = megabytes() - before
        asked, started = prometheus.asked, time.process_time()
        await asyncio.sleep(TICK_SECONDS)
        found["tick_seconds"] = time.process_time() - started
        found["queries"] = prometheus.asked - asked
        if running.done():
            running.result()  # it never ends by itself
        running.cancel()

    run_virtually(live(), loop)
    healthy = sum(record.state.recent_ticks.endswith("+") for record in engine.store.records.values())
    found |= {"records": len(engine.store.records), "healthy": healthy, "writes": sum(fleet.writes.values())}
    found["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    found["warnings"] = sum(quiet.warnings.values())
    print({"writes": dict(fleet.writes), "warnings": dict(quiet.warnings)}, file=sys.stderr)
    return found


if __name__ == "__main__":
    print(json.dumps(drive(int(sys.argv[1]))))
