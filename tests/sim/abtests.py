"""A/B tests end once, by their verdict, on evidence in which no minute was counted twice."""

import re
from collections.abc import Iterator

from modelramp.api.names import FIELD_MANAGER
from tests.sim.apiserver import Change
from tests.sim.checker import Checker, Json, asked, seconds_of
from tests.sim.oracle import seconds
from tests.sim.prometheus import VISITS

LOST = {"Harm", "NoDifference", "Inconclusive", "Invalid"}


class Tests(Checker):
    """What the status says of a test against what can have been counted."""

    promise = "an A/B test ends once, by its verdict, and counts each minute at most once"

    def changed(self, change: Change) -> Iterator[str]:
        if change.kind != "ModelDeployment" or change.actor != FIELD_MANAGER or change.type != "MODIFIED":
            return
        spec, old, new = change.obj["spec"], (change.before or {}).get("status", {}), change.obj["status"]
        if "abTest" in spec["rollout"]:
            yield from _ended(old, new)
            yield from _counted(spec, old, new)
            yield from _founded(spec, old, new)


def _ended(old: Json, new: Json) -> Iterator[str]:
    before, after = old.get("candidate") or {}, new.get("candidate") or {}
    verdict = (new.get("experiment") or {}).get("verdict")
    up = before.get("step", -1) == 0 and after.get("step", -1) == 1 and before["revision"] == after.get("revision")
    if up and verdict != "Winner" and not asked(old, new, "promote"):
        yield f"the test was left upwards with the verdict {verdict}"
    outcomes = [(entry["revision"], entry["outcome"]) for entry in new.get("history", ())]
    ended = [entry for entry in outcomes if entry[1] in LOST]
    if len(ended) != len(set(ended)):
        yield f"a test ended twice: {outcomes}"
    newest = outcomes[0] if outcomes and new.get("history") != old.get("history") else ("", "")
    if newest[1] in LOST and (newest[1] != verdict or before.get("step") != 0):
        yield f"the history says {newest[1]}, the test {verdict} in step {before.get('step')}"


def _counted(spec: Json, old: Json, new: Json) -> Iterator[str]:
    was, now = old.get("experiment") or {}, new.get("experiment") or {}
    if not now:
        return
    interval = seconds_of(spec["health"]["interval"])
    minutes = (seconds(new["lastTick"]) - seconds(now["startedAt"])) // interval
    visits = _visits(now)
    if visits % VISITS or visits > minutes * VISITS:
        yield f"{visits} visits were counted in {minutes} minutes of {VISITS}"
    if was.get("startedAt") == now["startedAt"] and _visits(was) > visits:
        yield f"evidence was lost: {_visits(was)} visits became {visits}"


def _founded(spec: Json, old: Json, new: Json) -> Iterator[str]:
    """The verdict is one that the counts in the status give, and that the times of the spec allow."""
    test, now = spec["rollout"]["abTest"], new.get("experiment") or {}
    verdict = now.get("verdict")
    if verdict in {None, (old.get("experiment") or {}).get("verdict")} or "interval" not in now:
        return
    rates = [_rate(now[arm]) for arm in ("candidate", "stable")]
    difference = _points(now["difference"])[0]
    low, high = _points(now["interval"])
    if abs(difference - (rates[0] - rates[1])) > ROUNDED or not low <= difference <= high:
        yield f"{now['candidate']} and {now['stable']} differ by {difference}, {low} to {high}"
    spent = seconds(new["lastTick"]) - seconds(now["startedAt"])
    least, most, effect = (
        seconds_of(test["minDuration"]),
        seconds_of(test["maxDuration"]),
        100 * float(test["minEffect"]),
    )
    if verdict == "Winner" and not (low > 0 and difference >= effect and spent >= least):
        yield f"a winner after {spent} s with {difference} points, {low} to {high}"
    if verdict == "Harm" and high >= 0:
        yield f"harm with {low} to {high} points"
    if verdict == "NoDifference" and not (spent >= least and -effect - ROUNDED <= low and high <= effect + ROUNDED):
        yield f"no difference after {spent} s with {low} to {high} points"
    if verdict == "Inconclusive" and spent < most:
        yield f"inconclusive after {spent} s of {most}"


ROUNDED = 0.2
"""Points by which numbers that are rounded for people may be off."""


def _rate(arm: str) -> float:
    return float(arm.split(" ", maxsplit=1)[0])


def _points(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"[-+]?[\d.]+", text)]


def _visits(experiment: Json) -> int:
    found = re.search(r"of ([\d,]+)$", experiment.get("candidate", ""))
    return int(found[1].replace(",", "")) if found else 0
