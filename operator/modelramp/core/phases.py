"""The transition table: every move that a phase may make, and nothing else moves it.

docs/reference/phases.md is drawn from this table.
"""

from modelramp.api.errors import Broken
from modelramp.api.names import Phase

MOVES: dict[Phase, frozenset[Phase]] = {
    Phase.PENDING: frozenset({Phase.PROMOTING, Phase.DEGRADED}),
    Phase.PROGRESSING: frozenset({Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK}),
    Phase.PAUSED: frozenset({Phase.PROGRESSING, Phase.PROMOTING, Phase.ROLLING_BACK}),
    Phase.PROMOTING: frozenset({Phase.HEALTHY, Phase.PROGRESSING, Phase.ROLLING_BACK, Phase.DEGRADED}),
    Phase.HEALTHY: frozenset({Phase.PROGRESSING, Phase.ROLLING_BACK, Phase.DEGRADED}),
    Phase.ROLLING_BACK: frozenset({Phase.ROLLED_BACK, Phase.HEALTHY, Phase.PROGRESSING}),
    Phase.ROLLED_BACK: frozenset({Phase.PROGRESSING, Phase.HEALTHY, Phase.ROLLING_BACK, Phase.DEGRADED}),
    Phase.DEGRADED: frozenset(
        {Phase.PENDING, Phase.PROMOTING, Phase.PROGRESSING, Phase.HEALTHY, Phase.ROLLED_BACK, Phase.ROLLING_BACK}
    ),
}

IN_FLIGHT = frozenset({Phase.PENDING, Phase.PROGRESSING, Phase.PAUSED, Phase.PROMOTING, Phase.ROLLING_BACK})
"""Phases in which something is still moving (kstatus: Reconciling)."""


def diagram() -> str:
    """The table as a Mermaid state diagram, for docs/reference/phases.md."""
    lines = ["stateDiagram-v2", f"    [*] --> {Phase.PENDING}"]
    lines += [f"    {old} --> {new}" for old in Phase for new in Phase if new in MOVES[old]]
    return "\n".join(lines) + "\n"


def check_move(old: Phase, new: Phase) -> None:
    """Raise Broken when the table does not know the move; staying is always allowed."""
    if old is not new and new not in MOVES[old]:
        raise Broken(f"phase may not move from {old} to {new}")
