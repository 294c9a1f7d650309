"""What became of the Job that tries a candidate: its last words, its ConfigMap, or why there are none.

Whoever looks asks the API server, beside the decisions: no object waits for another one's answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modelramp.api.errors import ApiServerUnavailable, Gone, NoAnswer, Refused, StaleRead
from modelramp.api.evaluation import RESULTS_KEY, EvaluationSpec, EvaluationState, ResultsIn
from modelramp.api.kinds import CONFIG_MAP, JOB, POD, Ref
from modelramp.api.text import visible
from modelramp.core.gates.evaluation_results import Evaluation, JobSeen
from modelramp.desired.jobs import JobEnd, born, end_of, first_container_end, job_name, made_by
from modelramp.desired.ownership import owned_by, owner_of
from modelramp.desired.reading import part, text
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.ports import Cluster, Object
from modelramp.engine.store import Key, Record, Store

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"
PODS_MAX = 10
"""Pods of one Job that are looked at; anybody in the namespace can label as many as he likes."""
_INSPECT_SECONDS = 10
_WORDS = 256


@dataclass(frozen=True, slots=True)
class Look:
    """One look at the Job of an attempt. end: None while it runs. trouble: what was last found to be in its way."""

    key: Key
    attempt: str
    wanted: EvaluationSpec
    job: Object
    end: JobEnd | None
    trouble: str


async def look_at_job(cluster: Cluster, store: Store, key: Key, record: Record, now: int) -> None:
    """Bring `record.evaluation` up to date. Raises NoAnswer, having changed nothing: the next look asks again."""
    note_job(store, key, record, now)
    look = due_look(store, key, record, now)
    if look is None:
        return
    try:
        seen = await seen_of(cluster, look)
    except NoAnswer:
        raise
    except StaleRead as error:
        raise ApiServerUnavailable(str(error)) from error
    except Exception as error:  # noqa: BLE001 - pods may be of a strange form, and must stop nothing else
        seen = unreadable(look, error)
    keep_seen(record, seen, now)


def note_job(store: Store, key: Key, record: Record, now: int) -> None:
    """Bring `record.evaluation` in line with the Jobs that are known, without asking anybody."""
    evaluation = _running(record)
    name = job_name(key[1], evaluation.attempt) if evaluation is not None else ""
    if evaluation is None or _job(store, key, record, name) is None:
        record.evaluation = None
    elif record.evaluation is None or record.evaluation.attempt != evaluation.attempt:
        record.evaluation = JobSeen(evaluation.attempt, name)
        record.job_inspect_at = now + _INSPECT_SECONDS


def due_look(store: Store, key: Key, record: Record, now: int) -> Look | None:
    """What is to be asked now; None when all is known that can be."""
    known, wanted = record.evaluation, record.target.spec.rollout.evaluation if record.target is not None else None
    if known is None or known.ended or wanted is None:
        return None
    job = _job(store, key, record, known.name)
    end = end_of(job) if job is not None else None
    if job is None or (end is None and now < record.job_inspect_at):
        return None
    return Look(key, known.attempt, wanted, job, end, known.problem)


def keep_seen(record: Record, seen: JobSeen, now: int) -> None:
    """Take in what a look has found, unless another attempt is waited for by now."""
    if record.evaluation is not None and record.evaluation.attempt == seen.attempt:
        record.evaluation = seen
        record.job_inspect_at = now + _INSPECT_SECONDS


async def seen_of(cluster: Cluster, look: Look) -> JobSeen:
    """What there is to be seen. Raises NoAnswer when that cannot be told now."""
    name = str(look.job["metadata"]["name"])
    if look.end is None:
        return JobSeen(look.attempt, name, problem=await _trouble(cluster, look))
    try:
        output, problem = await _last_words(cluster, look, look.end)
    except Refused as error:
        output, problem = None, f"its results may not be read: {error}"
    return JobSeen(look.attempt, name, ended=True, output=output, problem=problem)


def unreadable(look: Look, error: Exception) -> JobSeen:
    """What is seen of a Job that cannot be looked at, for a reason that nobody foresaw."""
    problem = f"it cannot be read ({type(error).__name__})"
    return JobSeen(look.attempt, str(look.job["metadata"]["name"]), ended=look.end is not None, problem=problem)


def too_late(wanted: EvaluationSpec) -> str:
    """Why there are no results when the Job hung."""
    return f"it did not end within {wanted.timeout} s (spec.rollout.evaluation.timeout)"


def _running(record: Record) -> Evaluation | None:
    """The evaluation whose Job is waited for."""
    candidate, target = record.state.candidate, record.target
    evaluation = candidate.evaluation if candidate is not None else None
    if evaluation is None or target is None or target.spec.rollout.evaluation is None:
        return None
    return evaluation if evaluation.state is EvaluationState.RUNNING else None


def _job(store: Store, key: Key, record: Record, name: str) -> Object | None:
    job = store.children(key, JOB).get(name)
    return job if job is not None and owned_by(job, owner_of(record.obj)) else None


async def _last_words(cluster: Cluster, look: Look, end: JobEnd) -> tuple[str | None, str]:
    """What the Job wrote, and why there is nothing."""
    if end.failed:
        return None, await _why(cluster, look, end)
    if look.wanted.results is ResultsIn.CONFIG_MAP:
        return await _config_map(cluster, look)
    return await _termination_message(cluster, look)


async def _why(cluster: Cluster, look: Look, end: JobEnd) -> str:
    if end.reason == "DeadlineExceeded":
        late = too_late(look.wanted)
        return f"{late}: {look.trouble}" if look.trouble else late
    failure = f"it failed: {end.reason or 'Failed'}: {end.message}"
    for pod in await _pods(cluster, look, "status.phase=Failed"):
        ended = first_container_end(look.job, pod)
        if ended is not None:
            words = visible(" ".join(text(ended, "message").split()))
            said = f", its last words: {words[-_WORDS:]}" if words else ""
            return f"{failure}; pod {pod['metadata']['name']} ended with exit code {ended.get('exitCode')}{said}"
    return failure


async def _termination_message(cluster: Cluster, look: Look) -> tuple[str | None, str]:
    pods = await _pods(cluster, look, "status.phase=Succeeded")
    found = [text(first_container_end(look.job, pod), "message") for pod in pods]
    if not found:
        return None, "its pod is gone, and its results with it"
    if any(words != found[0] for words in found):
        names = ", ".join(sorted(str(pod["metadata"]["name"]) for pod in pods))
        return None, f"several pods claim to have done it, and say different things: {names}"[:_WORDS]
    return found[0], ""


async def _config_map(cluster: Cluster, look: Look) -> tuple[str | None, str]:
    ref = Ref(CONFIG_MAP, look.key[0], look.job["metadata"]["name"])
    try:
        found = await cluster.get(ref)
    except Gone:
        return None, f"it ended without making the {ref} ($MODELRAMP_RESULTS)"
    data = part(found, "data")
    if RESULTS_KEY not in data:
        return None, f"the {ref} has no key {RESULTS_KEY}"
    return text(data, RESULTS_KEY), ""


async def _pods(cluster: Cluster, look: Look, fields: str) -> list[Object]:
    """Pods that the Job controls, the newest first."""
    selector = f"{JOB_NAME_LABEL}={look.job['metadata']['name']}"
    found = await cluster.list(POD, look.key[0], selector, fields=fields, most=PODS_MAX)
    return sorted((pod for pod in found if made_by(pod, look.job)), key=born, reverse=True)


async def _trouble(cluster: Cluster, look: Look) -> str:
    """What keeps the newest pod from running."""
    try:
        pods: Iterable[Object] = await _pods(cluster, look, "status.phase!=Succeeded,status.phase!=Failed")
    except Refused:
        return ""
    found = ((pod, pod_trouble(pod)) for pod in pods)
    return next((f"pod {pod['metadata']['name']}: {words}"[:_WORDS] for pod, words in found if words), "")
