"""Which ticks are due for whom, and until when their answers are waited for."""

from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import PrometheusSpec
from modelramp.api.names import Phase
from modelramp.api.rollout import Watching
from modelramp.core.strategies.registry import judged_by, strategy_of
from modelramp.core.ticks import newest_due, to_evaluate
from modelramp.desired.names import child_name
from modelramp.engine.failing import FailingChecks
from modelramp.engine.ports import Endpoint, Telemetry
from modelramp.engine.queries import CheckRequest
from modelramp.engine.rounds import DueTicks
from modelramp.engine.store import Key, Record, Store

_MARGIN_SECONDS = 0.5
"""Before the next tick's turn, answers of the last one are given up."""


class Ticker:
    """Finds the objects whose newest tick was not asked about yet, each once for a tick and revision."""

    def __init__(
        self,
        store: Store,
        telemetry: Telemetry,
        failing: FailingChecks,
        *,
        delay: float,
        patience: float,
        address: str,
        limited: bool = False,
    ) -> None:
        """delay: seconds from a tick to its evaluation. patience: seconds for which answers are waited for at most.

        address: of the Prometheus for objects that name none. limited: queries that people wrote see series of their
        namespace only.
        """
        self._store = store
        self._telemetry = telemetry
        self._failing = failing
        self._delay = delay
        self._patience = patience
        self._address = address
        self._limited = limited

    def due(self, now: float) -> dict[int, list[DueTicks]]:
        """The objects with due checks, by newest tick. Each object in the answer counts as asked about from now on."""
        found: dict[int, list[DueTicks]] = {}
        for key, record in self._store.records.items():
            turn = self._guarded(key, record, now)
            if turn is not None:
                record.asked = (turn.revision, turn.ticks[-1])
                found.setdefault(turn.ticks[-1], []).append(turn)
        return found

    def pause(self, now: float, most: float) -> float:
        """Seconds until the next tick of any interval in use is due; at most `most`."""
        intervals = {record.target.spec.health.interval for record in self._store.records.values() if record.target}
        waits = (newest_due(now, interval, self._delay) + interval + self._delay - now for interval in intervals)
        return max(0.05, min((*waits, most)))

    def _guarded(self, key: Key, record: Record, now: float) -> DueTicks | None:
        try:
            return self._turn(key, record, now)
        except Exception as error:  # noqa: BLE001 - a bug that one object meets must not stop the others
            self._telemetry.warn("object cannot be evaluated", namespace=key[0], name=key[1], error=repr(error)[:256])
            return None

    def _turn(self, key: Key, record: Record, now: float) -> DueTicks | None:
        target, state = record.target, record.state
        revision = state.subject
        if target is None or revision is None or record.deleting or state.phase is Phase.ROLLING_BACK:
            return None
        if state.running is None and target.spec.after_promotion.watch is Watching.NEVER:
            return None
        health = target.spec.health
        newest = newest_due(now, health.interval, self._delay)
        asked, last, late = record.asked, state.last_tick, False
        if asked is not None and asked[0] == revision and asked[1] <= newest + health.interval:
            if asked[1] >= newest:
                return None
            last, late = max(last, asked[1]), True  # later than that: the clock was set back since
        ticks = to_evaluate(last, newest, health.interval)
        if not ticks:
            return None
        stable = state.stable.revision if state.stable else revision
        due = CheckRequest(
            key="/".join(key),
            endpoint=self._endpoint(key, health.prometheus),
            health=judged_by(target, state),
            subject=QueryContext(
                namespace=key[0],
                name=key[1],
                revision=revision,
                service=child_name(key[1], revision),
                stable=stable,
                stable_service=child_name(key[1], stable),
                limited=self._limited,
            ),
            since=state.weight_since,
            ab_test=strategy_of(target.spec.rollout).comparison(target, state),
            alone=state.weights.keys() == {revision},
            resting=self._failing.resting(key, ticks[-1]),
            namesakes=self._store.namesakes(key),
        ).after(state.checks)
        if record.ticks and record.ticks[-1].revision == revision:
            due = due.after(record.ticks[-1].checks, record.ticks[-1].ab_test)
        until = min(now + self._patience, newest + health.interval + self._delay - _MARGIN_SECONDS)
        # What was missed while nobody asked, such as before a start, is not late.
        possible = ticks[0] + self._delay if late else now
        return DueTicks(key, revision, ticks, due, max(until, now + _MARGIN_SECONDS), possible)

    def _endpoint(self, key: Key, spec: PrometheusSpec) -> Endpoint:
        secret = (key[0], spec.secret_ref.name) if spec.secret_ref is not None else None
        if spec.address is None:
            return Endpoint(self._address)
        headers = sorted(spec.headers, key=lambda header: header.name.lower())
        plain = tuple((each.name, each.value) for each in headers if each.value is not None)
        hidden = tuple((each.name, each.secret_key) for each in headers if each.secret_key is not None)
        return Endpoint(spec.address, secret, plain, hidden)
