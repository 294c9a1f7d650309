"""The state as it is stored in the status; core.status.read reads it back."""

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.quantity import format_number
from modelramp.api.status import (
    FORMAT,
    AdoptedStatus,
    AnswerStatus,
    CandidateStatus,
    CheckStatus,
    HistoryEntry,
    PolicyStatus,
    RetiringStatus,
    Status,
    VersionStatus,
    WatchStatus,
)
from modelramp.api.times import to_clock, to_text
from modelramp.core.capacity import by_share
from modelramp.core.conditions import carry, conditions, shown
from modelramp.core.events import RolloutEvent
from modelramp.core.messages import sentence
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.scores import judged, scores
from modelramp.core.state import (
    Adopted,
    BreachCounter,
    Candidate,
    HistoryRecord,
    Observed,
    Pods,
    RequestAnswer,
    RolloutInput,
    State,
    Version,
)
from modelramp.core.status.parts import (
    ab_test_status,
    capacity_wait_status,
    deferred_status,
    evaluation_status,
    held_replicas_status,
    hook_statuses,
    scaled_to_zero_status,
)
from modelramp.core.strategies.registry import judged_by, stages_of


def status_of(
    name: str,
    target: RolloutInput | None,
    state: State,
    seen: Observed,
    *,
    generation: int,
    now: int,
    before: Status,
    obstacle: RolloutEvent | None = None,
) -> dict[str, Any]:
    """The status to write, as JSON: fields without a value are left out.

    name: of the ModelDeployment. target: None when the spec cannot be read. before: the status that is replaced;
    transition times of conditions are carried over from it.
    """
    seen = replace(seen, now=now)
    found = conditions(target, state, seen, obstacle, generation=generation, now=now)
    message = obstacle.message if obstacle else sentence(target, state, seen) if target else ""
    scaled = _scaled(target, state, seen)
    status = Status(
        format=FORMAT if FORMAT > 1 else None,
        observed_generation=generation,
        phase=state.phase,
        reason=obstacle.reason if obstacle else state.reason,
        message=shown(message),
        detail=shown(state.detail),
        stable=_version_status(state.stable, seen),
        previous=_version_status(state.previous, seen),
        candidate=_candidate_status(state.candidate, seen),
        failed_revision=state.failed,
        deferred=deferred_status(state.deferred),
        held_replicas=held_replicas_status(state.held),
        scaled_to_zero=scaled_to_zero_status(state.zero),
        restored=state.restored,
        paused=state.paused,
        progress=_progress(target, state),
        breaches=state.watch.breaches if state.watch else 0,
        ticks=state.recent_ticks,
        last_tick=to_text(state.last_tick) if state.last_tick else None,
        next=_next(target, state),
        watch=_watch_status(state.watch),
        scores=_scores(target, state),
        checks=_check_statuses(target, state),
        experiment=ab_test_status(target, state.ab_test),
        policies=tuple(PolicyStatus(**asdict(policy)) for policy in target.policies) if target else (),
        retiring=_retiring_statuses(state),
        hooks=hook_statuses(state.hooks),
        history=tuple(_entry_status(entry) for entry in state.history),
        request=state.request,
        answer=_answer_status(state.answer),
        heard=dict(state.heard),
        adopted=_adopted_status(seen.adopted),
        replicas=sum(seen.pods.get(revision, Pods()).available for revision in scaled),
        selector=_selector(name, scaled),
        conditions=carry(before.conditions, found),
    )
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True) | _always(status)


_ESSENTIAL = frozenset(
    {
        "format",
        "observedGeneration",
        "phase",
        "reason",
        "stable",
        "previous",
        "candidate",
        "failedRevision",
        "deferred",
        "heldReplicas",
        "scaledToZero",
        "restored",
        "paused",
        "progress",
        "breaches",
        "ticks",
        "lastTick",
        "watch",
        "retiring",
        "request",
        "heard",
        "replicas",
        "selector",
    }
)


