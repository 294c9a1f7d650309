"""`modelramp resume`: let a paused rollout go on."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, at_rest, candidate_of, reason_option, request


@click.command("resume")
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Let a paused rollout go on.

    A pause by spec.rollout.paused, or a freeze, is not lifted by it.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    request("resume", where, candidate_of(obj), at_rest(obj), reason=reason)
