"""All gates, as the rest of the code asks them: by what they answer, never by name."""

from collections.abc import Iterator

from modelramp.api.names import Phase, Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.core import transitions
from modelramp.core.gates.evaluation import EvaluationGate
from modelramp.core.gates.gate import Answer, Failed, Gate, Open, Waiting
from modelramp.core.gates.work import JobWork
from modelramp.core.state import Decision, Observed, Request, RolloutInput, State
from modelramp.core.strategies.registry import strategy_of

GATES: list[Gate] = [EvaluationGate()]
"""Every kind of gate, in the order in which people read of them. A new kind is a line here."""


def follow_gates(decision: Decision, target: RolloutInput, seen: Observed) -> Decision:
    """The decision with what the gates remember, after a version that may not pass was given up."""
    for gate in GATES:
        if not _before_traffic(decision.state):
            return decision
        decision = gate.follow(decision, target, seen)
    found = next((answer for answer in answers(target, decision.state, seen) if isinstance(answer, Failed)), None)
    return _given_up(decision, found, seen.now) if found is not None else decision


def answers(target: RolloutInput, state: State, seen: Observed) -> Iterator[Answer]:
    """What every gate says of a candidate that has no traffic yet; nothing without one."""
    return (gate.state(target, state, seen) for gate in GATES if _before_traffic(state))


def all_open(target: RolloutInput, state: State, seen: Observed) -> bool:
    """Whether the candidate may get traffic."""
    return all(isinstance(answer, Open) for answer in answers(target, state, seen))


def pods_due(target: RolloutInput, state: State, seen: Observed) -> int | None:
    """When the candidate's pods must be there at the latest, seconds since the epoch.

    None while a gate is at work, or capacity is missing; the time begins again after that. Once the stable version was
    stopped the time ends whatever is missing.
    """
    candidate = state.candidate
    if candidate is not None and candidate.stopped:
        return candidate.stopped + target.spec.rollout.progress_deadline  # whatever it waits for: nothing serves
    if state.stable is not None and strategy_of(target.spec.rollout).one_at_a_time:
        return None  # it gets its pods later
    waits = (answer for answer in answers(target, state, seen) if isinstance(answer, Waiting))
    if candidate is None or candidate.waiting is not None or any(answer.until is not None for answer in waits):
        return None
    waited = candidate.wait.ended if candidate.wait is not None else 0
    begun = max(candidate.version.since, waited, *(gate.ended(candidate) for gate in GATES))
    return begun + target.spec.rollout.progress_deadline


def describe(target: RolloutInput, state: State, seen: Observed) -> str:
    """Where the gates stand, for people; empty when none has anything to say."""
    return "; ".join(filter(None, (_words(state, answer) for answer in answers(target, state, seen))))


def waiting_reason(target: RolloutInput, state: State, seen: Observed) -> Reason:
    """Why a candidate without traffic waits: for its pods, or for capacity for them, while no gate holds it."""
    if state.candidate is not None and state.candidate.waiting is not None:
        return Reason.WAITING_FOR_CAPACITY
    waits = (answer.reason for answer in answers(target, state, seen) if not isinstance(answer, Open))
    return next(waits, Reason.WAITING_FOR_PODS)


def unannounced(target: RolloutInput, state: State, seen: Observed) -> Iterator[Waiting]:
    """What holds the candidate back and is told by nobody else."""
    for gate in GATES:
        answer = gate.state(target, state, seen) if _before_traffic(state) and not gate.announces else None
        if isinstance(answer, Waiting):
            yield answer


def for_a_person(reason: str) -> bool:
    """Whether a gate waits for a person when it waits with this reason."""
    return any(reason in gate.holds for gate in GATES)


def needs(target: RolloutInput, state: State) -> tuple[JobWork, ...]:
    """The work of all gates that should run now."""
    if not _before_traffic(state):
        return ()
    return tuple(work for gate in GATES for work in gate.needs(target, state))


def run_again(decision: Decision, request: Request, now: int) -> Decision | None:
    """The decision after a person's `retry` if that means a gate; else None."""
    candidate = decision.state.candidate
    if candidate is None or candidate.step >= 0 or candidate.version.revision != request.revision:
        return None
    return next(filter(None, (gate.retry(decision, request, now) for gate in GATES)), None)


def ungated(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    """The spec without its gates and with a pod at least, for trying out a policy where nothing can open them."""
    for gate in GATES:
        spec = gate.without(spec)
    return spec.model_copy(update={"replicas": max(1, spec.replicas)})


def _before_traffic(state: State) -> bool:
    return state.candidate is not None and state.candidate.step < 0


def _words(state: State, answer: Answer) -> str:
    if isinstance(answer, Failed) and state.candidate is not None:
        return f"{transitions.label(state.candidate.version)} {answer.message}: {answer.detail}"
    return answer.message


def _given_up(decision: Decision, found: Failed, now: int) -> Decision:
    state = decision.state
    if state.stable is not None:
        return transitions.roll_back(decision, found.reason, f"it {found.message}: {found.detail}", now)
    name = transitions.label(state.candidate.version) if state.candidate is not None else ""
    text = f"{name}, the first revision, {found.message} and serves nothing: {found.detail}"
    if state.phase is Phase.DEGRADED and state.detail == text:
        return decision
    return transitions.degrade(decision, found.reason, text)
