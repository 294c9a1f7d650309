"""Which ticks without a change are written to the status, so that people see that a model is watched.

Nothing depends on these writes: what they leave out is asked again from Prometheus after a restart. Ticks that change
something are written at once and do not come here.
"""

from collections.abc import Iterable
from math import ceil
from zlib import crc32

from modelramp.core.phases import IN_FLIGHT
from modelramp.core.state import State
from modelramp.engine.store import Record

CHECKPOINT_TICKS = 10
"""Ticks of an object at rest that share one report at least."""
LONGEST_SECONDS = 3600
"""Evidence that a replay cannot rebuild is written that often, however many objects there are."""
_MINUTE = 60


class Reporting:
    """Spreads a number of reports a minute over the rollouts in flight, and the same number over objects at rest.

    While no more rollouts are in flight than that, each of their ticks is written; beyond it they take turns.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._in_flight = 0
        self._at_rest = 0

    def count(self, records: Iterable[Record]) -> None:
        """Take in how many objects there are to report on."""
        states = [record.state for record in records]
        self._in_flight = sum(state.phase in IN_FLIGHT for state in states)
        self._at_rest = len(states) - self._in_flight

    def is_due(self, uid: str, before: State, after: State, interval: int) -> bool:
        """Whether the newest tick of an object is to be written though it changed nothing.

        before: the state that the decision began with. interval: seconds between two ticks of the object.
        """
        period = self._period(after, interval)
        if not period:
            return True
        offset = crc32(uid.encode()) % period
        # After a pause the ticks of all objects have come a long way: only the last of them counts, or all were due.
        earlier = max(before.last_tick, after.last_tick - interval)
        return (after.last_tick + offset) // period > (earlier + offset) // period

    def _period(self, state: State, interval: int) -> int:
        """Seconds between two reports of an object in that state; 0: each tick."""
        moving = state.phase in IN_FLIGHT
        objects = self._in_flight if moving else self._at_rest
        if moving and objects <= self._per_minute:
            return 0
        period = ceil(objects / self._per_minute) * _MINUTE
        if any(check.memory for check in state.checks) or state.ab_test is not None:
            period = min(period, LONGEST_SECONDS)
        return period if moving else max(period, CHECKPOINT_TICKS * interval)
