"""`modelramp status`: what a model serves and what happens next, with an exit code for pipelines."""

import time

import click

from modelramp.cli.asking import again, complete_names, located, output_option, seconds
from modelramp.cli.cluster import EXIT_CODES, Cluster, Exit, Object
from modelramp.cli.reading import line, observed, printed, status_in, verdict

_POLL_SECONDS = 1.0
_SILENT_SECONDS = 2.0
"""An operator that runs takes up a change sooner."""


@click.command("status", epilog=EXIT_CODES)
@click.argument("name", shell_complete=complete_names)
@located
@click.option(
    "--wait", is_flag=True, help="Wait until the rollout has ended, and print each status message as it changes."
)
@click.option(
    "--timeout",
    callback=seconds,
    metavar="TIME",
    default="30m",
    show_default=True,
    help="With --wait: how long to wait.",
)
@click.option(
    "--held",
    callback=seconds,
    metavar="TIME",
    default="10m",
    show_default=True,
    help="With --wait: how long the rollout may be held.",
)
@output_option
def command(
    name: str, namespace: str | None, context: str | None, wait: bool, timeout: int, held: int, output: str
) -> None:
    """Show what serves and what happens next; the exit code says where the rollout stands.

    With --wait it returns when the wanted version is promoted (0), or is rolled back or cannot be rolled out (1). It
    keeps waiting through lost connections and restarts of the operator, until --timeout.
    """
    cluster = Cluster.connect(context, namespace)
    loud = output == "text"
    if wait:
        obj, code = _waited(cluster, name, timeout, held, loud=loud)
    else:
        obj = _settled(cluster, name)
        code = verdict(obj)
        if loud:
            click.echo(line(obj))
    if not loud:
        printed({"name": name, "exitCode": code.value, "status": dict(status_in(obj))}, output)
    raise SystemExit(code)


def _settled(cluster: Cluster, name: str) -> Object:
    """The object once its status speaks of the present spec, or as it is after a short while."""
    until = time.monotonic() + _SILENT_SECONDS
    obj = cluster.get(name)
    while not observed(obj) and time.monotonic() < until:
        time.sleep(_SILENT_SECONDS / 8)
        obj = cluster.get(name)
    return obj


def _waited(cluster: Cluster, name: str, most: int, held: int, *, loud: bool) -> tuple[Object, Exit]:
    """The object when its rollout has ended, is held for too long, or the time is over."""
    began = time.monotonic()
    obj = _settled(cluster, name)
    held_since: float | None = None
    said, generation = "", obj["metadata"].get("generation")
    while True:
        now, code = time.monotonic(), verdict(obj)
        if obj["metadata"].get("generation") != generation:
            generation = obj["metadata"].get("generation")
            click.echo(f"warning: {name}: the spec has changed; waiting for generation {generation}", err=True)
        if loud and line(obj) != said:
            said = line(obj)
            click.echo(said)
        held_since = None if code is not Exit.HELD else held_since or now
        if code in {Exit.DONE, Exit.FAILED} or (held_since is not None and now - held_since >= held):
            return obj, code
        if now - began >= most:
            return obj, Exit.UNKNOWN if code is Exit.UNKNOWN else Exit.TIMED_OUT
        time.sleep(_POLL_SECONDS)
        obj = again(cluster, name, obj, began + most)
