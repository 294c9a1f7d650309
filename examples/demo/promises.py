"""What modelramp promises, compared with what was seen: the journal and the load's counts in, findings out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from examples.demo.cast import Cast
from examples.demo.journal import Ending, Journal, Tick
from modelramp.api.names import Phase
from modelramp.api.times import to_clock, to_seconds

GRACE_SECONDS = 3.0
"""From a change of the route to the last answer by the old one: propagation, and what was on its way."""
SCRAPE_DELAY_SECONDS = 5
"""From a tick to its evaluation."""
REACTION_SECONDS = 5
"""From an evaluation to the change of the route, on a busy machine."""
SHARE_MARGIN = 0.05
"""Five standard deviations of 10 % among a thousand requests, three of 50 %."""
STEP_MARGIN_SECONDS = 2.0
FEWEST_ANSWERS = 100
"""Answers below which a share says nothing."""
LONGEST_SHOW_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Load:
    """What the load generator counted; ``last_answers`` by revision, seconds since the epoch.

    skipped: requests not sent, since 200 were still on their way. labels_failed: true labels that were not taken.
    """

    sent: int
    failed: int
    skipped: int
    labels_sent: int
    labels_failed: int
    answered: dict[str, int]
    last_answers: dict[str, float]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, what was seen of it, and whether it was kept."""

    promise: str
    seen: str
    kept: bool


def findings(cast: Cast, journal: Journal, load: Load) -> tuple[Finding, ...]:
    """Judge everything that was promised."""
    return (
        route_order(cast, journal),
        step_lengths(cast, journal),
        real_shares(cast, journal),
        breaches(cast, journal),
        caught_by_accuracy(cast, journal),
        time_to_safety(cast, journal),
        none_after_rollback(cast, journal, load),
        in_the_end(cast, journal),
        no_failures(load),
        in_time(load),
    )


def route_order(cast: Cast, journal: Journal) -> Finding:
    """Each route that was ever seen, in order: one step at a time, and straight back."""
    first, second, third = cast.versions
    wished: list[dict[str, int]] = [{first: 100}]
    wished += [_split(first, second, weight) for weight in cast.rules.steps]
    wished += [_split(second, third, cast.rules.steps[0]), {second: 100}]
    seen = [{journal.version(name): weight for name, weight in route.weights.items()} for route in journal.routes]
    steps = " → ".join(str(weight) for weight in cast.rules.steps)
    promise = f"the route gives {second} {steps} %, {third} only {cast.rules.steps[0]} %, and nothing else ever"
    return Finding(promise, " → ".join(_as_words(weights) for weights in seen) or "no route", seen == wished)


def step_lengths(cast: Cast, journal: Journal) -> Finding:
    """How long the second version had each weight."""
    second = journal.revision(cast.versions[1])
    ends = [route.at for route in journal.routes]
    promoted = _ending(journal, second, "Promoted")
    spans = []
    for weight in cast.rules.steps:
        at = next((route.at for route in journal.routes if route.weights.get(second or "") == weight), None)
        following = [end for end in ends if at is not None and end > at]
        end = promoted.at if weight == cast.rules.steps[-1] and promoted else following[0] if following else None
        if at is not None and end is not None:
            spans.append(end - at)
    kept = len(spans) == len(cast.rules.steps) and all(
        span >= least - STEP_MARGIN_SECONDS for span, least in zip(spans, cast.rules.step_seconds, strict=True)
    )
    least = ", ".join(sorted({f"{seconds} s" for seconds in cast.rules.step_seconds}))
    return Finding(f"every step lasts at least {least}", ", ".join(f"{span:.0f} s" for span in spans) or "none", kept)


def real_shares(cast: Cast, journal: Journal) -> Finding:
    """Whether the answers that clients really got were split as the route said, at each route long enough to tell."""
    texts, kept = [], True
    for version, weight, share in _shares(cast, journal):
        texts.append(f"{version} {share:.1%} of {weight} %")
        margin = SHARE_MARGIN if weight < 100 else 0.0
        kept = kept and abs(share - weight / 100) <= margin
    wished = len(cast.rules.steps) + 1
    promise = f"clients really get these shares (± {SHARE_MARGIN * 100:.0f} points, and all at 100 %)"
    return Finding(promise, ", ".join(texts) or "no share", kept and len(texts) >= wished)


