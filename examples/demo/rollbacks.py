"""What modelramp promises of the versions that fail: who catches them, when, and how fast traffic is back."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from examples.demo.cast import Cast, Failing
from examples.demo.findings import Finding, Load
from examples.demo.journal import Journal
from modelramp.api.status import CheckStatus
from modelramp.api.times import to_clock, to_seconds

GRACE_SECONDS = 3.0
"""From a change of the route to the last answer by the old one: propagation, and what was on its way."""
SCRAPE_DELAY_SECONDS = 5
"""From a tick to its evaluation."""
REACTION_SECONDS = 5
"""From an evaluation to the change of the route, on a busy machine."""


def on_the_third_breach(cast: Cast, journal: Journal) -> Finding:
    """Each was rolled back on the third breach in a row: not before, not later."""
    seen, kept = [], True
    for bad in cast.failing:
        text, exact = _breaches(cast, journal, bad)
        seen.append(f"{bad.version} {text}")
        kept = kept and exact
    names, nth = _names(cast), _ordinal(cast.rules.threshold)
    promise = f"{names} are rolled back by the {nth} breach in a row, in that very tick"
    return Finding(promise, "; ".join(seen), kept)


def _breaches(cast: Cast, journal: Journal, bad: Failing) -> tuple[str, bool]:
    ticks, ending = journal.trial(bad.version), journal.ending(bad.version, "RolledBack")
    marks = "".join(tick.mark for tick in ticks)
    wished = cast.rules.threshold
    row = marks.replace("?", "")
    exact = marks.endswith("-") and row.endswith("-" * wished) and "-" * wished not in row[:-1]
    by = to_seconds(ending.entry.ended_at) if ending is not None and ending.entry.ended_at else None
    text = f"{marks or 'no ticks'}, {f'back by the tick of {to_clock(by)}' if by is not None else 'not rolled back'}"
    return text, exact and by == ticks[-1].tick


def caught_by_one_check(cast: Cast, journal: Journal, bad: Failing) -> Finding:
    """Which check caught a version: it breached at the tick that rolled back, and in that row more often than others.

    Others may breach by chance now and then, but each must have been able to tell: it was healthy, not without data, at
    some tick of this version.
    """
    ticks, ending = journal.trial(bad.version), journal.ending(bad.version, "RolledBack")
    row = [tick.checks for tick in ticks if tick.mark == "-"][-cast.rules.threshold :]
    times = Counter(name for checks in row for name in _breached(checks))
    most = max((count for name, count in times.items() if name != bad.check), default=0)
    healthy = {check.name for tick in ticks for check in tick.checks if check.verdict == "healthy"}
    silent = {check.name for tick in ticks for check in tick.checks} - healthy - {bad.check}
    told = [check.message for checks in row for check in checks if check.name == bad.check]
    weight = ending.entry.weight if ending else None
    alone = bool(row) and bad.check in _breached(row[-1]) and times[bad.check] > most
    kept = alone and not silent and weight in cast.rules.steps[: bad.steps]
    seen = ", ".join(f"{name} {count}" for name, count in times.most_common()) or "nothing"
    seen = f"{seen} of {len(row)} breaches at {weight} %" if weight is not None else f"{seen}, and no rollback"
    seen += f"; no data from {', '.join(sorted(silent))}" if silent else ""
    seen += f": {told[-1]}" if told else ""
    where = f"at {cast.rules.steps[0]} %" if bad.steps == 1 else "before it is promoted"
    return Finding(f"{bad.check} alone catches {bad.version}, {where}", seen, kept)


def _breached(checks: tuple[CheckStatus, ...]) -> set[str]:
    return {check.name for check in checks if check.verdict == "breach"}


@dataclass(frozen=True, slots=True)
class Reaction:
    """Seconds until the route was without a failing version again.

    first, last: from the instants of the first and of the last breached tick. known: from when the first one's result
    could be read in the status.
    """

    first: float
    last: float
    known: float


def reaction(cast: Cast, journal: Journal, bad: Failing) -> Reaction | None:
    """How fast traffic came back; None when the version was not rolled back."""
    revision = journal.revision(bad.version)
    row = [tick for tick in journal.trial(bad.version) if tick.mark == "-"][-cast.rules.threshold :]
    back = [route.at for route in journal.routes if revision not in route.weights and row and route.at > row[0].at]
    if not row or not back:
        return None
    return Reaction(back[0] - row[0].tick, back[0] - row[-1].tick, back[0] - row[0].at)


def time_to_safety(cast: Cast, journal: Journal) -> Finding:
    """From the last breached tick until the route was without the failing version."""
    most = SCRAPE_DELAY_SECONDS + REACTION_SECONDS
    seen, kept = [], True
    for bad in cast.failing:
        found = reaction(cast, journal, bad)
        text = f"{found.last:.1f} s, {found.first:.1f} s after the first one" if found else "it never came back"
        seen.append(f"{bad.version} {text}")
        kept = kept and found is not None and 0 < found.last <= most
    promise = f"traffic is back within {most} s of the {_ordinal(cast.rules.threshold)} breached tick"
    return Finding(promise, "; ".join(seen), kept)


def none_after_rollback(cast: Cast, journal: Journal, load: Load) -> Finding:
    """When each failing version answered for the last time."""
    seen, kept = [], True
    for bad in cast.failing:
        text, late = _last_answer(journal, load, bad.version)
        seen.append(f"{bad.version} {text}")
        kept = kept and late is not None and late <= GRACE_SECONDS
    return Finding(f"they answer nobody later than {GRACE_SECONDS:.0f} s after that", "; ".join(seen), kept)


def _last_answer(journal: Journal, load: Load, version: str) -> tuple[str, float | None]:
    """When a version answered for the last time, in seconds after its traffic went back; None when that never was."""
    revision = journal.revision(version) or ""
    last = load.last_answers.get(revision)
    had = [index for index, route in enumerate(journal.routes) if revision in route.weights]
    back = journal.routes[had[-1] + 1].at if had and had[-1] + 1 < len(journal.routes) else None
    if last is None or back is None:
        return ("still has traffic" if had else "never had traffic"), None
    late, count = last - back, load.answered.get(revision, 0)
    return f"{abs(late):.1f} s {'after' if late > 0 else 'before'} ({count} answers)", late


def _names(cast: Cast) -> str:
    *most, last = [bad.version for bad in cast.failing]
    return f"{', '.join(most)} and {last}"


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
