"""The view of one model: its versions and their traffic, its checks, its last ticks, and what happens next."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from modelramp.api.text import visible
from modelramp.api.times import format_duration, to_clock, to_seconds
from modelramp.cli.cluster import Cluster, Exit, Object
from modelramp.cli.output import columns
from modelramp.cli.reading import (
    UNSEEN,
    conditions_in,
    holds,
    judged,
    mark,
    observed,
    part,
    status_in,
    tried,
    verdict,
)

if TYPE_CHECKING:
    from modelramp.api.routing import Routing

_COLOURS = {Exit.DONE: "green", Exit.FAILED: "red", Exit.HELD: "yellow", Exit.UNKNOWN: "yellow"}
_OF_VERDICT = {"healthy": "green", "breach": "red", "no-data": "yellow"}
_OF_CHECK = ("name", "role", "verdict", "value", "limit", "reason", "message", "at")
_THRESHOLD = 3
"""Of spec.health.failureThreshold where nothing is written."""
_UNKNOWN = "?"


def routed(cluster: Cluster, obj: Object) -> dict[str, int] | None:
    """Weights on the route, by revision, or by the name of a Service that is not ours; None when unknown."""
    from pydantic import ValidationError

    from modelramp.api.routing import Routing
    from modelramp.desired.ownership import Owner
    from modelramp.desired.routers import router_of

    try:
        routing = Routing.model_validate(part(obj, "spec").get("routing") or {})
    except ValidationError:
        return None
    metadata = obj["metadata"]
    route = _route(cluster, routing, metadata)
    if route is None:
        return None
    owner = Owner(metadata["namespace"], metadata["name"], metadata.get("uid", ""))
    found: dict[str, int] = {}
    for backend in router_of(routing).backends(owner, route):
        name = backend.revision or backend.name
        found[name] = found.get(name, 0) + backend.weight
    return found


def _route(cluster: Cluster, routing: "Routing", metadata: Mapping[str, Any]) -> Object | None:
    """The object that has the weights."""
    from modelramp.desired.names import route_name
    from modelramp.desired.routers import router_of

    router = router_of(routing)
    for ref in router.refers(routing, metadata["namespace"]):
        return cluster.find(ref.kind, ref.name)
    return cluster.find(router.kinds[0], route_name(metadata["name"]))


def view(obj: Object, weights: Mapping[str, int] | None) -> dict[str, Any]:
    """What `modelramp get` shows, as JSON. weights: on the route; None when unknown."""
    status, metadata, spec = status_in(obj), obj["metadata"], part(obj, "spec")
    shown = ("phase", "reason", "message", "progress", "ticks", "breaches", "lastTick", "next")
    return {
        "namespace": metadata["namespace"],
        "name": metadata["name"],
        **{key: status.get(key, "") for key in shown},
        "observed": observed(obj),
        "exitCode": verdict(obj).value,
        "breaches": int(status.get("breaches") or 0),
        "failureThreshold": part(spec, "health").get("failureThreshold", _THRESHOLD),
        "steps": [step.get("weight") for step in part(spec, "rollout").get("steps") or ()],
        "versions": list(_versions(status, weights)),
        "judged": {key: judged(status).get(key, "") for key in ("modelVersion", "revision")},
        "checks": [{key: found.get(key, "") for key in _OF_CHECK} for found in status.get("checks") or ()],
        "conditions": {kind: found.get("status", "") for kind, found in conditions_in(obj).items()},
        "holds": list(holds(obj)),
        "request": {"text": status.get("request", ""), **(status.get("answer") or {})},
    }


def _versions(status: Mapping[str, Any], weights: Mapping[str, int] | None) -> Iterator[dict[str, Any]]:
    """Each version with a role, and whatever else is on the route."""
    left, total = dict(weights or {}), sum((weights or {}).values())
    candidate = status.get("candidate") or {}
    taken = int(candidate.get("weight") or 0) if candidate.get("step", -1) >= 0 else 0
    wanted = {"stable": 100 - taken, "candidate": taken}
    failed = {"revision": status.get("failedRevision"), "modelVersion": tried(status, status.get("failedRevision"))}
    roles = (*((role, status.get(role) or {}) for role in ("stable", "candidate", "previous")), ("failed", failed))
    told = set()
    for role, version in roles:
        revision = version.get("revision")
        if not revision or revision in told:
            continue
        told.add(revision)
        share = left.pop(revision, 0)
        yield {
            "modelVersion": version.get("modelVersion", ""),
            "revision": revision,
            "role": role,
            "pods": version.get("pods", ""),
            "wanted": wanted.get(role, 0),
            "routed": None if weights is None else round(100 * share / total) if total else 0,
            "since": version.get("since", ""),
        }
    for name, share in left.items():
        known = tried(status, name)
        row = {"modelVersion": known, "revision": name, "role": "retiring" if known else "other", "pods": ""}
        yield {**row, "wanted": 0, "routed": round(100 * share / total) if total else 0, "since": ""}


def drawn(found: Mapping[str, Any], now: int, width: int) -> Iterator[str]:
    """The view as lines for people, with colours. now: seconds since the epoch. width: 0 does not wrap."""
    colour = _COLOURS.get(Exit(found["exitCode"]), "cyan")
    head = click.style(visible(found["phase"] or "Pending"), fg=colour, bold=True)
    step = f"   step {found['progress']}" if found["progress"] else ""
    steps = f" of {' '.join(f'{weight} %' for weight in found['steps'])}" if step and found["steps"] else ""
    yield f"{click.style(found['name'], bold=True)}   {found['namespace']}   {head}{step}{steps}"
    if not found["observed"]:
        yield click.style(UNSEEN, fg="yellow")
    yield ""
    yield from columns(("VERSION", "REVISION", "ROLE", "PODS", "WANTED", "ROUTED", "AGE"), _version_rows(found, now))
    yield ""
    if found["checks"]:
        of = visible(f"CHECK OF {found['judged']['modelVersion']}")
        yield from columns((of, "ROLE", "", "VALUE", "LIMIT", ""), _check_rows(found["checks"]))
        yield ""
    yield from _ticks(found)
    for hold in found["holds"]:
        yield from _wrapped(click.style("held: ", fg="yellow"), hold, width)
    yield from _wrapped("", str(found["message"]), width)


def _version_rows(found: Mapping[str, Any], now: int) -> Iterator[tuple[str, ...]]:
    for row in found["versions"]:
        late = row["routed"] != row["wanted"] and row["routed"] is not None
        share = f"{row['routed']} %" if row["routed"] is not None else _UNKNOWN
        yield (
            visible(row["modelVersion"]),
            visible(row["revision"]),
            row["role"],
            row["pods"] or "-",
            f"{row['wanted']} %",
            click.style(share, fg="yellow") if late else share,
            _age(row["since"], now),
        )


def _age(since: str, now: int) -> str:
    """As kubectl writes ages: 48s, 12m, 5h, 3d."""
    try:
        seconds = max(0, now - to_seconds(since))
    except ValueError:
        return "-"
    if seconds >= 172_800:
        return f"{seconds // 86_400}d"
    size = 3600 if seconds >= 7200 else 60 if seconds >= 120 else 1
    return format_duration(seconds // size * size)


def _check_rows(checks: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for check in checks:
        painted = click.style(mark(check["verdict"]), fg=_OF_VERDICT.get(check["verdict"]))
        why = "" if check["verdict"] == "healthy" else visible(f"{check['reason']}: {check['message']}")
        value = visible(check["value"] or "no data")
        yield visible(check["name"]), check["role"], painted, value, visible(check["limit"]), why


def _ticks(found: Mapping[str, Any]) -> Iterator[str]:
    if not found["ticks"]:
        return
    colours = {"+": "green", "-": "red", "?": "yellow"}
    strip = "".join(click.style(one, fg=colours.get(one)) for one in visible(found["ticks"]))
    breaches = click.style(f"{found['breaches']}", fg="red" if found["breaches"] else None)
    last = f"   last {to_clock(to_seconds(found['lastTick']))}" if found["lastTick"] else ""
    coming = f", next {found['next']}" if found["next"] else ""
    yield f"ticks {strip}   breaches in a row: {breaches} of {found['failureThreshold']}{last}{coming}"


def _wrapped(head: str, text: str, width: int) -> Iterator[str]:
    text = visible(text)
    lines = textwrap.wrap(text, max(width, 40) - len(click.unstyle(head))) if width else [text]
    for number, each in enumerate(lines):
        yield f"{head if not number else ' ' * len(click.unstyle(head))}{each}"