def breaches(cast: Cast, journal: Journal) -> Finding:
    """Rolled back on the third breach in a row: not before, not later."""
    third = cast.versions[2]
    ticks, ending = _trial(journal, third), _ending(journal, journal.revision(third), "RolledBack")
    marks = "".join(tick.mark for tick in ticks)
    wished = cast.rules.threshold
    row = marks.replace("?", "")
    exact = marks.endswith("-") and row.endswith("-" * wished) and "-" * wished not in row[:-1]
    by = to_seconds(ending.entry.ended_at) if ending is not None and ending.entry.ended_at else None
    kept = exact and by == ticks[-1].tick
    seen = f"ticks {marks or 'none'}, {row.count('-')} breaches"
    seen += f", rolled back by the tick of {to_clock(by)}" if by is not None else ", not rolled back"
    return Finding(f"{third} is rolled back by the {_ordinal(wished)} breach in a row, in that very tick", seen, kept)


def caught_by_accuracy(cast: Cast, journal: Journal) -> Finding:
    """Which checks breached: accuracy in each breached tick, and nothing else, since the model answers fast and 200."""
    third = cast.versions[2]
    ending = _ending(journal, journal.revision(third), "RolledBack")
    breached = [tick for tick in _trial(journal, third) if tick.mark == "-"]
    guilty = [{check.name for check in tick.checks if check.verdict == "breach"} for tick in breached]
    values = [check.value for tick in breached for check in tick.checks if check.name == "accuracy" and check.value]
    weight = ending.entry.weight if ending else None
    kept = bool(guilty) and all(names == {"accuracy"} for names in guilty) and weight == cast.rules.steps[0]
    names = ", ".join(sorted(set().union(*guilty))) or "nothing"
    seen = f"{names} breached{f' at {weight} %' if weight is not None else ', and nothing was rolled back'}"
    seen += f"; accuracy was {', '.join(values)}" if values else ""
    return Finding(f"accuracy alone catches it, at {cast.rules.steps[0]} %", seen, kept)


@dataclass(frozen=True, slots=True)
class Reaction:
    """Seconds until the route was without the failing version again.

    first, last: from the instants of the first and of the last breached tick. known: from when the first one's result
    could be read in the status.
    """

    first: float
    last: float
    known: float


def reaction(cast: Cast, journal: Journal) -> Reaction | None:
    """How fast traffic came back; None when the third version was not rolled back."""
    third = cast.versions[2]
    revision = journal.revision(third)
    row = [tick for tick in _trial(journal, third) if tick.mark == "-"][-cast.rules.threshold :]
    back = [route.at for route in journal.routes if revision not in route.weights and row and route.at > row[0].at]
    if not row or not back:
        return None
    return Reaction(back[0] - row[0].tick, back[0] - row[-1].tick, back[0] - row[0].at)


def time_to_safety(cast: Cast, journal: Journal) -> Finding:
    """From the last breached tick until the route was without the failing version."""
    most = SCRAPE_DELAY_SECONDS + REACTION_SECONDS
    found = reaction(cast, journal)
    promise = f"traffic is back within {most} s of the {_ordinal(cast.rules.threshold)} breached tick"
    if found is None:
        return Finding(promise, "it never came back", kept=False)
    seen = f"{found.last:.1f} s, which is {found.first:.1f} s after the first one"
    return Finding(promise, seen, 0 < found.last <= most)


