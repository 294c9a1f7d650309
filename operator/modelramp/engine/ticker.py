"""Which ticks are due for whom, and what Prometheus says of them."""

from dataclasses import dataclass

from modelramp.analysis.experiment import Trial
from modelramp.analysis.subject import Subject
from modelramp.api.health import PrometheusSpec
from modelramp.api.names import Phase
from modelramp.api.rollout import Watching
from modelramp.api.verdict import CheckOutcome, TickOutcome
from modelramp.core.experiment import under_test
from modelramp.core.state import State, Target
from modelramp.core.ticks import newest_due, to_evaluate
from modelramp.desired.names import child_name
from modelramp.engine.plan import Due, outcomes
from modelramp.engine.ports import Clock, Endpoint, Metrics, Telemetry
from modelramp.engine.replay import Missed, missed_outcomes
from modelramp.engine.store import Key, Record, Store


@dataclass(frozen=True, slots=True)
class Turn:
    """The ticks of one object that are due, oldest first, and the revision that they speak of."""

    key: Key
    revision: str
    ticks: range
    due: Due


class Ticker:
    """Evaluates due ticks: one grouped round of queries for all objects that missed none, a replay for the others."""

    def __init__(
        self, store: Store, metrics: Metrics, telemetry: Telemetry, clock: Clock, delay: float, address: str
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._telemetry = telemetry
        self._clock = clock
        self._delay = delay
        self._address = address

    def due(self, now: float) -> list[Turn]:
        """Every object whose newest tick was not evaluated yet."""
        found = (self._guarded_turn(key, record, now) for key, record in self._store.records.items())
        return [turn for turn in found if turn is not None]

    def _guarded_turn(self, key: Key, record: Record, now: float) -> Turn | None:
        try:
            return self._turn(key, record, now)
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._telemetry.warn("object cannot be evaluated", namespace=key[0], name=key[1], error=repr(error)[:256])
            return None

    def pause(self, now: float, most: float) -> float:
        """Seconds until the next tick of any interval in use is due; at most `most`."""
        intervals = {record.target.spec.health.interval for record in self._store.records.values() if record.target}
        waits = (newest_due(now, interval, self._delay) + interval + self._delay - now for interval in intervals)
        return max(0.05, min((*waits, most)))

    async def evaluate(self, turns: list[Turn]) -> dict[Key, tuple[TickOutcome, ...]]:
        """The outcomes of all due ticks. Availability is left open: only the present can be seen, and not from here."""
        found: dict[Key, tuple[TickOutcome, ...]] = {}
        by_tick: dict[int, list[Turn]] = {}
        for turn in turns:
            by_tick.setdefault(turn.ticks[-1], []).append(turn)
        for tick, group in by_tick.items():
            self._telemetry.observe("modelramp_tick_lag_seconds", max(0.0, self._clock.now() - tick - self._delay))
            on_time = [turn.due for turn in group if len(turn.ticks) == 1]
            newest = await outcomes(on_time, tick, self._metrics, self._telemetry)
            before = await self._replayed(group)
            # Evidence adds up in the order of the ticks: the newest one begins with what the missed ones left.
            late = [turn.due.after(before[turn.key][-1].checks) for turn in group if turn.key in before]
            newest |= await outcomes(late, tick, self._metrics, self._telemetry)
            for turn in group:
                found[turn.key] = (*before.get(turn.key, ()), _outcome(turn, tick, newest[turn.due.key]))
        return found

    async def _replayed(self, turns: list[Turn]) -> dict[Key, tuple[TickOutcome, ...]]:
        """The outcomes of the ticks before the newest, for objects that missed some."""
        behind = [turn for turn in turns if len(turn.ticks) > 1]
        for turn in behind:
            missed = len(turn.ticks) - 1
            self._telemetry.log("replaying missed ticks", namespace=turn.key[0], name=turn.key[1], ticks=missed)
        asked = [Missed(turn.due, tuple(turn.ticks[:-1])) for turn in behind]
        answers = await missed_outcomes(asked, self._metrics, self._telemetry)
        return {
            turn.key: tuple(_outcome(turn, tick, answers[turn.due.key][tick]) for tick in turn.ticks[:-1])
            for turn in behind
        }

    def _turn(self, key: Key, record: Record, now: float) -> Turn | None:
        target, state = record.target, record.state
        revision = state.subject
        if target is None or revision is None or record.deleting or state.phase is Phase.ROLLING_BACK:
            return None
        if state.running is None and target.spec.after_promotion.watch is Watching.NEVER:
            return None
        health = target.spec.health
        ticks = to_evaluate(state.last_tick, newest_due(now, health.interval, self._delay), health.interval)
        if not ticks:
            return None
        stable = state.stable.revision if state.stable else revision
        serving = state.stable.traffic_since if state.stable else 0
        subject = Subject(
            namespace=key[0],
            name=key[1],
            revision=revision,
            service=child_name(key[1], revision),
            stable=stable,
            stable_service=child_name(key[1], stable),
        )
        due = Due(
            key="/".join(key),
            endpoint=self._endpoint(key, health.prometheus),
            health=health.during(rolling=state.running is not None),
            subject=subject,
            since=state.running.step_entered if state.running else serving,
            trial=trial_of(target, state),
            alone=state.weights.keys() == {revision},
        ).after(state.checks)
        return Turn(key, revision, ticks, due)

    def _endpoint(self, key: Key, spec: PrometheusSpec) -> Endpoint:
        secret = (key[0], spec.secret_ref.name) if spec.secret_ref is not None else None
        return Endpoint(spec.address or self._address, secret)


def trial_of(target: Target, state: State) -> Trial | None:
    """The A/B test under way, with what was counted of it so far."""
    test, candidate = target.spec.rollout.ab_test, under_test(target, state)
    if test is None or candidate is None:
        return None
    memory = state.experiment.memory if state.experiment is not None else ""
    return Trial(test, candidate.weight, candidate.version.revision, candidate.step_entered, memory)


def _outcome(turn: Turn, tick: int, checks: tuple[CheckOutcome, ...]) -> TickOutcome:
    return TickOutcome(tick=tick, revision=turn.revision, checks=checks, available=None)
