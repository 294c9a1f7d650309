"""What time it is, by three clocks of which one may be wrong.

The steady clock of the machine goes on evenly, but knows no date. The wall clock is set by people and daemons, at times
wrongly. The API server's clock is the one that the cluster shares; each of its answers tells it, to the second.
Time is the steady clock plus an offset. What two of the three say is believed: docs/decisions/0018.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

STEP_SECONDS = 0.5
"""A wall clock that moves further against the steady one, beyond what slewing explains, was set."""
SLEW = 0.1
"""Seconds for each second that a wall clock may be slewed by (chrony: up to 0.083)."""
GAP_SECONDS = 10.0
"""After so long without a look the process stood still: what it knew of the clocks proves nothing."""
TOLERANCE_SECONDS = 1.0
"""Clocks of different machines may differ by so much and still agree."""
PATIENCE_SECONDS = 60.0
"""So long the API server has to contradict both clocks of this machine before it is believed."""
ALONE_SECONDS = 600.0
"""So long a wall clock that was set waits for the API server's word; then it is believed without it."""


class Said(StrEnum):
    """What is worth a line in the log."""

    SET = "the clock of this machine was set; time goes on evenly until the API server confirms the new one"
    RIGHT = "the clock of this machine is right: it is followed"
    WRONG = "the clock of this machine is wrong: time goes by the API server's"
    UNCONFIRMED = "the API server's time is not known: the clock of this machine is followed unconfirmed"
    DIFFERS = "the API server's clock differs from that of this machine, which was not set"


@dataclass(frozen=True, slots=True)
class Timekeeping:
    """How time is kept. All fields are seconds; offsets are what is added to the steady clock.

    wall: offset of the wall clock at the last look, `looked_at` (steady). followed: whether time is that of the wall
    clock. doubted_at: when it was set or found wrong (steady). confirmed: the API server's when it last agreed.
    differs_since: since when the API server has contradicted both (steady). heard_at: when it was heard last (steady).
    """

    offset: float
    wall: float
    looked_at: float
    followed: bool = True
    doubted_at: float = 0.0
    confirmed: float | None = None
    differs_since: float | None = None
    heard_at: float | None = None

    @classmethod
    def begun(cls, steady: float, wall: float) -> "Timekeeping":
        """The state at the start: only the two clocks of this machine are known."""
        return cls(wall - steady, wall - steady, steady)

    @property
    def unsettled(self) -> bool:
        """Whether the API server's word is needed soon."""
        return self.unheard or self.confirmed is None or self.differs_since is not None

    @property
    def unheard(self) -> bool:
        """Whether the wall clock is doubted and the API server was not heard since then."""
        return not self.followed and (self.heard_at is None or self.heard_at < self.doubted_at)


def look(kept: Timekeeping, steady: float, wall: float) -> tuple[Timekeeping, Said | None]:
    """Go on: follow a wall clock that is slewed; one that was set is not followed until the API server says so."""
    elapsed, offset = steady - kept.looked_at, wall - steady
    moved = offset - kept.wall
    if elapsed == 0 == moved:
        return kept, None
    confirmed = kept.confirmed if 0 <= elapsed <= GAP_SECONDS else None
    after = replace(
        kept,
        wall=offset,
        looked_at=steady,
        confirmed=confirmed,
        offset=kept.offset + moved if kept.followed else kept.offset,
    )
    if abs(moved) > STEP_SECONDS + SLEW * min(max(elapsed, 0.0), GAP_SECONDS):
        return replace(after, offset=kept.offset, followed=False, doubted_at=steady), Said.SET
    if kept.followed:
        return after, None
    if kept.unheard and steady - kept.doubted_at >= ALONE_SECONDS:
        return replace(after, offset=offset, followed=True, confirmed=None), Said.UNCONFIRMED
    return after, None


def hear(kept: Timekeeping, steady: float, earliest: float, latest: float) -> tuple[Timekeeping, Said | None]:
    """Weigh what the API server says: its time lies between `earliest` and `latest`, seconds since the epoch.

    steady: the steady clock at that moment, at which `look` has just been called.
    """
    low, high = earliest - steady, latest - steady

    def agrees(offset: float | None) -> bool:
        return offset is not None and low - TOLERANCE_SECONDS <= offset <= high + TOLERANCE_SECONDS

    after = replace(kept, heard_at=steady, differs_since=None)
    if agrees(kept.wall):
        confirmed = _within(low, kept.wall if kept.confirmed is None else kept.confirmed, high)
        after = replace(after, offset=kept.wall, followed=True, confirmed=confirmed)
        return after, None if kept.followed else Said.RIGHT
    if agrees(kept.offset):
        offset = _within(low, kept.offset, high)
        return replace(after, offset=offset, confirmed=offset), Said.WRONG if kept.unheard else None
    since = steady if kept.differs_since is None else kept.differs_since
    patient = steady - since >= PATIENCE_SECONDS
    ahead = low > kept.offset  # a machine that stood still is late; what is late itself is the API server's clock
    if kept.confirmed is None or agrees(kept.confirmed) or (patient and (ahead or not kept.followed)):
        # The earliest, since a tick that is asked for too early lacks its last samples.
        return replace(after, offset=low, followed=False, doubted_at=steady, confirmed=low), Said.WRONG
    told = kept.heard_at is not None and kept.heard_at - since >= PATIENCE_SECONDS
    return replace(after, differs_since=since), Said.DIFFERS if patient and not told else None


def _within(low: float, offset: float, high: float) -> float:
    return min(max(offset, low), high)
