"""The operator's own metrics about its objects: what changed between two states is counted, what is so is shown."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from modelramp.api.hooks import HookState
from modelramp.api.names import ConditionType, Phase, Reason
from modelramp.api.verdict import TICK_MARK
from modelramp.core.holding import Since, condition, holding, unanswered
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.state import HistoryRecord, State
from modelramp.engine.limiter import Priority
from modelramp.engine.ports import Telemetry
from modelramp.engine.store import Key, Record

_VERDICT_OF = {mark: verdict.value for verdict, mark in TICK_MARK.items()}
_HELD = "modelramp_held_since_timestamp_seconds"
_UNANSWERED = "modelramp_unanswered_since_timestamp_seconds"
_ROLLED_BACK = "modelramp_last_rollback_timestamp_seconds"
_PROMOTED = "modelramp_last_promotion_timestamp_seconds"
_OF_OTHERS = ("modelramp_route_refused", "modelramp_failing_checks")
"""Gauges of single objects that are set elsewhere; they end with the object all the same."""

Series = tuple[str, tuple[tuple[str, str], ...]]
"""A metric, and its labels beside namespace and name."""


class Reporter:
    """Keeps the series of each object: those that do not hold any more are removed, all of them with the object."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._shown: dict[Key, dict[Series, float]] = {}

    def decided(self, key: Key, before: State, record: Record, now: float) -> None:
        """A decision counts: the object's state was `before`, and is the record's."""
        _count(self._telemetry, before, record.state)
        shown = self._shown.get(key, {})
        found = {
            (metric, tuple(labels.items())): value for metric, labels, value in _series(before, record, shown, now)
        }
        for series in shown.keys() - found.keys():
            self._gauge(key, series, None)
        for series, value in found.items():
            if shown.get(series) != value:
                self._gauge(key, series, value)
        self._shown[key] = found

    def forgotten(self, key: Key) -> None:
        """The object is gone."""
        for series in self._shown.pop(key, {}):
            self._gauge(key, series, None)
        for metric in _OF_OTHERS:
            self._gauge(key, (metric, ()), None)

    def retire(self, keys: Iterable[Key]) -> None:
        """Another replica leads, and shows all this: what two show counts twice."""
        for key in keys:
            self.forgotten(key)
        for phase in Phase:
            self._telemetry.gauge("modelramp_objects", None, phase=phase.value)
        for priority in Priority:
            self._telemetry.gauge("modelramp_write_queue_depth", None, priority=priority.label)

    def count_phases(self, records: Mapping[Key, Record]) -> None:
        """Show how many objects there are in every phase."""
        counts = Counter(record.state.phase for record in records.values())
        for phase in Phase:
            self._telemetry.gauge("modelramp_objects", counts[phase], phase=phase.value)

    def _gauge(self, key: Key, series: Series, value: float | None) -> None:
        metric, labels = series
        self._telemetry.gauge(metric, value, namespace=key[0], name=key[1], **dict(labels))


Shown = Iterator[tuple[str, dict[str, str], float]]


def _series(before: State, record: Record, shown: Mapping[Series, float], now: float) -> Shown:
    """What holds for an object now: metrics, labels and values."""
    state, status = record.state, record.obj.get("status") or {}
    yield "modelramp_object_phase", {"phase": state.phase.value}, 1
    available = condition(status, ConditionType.AVAILABLE)
    if available.get("status") == "False" and available.get("reason") != Reason.SCALED_TO_ZERO:
        yield "modelramp_unavailable", {}, 1
    for metric, found in (
        (_HELD, holding(record.target, state, status)),
        (_UNANSWERED, unanswered(record.target, state)),
    ):
        if found is not None:
            yield metric, {"reason": found.reason}, _began(metric, found, shown, now)
    yield from _ends(before, state, shown, now)
    if state.phase in IN_FLIGHT:
        yield from _flight(state)


def _began(metric: str, found: Since, shown: Mapping[Series, float], now: float) -> float:
    """Since when it is so: as long as it goes on, for whatever reason, the time stays."""
    known = [value for (name, _), value in shown.items() if name == metric]
    return min((*known, now if found.since is None else found.since))


def _ends(before: State, state: State, shown: Mapping[Series, float], now: float) -> Shown:
    """The last rollback and the last promotion.

    What happens now has the present time, also when ticks of the past are replayed: an alert that asks what happened
    in the last minutes sees it. After a start it is the time in the history.
    """
    known = set(before.history)
    for metric, outcome in ((_ROLLED_BACK, "RolledBack"), (_PROMOTED, "Promoted")):
        last = next((entry for entry in state.history if entry.outcome == outcome), None)
        if last is None:
            continue
        labels = {"revision": last.revision} | ({"reason": last.reason.value} if metric == _ROLLED_BACK else {})
        at = float(last.ended_at)
        yield metric, labels, now if last not in known else shown.get((metric, tuple(labels.items())), at)


def _flight(state: State) -> Shown:
    for revision, weight in state.weights.items():
        yield "modelramp_weight_percent", {"revision": revision}, weight
    if state.watch is not None:
        yield "modelramp_breaches", {}, state.watch.breaches
    running = state.running
    if running is None:
        return
    revision = running.version.revision
    for check in state.checks:
        if check.at <= running.version.traffic_since:
            continue  # it was asked of the version before
        labels = {"revision": revision, "check": check.name}
        yield "modelramp_check_verdict", {**labels, "verdict": check.verdict.value}, 1
        if check.value is not None:
            yield "modelramp_check_value", labels, check.value


def _count(telemetry: Telemetry, before: State, after: State) -> None:
    """Count the tick, the ends of rollouts and what hooks did."""
    if after.last_tick > before.last_tick and after.recent_ticks:
        telemetry.count("modelramp_ticks_total", verdict=_VERDICT_OF[after.recent_ticks[-1]])
    known = set(before.history)
    for entry in after.history:
        if entry not in known:
            _count_end(telemetry, entry)
    was = {episode.id: episode.state for episode in before.hooks}
    for episode in after.hooks:
        if episode.state is not was.get(episode.id, HookState.COUNTING):
            telemetry.count("modelramp_hooks_total", on=episode.on.value, state=episode.state.value)


def _count_end(telemetry: Telemetry, entry: HistoryRecord) -> None:
    if entry.outcome == "Promoted":
        telemetry.count("modelramp_promotions_total")
    elif entry.outcome == "RolledBack":
        telemetry.count("modelramp_rollbacks_total", reason=entry.reason.value)
    seconds = float(max(0, entry.ended_at - entry.started_at))
    telemetry.observe("modelramp_rollout_seconds", seconds, outcome=entry.outcome)