def essential(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without everything that a decision can do without: what is written when the whole is refused.

    Evidence that adds up and the state of hooks are lost with it in case of a restart; what serves, what failed and the
    count of breaches are not.
    """
    return {name: value for name, value in status.items() if name in _ESSENTIAL}


def _always(status: Status) -> dict[str, Any]:
    """Fields that people and columns expect even when they are zero."""
    shown: dict[str, Any] = {"breaches": status.breaches, "replicas": status.replicas}
    if status.history:
        shown["history"] = [entry.model_dump(mode="json", by_alias=True, exclude_none=True) for entry in status.history]
    if status.candidate is not None:
        kept = status.candidate.model_dump(mode="json", by_alias=True, exclude_none=True)
        shown["candidate"] = {key: value for key, value in kept.items() if value != ""}
    return shown


def _time(seconds: int) -> str | None:
    return to_text(seconds) if seconds else None


def _version_status(version: Version | None, seen: Observed) -> VersionStatus | None:
    if version is None:
        return None
    pods = seen.pods.get(version.revision)
    return VersionStatus(
        revision=version.revision,
        model_version=version.model_version,
        since=_time(version.since),
        traffic_since=_time(version.traffic_since),
        pods=str(pods) if pods else "",
    )


def _candidate_status(candidate: Candidate | None, seen: Observed) -> CandidateStatus | None:
    version = _version_status(candidate.version if candidate else None, seen)
    if candidate is None or version is None:
        return None
    entered = _time(candidate.step_entered)
    return CandidateStatus(
        **version.model_dump(),
        weight=candidate.weight,
        step=candidate.step,
        step_entered=entered,
        shown=candidate.shown,
        evaluation=evaluation_status(candidate.evaluation),
        capacity_wait=capacity_wait_status(candidate.wait),
        stable_stopped=to_text(candidate.stopped) if candidate.stopped else None,
    )


def _progress(target: RolloutInput | None, state: State) -> str:
    if state.candidate is None or target is None or state.stable is None:
        return ""  # a first version takes no steps
    return f"{state.candidate.step + 1}/{len(stages_of(target.spec.rollout))}"


def _next(target: RolloutInput | None, state: State) -> str:
    if target is None or not state.last_tick or state.phase not in IN_FLIGHT:
        return ""  # at rest the status is not written at every tick, and a time that has passed would mislead
    return to_clock(state.last_tick + target.spec.health.interval)


def _watch_status(watch: BreachCounter | None) -> WatchStatus | None:
    if watch is None:
        return None
    return WatchStatus(
        revision=watch.revision,
        since=to_text(watch.since),
        breaches=watch.breaches,
        shared=watch.shared,
        checks=dict(watch.checks),
    )


def _scores(target: RolloutInput | None, state: State) -> dict[str, int]:
    if target is None:
        return {}
    return scores(judged(judged_by(target, state), state.checks))


def _check_statuses(target: RolloutInput | None, state: State) -> tuple[CheckStatus, ...]:
    known = {check.name: check for check in target.spec.health.checks} if target else {}
    return tuple(
        CheckStatus(
            name=found.name,
            dimension=found.dimension,
            role=known[found.name].role if found.name in known else "",
            verdict=found.verdict.value,
            reason=found.reason,
            value=_number(found.value),
            limit=found.limit,
            message=shown(found.detail),
            at=_time(found.at),
            memory=found.memory,
            question=found.question,
        )
        for found in state.checks
    )


def _number(value: float | None) -> str | None:
    """A measured value as text; infinite ones as Prometheus writes them."""
    if value is None or math.isfinite(value):
        return None if value is None else format_number(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def _answer_status(answer: RequestAnswer | None) -> AnswerStatus | None:
    if answer is None:
        return None
    return AnswerStatus(
        at=to_text(answer.at), outcome="Done" if answer.done else "Ignored", message=shown(answer.message)
    )


def _adopted_status(found: Adopted | None) -> AdoptedStatus | None:
    if found is None:
        return None
    return AdoptedStatus(name=found.name, replicas=found.original, dropped_labels=found.dropped)


def _retiring_statuses(state: State) -> tuple[RetiringStatus, ...]:
    return tuple(
        RetiringStatus(revision=item.revision, at=to_text(item.at) if item.at is not None else None)
        for item in state.retiring
    )


def _entry_status(entry: HistoryRecord) -> HistoryEntry:
    return HistoryEntry(
        revision=entry.revision,
        model_version=entry.model_version,
        started_at=_time(entry.started_at),
        ended_at=_time(entry.ended_at),
        outcome=entry.outcome,
        reason=entry.reason,
        message=shown(entry.message),
        weight=entry.weight,
    )


def _scaled(target: RolloutInput | None, state: State, seen: Observed) -> tuple[str, ...]:
    """The revisions whose pods an autoscaler is to look at; none before the first.

    Where pods follow traffic, every version with traffic. Where all versions have as many pods, the one with most of
    the traffic: the mean over two of them would say that half are idle, and lose both their pods.
    """
    known = {version.revision for version in (state.stable, state.running and state.running.version) if version}
    shares = {revision: weight for revision, weight in seen.served.items() if revision in known} or state.weights
    stable = state.stable.revision if state.stable is not None else ""
    if target is not None and by_share(target) and shares:
        return tuple(sorted(shares))
    most = max(shares, key=lambda revision: (shares[revision], revision == stable), default=stable)
    return (most,) if most else ()


def _selector(name: str, revisions: tuple[str, ...]) -> str:
    own = f"{LABEL_DEPLOYMENT}={name}"
    if len(revisions) > 1:
        return f"{own},{LABEL_REVISION} in ({','.join(revisions)})"
    return f"{own},{LABEL_REVISION}={revisions[0]}" if revisions else own
