"""`modelramp doctor`: what newcomers get wrong, each with the fix."""

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from modelramp.api.text import visible
from modelramp.cli.asking import complete_names, located, output_option
from modelramp.cli.cluster import EXIT_CODES, Cluster, Ended, Exit
from modelramp.cli.output import coloured
from modelramp.cli.reading import printed

if TYPE_CHECKING:
    from modelramp.cli.diagnosis import Found

_SHOWN = {"fine": ("✔", "green"), "warning": ("!", "yellow"), "problem": ("✖", "red"), "unknown": ("?", "yellow")}


@click.command("doctor", epilog=EXIT_CODES)
@click.argument("name", required=False, shell_complete=complete_names)
@located
@output_option
def command(name: str | None, namespace: str | None, context: str | None, output: str) -> None:
    """Find what blocks rollouts, and say how to fix it; with NAME also for one model.

    Examines the API server, your permissions, the operator and Argo CD; for a model also its route, checks and spec,
    and whether quota and devices leave room for its next rollout, as far as you may read them. What the operator itself
    sees of Prometheus stands in the checks. The exit code is 1 when there is a problem.
    """
    from modelramp.cli.diagnosis import Found, Mark, model, room, surroundings

    cluster = Cluster.connect(context, namespace)
    found = list(surroundings(cluster))
    if name is not None:
        try:
            obj = cluster.get(name)
            found += [*model(obj), *room(cluster, obj)]
        except Ended as error:
            found.append(Found(Mark.PROBLEM, error.message))
    if output == "text":
        for one in found:
            _print(one)
    else:
        printed([asdict(one) | {"mark": one.mark.value} for one in found], output)
    raise SystemExit(Exit.FAILED if any(one.mark is Mark.PROBLEM for one in found) else Exit.DONE)


def _print(found: "Found") -> None:
    sign, colour = _SHOWN[found.mark]
    click.echo(f"{click.style(sign, fg=colour)} {visible(found.text)}", color=coloured())
    if found.fix:
        click.echo(f"    {visible(found.fix)}")
