"""What became of the Job that tries a candidate: its last words, its ConfigMap, or why there are none."""

from typing import Any

from modelramp.api.errors import Gone, Refused
from modelramp.api.evaluation import RESULTS_KEY, EvaluationSpec, EvaluationState, ResultsIn
from modelramp.core.evaluation import JobSeen
from modelramp.desired.evaluation import job_name
from modelramp.desired.ownership import owned_by, owner_of
from modelramp.engine.obstacles import pod_trouble
from modelramp.engine.ports import CONFIG_MAP, JOB, POD, Cluster, Object, Ref
from modelramp.engine.store import Key, Record, Store

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
_INSPECT_SECONDS = 10
_WORDS = 256


async def look_at_job(cluster: Cluster, store: Store, key: Key, record: Record, now: int) -> None:
    """Bring `record.evaluation` up to date. Raises NoAnswer, having changed nothing: the next look asks again."""
    candidate = record.state.candidate
    evaluation = candidate.evaluation if candidate is not None else None
    wanted = record.target.spec.rollout.evaluation if record.target is not None else None
    if evaluation is None or wanted is None or evaluation.state is not EvaluationState.RUNNING:
        record.evaluation = None
        return
    name = job_name(key[1], evaluation.attempt)
    job = store.children(key, JOB).get(name)
    if job is None or not owned_by(job, owner_of(record.obj)):
        record.evaluation = None
        return
    known = record.evaluation if record.evaluation and record.evaluation.attempt == evaluation.attempt else None
    if known is not None and known.ended:
        return
    failure, complete = _ended(job)
    if not failure and not complete:
        trouble = known.problem if known else ""
        if known is None or now >= record.job_inspect_at:
            record.job_inspect_at = now + _INSPECT_SECONDS
            trouble = await _trouble(cluster, key, name) if known is not None else ""
        record.evaluation = JobSeen(evaluation.attempt, name, problem=trouble)
        return
    output, problem = await _last_words(cluster, key, job, wanted, failure, known.problem if known else "")
    record.evaluation = JobSeen(evaluation.attempt, name, ended=True, output=output, problem=problem)


def _ended(job: Object) -> tuple[str, bool]:
    """Why the Job failed, and whether it completed; ("", False) while it runs."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["status"] != "True":
            continue
        if condition["type"] == "Complete":
            return "", True
        if condition["type"] == "Failed":
            return f"{condition.get('reason', 'Failed')}: {condition.get('message', '')}"[:_WORDS], False
    return "", False


async def _last_words(
    cluster: Cluster, key: Key, job: Object, wanted: EvaluationSpec, failure: str, trouble: str
) -> tuple[str | None, str]:
    """What the Job wrote, and why there is nothing."""
    try:
        if failure:
            return None, await _why(cluster, key, job, wanted, failure, trouble)
        if wanted.results is ResultsIn.CONFIG_MAP:
            return await _config_map(cluster, key, job)
        return await _termination_message(cluster, key, job)
    except Refused as error:
        return None, f"its results may not be read: {error}"


async def _why(cluster: Cluster, key: Key, job: Object, wanted: EvaluationSpec, failure: str, trouble: str) -> str:
    if failure.startswith("DeadlineExceeded"):
        late = too_late(wanted)
        return f"{late}: {trouble}" if trouble else late
    name = job["metadata"]["name"]
    for pod in await _pods(cluster, key, name):
        ended = _terminated(pod, job)
        if ended:
            words = " ".join(ended.get("message", "").split())
            said = f", its last words: {words[-_WORDS:]}" if words else ""
            return f"it failed: {failure}; pod {pod['metadata']['name']} ended with exit code {ended['exitCode']}{said}"
    return f"it failed: {failure}"


def too_late(wanted: EvaluationSpec) -> str:
    """Why there are no results when the Job hung."""
    return f"it did not end within {wanted.timeout} s (spec.rollout.evaluation.timeout)"


async def _termination_message(cluster: Cluster, key: Key, job: Object) -> tuple[str | None, str]:
    for pod in await _pods(cluster, key, job["metadata"]["name"]):
        if (pod.get("status") or {}).get("phase") == "Succeeded":
            ended = _terminated(pod, job)
            return str((ended or {}).get("message", "")), ""
    return None, "its pod is gone, and its results with it"


async def _config_map(cluster: Cluster, key: Key, job: Object) -> tuple[str | None, str]:
    ref = Ref(CONFIG_MAP, key[0], job["metadata"]["name"])
    try:
        data = (await cluster.get(ref)).get("data") or {}
    except Gone:
        return None, f"it ended without making the {ref} ($MODELRAMP_RESULTS)"
    if RESULTS_KEY not in data:
        return None, f"the {ref} has no key {RESULTS_KEY}"
    return str(data[RESULTS_KEY]), ""


async def _pods(cluster: Cluster, key: Key, job: str) -> list[Object]:
    """The pods of a Job, the newest first."""
    found = await cluster.list(POD, key[0], f"{JOB_NAME_LABEL}={job}")
    return sorted(found, key=lambda pod: str(pod["metadata"].get("creationTimestamp", "")), reverse=True)


async def _trouble(cluster: Cluster, key: Key, job: str) -> str:
    """What keeps the newest pod from running."""
    try:
        pods = await _pods(cluster, key, job)
    except Refused:
        return ""
    return f"pod {pods[0]['metadata']['name']}: {found}"[:_WORDS] if pods and (found := pod_trouble(pods[0])) else ""


def _terminated(pod: Object, job: Object) -> dict[str, Any] | None:
    """How the Job's first container ended in a pod; sidecars that somebody injects have nothing to say here."""
    first = job["spec"]["template"]["spec"]["containers"][0]["name"]
    for container in (pod.get("status") or {}).get("containerStatuses") or ():
        if container["name"] == first:
            state = container.get("state") or {}
            ended: dict[str, Any] | None = state.get("terminated") or (container.get("lastState") or {}).get(
                "terminated"
            )
            return ended
    return None
