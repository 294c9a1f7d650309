"""The real decision core over recorded outcomes, in a world that obeys at once. No I/O."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

from modelramp.analysis.checks import judge
from modelramp.analysis.experiment import judge_test, silent_test
from modelramp.analysis.query_context import QueryContext
from modelramp.api.check import Check
from modelramp.api.errors import NoAnswer
from modelramp.api.names import Phase, Reason
from modelramp.api.rollout import Watching
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.verdict import ABTestOutcome, CheckOutcome, TickOutcome, Verdict
from modelramp.cli.backtest.ab_test import Look
from modelramp.core.breaches import tick_verdict
from modelramp.core.gates.registry import ungated
from modelramp.core.schedule import finalize
from modelramp.core.scores import judged
from modelramp.core.state import Decision, Ending, RolloutInput, State, Version
from modelramp.core.steps import blockers
from modelramp.core.strategies.registry import stages_of, strategy_of
from modelramp.core.transitions import label
from modelramp.engine.ports import Endpoint, Sample
from modelramp.engine.queries import CheckRequest
from modelramp.simulation.world import SimulatedWorld

Given = Mapping[str, Mapping[str, Sequence[Sample]]]
"""For each check that adds up evidence its answers by the name of the question."""


class Said(NamedTuple):
    """What the checks said at a tick, and what the evidence of those that add it up was.

    test: the answers of an A/B test by the name of the question, or why there are none; None when it was not asked.
    tested: the test's own outcome in the form of a check, for reports about missing data.
    """

    checks: tuple[CheckOutcome, ...]
    answers: Given = MappingProxyType({})
    test: Mapping[str, Sequence[Sample]] | NoAnswer | None = None
    tested: CheckOutcome | None = None

    @property
    def asked(self) -> tuple[CheckOutcome, ...]:
        """The checks, and the A/B test as one of them."""
        return self.checks if self.tested is None else (*self.checks, self.tested)


class Recorded(NamedTuple):
    """One tick of history: its instant (seconds since the epoch), and what was said.

    promoted: the same when the version is compared with itself, as it is after promotion; None when nothing compares.
    """

    tick: int
    said: Said
    promoted: Said | None = None


History = Sequence[Recorded]
"""Ticks, rising."""

PROMOTED, ROLLED_BACK, HELD, STEP = "promoted", "rolled-back", "held", "step"
_NOT_REPLAYED = (
    "the A/B test is not replayed, only its guardrails are: give --stable REVISION, the version that served beside it"
)
_SAID_ELSEWHERE = frozenset({Reason.RESTORED, Reason.ROLLOUT_STARTED, Reason.BREACHES_CLEARED})


@dataclass(frozen=True, slots=True)
class Moment:
    """The state after one tick.

    number: counted from 1. at: seconds since the epoch. weight: percent of the traffic that the version would have.
    step: index in spec.rollout.steps, -1 without traffic. event: what happened, or "". trial: which rollout, from 1.
    look: what an A/B test under way found.
    """

    number: int
    at: int
    verdict: Verdict
    breaches: int
    phase: Phase
    step: int
    weight: int
    event: str
    trial: int
    reason: str
    checks: tuple[CheckOutcome, ...]
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """All moments; `ended`, `outcome` and `reason` tell the first rollback, else the first promotion, else the end."""

    moments: tuple[Moment, ...]

    def having(self, event: str) -> tuple[Moment, ...]:
        """The moments at which something happened."""
        return tuple(moment for moment in self.moments if moment.event == event)

    def of(self, verdict: Verdict) -> tuple[Moment, ...]:
        """The moments with a verdict, while the version had traffic."""
        return tuple(moment for moment in self.moments if moment.verdict is verdict and moment.trial)

    @property
    def looks(self) -> tuple[Look, ...]:
        """All looks of the A/B test."""
        return tuple(moment.look for moment in self.moments if moment.look is not None)

    @property
    def decisive(self) -> Moment:
        """The first rollback, else the first promotion, else the last tick."""
        return next(iter((*self.having(ROLLED_BACK), *self.having(PROMOTED), self.moments[-1])))


def replay(spec: ModelDeploymentSpec, revision: str, stable: str, history: History, *, again: bool) -> Replayed:
    """What the operator would have done with the version, had its rollout begun one interval before the first tick.

    Pods count as available and the route as obedient: Prometheus has not recorded them for a rollout that never was.
    again: after a rollback a new rollout begins at the next healthy tick, so that one incident counts once.
    """
    serving = Version(stable, "the stable version", since=1, traffic_since=1)
    world = SimulatedWorld(RolloutInput(ungated(spec), revision), serving)
    return Replayed(tuple(_moments(world, history, again=again)))


def _outcomes(target: RolloutInput, state: State, recorded: Recorded) -> tuple[CheckOutcome, ...]:
    """What the checks say at a tick; those that add up evidence go on from what they left in the state."""
    said = recorded.promoted if recorded.promoted is not None and state.running is None else recorded.said
    health = target.spec.health
    if not any(check.accumulates for check in health.checks):
        return said.checks
    due = _due(target, state)
    return tuple(
        judge(check, said.answers[check.name], due.window(check, recorded.tick))
        if check.name in said.answers
        else replace(outcome, memory=due.memory.get(check.name, ""))
        for check, outcome in judged(health, said.checks)
    )


def _tested(target: RolloutInput, state: State, recorded: Recorded) -> ABTestOutcome | None:
    """What an A/B test under way says, as the operator's plan puts it."""
    run, given = strategy_of(target.spec.rollout).comparison(target, state), recorded.said.test
    if run is None or given is None:
        return None
    if isinstance(given, NoAnswer):
        return silent_test(run, given)
    return judge_test(run, given, whole=run.covers(recorded.tick, target.spec.health.interval))


