"""What changed, as sentences: the log below the live view, and all there is without a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from examples.demo.journal import MARKS, Journal, Tick
from modelramp.api.names import Phase
from modelramp.api.status import CheckStatus, Status
from modelramp.api.times import to_clock

PHASES = {"Healthy": "green", "RolledBack": "bold red", "RollingBack": "bold red", "Degraded": "bold red"}
STYLES = {"+": "green", "?": "yellow", "-": "red"}


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence about one change; ``at`` in seconds since the epoch, ``style`` as rich names it."""

    at: float
    text: str
    style: str = ""

    def __str__(self) -> str:
        return f"{to_clock(int(self.at))}  {self.text}"


def about_route(at: float, journal: Journal, weights: Mapping[str, int]) -> Line:
    """The route has changed."""
    parts = [f"{journal.version(name)} {weight} %" for name, weight in sorted(weights.items(), key=lambda w: -w[1])]
    return Line(at, f"route    {', '.join(parts) or 'nothing'}", "bold cyan")


def about_tick(tick: Tick, journal: Journal, threshold: int, shares: Mapping[str, float]) -> Line:
    """A tick was evaluated. shares: of the latest answers, by version."""
    text = f"tick     {to_clock(tick.tick)} {journal.version(tick.revision)} {MARKS[tick.mark]}"
    if tick.mark == "-":
        text += f" ({tick.breaches} of {threshold})" if tick.breaches else f" ({threshold} of {threshold})"
    text += "".join(f", {clause}" for clause in about_checks(tick.checks))
    real = ", ".join(f"{version} {share:.0%}" for version, share in shares.items() if share)
    return Line(tick.at, f"{text}; traffic {real}" if real else text, STYLES[tick.mark])


def about_checks(checks: Sequence[CheckStatus]) -> list[str]:
    """Accuracy and whatever breached with value and limit; those without data together, by the reason for it."""
    judged = [check for check in checks if check.verdict != "no-data"]
    told = [check for check in judged if check.name == "accuracy" or check.verdict == "breach"]
    missing: dict[str, list[str]] = {}
    for check in checks:
        if check.verdict == "no-data":
            missing.setdefault(check.reason, []).append(check.name)
    return [f"{check.name} {short(check.value or '')} ({check.limit})" for check in told] + [
        f"{reason}: {' '.join(names)}" for reason, names in missing.items()
    ]


def about_status(at: float, before: Status, after: Status) -> Line | None:
    """The phase has changed, or a candidate came or went; None otherwise, and for the first status that is seen."""
    same = before.phase == after.phase and (before.candidate is None) == (after.candidate is None)
    if same or before.phase is None:
        return None
    text = after.message.partition("; ")[0]
    if after.phase is Phase.ROLLED_BACK and after.stable is not None:
        text = f"all traffic is back on {after.stable.model_version}"
    return Line(at, f"phase    {after.phase}: {text}", PHASES.get(after.phase or "", "bold"))


def short(value: str) -> str:
    """A measured value with no more digits than a reader wants.

    >>> short("0.135135135"), short("0"), short("NaN")
    ('0.135', '0', 'nan')
    """
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value
