"""`modelramp pause`: hold a rollout at its weight; checks go on."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, at_rest, candidate_of, reason_option, request


@click.command("pause")
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Hold a rollout at its weight; checks go on.

    Checks go on and can roll the version back. A pause lasts until resume, over new commits as well.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    request("pause", where, candidate_of(obj), at_rest(obj), reason=reason)
