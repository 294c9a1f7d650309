"""What people are told: after it was written, and once."""

from typing import TYPE_CHECKING

from tests.sim.streams import Key

if TYPE_CHECKING:
    from tests.sim.process import Process

FOUND = {
    "DriftCorrected",
    "ChildRewritten",
    "RevisionLost",
    "PodsUnavailable",
    "RouteTakenOver",
    "WorkloadTakenOver",
}
"""What is found out about children or done to objects of others when they are written: it is in no status."""
PROMISE = "10 (people are told what was written, once)"


class People:
    """Follows the status writes and the Events of one process. Where writes are refused nothing is expected."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._written: dict[Key, int] = {}
        self._said: dict[tuple[Key, str, str], int] = {}

    def wrote(self, key: Key) -> None:
        """The process knows that its status was taken."""
        self._written[key] = self._written.get(key, 0) + 1

    def published(self, key: Key, reason: str, message: str) -> None:
        """The process tells people."""
        world = self._process.world
        if world.api.admission or reason in FOUND:
            return
        written, said = self._written.get(key, 0), self._said.get((key, reason, message))
        if not written and reason != "ObstacleGone" and not self._stands(key, reason):
            world.broke(PROMISE, f"{reason} of {key} is published before its status was written")
        if said == written and reason != "Breached":  # two ticks of one replay may breach alike
            world.broke(PROMISE, f"{reason} of {key} is published twice: {message}")
        self._said[key, reason, message] = written

    def _stands(self, key: Key, reason: str) -> bool:
        """Whether the status says it already: its write may have been taken though no answer came."""
        status = self._process.world.members[key].status
        parts = (status, *status.get("conditions", ()), *status.get("checks", ()))
        return any(part.get("reason") == reason for part in parts)
