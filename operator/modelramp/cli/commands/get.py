"""`modelramp get`: the view of one model, once or as it changes."""

import shutil
import sys
import time
from collections.abc import Iterator
from typing import Any

import click

from modelramp.cli.asking import asked, of_one
from modelramp.cli.cluster import EXIT_CODES, Cluster, Ended, Exit, Object
from modelramp.cli.model_view import drawn, routed, view
from modelramp.cli.output import coloured
from modelramp.cli.reading import printed

_WATCH_SECONDS = 10
"""How long one watch lasts: ages and the route are looked at again then."""
_AGAIN_SECONDS = (1, 2, 5)
"""Pauses after lost connections; the last one is repeated."""
_CLEAR = "\x1b[H\x1b[J"


@click.command("get", epilog=EXIT_CODES)
@of_one
@click.option(
    "-w", "--watch", is_flag=True, help="Redraw on every change, until the object is deleted or you press Ctrl-C."
)
def command(watch: bool, output: str, **options: Any) -> None:
    """Show one model: its versions with their pods and traffic, its checks, the last ticks, and what happens next.

    WANTED is the share of traffic that the rollout has decided on, ROUTED the share that the route shows.
    """
    where = asked(output=output, **options)
    for obj in _states(where.cluster, where.name) if watch else (where.cluster.get(where.name),):
        found = view(obj, routed(where.cluster, obj))
        if output == "text":
            _show(found, again=watch)
        else:
            printed(found, output, several=watch)


def _show(found: dict[str, Any], *, again: bool) -> None:
    """Draw the view; in a terminal in place of the last one, elsewhere below it."""
    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if terminal else 0
    text = "\n".join(drawn(found, time.time_ns() // 1_000_000_000, width))
    end = "\n\n" if again and not terminal else "\n"
    click.echo(f"{_CLEAR if again and terminal else ''}{text}{end}", nl=False, color=coloured())


def _states(cluster: Cluster, name: str) -> Iterator[Object]:
    """The object now and whenever it changes, over lost connections; ends when it is deleted."""
    failures, shown, warned = 0, False, ""
    while True:
        try:
            obj = cluster.get(name)
            yield obj
            shown = True
            yield from cluster.watch(obj, _WATCH_SECONDS)
            failures, warned = 0, ""
        except Ended as error:
            if error.code is not Exit.UNKNOWN or not shown:
                raise
            if error.message != warned:
                click.echo(f"warning: {error.message}; trying again", err=True)
            warned = error.message
            time.sleep(_AGAIN_SECONDS[min(failures, len(_AGAIN_SECONDS) - 1)])
            failures += 1
