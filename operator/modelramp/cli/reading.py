"""What a ModelDeployment's status says to a pipeline and to a person, from the JSON alone."""

import json
from collections.abc import Mapping
from typing import Any

import click

from modelramp.api.names import ConditionType, Phase, Reason
from modelramp.api.text import visible
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


def mark(verdict: str) -> str:
    """One character for the verdict of a check."""
    return {"healthy": "\u2714", "breach": "\u2716"}.get(verdict, "?")


def printed(data: Any, output: str) -> None:
    """Print data as JSON or YAML; text of others can hide nothing in either."""
    if output == "json":
        click.echo(json.dumps(data, indent=2))
        return
    import yaml

    click.echo(yaml.safe_dump(data, sort_keys=False, width=10_000), nl=False)
