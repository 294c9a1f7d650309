"""What can go wrong at a port call, and at which call it does."""

from dataclasses import dataclass, field
from enum import StrEnum


class Fault(StrEnum):
    """One bad thing. A call to which a fault cannot happen (a conflict on a read) passes unharmed."""

    CRASH_BEFORE = "the process dies before the call takes effect"
    CRASH_AFTER = "the process dies after the call took effect"
    CONFLICT = "somebody else writes the object first"
    SILENT_BEFORE = "no answer, and the call had no effect"
    SILENT_AFTER = "the call took effect, the answer is lost"
    LATE_EFFECT = "no answer in time; the request arrives a minute later"
    FROZEN = "the call took effect, then the process stands still for minutes"
    OUTAGE = "the API server is silent for minutes"
    METRICS_OUTAGE = "Prometheus is silent for minutes"
    WATCH_GAP = "the watches break; after a while they list again, without what was deleted meanwhile"
    WATCH_STALE = "the watches deliver the last events once more"
    WATCH_LAG = "the watches lag behind for minutes"
    CLOCK_AHEAD = "the clock of the process jumps ahead; minutes later it is put right, or never"
    CLOCK_BACK = "the clock of the process jumps back; minutes later it is put right, or never"


FROZEN_SECONDS = 150.0
OUTAGE_SECONDS = 200.0
GAP_SECONDS = 100.0
LAG_SECONDS = 25.0
LATE_SECONDS = 60.0
CLOCK_JUMP_INTERVALS = 12
"""A minute at ticks of 5 s, twelve minutes at ticks of 60 s."""
TIMEOUT_SECONDS = 10.0
"""After this time a call without an answer ends as silent; every adapter has such a limit."""

METRICS_FAULTS = frozenset(Fault) - {Fault.CONFLICT, Fault.LATE_EFFECT, Fault.OUTAGE}
WRITE_ONLY = frozenset({Fault.CONFLICT, Fault.LATE_EFFECT})


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the engine to a port."""

    number: int
    port: str
    method: str
    about: str
    writes: bool = False

    def __str__(self) -> str:
        return f"call {self.number}: {self.method} {self.about}"


@dataclass(slots=True)
class FaultPlan:
    """Which fault happens at which call number, counted over all ports and all processes from 1 on.

    A fault that cannot happen at its call waits for none: it is dropped, so that every number is tried alike.
    """

    at: dict[int, Fault] = field(default_factory=dict)
    calls: int = 0
    fired: list[tuple[Fault, Call]] = field(default_factory=list)

    def next(self, port: str, method: str, about: str, *, writes: bool = False) -> tuple[Call, Fault | None]:
        """Count a call; the fault that shall happen to it, or None."""
        self.calls += 1
        call = Call(self.calls, port, method, about, writes)
        fault = self.at.get(self.calls)
        if fault is None or not can_happen(fault, call):
            return call, None
        self.fired.append((fault, call))
        return call, fault

    @property
    def exhausted(self) -> bool:
        """Whether the run ended before the last planned call: a sweep over all calls is then complete."""
        return bool(self.at) and self.calls < max(self.at)


def can_happen(fault: Fault, call: Call) -> bool:
    """Whether such a fault can happen to such a call."""
    match call.port:
        case "events":  # best effort, never raises: only the process can die there
            return fault in {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}
        case "metrics":
            return fault in METRICS_FAULTS
        case _:
            return fault is not Fault.METRICS_OUTAGE and (call.writes or fault not in WRITE_ONLY)
