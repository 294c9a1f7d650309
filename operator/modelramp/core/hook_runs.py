"""Episodes of hooks: from the first breaching tick of a revision until it is healthy again; each fires at most once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from modelramp.api.health import Health
from modelramp.api.hooks import Hook, HookState, On
from modelramp.api.times import to_text
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.revisions import short_hash

MOST_EPISODES = 16
"""Episodes that are remembered of one ModelDeployment."""
GRACE = 120
"""Seconds after which a Job that nobody sees is gone: longer than any watch takes to tell of it."""
TRIES = 3
"""Calls of a webhook whose receiver surely took no notice of the ones before."""
PAUSES: Final = (5, 30)
"""Seconds between those calls."""
QUEUE_SECONDS = 45
"""So long a further call waits for its turn after the pause; two of them fit into the grace."""

LIVE: Final = frozenset({HookState.COOLING_DOWN, HookState.DUE, HookState.RUNNING})
"""States that something is still to come of."""
_NOT_STARTED: Final = frozenset({HookState.COUNTING, HookState.COOLING_DOWN, HookState.SKIPPED})
_LONGEST: Final = 256
"""Characters of a cause and of a message."""
_NAMED: Final = 8
"""Checks that an episode names."""


@dataclass(frozen=True, slots=True)
class HookRun:
    """What one hook saw, and what came of it. Times are seconds since the epoch.

    since: the first breaching tick. until: the tick that ended the episode; 0 while it goes on. breaches: in a row,
    no longer counted once the hook has fired. checks, cause: what breached at the last counted tick.
    at: when the present state was reached. id: the same for the same episode, whoever computes it and how often.
    by: the process that calls the webhook; no other one may. due: when it could start, in the time of ticks: the tick
    that completed the row, or the end of the cool-down; 0 before. The next cool-down begins then.
    """

    on: On
    name: str
    revision: str
    model_version: str
    since: int
    id: str
    until: int = 0
    breaches: int = 0
    checks: tuple[str, ...] = ()
    cause: str = ""
    state: HookState = HookState.COUNTING
    message: str = ""
    at: int = 0
    by: str = ""
    due: int = 0

    @property
    def began(self) -> int:
        """When the cool-down of the next episode begins; 0 when this one started nothing."""
        if self.state in _NOT_STARTED:
            return 0
        return self.due or self.at or self.since  # the status of an earlier version says no more


@dataclass(frozen=True, slots=True)
class HookUpdate:
    """What the world says of what a hook has started: Running, Done, Failed or Unknown, and a sentence.

    Due: why it could not be started yet.

    by: the process that is about to call a webhook.
    """

    state: HookState
    message: str = ""
    by: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """A settled tick: its outcomes, its own verdict with a sentence, and whether it reached a threshold.

    model_version: of the revision that it speaks of. checks: those that breached and count towards rollback.
    """

    outcome: TickOutcome
    model_version: str
    verdict: Verdict
    detail: str
    checks: tuple[str, ...] = ()
    tripped: bool = False

    @property
    def at(self) -> int:
        """The instant of the tick, seconds since the epoch."""
        return self.outcome.tick


def declared(health: Health) -> Iterator[tuple[On, Hook]]:
    """Every hook with its list."""
    yield from ((On.DRIFT, hook) for hook in health.on_drift)
    yield from ((On.BREACH, hook) for hook in health.on_breach)


def find_hook(health: Health, episode: HookRun) -> Hook | None:
    """The declaration behind an episode; None when it is declared no more."""
    return next((hook for on, hook in declared(health) if (on, hook.name) == (episode.on, episode.name)), None)


def after_tick(known: Sequence[HookRun], health: Health, tick: Judged) -> tuple[HookRun, ...]:
    """The episodes after one more settled tick. A tick of another revision ends those of the former one."""
    episodes = [
        episode if episode.until or episode.revision == tick.outcome.revision else replace(episode, until=tick.at)
        for episode in _cooled(known, health, tick.at)
        if episode.state is HookState.RUNNING or find_hook(health, episode) is not None
    ]
    for on, hook in declared(health):
        episodes = _counted(episodes, health, on, hook, tick)
    return tuple(episode for episode in episodes if not (episode.until and episode.state is HookState.COUNTING))


def _counted(known: list[HookRun], health: Health, on: On, hook: Hook, tick: Judged) -> list[HookRun]:
    verdict, checks, cause = hook_verdict(health, on, hook, tick)
    current = next((item for item in known if (item.on, item.name) == (on, hook.name) and not item.until), None)
    if verdict is Verdict.NO_DATA or (verdict is Verdict.HEALTHY and current is None):
        return known
    if verdict is Verdict.HEALTHY:
        return [replace(item, until=tick.at) if item is current else item for item in known]
    if current is None:
        revision = tick.outcome.revision
        known_as = episode_id(on, hook, revision, tick.at)
        current = HookRun(on, hook.name, revision, tick.model_version, tick.at, known_as)
        known = _with_room(known, health, current)
        if len(known) >= MOST_EPISODES:
            return known
    elif current.state is not HookState.COUNTING:
        return known
    counted = replace(
        current, breaches=current.breaches + 1, checks=checks[:_NAMED], cause=cause[:_LONGEST], at=tick.at
    )
    others = [item for item in known if item is not current]
    if counted.breaches < (hook.after or health.failure_threshold) and not _reached(on, hook, tick):
        return [*others, counted]
    end = cooldown_end(others, hook, counted)
    if end <= tick.at:
        return [*others, replace(counted, state=HookState.DUE, due=tick.at)]
    counted = replace(counted, state=HookState.COOLING_DOWN, message=_cooling(end))
    return [*(_skipped(item, counted, tick.at) for item in others), counted]


def _reached(on: On, hook: Hook, tick: Judged) -> bool:
    """Without a number of its own, onBreach also fires with what the breach leads to: the revision is about to go."""
    return on is On.BREACH and hook.after is None and tick.tripped


def cooldown_end(known: Iterable[HookRun], hook: Hook, episode: HookRun) -> int:
    """When the hook may start for an episode; 0 when it never started before. known: the other episodes.

    The cool-down is measured from start to start in the time of ticks, so that replayed ticks and a restart tell the
    same. A start that a wrong clock has put into the future delays it by one cool-down more, not for ever.
    """
    last = max((item.began for item in known if _same_hook(item, episode)), default=0)
    return min(last, episode.at + hook.cooldown) + hook.cooldown if last else 0


def _cooled(known: Sequence[HookRun], health: Health, now: int) -> tuple[HookRun, ...]:
    """The episodes, those due whose cool-down is over by now."""
    return tuple(_released(episode, known, health, now) for episode in known)


def _released(episode: HookRun, known: Sequence[HookRun], health: Health, now: int) -> HookRun:
    hook = find_hook(health, episode)
    if episode.state is not HookState.COOLING_DOWN or hook is None:
        return episode
    episode = replace(episode, at=min(episode.at, now))
    end = cooldown_end((item for item in known if item.id != episode.id), hook, episode)
    if now < end:
        return replace(episode, message=_cooling(end))
    return replace(episode, state=HookState.DUE, message="", at=now, due=end or now)


def _skipped(episode: HookRun, new: HookRun, now: int) -> HookRun:
    """An episode that waits for the end of the cool-down makes room for a later one of its hook."""
    if episode.state is not HookState.COOLING_DOWN or not _same_hook(episode, new):
        return episode
    text = f"during the cool-down another episode began ({new.id}); the hook starts for that one"
    return replace(episode, state=HookState.SKIPPED, message=text, at=now)


def _cooling(end: int) -> str:
    return f"it starts when the cool-down is over, at {to_text(end)}"


def _same_hook(one: HookRun, other: HookRun) -> bool:
    return (one.on, one.name) == (other.on, other.name)


def _with_room(known: list[HookRun], health: Health, new: HookRun) -> list[HookRun]:
    """Without ended episodes that are no longer news.

    Of each hook the last start is kept, and fewer when it is full; never fewer than the cool-downs need.
    """
    ended = [item for item in known if item.until and item.state not in LIVE]
    of_hook = sorted((item for item in ended if _same_hook(item, new)), key=lambda item: item.began)
    dropped = of_hook[:-1]
    over = len(known) - len(dropped) - (MOST_EPISODES - 1)
    more = (item for item in ended if item not in dropped and not _cools(item, health, new.at))
    dropped += islice(more, max(0, over))
    return [item for item in known if item not in dropped]


def _cools(episode: HookRun, health: Health, now: int) -> bool:
    hook = find_hook(health, episode)
    return hook is not None and bool(episode.began) and now < episode.began + hook.cooldown


def hook_verdict(health: Health, on: On, hook: Hook, tick: Judged) -> tuple[Verdict, tuple[str, ...], str]:
    """What a tick says to one hook, which checks breached, and a sentence.

    BREACH if one of its checks breached, NO_DATA if none did and one had no data or none was asked at this tick, else
    HEALTHY. What a check said when it was last asked ends no episode either, unless it was healthy.
    """
    names = set(hook.checks)
    if not names and on is On.BREACH:
        return tick.verdict, tick.checks, tick.detail
    names = names or {check.name for check in health.checks if check.starts_drift_hooks}
    found = [check for check in tick.outcome.checks if check.name in names]
    asked = [check for check in found if check.at == tick.at]
    breached = [check for check in asked if check.verdict is Verdict.BREACH]
    if breached:
        return Verdict.BREACH, tuple(check.name for check in breached), _listed(breached)
    if not asked or any(check.verdict is not Verdict.HEALTHY for check in found):
        return Verdict.NO_DATA, (), ""
    return Verdict.HEALTHY, (), ""


def _listed(checks: Iterable[CheckOutcome]) -> str:
    return "; ".join(f"{check.name}: {check.detail}" for check in checks)


def episode_id(on: On, hook: Hook, revision: str, since: int) -> str:
    """Ten letters and digits that name an episode among all of its ModelDeployment."""
    return short_hash(f"{on}/{hook.name}/{revision}/{since}")


def after_news(
    known: Sequence[HookRun], health: Health, news: Mapping[str, HookUpdate], now: int
) -> tuple[HookRun, ...]:
    """The episodes after what is seen of what they started; what nobody can know any more is Unknown."""
    cooled = _cooled(known, health, now)
    return tuple(_informed(episode, find_hook(health, episode), news.get(episode.id), now) for episode in cooled)


def _informed(episode: HookRun, hook: Hook | None, news: HookUpdate | None, now: int) -> HookRun:
    if episode.state is HookState.COOLING_DOWN:
        return episode
    if episode.state not in LIVE and (episode.state is not HookState.UNKNOWN or news is None):
        return episode
    if news is not None and news.state is HookState.DUE:  # why it is still due; that stops no clock
        episode = replace(episode, message=news.message[:_LONGEST]) if episode.state is news.state else episode
    elif news is not None:
        if news.state is episode.state:
            return episode
        by = news.by or episode.by
        return replace(episode, state=news.state, message=news.message[:_LONGEST], at=now, by=by)
    episode = replace(episode, at=min(episode.at, now))  # a clock that was far ahead would make it wait for ever
    end = deadline(episode, hook)
    if end is None or now < end:
        return episode
    return replace(episode, state=HookState.UNKNOWN, message=_lost(episode, hook), at=now)


def deadlines(known: Sequence[HookRun], health: Health) -> Iterator[int]:
    """When something is to be done for an episode though nothing happens, seconds since the epoch."""
    for episode in known:
        hook = find_hook(health, episode)
        if episode.state is HookState.COOLING_DOWN and hook is not None:
            yield cooldown_end((item for item in known if item is not episode), hook, episode)
        elif (end := deadline(episode, hook)) is not None:
            yield end


def deadline(episode: HookRun, hook: Hook | None) -> int | None:
    """When nothing more is to be expected of an episode without news, seconds since the epoch; None for never."""
    if episode.state is HookState.RUNNING:
        return episode.at + (GRACE if hook is None or hook.webhook is None else patience(hook.webhook.timeout))
    if episode.state is HookState.DUE and hook is not None and hook.job is not None:
        return episode.at + hook.job.ttl
    return None


def patience(timeout: int) -> int:
    """Seconds from the decision to call a webhook to when the last try must have ended. timeout: of one call."""
    return TRIES * timeout + sum(PAUSES) + GRACE


def _lost(episode: HookRun, hook: Hook | None) -> str:
    if episode.state is HookState.DUE:
        return "the Job could not be made in time, and may have been made and deleted since; start it by hand if needed"
    if hook is not None and hook.webhook is not None:
        return (
            "the operator ended during the call; the receiver may or may not have taken it: look there, and call it by "
            "hand if needed"
        )
    return "its Job is gone, deleted before its end was seen; look at its logs, and start it by hand if needed"
