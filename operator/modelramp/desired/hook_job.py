"""The Job that a hook starts."""

from typing import Any

from modelramp.api.hooks import Hook
from modelramp.core.episodes import Episode
from modelramp.core.state import Target
from modelramp.desired.job import HOOK, job
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner


def hook_job_name(name: str, episode: Episode) -> str:
    """Name of the Job of one episode of the ModelDeployment `name`: no other episode has the same."""
    return child_name(f"{name}-{episode.name}", episode.id)


def hook_job(owner: Owner, target: Target, episode: Episode, hook: Hook) -> dict[str, Any]:
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
