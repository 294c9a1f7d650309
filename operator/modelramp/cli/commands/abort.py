"""`modelramp abort`: take all traffic from the version in flight."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, at_rest, candidate_of, reason_option, request


@click.command("abort")
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Take all traffic from the version in flight.

    The version counts as failed: it gets no traffic until the spec changes, or retry.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    request("abort", where, candidate_of(obj), at_rest(obj), reason=reason)
