"""What a ModelDeployment's status says to a pipeline and to a person, from the JSON alone."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import click

from modelramp.api.names import ConditionType, Phase, Reason
from modelramp.api.text import visible
from modelramp.api.times import to_seconds
from modelramp.cli.cluster import Exit, Object

HELD = frozenset(
    {
        Reason.PAUSED,
        Reason.FROZEN,
        Reason.HELD_BY_CHECK,
        Reason.HELD_BY_ROUTE,
        Reason.HELD_BY_PODS,
        Reason.HELD_BY_APPROVAL,
        Reason.HELD_BY_EVALUATION,
        Reason.POLICY_UNRESOLVED,
        Reason.WAITING_FOR_CAPACITY,
        Reason.SCALED_TO_ZERO,
        Reason.GATEWAY_NOT_FOUND,
        Reason.ROUTE_NOT_ACCEPTED,
        Reason.ROUTE_NOT_FOUND,
        Reason.ROUTE_RULE_NOT_FOUND,
        Reason.ROUTE_CONTESTED,
        Reason.ROUTE_SHADOWED,
        Reason.BACKENDS_UNRESOLVED,
        Reason.API_SERVER_UNAVAILABLE,
    }
)
"""Reasons that hold a rollout until somebody or something outside of it changes."""
_IN_A_MOMENT = frozenset({Reason.ROUTE_PENDING, Reason.ROUTE_UNCONFIRMED})
"""Reasons of a route that follow every change of it."""
_NO_DATA = "??"
"""Ticks that hold a rollout: a single one without data is no news."""
UNSEEN = "the operator has not seen the last change yet: does it run, and does it watch this namespace?"


def status_in(obj: Object) -> Mapping[str, Any]:
    """The status; empty when there is none."""
    return obj.get("status") or {}


def conditions_in(obj: Object) -> dict[str, Mapping[str, Any]]:
    """The conditions by their type."""
    return {one["type"]: one for one in status_in(obj).get("conditions") or ()}


def observed(obj: Object) -> bool:
    """Whether the status speaks of the present spec."""
    return bool(status_in(obj).get("observedGeneration") == obj["metadata"].get("generation"))


def verdict(obj: Object) -> Exit:
    """How the wanted version stands."""
    status, conditions = status_in(obj), conditions_in(obj)
    ready = conditions.get(ConditionType.READY, {})
    if not observed(obj):
        return Exit.UNKNOWN
    if ready.get("status") == "True":
        return Exit.DONE
    if ConditionType.STALLED in conditions or status.get("phase") in {Phase.ROLLED_BACK, Phase.DEGRADED}:
        return Exit.FAILED
    silent = bool(status.get("candidate")) and str(status.get("ticks", "")).endswith(_NO_DATA)
    return Exit.HELD if silent or {ready.get("reason"), status.get("reason")} & HELD else Exit.TIMED_OUT


def line(obj: Object) -> str:
    """The phase and the sentence of the status."""
    status, name = status_in(obj), obj["metadata"]["name"]
    if not observed(obj):
        return f"{name}: {UNSEEN}"
    return f"{name}: {visible(str(status.get('phase', '')))}: {visible(str(status.get('message', '')))}"


def label(version: Mapping[str, Any]) -> str:
    """A version of the status as people read it: 2.0.0 (7c9fxwq2kd)."""
    return f"{version.get('modelVersion', '')} ({version.get('revision', '')})"


def judged(status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The version that the checks and the breaches in a row are about; right after a rollback the one that failed."""
    candidate, stable = status.get("candidate") or {}, status.get("stable") or {}
    revision = (status.get("watch") or {}).get("revision")
    known = (candidate, stable, status.get("previous") or {})
    for version in known:
        if revision and version.get("revision") == revision:
            return version
    if revision:
        return {"revision": revision, "modelVersion": tried(status, revision)}
    return candidate if candidate.get("step", -1) >= 0 else stable or candidate


