"""A policy tried on given outcomes: the real decision core in a world that obeys at once. No I/O."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from modelramp.analysis.checks import VALUE, judge, limits_of
from modelramp.analysis.evidence import Proportion
from modelramp.analysis.experiment import Tick, judge_tick
from modelramp.analysis.wording import limit_text
from modelramp.api.check import Check
from modelramp.api.names import Reason
from modelramp.api.rollout import Watching
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.verdict import ABTestOutcome, CheckOutcome, TickOutcome, Verdict
from modelramp.core.breaches import tick_verdict
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.registry import ungated
from modelramp.core.revisions import revision_of
from modelramp.core.schedule import finalize
from modelramp.core.state import Decision, RolloutInput, State, Version
from modelramp.core.steps import blockers, step_ends
from modelramp.core.strategies.registry import stages_of, strategy_of
from modelramp.core.transitions import label
from modelramp.engine.ports import Sample
from modelramp.simulation.gate import Gated, at_the_gate
from modelramp.simulation.gate import told as told_of_gate
from modelramp.simulation.ticks import Line
from modelramp.simulation.world import SimulatedWorld

STABLE = Version("stable", "the previous version", since=1, traffic_since=1)
"""What serves when the rehearsal begins; the spec says nothing about it."""
_DAY = 86_400
_NOT_RETOLD = frozenset({Reason.BREACHED, Reason.RESTORED, Reason.ROLLOUT_STARTED})
_NO_TRAFFIC = Tick(Proportion(0.0, 0.0), Proportion(0.0, 0.0), (0.0, 0.0))
"""What an A/B test counted in a line that says nothing of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """The state after one tick, as `modelramp simulate` prints it.

    step: index in spec.rollout.steps as in status.candidate.step; the last one after promotion, -1 after a rollback.
    weight: the new version's share of the traffic, percent. serving: who gets traffic.
    """

    tick: int
    verdict: str
    breaches: int
    phase: str
    step: int
    weight: int
    serving: Literal["stable", "candidate", "both"]
    reason: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, at which tick, and why; for what has not ended, where it stands."""

    outcome: Literal["promoted", "rolled-back", "in-progress"]
    tick: int
    reason: str


def rehearse(
    spec: ModelDeploymentSpec, lines: Sequence[Line], gated: Gated | None = None
) -> tuple[tuple[Row, ...], Outcome]:
    """Fold the lines, one tick each, and tell every state and the outcome.

    A stable version exists; the candidate gets the first step's weight at tick 0, which is 00:00:00Z in the reasons.
    Windows never exceed the interval here, and every check is asked at every tick, without a delay: a line speaks of
    its own interval only.
    gated: the Job of the evaluation, which has ended at tick 0; two rows of that tick tell of it. None leaves the
    evaluation out.
    """
    whole = spec if gated is not None else ungated(spec)
    target = RolloutInput(_with_checks_at_every_tick(whole), revision_of(spec))
    world = SimulatedWorld(target, STABLE)
    interval = target.spec.health.interval
    start = _DAY * interval
    state, rows, outcome = _begun(world, start, gated)
    for number, line in enumerate(lines, start=1):
        tick = start + number * interval
        if state.candidate is not None and state.running is None:
            rows.append(_gate_row(target, state, told_of_gate(target, state, world.seen(state)), number))
            outcome = Outcome("in-progress", number, rows[-1].reason)
            continue
        health = world.health(state) if outcome.outcome != "rolled-back" else target.spec.health.during(rolling=True)
        given = finalize(health, _outcome_of(target, line, tick), traffic_since=0, step_entered=0)
        told = replace(given, ab_test=_tested(target, state, line))
        if outcome.outcome == "rolled-back":
            rows.append(_ended_row(target, state, given, number, outcome))
            continue
        decision = world.after(state, told)
        rows.append(_row(world, state, decision, given, number, start))
        state = decision.state
        outcome = _outcome(target, decision, rows[-1], outcome)
    return tuple(rows), outcome


def _with_checks_at_every_tick(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    plain = {"window": None, "interval": None, "delay": 0}
    checks = tuple(check.model_copy(update=plain) for check in spec.health.checks)
    rollout = spec.rollout
    if rollout.ab_test is not None:
        rollout = rollout.model_copy(update={"ab_test": rollout.ab_test.model_copy(update={"delay": 0})})
    changes = {"health": spec.health.model_copy(update={"checks": checks}), "rollout": rollout}
    return spec.model_copy(update={**changes, "replicas": max(1, spec.replicas)})


def _begun(world: SimulatedWorld, start: int, gated: Gated | None) -> tuple[State, list[Row], Outcome]:
    """The state at tick 0, with what is to be told of it."""
    target = world.target
    outcome = Outcome("in-progress", 0, "no tick was given")
    if gated is None:
        return world.begin(start), [], outcome
    running, words, ended = at_the_gate(world.before(), target, gated, start, world.seen)
    rows = [_gate_row(target, running, words, 0)]
    waits = ended.state.candidate is not None and ended.state.running is None
    moved = [finding.message for finding in ended.findings if finding.reason not in _NOT_RETOLD]
    reason = told_of_gate(target, ended.state, world.seen(ended.state)) if waits else "; ".join(moved)
    rows.append(_gate_row(target, ended.state, reason, 0))
    failed = ended.state.failed == target.revision
    return ended.state, rows, Outcome("rolled-back" if failed else "in-progress", 0, reason)


def _gate_row(target: RolloutInput, state: State, reason: str, number: int) -> Row:
    """A row without a verdict on the candidate: it has no traffic yet, or has just got the first of it."""
    weight = state.weights.get(target.revision, 0)
    step = state.running.step if state.running else -1
    return Row(
        number, Verdict.NO_DATA.value, 0, state.phase.value, step, weight, "both" if weight else "stable", reason
    )


def _outcome_of(target: RolloutInput, line: Line, tick: int) -> TickOutcome:
    checks = tuple(_judged(check, line.values.get(check.name)) for check in target.spec.health.checks)
    replicas = target.spec.replicas
    pods = f"{replicas if line.available else 0}/{replicas}"
    return TickOutcome(tick, target.revision, checks, line.available, pods)


def _tested(target: RolloutInput, state: State, line: Line) -> ABTestOutcome | None:
    """What an A/B test under way says of the line; of one without counts, what it said before."""
    run = strategy_of(target.spec.rollout).comparison(target, state)
    return judge_tick(run, line.ab_test or _NO_TRAFFIC) if run is not None else None


def _judged(check: Check, value: float | None) -> CheckOutcome:
    if value is not None:
        return judge(check, {VALUE: [Sample({}, value)]})
    limit = limit_text(limits_of(check))
    return CheckOutcome(check.name, Verdict.NO_DATA, Reason.EMPTY_RESULT, "no data", None, limit)


def _row(world: SimulatedWorld, before: State, decision: Decision, given: TickOutcome, number: int, start: int) -> Row:
    state = decision.state
    verdict, _, detail = tick_verdict(world.health(before), given)
    weight = world.weight(state)
    return Row(
        tick=number,
        verdict=verdict.value,
        breaches=state.watch.breaches if state.watch else 0,
        phase=state.phase.value,
        step=world.step(state),
        weight=weight,
        serving="stable" if not weight else "candidate" if weight == 100 else "both",
        reason=_reason(world, before, decision, given, detail, start),
    )


def _reason(
    world: SimulatedWorld, before: State, decision: Decision, given: TickOutcome, detail: str, start: int
) -> str:
    target, state, findings = world.target, decision.state, decision.findings
    verdict, _, _ = tick_verdict(world.health(before), given)
    if before.candidate is None and target.spec.after_promotion.watch is Watching.NEVER:
        return f"{detail}; not counted: spec.afterPromotion.watch is never"
    moved = [finding.message for finding in findings if finding.reason not in _NOT_RETOLD]
    if state.failed == target.revision:
        return "; ".join(moved)
    breached = [finding.message for finding in findings if finding.reason is Reason.BREACHED]
    if verdict is Verdict.NO_DATA:
        count = state.watch.breaches if state.watch else 0
        return "; ".join((detail, f"nothing is promoted, the breach count stays at {count}", *moved))
    waits = _waits(world, state, given, verdict, start) if state.weights == before.weights else []
    return "; ".join((*(breached or [detail]), *moved, *waits))


def _waits(world: SimulatedWorld, state: State, given: TickOutcome, verdict: Verdict, start: int) -> list[str]:
    """What a healthy tick waits for, when nothing moved: the step's time, or what blocks its end."""
    target, candidate = world.target, state.running
    if candidate is None or verdict is not Verdict.HEALTHY:
        return []
    place = f"step {candidate.step + 1}/{len(stages_of(target.spec.rollout))}"
    advance = strategy_of(target.spec.rollout).advance(target, state, given.tick)
    if advance.waits:
        return [advance.waits]
    if not advance.due:
        ends = step_ends(target, candidate)
        return [f"{place} ends at tick {-(-(ends - start) // target.spec.health.interval)} at the earliest"]
    return [f"{place} is over", *_messages(blockers(target, state, world.seen(state), given.checks))]


def _messages(findings: Iterable[RolloutEvent]) -> list[str]:
    return [finding.message for finding in findings]


def _ended_row(target: RolloutInput, state: State, given: TickOutcome, number: int, outcome: Outcome) -> Row:
    verdict, _, detail = tick_verdict(target.spec.health.during(rolling=True), given)
    name = label(replace(STABLE, revision=target.revision, model_version=target.spec.model.version))
    reason = f"{detail}; changes nothing: {name} has had no traffic since tick {outcome.tick}"
    breaches = state.watch.breaches if state.watch else 0
    return Row(number, verdict.value, breaches, state.phase.value, -1, 0, "stable", reason)


def _outcome(target: RolloutInput, decision: Decision, row: Row, before: Outcome) -> Outcome:
    state = decision.state
    if state.failed == target.revision:
        return Outcome("rolled-back", row.tick, state.detail)
    if before.outcome == "promoted":
        return before
    if state.stable is not None and state.stable.revision == target.revision:
        return Outcome("promoted", row.tick, state.detail)
    return Outcome("in-progress", row.tick, row.reason)
