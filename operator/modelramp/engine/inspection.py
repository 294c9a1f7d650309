"""Asks why things do not move, beside the decisions: what is found out counts at the next one."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from modelramp.api.errors import Gone, NoAnswer, Refused
from modelramp.api.evaluation import EvaluationState
from modelramp.api.spec import GatewayRouting
from modelramp.core.state import Seen, Target
from modelramp.engine.evaluation import look_at_job
from modelramp.engine.fair import FairSlots
from modelramp.engine.obstacles import inspect_gateway, inspect_pods
from modelramp.engine.ports import Clock, Cluster, Telemetry
from modelramp.engine.store import Key, Record, Store

INSPECT_SECONDS = 10.0
"""Time between two looks at the same object."""
_AT_ONCE, _OF_ONE_NAMESPACE = 16, 4


@dataclass(slots=True)
class Inspector:
    """Looks at the gateway, the pods and the evaluation of objects that wait for them; one look at a time for each.

    mark: called with the object's key when there is news.
    """

    store: Store
    cluster: Cluster
    telemetry: Telemetry
    clock: Clock
    mark: Callable[[Key], None]
    _slots: FairSlots = field(default_factory=lambda: FairSlots(_AT_ONCE, _OF_ONE_NAMESPACE))
    _looks: dict[Key, asyncio.Task[None]] = field(default_factory=dict)
    _missed: set[Key] = field(default_factory=set)

    def follow(self, key: Key, record: Record, seen: Seen) -> None:
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

    async def stop(self) -> None:
        """Cancel what is under way."""
        looks = tuple(self._looks.values())
        for task in looks:
            task.cancel()
        await asyncio.gather(*looks, return_exceptions=True)

    def _look(self, key: Key, record: Record, target: Target, seen: Seen) -> Coroutine[Any, Any, None] | None:
        now = self.clock.now()
        candidate = record.state.candidate
        revision = candidate.version.revision if candidate else record.state.subject
        pods = seen.pods.get(revision or "")
        lacking = revision if revision and pods and pods.available < target.spec.replicas else None
        unrouted = seen.routed is not True
        unknown = unrouted and record.looked_for != target.spec.routing.gateway.parent_refs
        due = unknown or (now >= record.inspect_at and (unrouted or lacking is not None))
        evaluation = candidate.evaluation if candidate is not None else None
        tried = record.evaluation is not None or (
            evaluation is not None and evaluation.state is EvaluationState.RUNNING
        )
        if not due and not tried:
            return None
        if due:
            record.inspect_at = now + INSPECT_SECONDS
        return self._find_out(key, record, target, gateway=due and unrouted, revision=lacking if due else None)

    async def _find_out(self, key: Key, record: Record, target: Target, *, gateway: bool, revision: str | None) -> None:
        async with self._slots.slot(key[0]):
            with suppress(NoAnswer):
                if gateway:
                    await self._look_at_gateways(key, record, target.spec.routing.gateway)
            with suppress(NoAnswer, Refused, Gone):
                if revision is not None:
                    words = await inspect_pods(self.cluster, key, revision)
                    record.trouble = {revision: words}
                    if words or record.last_words[0] != revision:
                        record.last_words = (revision, words)
            with suppress(NoAnswer):
                await look_at_job(self.cluster, self.store, key, record, int(self.clock.now()))

    async def _look_at_gateways(self, key: Key, record: Record, gateway: GatewayRouting) -> None:
        found = None
        with suppress(Refused):  # who may not read Gateways waits for nothing that he could learn
            found = await inspect_gateway(self.cluster, key, gateway)
        record.gateway, record.looked_for = found, gateway.parent_refs

    async def _guarded(self, key: Key, record: Record, look: Coroutine[Any, Any, None]) -> None:
        before = (record.gateway, record.looked_for, record.trouble, record.evaluation, record.examined)
        try:
            await look
        except Exception as error:  # noqa: BLE001 - strange objects of one ModelDeployment must not stop anything else
            self.telemetry.warn("look failed", namespace=key[0], name=key[1], error=repr(error)[:256])
        finally:
            del self._looks[key]
        record.examined = True  # what could not be found out now keeps nobody waiting either
        news = (record.gateway, record.looked_for, record.trouble, record.evaluation, record.examined) != before
        if news or key in self._missed:  # what came during the look may call for another one
            self._missed.discard(key)
            self.mark(key)
