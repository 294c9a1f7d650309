"""`modelramp promote`: move a rollout on by one step, or promote the last one."""

from typing import Any

import click

from modelramp.cli.asking import about_one, reason_option, request_of_candidate
from modelramp.cli.cluster import EXIT_CODES


@click.command("promote", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Move a rollout on by one step, or promote the last one.

    The next step begins as soon as the route shows the present weight; at the last step the version is promoted.
    """
    request_of_candidate("promote", reason, **options)
