"""Hooks in the decision: ticks are counted for them, what they started is followed, and changes are reported."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from modelramp.api.health import Health
from modelramp.api.hooks import HookState, On
from modelramp.api.names import Reason
from modelramp.api.text import visible
from modelramp.api.times import to_text
from modelramp.api.verdict import TickOutcome, Verdict
from modelramp.core.breaches import breached_checks
from modelramp.core.events import RolloutEvent
from modelramp.core.hook_runs import HookRun, Judged, after_news, after_tick
from modelramp.core.state import Decision, Observed, RolloutInput, State

_REASONS: Final = {
    HookState.COOLING_DOWN: Reason.HOOK_COOLING_DOWN,
    HookState.DUE: Reason.HOOK_DUE,
    HookState.RUNNING: Reason.HOOK_STARTED,
    HookState.DONE: Reason.HOOK_SUCCEEDED,
    HookState.FAILED: Reason.HOOK_FAILED,
    HookState.UNKNOWN: Reason.HOOK_UNKNOWN,
}


def count_for_hooks(
    decision: Decision,
    before: State,
    health: Health,
    settled: TickOutcome,
    verdict: tuple[Verdict, str],
    *,
    tripped: bool,
) -> Decision:
    """The decision with the settled tick counted for every hook.

    before: the state that the tick came to; its subject is what the tick speaks of. verdict: of the tick, and why.
    tripped: a count has reached its threshold, so that the subject may be another one after this tick.
    """
    if not (health.on_drift or health.on_breach or before.hooks):
        return decision
    version = before.running.version if before.running else before.stable
    found, detail = verdict
    if found is Verdict.HEALTHY and decision.state.watch is not None and decision.state.watch.breaches:
        found = Verdict.NO_DATA  # a check that is not due at this tick has breached before, which ends no episode
    tick = Judged(
        settled,
        version.model_version if version else "",
        found,
        detail,
        checks=breached_checks(health, settled),
        tripped=tripped,
    )
    return _changed(decision, after_tick(decision.state.hooks, health, tick))


def follow_hooks(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """The decision with the outcome of what the hooks have started."""
    if not decision.state.hooks:
        return decision
    return _changed(decision, after_news(decision.state.hooks, target.spec.health, seen.hooks, now))


def _changed(decision: Decision, episodes: tuple[HookRun, ...]) -> Decision:
    known = {episode.id: episode.state for episode in decision.state.hooks}
    cools = {(episode.on, episode.name) for episode in decision.state.hooks if episode.state is HookState.COOLING_DOWN}
    changed = (episode for episode in episodes if known.get(episode.id, HookState.COUNTING) is not episode.state)
    told = (hook_event(episode) for episode in changed if _is_news(episode, cools))
    return decision.then(*told, hooks=episodes)


def _is_news(episode: HookRun, cools: Collection[tuple[On, str]]) -> bool:
    """Whether to report it: that a hook cools down is reported once in each cool-down, not for every episode."""
    waits = episode.state is HookState.COOLING_DOWN and (episode.on, episode.name) in cools
    return not waits and episode.state in _REASONS


@dataclass(frozen=True, slots=True, kw_only=True)
class HookEvent(RolloutEvent):
    """An event about one run of a hook, as Events, the log and the body of a webhook tell of it."""

    run: HookRun


def hook_event(episode: HookRun) -> HookEvent:
    """The event of a run that has just reached its state, which must be one that is reported."""
    return HookEvent(
        _REASONS[episode.state],
        f"{hook_label(episode)}: {_news(episode)}",
        warning=episode.state in {HookState.FAILED, HookState.UNKNOWN},
        checks=episode.checks,
        revision=episode.revision,
        model_version=episode.model_version,
        run=episode,
    )


def webhook_body(event: HookEvent, model_name: str) -> dict[str, object]:
    """What a receiver is sent for a run: the same at each call, whatever state the run is in by then."""
    run = event.run
    return {
        "event": run.on.value.removeprefix("on").lower(),
        "namespace": event.object.namespace,
        "name": event.object.name,
        "revision": event.revision,
        "modelName": model_name,
        "modelVersion": event.model_version,
        "hook": run.name,
        "checks": list(event.checks),
        "reason": run.cause,
        "breaches": run.breaches,
        "since": to_text(run.since),
        "id": run.id,
    }


def hook_label(episode: HookRun) -> str:
    """How people read which hook it is, and for what: onDrift retrain for 2.0.0 (7c9fxwq2kd)."""
    return f"{episode.on} {episode.name} for {visible(episode.model_version)} ({episode.revision})"


def _news(episode: HookRun) -> str:
    if episode.state not in {HookState.COOLING_DOWN, HookState.DUE}:
        return episode.message or episode.state.value
    what = "drift" if episode.on is On.DRIFT else "breach"
    times = f"{what} {episode.breaches} in a row" if episode.breaches > 1 else what
    return f"{times} ({episode.cause}); {episode.message or 'it starts once'}"