def tried(status: Mapping[str, Any], revision: str | None) -> str:
    """The model version of a revision, as the history knows it."""
    entries = (one for one in status.get("history") or () if one.get("revision") == revision)
    return str(next((one.get("modelVersion", "") for one in entries), ""))


def mark(verdict: str) -> str:
    """One character for the verdict of a check."""
    return {"healthy": "\u2714", "breach": "\u2716"}.get(verdict, "?")


def holds(obj: Object) -> Iterator[str]:
    """What keeps the rollout where it is, and how each of it ends."""
    status, name = status_in(obj), obj["metadata"]["name"]
    candidate = status.get("candidate")
    for policy in status.get("policies") or ():
        if policy.get("problem"):
            yield f"{policy['kind']} {policy['name']} cannot be used: {policy['problem']}"
    if candidate is not None:
        yield from _held_by_people(obj)
        yield from _held_by_things(status, candidate, name)
    routed = conditions_in(obj).get(ConditionType.ROUTED, {})
    if routed.get("status") not in {"True", None} and routed.get("reason") not in _IN_A_MOMENT:
        yield f"the route: {routed.get('message', '')}"


def _held_by_people(obj: Object) -> Iterator[str]:
    name, ready = obj["metadata"]["name"], conditions_in(obj).get(ConditionType.READY, {})
    if status_in(obj).get("paused"):
        yield f"a person has paused it: `kubectl modelramp resume {name}` lets it go on"
    if part(part(obj, "spec"), "rollout").get("paused") is True:
        yield "spec.rollout.paused is true: set it to false"
    if ready.get("reason") == "Frozen":
        yield f"{ready.get('message', 'it is frozen')}: `kubectl modelramp unfreeze` ends the freeze of a namespace"


def _held_by_things(status: Mapping[str, Any], candidate: Mapping[str, Any], name: str) -> Iterator[str]:
    wait = candidate.get("capacityWait") or {}
    if wait and not wait.get("ended"):
        yield f"it waits for capacity since {wait['since']}: {wait.get('message', '')}"
    if status.get("reason") == Reason.HELD_BY_APPROVAL:
        yield f"it waits for a person's approval: `kubectl modelramp promote {name}` gives it"
    if status.get("reason") == Reason.HELD_BY_PODS:
        yield f"the next step needs more available pods than there are: {candidate.get('pods', '')}"
    for check in status.get("checks") or () if candidate.get("step", -1) >= 0 else ():
        found = check.get("message") or check.get("reason", "")
        if check.get("verdict") == "healthy" or check.get("reason") == Reason.WARMING_UP:
            continue
        if check.get("role") == "hold":
            yield f"check {check['name']} holds: {found}"
        elif check.get("role") == "rollback" and check.get("verdict") == "no-data":
            yield f"check {check['name']} has no data, without which no step ends: {found}"
    evaluation = candidate.get("evaluation") or {}
    if evaluation.get("state") == "NoData":
        again = f"`kubectl modelramp retry {name}` runs it again"
        yield f"the evaluation has no result: {evaluation.get('message', '')}; {again}"


def instant(text: Any) -> int:
    """Seconds since the epoch of a time in a status; 0 if there is none."""
    try:
        return to_seconds(str(text))
    except ValueError:
        return 0


def part(raw: Any, name: str) -> Mapping[str, Any]:
    """A part of a spec, which may be anything."""
    found = raw.get(name) if isinstance(raw, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def printed(data: Any, output: str, *, several: bool = False) -> None:
    """Print data as JSON or YAML; text of others can hide nothing in it. several: one line, or document, of many."""
    if output == "json":
        click.echo(json.dumps(data, indent=None if several else 2))
        return
    import yaml

    click.echo("---\n" if several else "", nl=False)
    click.echo(yaml.safe_dump(data, sort_keys=False, width=10_000), nl=False)
