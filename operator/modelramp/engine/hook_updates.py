"""What a hook says to a webhook, and what a Job says of itself. Pure."""

import re
from collections.abc import Iterable

from modelramp.api.hooks import HookState, On, Webhook
from modelramp.api.times import to_text
from modelramp.core.hook_runs import HookRun, HookUpdate
from modelramp.core.state import RolloutInput
from modelramp.desired.jobs import end_of, made_by
from modelramp.desired.ownership import Owner
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.ports import Object, WebhookCall

_EVENTS = {On.DRIFT: "drift", On.BREACH: "breach"}


def webhook_call(owner: Owner, target: RolloutInput, episode: HookRun, webhook: Webhook) -> WebhookCall:
    """The call that one episode stands for: always the same text and the same key."""
    body = {
        "event": _EVENTS[episode.on],
        "namespace": owner.namespace,
        "name": owner.name,
        "revision": episode.revision,
        "modelName": target.spec.model.name,
        "modelVersion": episode.model_version,
        "hook": episode.name,
        "checks": list(episode.checks),
        "reason": episode.cause,
        "breaches": episode.breaches,
        "since": to_text(episode.since),
        "id": episode.id,
    }
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
    """Why a Job has failed, for people: its own reason, and what the first of its pods with a reason says.

    pods: others than the Job's own may be among them; what those say does not count.
    """
    own = (pod for pod in pods if made_by(pod, job))
    told = (f"pod {pod['metadata']['name']}: {trouble}" for pod in own if (trouble := pod_trouble(pod)))
    first = next(told, "")
    return job_news(job).message + (f"; {first}" if first else "")
