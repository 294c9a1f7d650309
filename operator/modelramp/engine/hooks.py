"""Does what hooks ask for: makes their Jobs and calls their webhooks, beside the engine and never in its way.

At most once per episode. A Job has a name of its own for each episode, so that it cannot be made twice. A webhook is
called only by the process that wrote its own mark beside the state Running, and only after it has read that back or
was told that the write took effect: nobody else can know whether it was called.

Fair by namespace: calls, and requests to the API server, wait for their turn. Between two tries of a call its slot is
somebody else's.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from uuid import uuid4

from modelramp.api.errors import Conflict, Forbidden, Gone, NoAnswer, Refused
from modelramp.api.hooks import Hook, HookState, Webhook
from modelramp.api.kinds import JOB, Ref
from modelramp.core.events import ObjectRef, complete
from modelramp.core.hook_runs import LIVE, PAUSES, QUEUE_SECONDS, HookRun, HookUpdate, deadlines, find_hook
from modelramp.core.hooks import hook_event, webhook_body
from modelramp.core.state import RolloutInput, State
from modelramp.desired.jobs import end_of, hook_job, hook_job_name
from modelramp.desired.ownership import Owner, owned_by
from modelramp.engine.beside import Beside
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.jobs import pods_of_job
from modelramp.engine.limiter import WriteLimiter
from modelramp.engine.ports import Clock, Cluster, Delivery, Object, Telemetry, WebhookCall, Webhooks
from modelramp.engine.store import Key, Record, Store
from modelramp.engine.turns import Name, Turns

CALLS, CALLS_OF_ONE = 64, 4
"""Calls of webhooks at the same time, of all and of one namespace; more wait for their turn as Due."""
REQUESTS, REQUESTS_OF_ONE = 16, 4
"""Requests to the API server about Jobs of hooks at the same time, of all and of one namespace."""
LOOKS, LOOKS_OF_ONE = 8, 1
"""Questions about pods and results of Jobs at the same time: others' objects, which may be large."""
LOOK_SECONDS, TURN_SECONDS = 10, 60
"""Time between two looks at a Job that is to be made, and at a webhook: that one is told when its turn has come."""
_SWEEP_SECONDS = 60.0

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
    _work: Beside = field(init=False)
    _calls: Turns = field(init=False)
    _requests: Turns = field(init=False)
    _looks: Turns = field(init=False)
    _news: dict[Name, HookUpdate] = field(default_factory=dict)
    _called: set[Name] = field(default_factory=set)
    _followed: dict[Key, frozenset[str]] = field(default_factory=dict)
    _swept: float = 0.0

    def __post_init__(self) -> None:
        self._work = Beside(self.telemetry, self.clock, self._failed, self._ended)
        self._calls = Turns(CALLS, CALLS_OF_ONE, self.clock, self._turn)
        self._requests = Turns(REQUESTS, REQUESTS_OF_ONE, self.clock, self._turn)
        self._looks = Turns(LOOKS, LOOKS_OF_ONE, self.clock, self._turn)

    def news(self, key: Key, record: Record) -> Mapping[str, HookUpdate]:
        """What is known of what the hooks of an object have started, by id of the episode."""
        if record.target is None or not record.state.hooks:
            return {}
        owner = Owner(key[0], key[1], record.uid)
        found = ((item.id, self._news_of(key, owner, item, record.target)) for item in record.state.hooks)
        return {name: news for name, news in found if news is not None}

    def _news_of(self, key: Key, owner: Owner, episode: HookRun, target: RolloutInput) -> HookUpdate | None:
        known = self._news.get((key, episode.id))
        if known is not None and known.state is not HookState.DUE:
            return known
        job = self._job(key, owner, episode)
        if job is not None:
            found = job_news(job)
            # Its end is told when its pods were asked why.
            return found if found.state is not HookState.FAILED else HookUpdate(HookState.RUNNING, found.message)
        hook = find_hook(target.spec.health, episode)
        webhook = hook.webhook if hook is not None and episode.state is HookState.DUE else None
        if webhook is not None and self._calls.holds((key, episode.id)):
            return HookUpdate(HookState.RUNNING, f"POST {place(webhook.url)}", self.instance)
        return known

    def follow(self, key: Key, record: Record) -> bool:
        """Start what the persisted state calls for; True when a further decision can bring the next step at once."""
        self._sweep()
        target, again = record.target, False
        if target is None:
            return False
        owner = Owner(key[0], key[1], record.uid)
        self._keep(key, record.state)
        for episode in record.state.hooks:
            name = (key, episode.id)
            hook = find_hook(target.spec.health, episode)
            if hook is None or not self._work.ready(name):
                continue
            try:
                again |= self._follow_one(name, owner, episode, hook, target)
            except Exception as error:  # noqa: BLE001 - a template may be of a strange form, and must stop nothing else
                self._work.warn(name, error)
                self._failed(name, error)
        return again

    def stop(self) -> None:
        """End what is under way; what was being called will count as Unknown."""
        self._work.stop()

    def _follow_one(self, name: Name, owner: Owner, episode: HookRun, hook: Hook, target: RolloutInput) -> bool:
        mine = episode.by == self.instance and name not in self._called
        if hook.webhook is None:
            self._follow_job(name, owner, episode, hook, target)
        elif episode.state is HookState.RUNNING and mine:
            self._called.add(name)
            self._news[name] = HookUpdate(HookState.RUNNING, episode.message)
            call = webhook_call(owner, target, episode, hook.webhook)
            self._work.start(name, self._calls, partial(self._deliver, name, call))
        elif episode.state is HookState.DUE:
            return self._calls.ask(name)
        return False

    def _turn(self, name: Name) -> None:
        self.mark(name[0])

    def _job(self, key: Key, owner: Owner, episode: HookRun) -> Object | None:
        job = self.store.children(key, JOB).get(hook_job_name(key[1], episode))
        return job if job is not None and owned_by(job, owner) else None

    def _follow_job(self, name: Name, owner: Owner, episode: HookRun, hook: Hook, target: RolloutInput) -> None:
        made, told = self._job(name[0], owner, episode), self._news.get(name)
        if made is None:
            waiting = episode.state is HookState.DUE and (told is None or told.state is HookState.DUE)
            if waiting and self._requests.ask(name):
                self._work.start(name, self._requests, partial(self._make, name, owner, target, episode, hook))
            return
        failed = episode.state is not HookState.FAILED and job_news(made).state is HookState.FAILED
        if failed and self._looks.ask(name):
            self._work.start(name, self._looks, partial(self._ask_why, name, made))

    def _ended(self, name: Name) -> None:
        if name[1] not in self._followed.get(name[0], ()):
            self._drop(name)

    def _failed(self, name: Name, error: Exception) -> None:
        text = f"it cannot run as declared ({type(error).__name__}); `modelramp lint` may say why"
        known = self._news.get(name)
        if known is None or known.state is HookState.DUE:
            self._news[name] = HookUpdate(HookState.FAILED, text)
        self.mark(name[0])

    # what nobody waits for is forgotten

    def _keep(self, key: Key, state: State) -> None:
        wanted = frozenset(item.id for item in state.hooks if item.state in LIVE)
        for gone in self._followed.pop(key, frozenset()) - wanted:
            self._drop((key, gone))
        if wanted:
            self._followed[key] = wanted

    def _sweep(self) -> None:
        now = self.clock.now()
        if not 0 <= now - self._swept < _SWEEP_SECONDS:
            self._swept = now
            for key in [key for key in self._followed if key not in self.store.records]:
                self._keep(key, State())

    def _drop(self, name: Name) -> None:
        self._news.pop(name, None)
        self._called.discard(name)
        self._work.forget(name)
        for turns in (self._calls, self._requests, self._looks):
            turns.drop(name)

    # webhooks

    async def _deliver(self, name: Name, call: WebhookCall) -> None:
        where = f"POST {place(call.url)}"
        news = HookUpdate(HookState.UNKNOWN, f"{where}: ended by a failure of the operator; its log says which")
        try:
            for pause in (*PAUSES, None):
                answer = await self.webhooks.call(call)
                self.telemetry.count("modelramp_webhook_calls_total", result=answer.delivery.value)
                news = HookUpdate(_STATES[answer.delivery], f"{where}: {answer.detail}")
                if pause is None or answer.delivery not in _NOT_TAKEN:
                    break
                self._calls.release(name)
                await self.clock.sleep(pause)
                if not await self._calls.again(name, QUEUE_SECONDS):
                    full = "too many calls of the namespace wait, so it was not called again"
                    news = replace(news, message=f"{news.message}; {full}")
                    break
        finally:
            self._news[name] = news
            self.mark(name[0])

    # Jobs

    async def _make(self, name: Name, owner: Owner, target: RolloutInput, episode: HookRun, hook: Hook) -> None:
        obj = hook_job(owner, target, episode, hook)
        ref = Ref(JOB, owner.namespace, obj["metadata"]["name"])
        about = {"namespace": owner.namespace, "name": owner.name}
        try:
            await self.limiter.acquire(owner.namespace)
            made = await self._create(ref, owner, obj)
        except Forbidden as error:
            self._work.rest(name)
            self._news[name] = HookUpdate(HookState.DUE, f"{ref} waits until the operator has the permission: {error}")
            self.telemetry.warn("a Job may not be made yet", **about, reason=str(error))
        except (Refused, Gone) as error:
            self._news[name] = HookUpdate(HookState.FAILED, f"{ref} was not made: {error}")
        except (NoAnswer, Conflict) as error:
            self._work.rest(name)
            self.telemetry.warn("waiting to make a Job", **about, reason=str(error))
            return  # it stays due: a later look makes it, or finds that it was made
        else:
            self.store.observe(JOB, "MODIFIED", made)
            self._work.forget(name)
            self._news.pop(name, None)
        self.mark(name[0])

    async def _create(self, ref: Ref, owner: Owner, obj: dict[str, Any]) -> Object:
        """The Job, made now or before. Raises Refused when the name belongs to somebody else."""
        try:
            return await self.cluster.create(obj)
        except Conflict:
            found = await self.cluster.get(ref)
        if not owned_by(found, owner):
            raise Refused(f"{ref} exists and belongs to somebody else")
        return found

    async def _ask_why(self, name: Name, job: Object) -> None:
        key = name[0]
        pods: list[Object] = []
        try:
            pods = await pods_of_job(self.cluster, job, "status.phase=Failed")
        except (NoAnswer, Refused, Gone) as error:
            self.telemetry.warn("pods of a Job not read", namespace=key[0], name=key[1], reason=str(error))
        self._news[name] = HookUpdate(HookState.FAILED, failure_of(job, pods))
        self.mark(key)


