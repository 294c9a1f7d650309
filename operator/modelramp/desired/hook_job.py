"""The Job that a hook starts."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from modelramp.api.hooks import Hook
from modelramp.core.hook_runs import LIVE, HookRun
from modelramp.core.state import RolloutInput, State
from modelramp.desired.job import HOOK, job, role_of
from modelramp.desired.job_end import born, end_of
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner

KEPT_JOBS = 3
"""Jobs of one hook that have succeeded, and as many that have failed, are kept; `ttl` may end them before."""


def hook_job_name(name: str, episode: HookRun) -> str:
    """Name of the Job of one episode of the ModelDeployment `name`: no other episode has the same."""
    return child_name(f"{name}-{episode.name}", episode.id)


def hook_job(owner: Owner, target: RolloutInput, episode: HookRun, hook: Hook) -> dict[str, Any]:
    """The Job of one episode; `hook` has the template. Raises AssertionError for a hook without a Job."""
    if hook.job is None:
        raise AssertionError("a hook without a Job")
    env = {
        "MODELRAMP_NAMESPACE": owner.namespace,
        "MODELRAMP_NAME": owner.name,
        "MODELRAMP_REVISION": episode.revision,
        "MODELRAMP_MODEL_NAME": target.spec.model.name,
        "MODELRAMP_MODEL_VERSION": episode.model_version,
        "MODELRAMP_HOOK": episode.name,
        "MODELRAMP_CHECKS": ",".join(episode.checks),
        "MODELRAMP_REASON": episode.cause,
    }
    return job(
        owner,
        hook_job_name(owner.name, episode),
        revision=episode.revision,
        role=HOOK,
        template=hook.job.template,
        env=env,
        backoff_limit=hook.job.backoff_limit,
        deadline_seconds=hook.job.active_deadline,
        ttl_seconds=hook.job.ttl,
    )


def awaited_jobs(owner: Owner, state: State) -> frozenset[str]:
    """Names of the Jobs whose end the status does not tell yet."""
    return frozenset(hook_job_name(owner.name, episode) for episode in state.hooks if episode.state in LIVE)


def surplus_jobs(jobs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Names of the hooks' Jobs that have ended and are not among the newest of their hook and end."""
    kept: dict[tuple[str, bool], int] = {}
    for obj in sorted(jobs, key=born, reverse=True):
        end, name = end_of(obj), obj["metadata"]["name"]
        if end is None or role_of(obj) != HOOK:
            continue
        hook = (name.rpartition("-")[0], end.failed)  # the name ends with the id of the episode
        kept[hook] = kept.get(hook, 0) + 1
        if kept[hook] > KEPT_JOBS:
            yield name
