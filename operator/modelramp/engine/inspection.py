"""Asks why things do not move, beside the decisions: what is found out counts at the next one."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from modelramp.api.errors import Gone, NoAnswer, Refused
from modelramp.api.routing import Routing
from modelramp.core.capacity import given
from modelramp.core.gates import registry as gates
from modelramp.core.state import Observed, Pods, RolloutInput
from modelramp.engine.diagnostics import SharedReads, events_of, inspect_pods, inspect_routing
from modelramp.engine.fair import FairSlots
from modelramp.engine.jobs import look_at_jobs
from modelramp.engine.lost_pods import Heard, Missing, with_events
from modelramp.engine.observe import pods_of
from modelramp.engine.ports import Clock, Cluster, Telemetry
from modelramp.engine.store import Key, Record, Store

INSPECT_SECONDS = 10.0
"""Time between two looks at the same object, at most."""
_LOOKS_SHARE = 0.25
"""The same as a share of the deadline for pods: what keeps them must be known before it ends a rollout."""
JUDGE_SECONDS = 3.0
"""A tick at which pods are missing waits so long for what they say; then what they said last counts."""
EVENTS_SECONDS, REFUSED_SECONDS = 30.0, 600.0
"""Time between two questions for the Events of the same pod, and after one that the API server refused."""
_AT_ONCE, _OF_ONE_NAMESPACE = 16, 4


@dataclass(slots=True)
class Inspector:
    """Looks at the gateway, the pods and the Jobs of objects that wait for them; one look at a time for each.

    mark: called with the object's key when there is news.
    """

    store: Store
    cluster: Cluster
    telemetry: Telemetry
    clock: Clock
    mark: Callable[[Key], None]
    _reads: SharedReads = field(init=False)
    _slots: FairSlots = field(default_factory=lambda: FairSlots(_AT_ONCE, _OF_ONE_NAMESPACE))
    _looks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    _missed: set[Key] = field(default_factory=set)
    _judging: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._reads = SharedReads(self.cluster, self.clock)

    def follow(self, key: Key, record: Record, seen: Observed) -> None:
        """Begin a look if the object waits for something and the last look is long enough ago."""
        if key in self._looks:
            self._missed.add(key)
            return
        if record.target is None:
            return
        look = self._look(key, record, record.target, seen)
        if look is not None:
            task = asyncio.create_task(self._guarded(key, record, look), name=f"look at {'/'.join(key)}")
            self._looks[key] = task

    def before_judging(self, key: Key, revision: str, first: int, then: Callable[[], None]) -> None:
        """Call `then` when it is known why pods of a revision are missing, or were since a tick; at once if none were.

        first: the oldest tick that is to be judged, seconds since the epoch.
        """
        record = self.store.records.get(key)
        if record is None or record.target is None:
            then()
            return
        after = first - record.target.spec.health.interval
        pods = pods_of(self.store, key, record).get(revision, Pods())
        if pods.available >= given(record.target, pods) and pods.since <= max(after, record.state.traffic_since):
            then()
            return
        task = asyncio.create_task(self._judge(key, record, revision, after, then), name=f"pods of {'/'.join(key)}")
        self._judging.add(task)
        task.add_done_callback(self._judging.discard)

    async def _judge(self, key: Key, record: Record, revision: str, after: int, then: Callable[[], None]) -> None:
        try:
            async with asyncio.timeout(JUDGE_SECONDS), self._slots.slot(key[0]):
                await self._look_at_pods(key, record, (revision,), after)
        except (TimeoutError, NoAnswer):
            pass
        except Exception as error:  # noqa: BLE001 - strange pods of one object must not stop its ticks
            self.telemetry.warn("look failed", namespace=key[0], name=key[1], error=repr(error)[:256])
        then()

    async def _look_at_pods(
        self, key: Key, record: Record, revisions: Iterable[str], after: float, *, listen: bool = False
    ) -> None:
        """Where pods may not be listed nobody knows why they are missing. Before its traffic nobody missed one."""
        after = max(after, record.state.traffic_since)
        patience = record.target.spec.rollout.progress_deadline if record.target is not None else 0
        found: dict[str, Missing] = dict.fromkeys(revisions, Missing())
        with suppress(Refused, Gone):
            now = self.clock.now()
            looks = await inspect_pods(self.cluster, key, found, after, now, patience)
            if listen:
                await self._listen(key, record, looks)
            found = {
                revision: with_events(replace(missing, looked=now), record.heard.get(revision))
                for revision, missing in looks.items()
            }
        record.missing = {**record.missing, **found}
        candidate = record.state.candidate.version.revision if record.state.candidate is not None else ""
        words = found[candidate].trouble if candidate in found else ""
        if words or (candidate in found and record.last_words[0] != candidate):
            record.last_words = (candidate, words)

    async def _listen(self, key: Key, record: Record, looks: Mapping[str, Missing]) -> None:
        """Ask for the Events of one pod that has waited for a while and does not say why."""
        now = self.clock.now()
        for revision, missing in looks.items():
            before, pod = record.heard.get(revision), missing.silent
            lately = before is not None and before.again_at - REFUSED_SECONDS <= now < before.again_at
            if pod is None or (before is not None and before.pod == pod and lately):
                continue
            words, pause = "", EVENTS_SECONDS
            try:
                async with asyncio.timeout(JUDGE_SECONDS):
                    words = await events_of(self.cluster, key[0], pod)
            except Refused:
                pause = REFUSED_SECONDS
            except (TimeoutError, NoAnswer, Gone):
                pass
            record.heard = {**record.heard, revision: Heard(pod, words, now + pause)}
            return

    async def stop(self) -> None:
        """Cancel what is under way."""
        looks = (*self._looks.values(), *self._judging)
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _look(self, key: Key, record: Record, target: RolloutInput, seen: Observed) -> Coroutine[Any, Any, None] | None:
        now = self.clock.now()
        state = record.state
        candidate = state.candidate
        roles = (candidate.version.revision if candidate else "", state.subject or "")
        involved = dict.fromkeys((*roles, *seen.served))
        full = {revision for revision, pods in seen.pods.items() if pods.available >= given(target, pods)}
        lacking = tuple(revision for revision in involved if revision in seen.pods and revision not in full)
        record.missing = {revision: found for revision, found in record.missing.items() if revision in involved}
        record.heard = {revision: found for revision, found in record.heard.items() if revision in involved}
        unrouted = seen.routed is not True
        unknown = unrouted and record.looked_for != target.spec.routing
        lately = record.inspect_at - INSPECT_SECONDS <= now < record.inspect_at  # not so when the clock was set back
        due = unknown or (not lately and (unrouted or bool(lacking)))
        tried = bool(record.jobs) or bool(gates.needs(target, state))
        if not due and not tried:
            return None
        if due:
            record.inspect_at = now + min(INSPECT_SECONDS, _LOOKS_SHARE * target.spec.rollout.progress_deadline)
        return self._find_out(key, record, target, gateway=due and unrouted, lacking=lacking if due else ())

    async def _find_out(
        self, key: Key, record: Record, target: RolloutInput, *, gateway: bool, lacking: tuple[str, ...]
    ) -> None:
        async with self._slots.slot(key[0]):
            with suppress(NoAnswer):
                if gateway:
                    await self._look_at_gateways(key, record, target.spec.routing)
            with suppress(NoAnswer):
                if lacking:
                    after = self.clock.now() - target.spec.health.interval
                    await self._look_at_pods(key, record, lacking, after, listen=True)
            with suppress(NoAnswer):
                await look_at_jobs(self.cluster, self.store, key, record, int(self.clock.now()))

    async def _look_at_gateways(self, key: Key, record: Record, routing: Routing) -> None:
        found = None
        with suppress(Refused):  # who may not read Gateways waits for nothing that he could learn
            found = await inspect_routing(self._reads, key, routing)
        record.gateway, record.looked_for = found, routing

    async def _guarded(self, key: Key, record: Record, look: Coroutine[Any, Any, None]) -> None:
        before = (record.gateway, record.looked_for, record.missing, record.jobs, record.examined)
        try:
            await look
        except Exception as error:  # noqa: BLE001 - strange objects of one ModelDeployment must not stop anything else
            self.telemetry.warn("look failed", namespace=key[0], name=key[1], error=repr(error)[:256])
        finally:
            del self._looks[key]
        record.examined = True  # what could not be found out now keeps nobody waiting either
        news = (record.gateway, record.looked_for, record.missing, record.jobs, record.examined) != before
        if news or key in self._missed:  # what came during the look may call for another one
            self._missed.discard(key)
            self.mark(key)