_STATES: Final = {
    Delivery.TAKEN: HookState.DONE,
    Delivery.REFUSED: HookState.FAILED,
    Delivery.NOT_SENT: HookState.FAILED,
    Delivery.BUSY: HookState.FAILED,
    Delivery.UNKNOWN: HookState.UNKNOWN,
}


def next_looks(target: RolloutInput, state: State, now: int) -> list[float]:
    """When hooks have to be looked at though nothing happens: those that are due, the ends of
    cool-downs and of all patience.
    """
    health = target.spec.health
    due = [find_hook(health, item) for item in state.hooks if item.state is HookState.DUE]
    soon = [float(now + (TURN_SECONDS if hook is not None and hook.webhook else LOOK_SECONDS)) for hook in due]
    return [*soon, *(float(max(end, now + 1)) for end in deadlines(state.hooks, health))]


def webhook_call(owner: Owner, target: RolloutInput, episode: HookRun, webhook: Webhook) -> WebhookCall:
    """The call that one episode stands for: always the same text and the same key."""
    event = complete(hook_event(episode), ObjectRef(owner.namespace, owner.name, owner.uid), State(), State())
    body = webhook_body(event, target.spec.model.name)
    secret = (owner.namespace, webhook.secret_ref.name) if webhook.secret_ref is not None else None
    key = f"{owner.uid}-{episode.id}"
    return WebhookCall(owner.namespace, webhook.url, secret, webhook.timeout, key=key, body=body)


def place(url: str) -> str:
    """Where a webhook goes, as people may read it: scheme, host and port. A path or a query may hold a token."""
    scheme, _, rest = url.partition("://")
    host = re.split(r"[/?#\\]", rest, maxsplit=1)[0].rpartition("@")[2]
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in f"{scheme}://{host}")


def job_news(job: Object) -> HookUpdate:
    """How far a Job is, by its conditions."""
    name, end = f"Job {job['metadata']['name']}", end_of(job)
    if end is None:
        return HookUpdate(HookState.RUNNING, f"{name} was started")
    if end.failed:
        return HookUpdate(HookState.FAILED, f"{name} failed ({end.reason or 'no reason given'})")
    return HookUpdate(HookState.DONE, f"{name} succeeded")


def failure_of(job: Object, pods: Iterable[Object]) -> str:
    """Why a Job has failed, for people: its own reason, and what the first of its own `pods` with a reason says."""
    told = (f"pod {pod['metadata']['name']}: {trouble}" for pod in pods if (trouble := pod_trouble(pod)))
    first = next(told, "")
    return job_news(job).message + (f"; {first}" if first else "")
