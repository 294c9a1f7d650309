"""Does what hooks ask for: makes their Jobs and calls their webhooks, beside the engine and never in its way.

At most once per episode. A Job has a name of its own for each episode, so that it cannot be made twice. A webhook is
called only by the process that wrote its own mark beside the state Running, and only after it has read that back or
was told that the write took effect: nobody else can know whether it was called.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from uuid import uuid4

from modelramp.api.errors import Conflict, Forbidden, Gone, NoAnswer, Refused
from modelramp.api.hooks import Hook, HookState
from modelramp.core.episodes import LIVE, PAUSES, Episode, News, deadline, find_hook
from modelramp.core.state import State, Target
from modelramp.desired.hook_job import hook_job, hook_job_name
from modelramp.desired.ownership import Owner, owned_by
from modelramp.engine.hook_news import failure_of, job_news, webhook_call
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.ports import JOB, POD, Clock, Cluster, Delivery, Object, Ref, Telemetry, WebhookCall, Webhooks
from modelramp.engine.store import Key, Record, Store

AT_ONCE = 16
"""Calls of webhooks at the same time, and as many Jobs being made; more wait for their turn as Due."""
LOOK_SECONDS = 10
"""Time between two looks at a hook that is due."""

_NOT_TAKEN: Final = frozenset({Delivery.NOT_SENT, Delivery.BUSY})


@dataclass(slots=True)
class HookRunner:
    """Everything that hooks have under way in this process.

    mark: called with the object's key when there is news, so that it is decided on again.
    instance: tells this process from all others.
    """

    store: Store
    cluster: Cluster
    webhooks: Webhooks
    telemetry: Telemetry
    clock: Clock
    limiter: WriteLimiter
    mark: Callable[[Key], None]
    instance: str = field(default_factory=lambda: uuid4().hex[:8])
    _news: dict[tuple[Key, str], News] = field(default_factory=dict)
    _tasks: dict[tuple[Key, str], asyncio.Task[None]] = field(default_factory=dict)
    _called: set[tuple[Key, str]] = field(default_factory=set)
    _calling: set[tuple[Key, str]] = field(default_factory=set)

    def news(self, key: Key, record: Record) -> Mapping[str, News]:
        """What is known of what the hooks of an object have started, by id of the episode."""
        if record.target is None or not record.state.hooks:
            return {}
        owner = Owner(key[0], key[1], record.uid)
        found = ((item.id, self._news_of(key, owner, item, record.target)) for item in record.state.hooks)
        return {name: news for name, news in found if news is not None}

    def _news_of(self, key: Key, owner: Owner, episode: Episode, target: Target) -> News | None:
        known = self._news.get((key, episode.id))
        if known is not None and known.state is not HookState.DUE:
            return known
        job = self._job(key, owner, episode)
        if job is not None:
            found = job_news(job)
            # Its end is told when its pods were asked why.
            return found if found.state is not HookState.FAILED else News(HookState.RUNNING, found.message)
        hook = find_hook(target.spec.health, episode)
        if episode.state is HookState.DUE and hook is not None and hook.webhook is not None and self._room():
            return News(HookState.RUNNING, f"POST {hook.webhook.url}", self.instance)
        return known

    def follow(self, key: Key, record: Record) -> bool:
        """Start what the persisted state calls for; True when a further decision can bring the next step at once."""
        target, again = record.target, False
        if target is None or not (record.state.hooks or self._news):
            return False
        owner = Owner(key[0], key[1], record.uid)
        for episode in record.state.hooks:
            hook = find_hook(target.spec.health, episode)
            if hook is None or (key, episode.id) in self._tasks:
                continue
            mine = episode.by == self.instance and (key, episode.id) not in self._called
            if episode.state is HookState.RUNNING and mine and hook.webhook is not None:
                self._call(key, episode, webhook_call(owner, target, episode, hook.webhook))
            elif episode.state is HookState.DUE and hook.webhook is not None:
                again |= self._room()
            elif hook.job is not None:
                self._follow_job(key, owner, episode, hook, target)
        self._forget(key, record.state)
        return again

    def stop(self) -> None:
        """End what is under way; what was being called will count as Unknown."""
        for task in self._tasks.values():
            task.cancel()

    def _room(self) -> bool:
        return len(self._calling) < AT_ONCE

    def _job(self, key: Key, owner: Owner, episode: Episode) -> Object | None:
        job = self.store.children(key, JOB).get(hook_job_name(key[1], episode))
        return job if job is not None and owned_by(job, owner) else None

    def _forget(self, key: Key, state: State) -> None:
        open_ones = {item.id for item in state.hooks if item.state in LIVE}
        for name in [name for name in self._news if name[0] == key and name[1] not in open_ones]:
            del self._news[name]
            self._called.discard(name)

    def _follow_job(self, key: Key, owner: Owner, episode: Episode, hook: Hook, target: Target) -> None:
        made = self._job(key, owner, episode)
        if made is None:
            told = self._news.get((key, episode.id))
            waiting = told is None or told.state is HookState.DUE
            if episode.state is HookState.DUE and waiting and len(self._tasks) < 2 * AT_ONCE:
                self._start(key, episode, partial(self._make, key, owner, target, episode, hook))
        elif episode.state is not HookState.FAILED and job_news(made).state is HookState.FAILED:
            self._start(key, episode, partial(self._ask_why, key, episode, made))

    def _start(self, key: Key, episode: Episode, work: Callable[[], Awaitable[None]]) -> None:
        name = (key, episode.id)
        task = asyncio.create_task(self._guarded(name, work), name=f"hook {episode.name} of {'/'.join(key)}")
        self._tasks[name] = task
        task.add_done_callback(lambda _: self._done(name))

    def _done(self, name: tuple[Key, str]) -> None:
        self._tasks.pop(name, None)
        self._calling.discard(name)
        if name[0] not in self.store.records:
            self._news.pop(name, None)
            self._called.discard(name)

    async def _guarded(self, name: tuple[Key, str], work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - a template may be of a strange form, and must stop nothing else
            (namespace, owner), _ = name
            self.telemetry.warn("hook failed", namespace=namespace, name=owner, error=repr(error))
            text = f"it cannot be done as it is declared ({type(error).__name__}); `modelramp lint` may say why"
            self._news.setdefault(name, News(HookState.FAILED, text))
            self.mark(name[0])

    # webhooks

    def _call(self, key: Key, episode: Episode, call: WebhookCall) -> None:
        self._called.add((key, episode.id))
        self._calling.add((key, episode.id))
        self._news[key, episode.id] = News(HookState.RUNNING, episode.message)
        self._start(key, episode, partial(self._deliver, key, episode, call))

    async def _deliver(self, key: Key, episode: Episode, call: WebhookCall) -> None:
        news = News(HookState.UNKNOWN, f"POST {call.url}: ended by a failure of the operator; its log says which")
        try:
            for pause in (*PAUSES, None):
                answer = await self.webhooks.call(call)
                self.telemetry.count("modelramp_webhook_calls_total", result=answer.delivery.value)
                news = News(_STATES[answer.delivery], f"POST {call.url}: {answer.detail}")
                if pause is None or answer.delivery not in _NOT_TAKEN:
                    break
                await self.clock.sleep(pause)
        finally:
            self._news[key, episode.id] = news
            self.mark(key)

    # Jobs

    async def _make(self, key: Key, owner: Owner, target: Target, episode: Episode, hook: Hook) -> None:
        obj = hook_job(owner, target, episode, hook)
        ref = Ref(JOB, key[0], obj["metadata"]["name"])
        try:
            await self.limiter.acquire()
            made = await self._create(ref, owner, obj)
        except Forbidden as error:
            self._news[key, episode.id] = News(HookState.DUE, f"{ref} waits for a right of the operator: {error}")
            self.telemetry.warn("a Job may not be made yet", namespace=key[0], name=key[1], reason=str(error))
        except (Refused, Gone) as error:
            self._news[key, episode.id] = News(HookState.FAILED, f"{ref} was not made: {error}")
        except (NoAnswer, Conflict) as error:
            self.telemetry.warn("waiting to make a Job", namespace=key[0], name=key[1], reason=str(error))
            return  # it stays due: the next look makes it, or finds that it was made
        else:
            self.store.observe(JOB, "MODIFIED", made)
            self._news.pop((key, episode.id), None)
        self.mark(key)

    async def _create(self, ref: Ref, owner: Owner, obj: dict[str, Any]) -> Object:
        """The Job, made now or before. Raises Refused when the name belongs to somebody else."""
        try:
            return await self.cluster.create(obj)
        except Conflict:
            found = await self.cluster.get(ref)
        if not owned_by(found, owner):
            raise Refused(f"{ref} exists and belongs to somebody else")
        return found

    async def _ask_why(self, key: Key, episode: Episode, job: Object) -> None:
        selector = f"batch.kubernetes.io/job-name={job['metadata']['name']}"
        pods: tuple[Object, ...] = ()
        try:
            pods = await self.cluster.list(POD, key[0], selector)
        except (NoAnswer, Refused, Gone) as error:
            self.telemetry.warn("pods of a Job not read", namespace=key[0], name=key[1], reason=str(error))
        self._news[key, episode.id] = News(HookState.FAILED, failure_of(job, pods))
        self.mark(key)


_STATES: Final = {
    Delivery.TAKEN: HookState.DONE,
    Delivery.REFUSED: HookState.FAILED,
    Delivery.NOT_SENT: HookState.FAILED,
    Delivery.BUSY: HookState.FAILED,
    Delivery.UNKNOWN: HookState.UNKNOWN,
}


def next_looks(target: Target, state: State, now: int) -> list[float]:
    """When hooks have to be looked at though nothing happens: those that are due, and the ends of all patience."""
    health = target.spec.health
    ends = (deadline(item, find_hook(health, item)) for item in state.hooks if item.state in LIVE)
    soon = [float(now + LOOK_SECONDS) for item in state.hooks if item.state is HookState.DUE]
    return [*soon, *(float(max(end, now + 1)) for end in ends if end is not None)]
