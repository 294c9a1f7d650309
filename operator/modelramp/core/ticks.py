"""The grid of ticks: instants that are multiples of the interval since the epoch, the same for every object."""

from dataclasses import replace

from modelramp.core.state import BreachCounter, State, Version

SCRAPE_DELAY = 5
"""Seconds from a tick to its evaluation, so that the last scrape of the window has arrived."""
REPLAY_LIMIT = 25
"""Ticks that are asked for again after a pause, missed or not written; older ones stay unevaluated.

More than an object at rest leaves unwritten (10) and the longest pause that a failure threshold could make sense of.
"""


def newest_due(now: float, interval: int, delay: float = SCRAPE_DELAY) -> int:
    """The newest tick that may be evaluated at `now`, seconds since the epoch.

    >>> newest_due(604.9, 60), newest_due(605, 60)
    (540, 600)
    """
    return int((now - delay) // interval) * interval


def to_evaluate(last_tick: int, newest: int, interval: int, most: int = REPLAY_LIMIT) -> range:
    """The ticks after `last_tick` up to `newest`, oldest first, at most `most` of them.

    An object that never had a tick (0) starts with the newest one; so does one whose last tick lies ahead by more
    than one interval. One interval may be the difference between two machines: that is waited out.
    >>> list(to_evaluate(540, 720, 60)), list(to_evaluate(0, 720, 60)), list(to_evaluate(720, 720, 60))
    ([600, 660, 720], [720], [])
    >>> list(to_evaluate(780, 720, 60)), list(to_evaluate(781, 720, 60))
    ([], [720])
    """
    known = 0 < last_tick <= newest + interval
    after = last_tick - last_tick % interval + interval if known else newest
    return range(max(after, newest - (most - 1) * interval), newest + 1, interval)


def is_ahead(last_tick: int, now: int, interval: int, newest: int | None) -> bool:
    """Whether `last_tick` is still to come: a wrong clock, or a wrong hand, has written it.

    newest: the newest tick that is at hand, if any. More than one interval before `last_tick` it is what `to_evaluate`
    gave to start again; a tick that comes late is the same distance before a last tick that has passed.
    """
    return last_tick > now and (last_tick > now + interval or (newest is not None and last_tick > newest + interval))


def without_future(state: State, now: int, interval: int, delay: int, newest: int | None = None) -> State:
    """The state as it can be: times that are still to come would be waited for, perhaps for years.

    Ticks begin again with the newest one. Those that made the count of breaches may come again then, so the count
    starts again too: that may take some ticks longer, but no breach counts twice.
    delay: seconds that pods keep after their traffic. newest: see is_ahead.
    """
    found = state
    if is_ahead(state.last_tick, now, interval, newest):
        before = newest if newest is not None else now - now % interval
        watch = BreachCounter(state.watch.revision, state.watch.since) if state.watch else None
        found = replace(state, last_tick=before - interval, watch=watch)
    candidate, watch = found.candidate, found.watch
    limit = now + interval
    found = replace(
        found,
        stable=_version(found.stable, now, limit),
        previous=_version(found.previous, now, limit),
        candidate=replace(
            candidate,
            version=_version(candidate.version, now, limit) or candidate.version,
            step_entered=_reached(candidate.step_entered, now, limit),
            stopped=_reached(candidate.stopped, now, limit),
        )
        if candidate
        else None,
        watch=replace(watch, since=_reached(watch.since, now, limit)) if watch else None,
    )
    if found == state:
        return state
    retiring = (replace(item, at=min(item.at, now + delay) if item.at else item.at) for item in found.retiring)
    return replace(found, retiring=tuple(retiring))


def _version(version: Version | None, now: int, limit: int) -> Version | None:
    if version is None:
        return None
    since, traffic_since = (_reached(at, now, limit) for at in (version.since, version.traffic_since))
    return replace(version, since=since, traffic_since=traffic_since)


def _reached(at: int, now: int, limit: int) -> int:
    return at if at <= limit else now
