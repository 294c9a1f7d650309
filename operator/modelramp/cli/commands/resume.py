"""`modelramp resume`: let a paused rollout go on."""

from typing import Any

import click

from modelramp.cli.asking import about_one, reason_option, request_of_candidate
from modelramp.cli.cluster import EXIT_CODES


@click.command("resume", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Resume a paused rollout.

    It lifts neither spec.rollout.paused nor a freeze.
    """
    request_of_candidate("resume", reason, **options)
