"""The grid of ticks: instants that are multiples of the interval since the epoch, the same for every object."""

from dataclasses import replace

from modelramp.core.state import State, Version

SCRAPE_DELAY = 5
"""Seconds from a tick to its evaluation, so that the last scrape of the window has arrived."""
REPLAY_LIMIT = 15
"""Missed ticks that are asked for again after a pause; older ones stay unevaluated."""


def newest_due(now: float, interval: int, delay: float = SCRAPE_DELAY) -> int:
    """The newest tick that may be evaluated at `now`, seconds since the epoch.

    >>> newest_due(604.9, 60), newest_due(605, 60)
    (540, 600)
    """
    return int((now - delay) // interval) * interval


def to_evaluate(last_tick: int, newest: int, interval: int, most: int = REPLAY_LIMIT) -> range:
    """The ticks after `last_tick` up to `newest`, oldest first, at most `most` of them.

    An object that never had a tick (0) starts with the newest one; so does one whose clock was far ahead.
    >>> list(to_evaluate(540, 720, 60)), list(to_evaluate(0, 720, 60)), list(to_evaluate(720, 720, 60))
    ([600, 660, 720], [720], [])
    """
    known = 0 < last_tick <= newest + most * interval
    after = last_tick - last_tick % interval + interval if known else newest
    return range(max(after, newest - (most - 1) * interval), newest + 1, interval)


def without_future(state: State, now: int, interval: int) -> State:
    """The state as it can be: a clock that was far ahead leaves times that no right clock would reach for long.

    Nothing would be evaluated until then, and nobody would be told. Less than a whole replay ahead may be a
    difference between two machines: that is waited out, so that no tick counts twice.
    """
    if state.last_tick <= now + REPLAY_LIMIT * interval:
        return state
    candidate, watch = state.candidate, state.watch
    return replace(
        state,
        last_tick=now - now % interval - interval,
        stable=_not_after(state.stable, now),
        previous=_not_after(state.previous, now),
        candidate=replace(
            candidate,
            version=_not_after(candidate.version, now) or candidate.version,
            step_entered=min(candidate.step_entered, now),
        )
        if candidate
        else None,
        watch=replace(watch, since=min(watch.since, now)) if watch else None,
        retiring=tuple(replace(item, at=min(item.at, now) if item.at else None) for item in state.retiring),
    )


def _not_after(version: Version | None, now: int) -> Version | None:
    if version is None:
        return None
    return replace(version, since=min(version.since, now), traffic_since=min(version.traffic_since, now))