def _due(target: RolloutInput, state: State) -> CheckRequest:
    """As the operator's ticker puts it."""
    stable = state.stable
    since = state.running.step_entered if state.running else stable.traffic_since if stable else 0
    subject = QueryContext("", "", target.revision, "", stable.revision if stable else None)
    alone = state.weights.keys() == {target.revision}
    return CheckRequest("", Endpoint(""), target.spec.health, subject, since, alone=alone).after(state.checks)


def _moments(world: SimulatedWorld, history: History, *, again: bool) -> Iterator[Moment]:
    target = world.target
    health, replicas = target.spec.health.during(rolling=True), target.spec.replicas
    state = world.begin(history[0].tick - health.interval)
    standing: tuple[CheckOutcome, ...] = ()
    trial, ended_at = 1, 0
    for number, recorded in enumerate(history, start=1):
        tick, checks = recorded.tick, _outcomes(target, state, recorded)
        pods, ab_test = f"{replicas}/{replicas}", _tested(target, state, recorded)
        given = TickOutcome(tick, target.revision, checks, available=True, pods=pods, ab_test=ab_test)
        if not ended_at:
            decision = world.after(state, given)
            yield _moment(world, number, state, decision, given, trial)
            state, standing = decision.state, decision.state.checks
            ended_at = tick if state.failed == target.revision else 0
            continue
        given = finalize(health, given, traffic_since=0, step_entered=0, standing=standing)
        standing = given.checks
        verdict, _, detail = tick_verdict(health, given)
        begins = again and verdict is Verdict.HEALTHY
        reason = f"{detail}; " + ("the rollout begins anew" if begins else "the version has no traffic any more")
        breaches = 0 if begins else state.watch.breaches if state.watch else 0
        if begins:
            state, trial, ended_at = world.begin(tick), trial + 1, 0
        step, weight = (0, world.weight(state)) if begins else (-1, 0)
        yield Moment(number, tick, verdict, breaches, state.phase, step, weight, "", 0, reason, _all(target, given))


def _moment(
    world: SimulatedWorld, number: int, before: State, decision: Decision, given: TickOutcome, trial: int
) -> Moment:
    target, state = world.target, decision.state
    counted = before.running is not None or target.spec.after_promotion.watch is not Watching.NEVER
    health = world.health(before)
    settled = replace(given, checks=state.checks) if counted else finalize(health, given, 0, 0, before.checks)
    verdict, _, detail = tick_verdict(health, settled)
    look = _look(state, given)
    event, told = _event(world, before, decision, settled, verdict, replayed=look is not None)
    if not counted:
        told = f"{detail}; not counted: spec.afterPromotion.watch is never"
    return Moment(
        number=number,
        at=given.tick,
        verdict=verdict,
        breaches=state.watch.breaches if state.watch else 0,
        phase=state.phase,
        step=world.step(state),
        weight=world.weight(state),
        event=event,
        trial=trial,
        reason=told or detail,
        checks=_all(target, settled),
        look=look,
    )


def _look(after: State, given: TickOutcome) -> Look | None:
    found, known = given.ab_test, after.ab_test
    if found is None:
        return None
    if known is None:
        return Look(given.tick, found, Ending.UNDECIDED, found.detail, given.tick)
    return Look(given.tick, found, known.ending, known.message, known.since)


def _all(target: RolloutInput, settled: TickOutcome) -> tuple[CheckOutcome, ...]:
    """An outcome for every check of the policy, also for those that have no part in this phase."""
    found = {outcome.name: outcome for outcome in settled.checks}
    return tuple(found.get(check.name) or _no_part(check) for check in target.spec.health.checks)


def _no_part(check: Check) -> CheckOutcome:
    return CheckOutcome(check.name, Verdict.NO_DATA, Reason.NOT_EVALUATED, f"is asked {check.when.value} only")


def _event(
    world: SimulatedWorld, before: State, decision: Decision, settled: TickOutcome, verdict: Verdict, *, replayed: bool
) -> tuple[str, str]:
    """What happened at a tick, in a word and in a sentence; the sentence is empty when the tick's own says all.

    replayed: an A/B test had its look at this tick.
    """
    target, state = world.target, decision.state
    findings = [finding for finding in decision.findings if finding.reason not in _SAID_ELSEWHERE]
    told = "; ".join(finding.message for finding in findings)
    if state.failed == target.revision:
        return ROLLED_BACK, "; ".join(each.message for each in findings if each.reason is not Reason.BREACHED)
    if before.candidate is not None and state.candidate is None:
        return PROMOTED, told
    if before.weights != state.weights:
        return STEP, told
    candidate = before.running
    strategy = strategy_of(target.spec.rollout)
    if candidate is None or verdict is Verdict.BREACH:
        return "", told
    if strategy.comparison(target, before) is not None and not replayed:
        return (HELD, _NOT_REPLAYED) if settled.tick >= strategy.ends(target, candidate) else ("", told)
    if not strategy.advance(target, state, settled.tick).due:
        return "", told
    found = [finding.message for finding in blockers(target, before, world.seen(before), settled.checks)]
    if verdict is Verdict.NO_DATA:
        _, _, detail = tick_verdict(world.health(before), settled)
        found.append(f"{detail}, so nothing is promoted")
    place = f"step {candidate.step + 1}/{len(stages_of(target.spec.rollout))} of {label(candidate.version)} is over"
    return (HELD, "; ".join((place, *found))) if found else ("", told)
