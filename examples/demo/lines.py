"""What changed, as sentences: the log below the live view, and all there is without a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from examples.demo.journal import MARKS, Journal, Tick
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
    text += "".join(f", {about_check(check)}" for check in tick.checks if told(check, tick.mark))
    real = ", ".join(f"{version} {share:.0%}" for version, share in shares.items() if share)
    return Line(tick.at, f"{text}; traffic {real}" if real else text, STYLES[tick.mark])


def told(check: CheckStatus, mark: str) -> bool:
    """Whether a check is worth a word: accuracy always, another one when it is the reason for the mark."""
    return check.name == "accuracy" or (mark != "+" and check.verdict != "healthy")


def about_check(check: CheckStatus) -> str:
    """A check's value and limit, or why it has none."""
    if check.value is None:
        return f"{check.name} {check.message or check.reason}"
    return f"{check.name} {short(check.value)} ({check.limit})"


def about_status(at: float, before: Status, after: Status) -> Line | None:
    """The phase has changed, or a candidate came or went; None otherwise."""
    if before.phase == after.phase and (before.candidate is None) == (after.candidate is None):
        return None
    return Line(at, f"phase    {after.phase}: {after.message}", PHASES.get(after.phase or "", "bold"))


def short(value: str) -> str:
    """A measured value with no more digits than a reader wants.

    >>> short("0.135135135"), short("0"), short("NaN")
    ('0.135', '0', 'nan')
    """
    try:
        return f"{float(value):.3g}"
    except ValueError:
        return value
