"""The operator's own metrics about one object, told from two states: what changed between them is what is counted."""

from modelramp.api.hooks import HookState
from modelramp.api.verdict import TICK_MARK
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.state import Ended, State
from modelramp.engine.ports import Telemetry
from modelramp.engine.store import Key

_VERDICT_OF = {mark: verdict.value for verdict, mark in TICK_MARK.items()}


def report(telemetry: Telemetry, key: Key, before: State, after: State) -> None:
    """Count the tick, the ends of rollouts, and show weight and breaches while a rollout is in flight."""
    if after.last_tick > before.last_tick and after.strip:
        telemetry.count("modelramp_ticks_total", verdict=_VERDICT_OF[after.strip[-1]])
    known = set(before.history)
    for entry in after.history:
        if entry not in known:
            _count_end(telemetry, entry)
    _count_hooks(telemetry, before, after)
    namespace, name = key
    shown = after.weights if after.phase in IN_FLIGHT else {}
    for revision in {*before.weights, *shown}:
        telemetry.gauge(
            "modelramp_weight_percent", shown.get(revision), namespace=namespace, name=name, revision=revision
        )
    breaches = after.watch.breaches if after.watch is not None and after.phase in IN_FLIGHT else None
    telemetry.gauge("modelramp_breaches", breaches, namespace=namespace, name=name)


def _count_hooks(telemetry: Telemetry, before: State, after: State) -> None:
    was = {episode.id: episode.state for episode in before.hooks}
    for episode in after.hooks:
        if episode.state is not was.get(episode.id, HookState.COUNTING):
            telemetry.count("modelramp_hooks_total", on=episode.on.value, state=episode.state.value)


def _count_end(telemetry: Telemetry, entry: Ended) -> None:
    if entry.outcome == "Promoted":
        telemetry.count("modelramp_promotions_total")
    elif entry.outcome == "RolledBack":
        telemetry.count("modelramp_rollbacks_total", reason=entry.reason.value)
    seconds = float(max(0, entry.ended_at - entry.started_at))
    telemetry.observe("modelramp_rollout_seconds", seconds, outcome=entry.outcome)
