"""What modelramp promises, compared with what was seen: the journal and the load's counts in, findings out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise

from examples.demo import rollbacks
from examples.demo.cast import Cast
from examples.demo.findings import Finding, Load
from examples.demo.journal import Journal
from examples.demo.rollbacks import GRACE_SECONDS
from modelramp.api.names import Phase

SHARE_DEVIATIONS = 5.0
SHARE_SLACK = 0.01
"""A share may differ by five standard deviations of so many requests (a gateway may split by chance), and this."""
STEP_MARGIN_SECONDS = 2.0
FEWEST_ANSWERS = 100
"""Answers below which a share says nothing."""
LONGEST_SHOW_SECONDS = 480


def findings(cast: Cast, journal: Journal, load: Load) -> tuple[Finding, ...]:
    """Judge everything that was promised."""
    return (
        route_order(cast, journal),
        step_lengths(cast, journal),
        real_shares(cast, journal),
        rollbacks.on_the_third_breach(cast, journal),
        *(rollbacks.caught_by_one_check(cast, journal, bad) for bad in cast.failing),
        rollbacks.time_to_safety(cast, journal),
        rollbacks.none_after_rollback(cast, journal, load),
        in_the_end(cast, journal),
        no_failures(load),
        in_time(load),
    )


def route_order(cast: Cast, journal: Journal) -> Finding:
    """Each route that was ever seen, in order: one step at a time, and straight back."""
    steps, good = cast.rules.steps, cast.good
    wished: list[dict[str, int]] = [{cast.versions[0]: 100}]
    wished += [_split(cast.versions[0], good, weight) for weight in steps]
    for bad in cast.failing:
        ending = journal.ending(bad.version, "RolledBack")
        highest = ending.entry.weight if ending is not None else steps[0]
        wished += [_split(good, bad.version, weight) for weight in steps[: bad.steps] if weight <= highest]
        wished.append({good: 100})
    seen = [{journal.version(name): weight for name, weight in route.weights.items()} for route in journal.routes]
    promise = f"the route gives {good} {' → '.join(map(str, steps))} %, each later version no more until it is caught"
    return Finding(promise, " → ".join(_as_words(weights) for weights in seen) or "no route", seen == wished)


def step_lengths(cast: Cast, journal: Journal) -> Finding:
    """How long the second version had each weight."""
    second = journal.revision(cast.good)
    promoted = journal.ending(cast.good, "Promoted")
    rise = [route for route in journal.routes if promoted is None or route.at <= promoted.at]
    ends = [route.at for route in rise]
    spans = []
    for weight in cast.rules.steps:
        at = next((route.at for route in rise if route.weights.get(second or "") == weight), None)
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
    for version, weight, share, total in _shares(cast, journal):
        texts.append(f"{version} {share:.1%} of {weight} %")
        kept = kept and abs(share - weight / 100) <= share_margin(weight / 100, total)
    wished = len(cast.rules.steps) + 2 * len(cast.failing) - 1
    promise = "clients really get these shares (give or take what chance does, and all at 100 %)"
    return Finding(promise, ", ".join(texts) or "no share", kept and len(texts) >= wished)


def share_margin(wanted: float, total: float) -> float:
    """How far a share of so many answers may lie from the wanted one; 0 where all or nothing is wanted.

    >>> round(share_margin(0.1, 1200), 3), round(share_margin(0.5, 1200), 3), share_margin(1.0, 1200)
    (0.053, 0.082, 0.0)
    """
    spread = wanted * (1 - wanted)
    return SHARE_DEVIATIONS * math.sqrt(spread / total) + SHARE_SLACK if spread else 0.0


def in_the_end(cast: Cast, journal: Journal) -> Finding:
    """Who serves when the demo is over, by the status, by the route and by the answers."""
    good = cast.good
    status = journal.status
    stable = status.stable.model_version if status.stable else "nothing"
    route = journal.routes[-1] if journal.routes else None
    weights = {journal.version(name): weight for name, weight in route.weights.items()} if route else {}
    share, _ = _share(journal, journal.revision(good) or "", route.at + GRACE_SECONDS if route else 0, None)
    kept = (status.phase, stable, weights, share) == (Phase.ROLLED_BACK, good, {good: 100}, 1.0)
    text = f"{stable} is stable, route {_as_words(weights)}, "
    text += f"{share:.1%} of the answers" if share is not None else "too few answers to tell"
    return Finding(f"in the end {good} serves everything", f"{status.phase}: {text}", kept)


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


def _shares(cast: Cast, journal: Journal) -> Iterator[tuple[str, int, float, float]]:
    """The newer version on each route but the first and the last: its weight, its share of the answers, how many."""
    for route, following in pairwise(journal.routes):
        version = next((one for one in reversed(cast.versions[1:]) if journal.revision(one) in route.weights), None)
        revision = journal.revision(version or "") or ""
        share, total = _share(journal, revision, route.at + GRACE_SECONDS, following.at)
        if version is not None and share is not None:
            yield version, route.weights[revision], share, total


def _share(journal: Journal, revision: str, begin: float, end: float | None) -> tuple[float | None, float]:
    """Share of all answers between two instants, 0 to 1 (None when there were too few to tell), and how many."""
    inside = [one for one in journal.traffic if one.at >= begin and (end is None or one.at <= end)]
    if not inside:
        return None, 0.0
    first, last = inside[0].answered, inside[-1].answered
    total = sum(last.values()) - sum(first.values())
    if total < FEWEST_ANSWERS:
        return None, total
    return (last.get(revision, 0) - first.get(revision, 0)) / total, total
