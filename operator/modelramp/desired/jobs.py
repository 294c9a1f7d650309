"""Jobs beside a revision: one builder and one reader, for gates and for hooks.

What Jobs and pods say of themselves is read with suspicion: others may have written any of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.evaluation import ResultsIn
from modelramp.api.hooks import Hook
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION, LABEL_ROLE
from modelramp.core.gates import registry as gates
from modelramp.core.gates.work import JobWork
from modelramp.core.hook_runs import LIVE, HookRun
from modelramp.core.state import RolloutInput, State
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner, metadata
from modelramp.desired.reading import entries, part, text

HOOK = "hook"
"""Value of the label `modelramp.io/role`; for the Job of a gate it is the gate's name."""


def job(
    owner: Owner,
    name: str,
    *,
    revision: str,
    role: str,
    template: Mapping[str, Any],
    env: Mapping[str, str],
    backoff_limit: int,
    deadline_seconds: int | None = None,
    ttl_seconds: int | None = None,
) -> dict[str, Any]:
    """The Job of that name; its template can never be changed, so whoever wants another one gives it another name.

    template: the user's pod template. env: added to every container where it does not set a variable of that name.
    deadline_seconds: for all pods of the Job together. ttl_seconds: from its end to its disappearance.
    The Job has both labels of the revision; its pods have neither, so that the revision's Service does not pick them.
    """
    spec: dict[str, Any] = {"backoffLimit": backoff_limit, "template": _pod_template(role, template, env)}
    if deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = deadline_seconds
    if ttl_seconds is not None:
        spec["ttlSecondsAfterFinished"] = ttl_seconds
    meta = metadata(owner, name, revision)
    meta["labels"][LABEL_ROLE] = role
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": spec}


def role_of(obj: Mapping[str, Any]) -> str:
    """What a Job is for, by its label; empty when it is none of ours."""
    return str((obj["metadata"].get("labels") or {}).get(LABEL_ROLE, ""))


def _pod_template(role: str, template: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    given = template.get("metadata") or {}
    labels = {**(given.get("labels") or {}), LABEL_ROLE: role}
    meta: dict[str, Any] = {
        "labels": {key: value for key, value in labels.items() if key not in {LABEL_DEPLOYMENT, LABEL_REVISION}}
    }
    if given.get("annotations"):
        meta["annotations"] = dict(given["annotations"])
    spec = {"restartPolicy": "Never", "enableServiceLinks": False, **(template.get("spec") or {})}
    for kind in ("initContainers", "containers"):
        if spec.get(kind):
            spec[kind] = [_container(container, env) for container in spec[kind]]
    return {"metadata": meta, "spec": spec}


def _container(container: Mapping[str, Any], env: Mapping[str, str]) -> dict[str, Any]:
    """The container with our variables first, so that its own may refer to them: $(MODELRAMP_REVISION)."""
    own = list(container.get("env") or ())
    named = {entry.get("name") for entry in own}
    ours = [{"name": name, "value": value} for name, value in env.items() if name not in named]
    return {"terminationMessagePolicy": "FallbackToLogsOnError", **container, "env": [*ours, *own]}


_WORDS = 256


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a Job has ended: with success, or why not, in the words of its condition."""

    failed: bool
    reason: str = ""
    message: str = ""


def end_of(job: Mapping[str, Any]) -> JobEnd | None:
    """How a Job has ended; None while it runs."""
    for condition in entries(job, "status", "conditions"):
        kind = condition.get("type")
        if condition.get("status") == "True" and kind in ("Complete", "Failed"):
            reason, message = text(condition, "reason")[:_WORDS], text(condition, "message")[:_WORDS]
            return JobEnd(kind == "Failed", reason, message)
    return None


def made_by(pod: Mapping[str, Any], job: Mapping[str, Any]) -> bool:
    """Whether the Job controls the pod: the label with the Job's name alone is anybody's claim."""
    uid = text(job, "metadata", "uid")
    controllers = (one for one in entries(pod, "metadata", "ownerReferences") if one.get("controller") is True)
    return bool(uid) and any(one.get("uid") == uid and one.get("kind") == "Job" for one in controllers)


def first_container_end(job: Mapping[str, Any], pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """How the Job's first container ended in a pod; sidecars that somebody injects have nothing to say here."""
    containers = list(entries(part(job, "spec", "template", "spec"), "containers"))
    first = text(containers[0], "name") if containers else ""
    for container in entries(pod, "status", "containerStatuses"):
        if first and container.get("name") == first:
            return part(container, "state", "terminated") or part(container, "lastState", "terminated") or None
    return None


def born(obj: Mapping[str, Any]) -> str:
    """When an object was made, as text that sorts by time."""
    return text(obj, "metadata", "creationTimestamp")


TTL_SECONDS = 86_400
"""The Job of a gate that has ended can be looked at for a day: its logs say more than its results."""


def work_name(name: str, work: JobWork) -> str:
    """Name of the Job, and of the ConfigMap with its results: every attempt has its own."""
    return child_name(name, work.name)


def gate_jobs(owner: Owner, target: RolloutInput, state: State) -> tuple[dict[str, Any], ...]:
    """The Jobs that gates want to run now."""
    stable = state.stable.revision if state.stable is not None else None
    return tuple(_gate_job(owner, target, work, stable) for work in gates.needs(target, state))


def _gate_job(owner: Owner, target: RolloutInput, work: JobWork, stable: str | None) -> dict[str, Any]:
    name = work_name(owner.name, work)
    env = environment(owner, target, work.revision, stable)
    if work.results is ResultsIn.CONFIG_MAP:
        env["MODELRAMP_RESULTS"] = name
    return job(
        owner,
        name,
        revision=work.revision,
        role=work.gate,
        template=work.template,
        env=env,
        backoff_limit=work.backoff_limit,
        deadline_seconds=work.timeout,
        ttl_seconds=TTL_SECONDS,
    )


def environment(owner: Owner, target: RolloutInput, revision: str, stable: str | None) -> dict[str, str]:
    """Environment of a gate's Job: the candidate revision, and the addresses of it and of the stable version."""
    model = target.spec.model
    env = {
        "MODELRAMP_NAMESPACE": owner.namespace,
        "MODELRAMP_NAME": owner.name,
        "MODELRAMP_REVISION": revision,
        "MODELRAMP_MODEL_NAME": model.name,
        "MODELRAMP_MODEL_VERSION": model.version,
        "MODELRAMP_MODEL_URI": model.uri,
        "MODELRAMP_CANDIDATE_URL": _url(owner, revision, target.spec.service.port),
    }
    if stable is not None:
        env["MODELRAMP_STABLE_URL"] = _url(owner, stable, target.spec.service.port)
    return env


def abandoned(obj: Mapping[str, Any]) -> bool:
    """Whether a gate's Job still runs though nobody waits for it; one that has ended is kept for a while."""
    return role_of(obj) not in {"", HOOK} and end_of(obj) is None


def _url(owner: Owner, revision: str, port: int) -> str:
    return f"http://{child_name(owner.name, revision)}.{owner.namespace}.svc:{port}"


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
