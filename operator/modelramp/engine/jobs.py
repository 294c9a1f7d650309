"""What is known of the Jobs that gates ask for: their last words, their ConfigMaps, or why there are none.

Whoever looks asks the API server, beside the decisions: no object waits for another one's answers.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from modelramp.api.errors import ApiServerUnavailable, Gone, NoAnswer, Refused, StaleRead
from modelramp.api.evaluation import RESULTS_KEY, ResultsIn
from modelramp.api.kinds import CONFIG_MAP, JOB, POD, Ref
from modelramp.api.text import visible
from modelramp.core.gates import registry as gates
from modelramp.core.gates.work import JobSeen, JobWork
from modelramp.desired.jobs import JobEnd, born, end_of, first_container_end, made_by, work_name
from modelramp.desired.ownership import owned_by, owner_of
from modelramp.desired.reading import part, text
from modelramp.engine.diagnostics import pod_trouble
from modelramp.engine.ports import Cluster, Object
from modelramp.engine.store import Key, Record, Store

PODS_MAX = 10
"""Pods of one Job that are looked at; anybody in the namespace can label as many as he likes."""
_JOB_NAME = "batch.kubernetes.io/job-name"
_INSPECT_SECONDS = 10
_WORDS = 256


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a Job. end: None while it runs. trouble: what was last found to be in its way."""

    key: Key
    work: JobWork
    job: Object
    end: JobEnd | None
    trouble: str


async def look_at_jobs(cluster: Cluster, store: Store, key: Key, record: Record, now: int) -> None:
    """Bring `record.jobs` up to date. Raises NoAnswer, having kept what it has seen: the next look asks again."""
    note_jobs(store, key, record, now)
    for look in due_looks(store, key, record, now):
        try:
            seen = await seen_of(cluster, look)
        except NoAnswer:
            raise
        except StaleRead as error:
            raise ApiServerUnavailable(str(error)) from error
        except Exception as error:  # noqa: BLE001 - pods may be of a strange form, and must stop nothing else
            seen = unreadable(look, error)
        if seen.attempt in record.jobs:  # else another attempt is waited for by now
            record.jobs = {**record.jobs, seen.attempt: seen}
            record.job_inspect_at = now + _INSPECT_SECONDS


def note_jobs(store: Store, key: Key, record: Record, now: int) -> None:
    """Bring `record.jobs` in line with the Jobs that are known, without asking anybody."""
    before, found = record.jobs, dict[str, JobSeen]()
    for work in _wanted(record):
        name = work_name(key[1], work)
        if _job(store, key, record, name) is not None:
            found[work.attempt] = before.get(work.attempt) or JobSeen(work.attempt, name)
    record.jobs = found
    if found.keys() - before.keys():
        record.job_inspect_at = now + _INSPECT_SECONDS


def due_looks(store: Store, key: Key, record: Record, now: int) -> tuple[Look, ...]:
    """The questions to ask now; empty when everything is known."""
    looks = []
    for work in _wanted(record):
        known = record.jobs.get(work.attempt)
        job = _job(store, key, record, known.name) if known is not None and not known.ended else None
        end = end_of(job) if job is not None else None
        if known is not None and job is not None and (end is not None or now >= record.job_inspect_at):
            looks.append(Look(key, work, job, end, known.problem))
    return tuple(looks)


async def seen_of(cluster: Cluster, look: Look) -> JobSeen:
    """What can be seen of the Job now. Raises NoAnswer when the API server does not answer."""
    name = str(look.job["metadata"]["name"])
    if look.end is None:
        return JobSeen(look.work.attempt, name, problem=await _trouble(cluster, look))
    try:
        output, problem = await _last_words(cluster, look, look.end)
    except Refused as error:
        output, problem = None, f"its results may not be read: {error}"
    return JobSeen(look.work.attempt, name, ended=True, output=output, problem=problem)


def unreadable(look: Look, error: Exception) -> JobSeen:
    """What is seen of a Job that cannot be looked at, for an unexpected reason."""
    problem = f"it cannot be read ({type(error).__name__})"
    return JobSeen(look.work.attempt, str(look.job["metadata"]["name"]), ended=look.end is not None, problem=problem)


def too_late(work: JobWork) -> str:
    """Why there are no results when the Job hung."""
    return f"it did not end within {work.timeout} s ({work.timeout_field})"


async def pods_of_job(cluster: Cluster, job: Object, fields: str) -> list[Object]:
    """Pods that the Job controls, the newest first. fields: a field selector."""
    namespace, selector = job["metadata"]["namespace"], f"{_JOB_NAME}={job['metadata']['name']}"
    found = await cluster.list(POD, namespace, selector, fields=fields, most=PODS_MAX)
    return sorted((pod for pod in found if made_by(pod, job)), key=born, reverse=True)


def _wanted(record: Record) -> tuple[JobWork, ...]:
    return gates.needs(record.target, record.state) if record.target is not None else ()


def _job(store: Store, key: Key, record: Record, name: str) -> Object | None:
    job = store.children(key, JOB).get(name)
    return job if job is not None and owned_by(job, owner_of(record.obj)) else None


async def _last_words(cluster: Cluster, look: Look, end: JobEnd) -> tuple[str | None, str]:
    """What the Job wrote, and why there is nothing."""
    if end.failed:
        return None, await _why(cluster, look, end)
    if look.work.results is ResultsIn.CONFIG_MAP:
        return await _config_map(cluster, look)
    return await _termination_message(cluster, look)


async def _why(cluster: Cluster, look: Look, end: JobEnd) -> str:
    if end.reason == "DeadlineExceeded":
        late = too_late(look.work)
        return f"{late}: {look.trouble}" if look.trouble else late
    failure = f"it failed: {end.reason or 'Failed'}: {end.message}"
    for pod in await pods_of_job(cluster, look.job, "status.phase=Failed"):
        ended = first_container_end(look.job, pod)
        if ended is not None:
            words = visible(" ".join(text(ended, "message").split()))
            said = f", its last words: {words[-_WORDS:]}" if words else ""
            return f"{failure}; pod {pod['metadata']['name']} ended with exit code {ended.get('exitCode')}{said}"
    return failure


async def _termination_message(cluster: Cluster, look: Look) -> tuple[str | None, str]:
    pods = await pods_of_job(cluster, look.job, "status.phase=Succeeded")
    found = [text(first_container_end(look.job, pod), "message") for pod in pods]
    if not found:
        return None, "its pod is gone, and so are its results"
    if any(words != found[0] for words in found):
        names = ", ".join(sorted(str(pod["metadata"]["name"]) for pod in pods))
        return None, f"several pods report results, and these differ: {names}"[:_WORDS]
    return found[0], ""


async def _config_map(cluster: Cluster, look: Look) -> tuple[str | None, str]:
    ref = Ref(CONFIG_MAP, look.key[0], look.job["metadata"]["name"])
    try:
        found = await cluster.get(ref)
    except Gone:
        return None, f"it ended without creating the {ref} ($MODELRAMP_RESULTS)"
    data = part(found, "data")
    if RESULTS_KEY not in data:
        return None, f"the {ref} has no key {RESULTS_KEY}"
    return text(data, RESULTS_KEY), ""


async def _trouble(cluster: Cluster, look: Look) -> str:
    """What keeps the newest pod from running."""
    try:
        pods: Iterable[Object] = await pods_of_job(cluster, look.job, "status.phase!=Succeeded,status.phase!=Failed")
    except Refused:
        return ""
    found = ((pod, pod_trouble(pod)) for pod in pods)
    return next((f"pod {pod['metadata']['name']}: {words}"[:_WORDS] for pod, words in found if words), "")
