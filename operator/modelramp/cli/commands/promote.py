"""`modelramp promote`: move a rollout on by one step, or promote the last one."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, at_rest, candidate_of, reason_option, request


@click.command("promote")
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Move a rollout on by one step, or promote the last one.

    The next step begins as soon as the route shows the present weight; at the last step the version is promoted.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    request("promote", where, candidate_of(obj), at_rest(obj), reason=reason)
