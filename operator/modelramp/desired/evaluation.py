"""The Job that tries a candidate before its first traffic."""

from collections.abc import Mapping
from typing import Any

from modelramp.api.evaluation import EvaluationState, ResultsIn
from modelramp.core.state import RolloutInput, State
from modelramp.desired.job import EVALUATION, job, role_of
from modelramp.desired.job_end import end_of
from modelramp.desired.names import child_name
from modelramp.desired.ownership import Owner

TTL_SECONDS = 86_400
"""An evaluation that has ended can be looked at for a day: its logs say more than its results."""


def job_name(name: str, attempt: str) -> str:
    """Name of the Job, and of the ConfigMap with its results: every attempt has its own."""
    return child_name(name, f"eval-{attempt}")


def evaluation_job(owner: Owner, target: RolloutInput, state: State) -> dict[str, Any] | None:
    """The Job that should run now; None when nothing is evaluated."""
    wanted, candidate = target.spec.rollout.evaluation, state.candidate
    evaluation = candidate.evaluation if candidate is not None else None
    if wanted is None or candidate is None or evaluation is None or evaluation.state is not EvaluationState.RUNNING:
        return None
    name = job_name(owner.name, evaluation.attempt)
    revision = candidate.version.revision
    env = environment(owner, target, revision, state.stable.revision if state.stable is not None else None)
    if wanted.results is ResultsIn.CONFIG_MAP:
        env["MODELRAMP_RESULTS"] = name
    return job(
        owner,
        name,
        revision=revision,
        role=EVALUATION,
        template=wanted.template,
        env=env,
        backoff_limit=wanted.backoff_limit,
        deadline_seconds=wanted.timeout,
        ttl_seconds=TTL_SECONDS,
    )


def environment(owner: Owner, target: RolloutInput, revision: str, stable: str | None) -> dict[str, str]:
    """What the containers of an evaluation are told: who is tried, and where it and the stable version answer."""
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
    """Whether a Job is an evaluation that still runs though nobody waits for it; one that has ended is kept a while."""
    return role_of(obj) == EVALUATION and end_of(obj) is None


def _url(owner: Owner, revision: str, port: int) -> str:
    return f"http://{child_name(owner.name, revision)}.{owner.namespace}.svc:{port}"