def none_after_rollback(cast: Cast, journal: Journal, load: Load) -> Finding:
    """When the failing version answered for the last time."""
    third = cast.versions[2]
    revision = journal.revision(third) or ""
    last = load.last_answers.get(revision)
    had = [index for index, route in enumerate(journal.routes) if revision in route.weights]
    back = journal.routes[had[-1] + 1].at if had and had[-1] + 1 < len(journal.routes) else None
    promise = f"{third} answers nobody later than {GRACE_SECONDS:.0f} s after that"
    if last is None or back is None:
        return Finding(promise, f"{third} {'still has traffic' if had else 'never had traffic'}", kept=False)
    count = load.answered.get(revision, 0)
    seen = f"the last of its {count} answers came {abs(last - back):.1f} s {'after' if last > back else 'before'}"
    return Finding(promise, seen, last - back <= GRACE_SECONDS)


def in_the_end(cast: Cast, journal: Journal) -> Finding:
    """Who serves when the demo is over, by the status, by the route and by the answers."""
    second = cast.versions[1]
    status = journal.status
    stable = status.stable.model_version if status.stable else "nothing"
    route = journal.routes[-1] if journal.routes else None
    weights = {journal.version(name): weight for name, weight in route.weights.items()} if route else {}
    share = _share(journal, journal.revision(second) or "", route.at + GRACE_SECONDS if route else 0, None)
    kept = (status.phase, stable, weights, share) == (Phase.ROLLED_BACK, second, {second: 100}, 1.0)
    text = f"{stable} is stable, route {_as_words(weights)}, "
    text += f"{share:.1%} of the answers" if share is not None else "too few answers to tell"
    return Finding(f"in the end {second} serves everything", f"{status.phase}: {text}", kept)


def no_failures(load: Load) -> Finding:
    """Every request and every label was answered with 200."""
    seen = f"{load.failed} of {load.sent:,} requests, {load.labels_failed} of {load.labels_sent:,} labels"
    if load.skipped:
        seen += f" ({load.skipped} were not sent: this machine is too busy)"
    return Finding("no request fails", seen, load.sent > 0 and not load.failed and not load.labels_failed)


def in_time(load: Load) -> Finding:
    """How long it took from the first request to the last."""
    took = load.ended - load.began
    promise = f"all this takes less than {LONGEST_SHOW_SECONDS // 60} minutes"
    return Finding(promise, f"{took // 60:.0f} min {took % 60:.0f} s", took < LONGEST_SHOW_SECONDS)


def _split(stable: str, candidate: str, weight: int) -> dict[str, int]:
    return {candidate: weight, stable: 100 - weight} if weight < 100 else {candidate: 100}


def _as_words(weights: dict[str, int]) -> str:
    return " + ".join(f"{name} {weight} %" for name, weight in sorted(weights.items())) or "nothing"


def _ending(journal: Journal, revision: str | None, outcome: str) -> Ending | None:
    found = (e for e in journal.endings if (e.entry.revision, e.entry.outcome) == (revision, outcome))
    return next(found, None)


def _trial(journal: Journal, version: str) -> list[Tick]:
    revision = journal.revision(version)
    return [tick for tick in journal.ticks if tick.revision == revision]


def _shares(cast: Cast, journal: Journal) -> Iterator[tuple[str, int, float]]:
    """The newer version on each route but the first and the last: its weight, and its share of the answers."""
    for route, following in pairwise(journal.routes):
        version = next((one for one in reversed(cast.versions[1:]) if journal.revision(one) in route.weights), None)
        revision = journal.revision(version or "") or ""
        share = _share(journal, revision, route.at + GRACE_SECONDS, following.at)
        if version is not None and share is not None:
            yield version, route.weights[revision], share


def _share(journal: Journal, revision: str, begin: float, end: float | None) -> float | None:
    """Share of all answers between two instants, 0 to 1; None when there were too few to tell."""
    inside = [one for one in journal.traffic if one.at >= begin and (end is None or one.at <= end)]
    if not inside:
        return None
    first, last = inside[0].answered, inside[-1].answered
    total = sum(last.values()) - sum(first.values())
    if total < FEWEST_ANSWERS:
        return None
    return (last.get(revision, 0) - first.get(revision, 0)) / total


def _ordinal(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
