"""The grid of ticks: instants that are multiples of the interval since the epoch, the same for every object."""

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

    An object that never had a tick (0) starts with the newest one.
    >>> list(to_evaluate(540, 720, 60)), list(to_evaluate(0, 720, 60)), list(to_evaluate(720, 720, 60))
    ([600, 660, 720], [720], [])
    """
    after = last_tick - last_tick % interval + interval if last_tick else newest
    return range(max(after, newest - (most - 1) * interval), newest + 1, interval)
