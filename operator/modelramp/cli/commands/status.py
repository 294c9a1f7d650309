"""`modelramp status`: what a model serves and what happens next, with an exit code for pipelines."""

import json
import time
from typing import Any

import click

from modelramp.api.names import ConditionType, Phase, Reason
from modelramp.api.text import visible
from modelramp.cli.asking import complete_names, located, seconds
from modelramp.cli.cluster import Cluster, Ended, Exit, Object

_POLL_SECONDS = 1.0
_HELD = frozenset(
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
    }
)


@click.command(
    "status",
    epilog="""\b
Exit code: 0 the wanted version is promoted; 1 rolled back, degraded or
refused; 3 held (at once without --wait, else for longer than --held);
4 not there yet; 5 cannot tell.""",
)
@click.argument("name", shell_complete=complete_names)
@located
@click.option("--wait", is_flag=True, help="Wait until the rollout has ended, and print each new sentence.")
@click.option(
    "--timeout", callback=seconds, metavar="TIME", default="30m", show_default=True, help="With --wait: how long."
)
@click.option(
    "--held",
    callback=seconds,
    metavar="TIME",
    default="10m",
    show_default=True,
    help="With --wait: how long a hold may last.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def command(name: str, namespace: str | None, context: str | None, output: str, **how: Any) -> None:
    """Say what serves and what happens next; the exit code says how it stands."""
    cluster = Cluster.connect(context, namespace)
    obj = cluster.get(name)
    code = verdict(obj)
    if how["wait"]:
        obj, code = _waited(cluster, name, obj, how["timeout"], how["held"], loud=output == "text")
    elif output == "text":
        click.echo(line(obj))
    if output == "json":
        click.echo(json.dumps({"name": name, "exitCode": code.value, "status": obj.get("status") or {}}, indent=2))
    raise SystemExit(code)


def verdict(obj: Object) -> Exit:
    """How the wanted version stands."""
    status = obj.get("status") or {}
    conditions = {one["type"]: one for one in status.get("conditions") or ()}
    ready = conditions.get(ConditionType.READY, {})
    if status.get("observedGeneration") != obj["metadata"].get("generation"):
        return Exit.TIMED_OUT
    if ready.get("status") == "True":
        return Exit.DONE
    if ConditionType.STALLED in conditions or status.get("phase") in {Phase.ROLLED_BACK, Phase.DEGRADED}:
        return Exit.FAILED
    return Exit.HELD if {ready.get("reason"), status.get("reason")} & _HELD else Exit.TIMED_OUT


def line(obj: Object) -> str:
    """The phase and the sentence of the status."""
    status = obj.get("status") or {}
    if not status.get("phase"):
        return f"{obj['metadata']['name']}: the operator has not seen it yet"
    if status.get("observedGeneration") != obj["metadata"].get("generation"):
        return f"{obj['metadata']['name']}: the operator has not seen the last change yet"
    return f"{obj['metadata']['name']}: {status['phase']}: {visible(str(status.get('message', '')))}"


def _waited(cluster: Cluster, name: str, obj: Object, most: int, held: int, *, loud: bool) -> tuple[Object, Exit]:
    """The object when its rollout has ended, is held for too long, or the time is over."""
    began = time.monotonic()
    held_since: float | None = None
    said = ""
    while True:
        now, code = time.monotonic(), verdict(obj)
        if loud and line(obj) != said:
            said = line(obj)
            click.echo(said)
        held_since = None if code is not Exit.HELD else held_since or now
        if code in {Exit.DONE, Exit.FAILED} or (held_since is not None and now - held_since >= held):
            return obj, code
        if now - began >= most:
            return obj, Exit.TIMED_OUT
        time.sleep(_POLL_SECONDS)
        obj = _again(cluster, name, obj, began + most)


def _again(cluster: Cluster, name: str, obj: Object, until: float) -> Object:
    """The object as it is now; as it was while the API server is away for a moment."""
    try:
        return cluster.get(name)
    except Ended as error:
        if error.code is Exit.USAGE or time.monotonic() >= until:
            raise
        click.echo(f"warning: {error.message}", err=True)
        return obj
