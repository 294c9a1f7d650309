"""`modelramp promote`: move a rollout on by one step, or promote the last one."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, reason_option, request_of_candidate, request_to_the_end
from modelramp.cli.cluster import EXIT_CODES


@click.command("promote", epilog=EXIT_CODES)
@about_one
@click.option("--full", is_flag=True, help="Advance step by step until the version is promoted.")
@reason_option
def command(reason: str, full: bool, **options: Any) -> None:
    """Advance a rollout by one step; at the last step, promote the version.

    The next step begins as soon as the route shows the present weight; at the last step the version is promoted. With
    --full the steps follow each other as fast as the route shows them: no step is skipped, and none is waited for.
    """
    if full:
        request_to_the_end("promote", asked(**options), reason)
    else:
        request_of_candidate("promote", reason, **options)
