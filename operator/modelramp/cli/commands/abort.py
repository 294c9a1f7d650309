"""`modelramp abort`: take all traffic from the version in flight."""

from typing import Any

import click

from modelramp.cli.asking import about_one, reason_option, request_of_candidate
from modelramp.cli.cluster import EXIT_CODES


@click.command("abort", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Take all traffic from the version that is being rolled out.

    The version counts as failed: it gets no traffic until the spec changes, or until you run retry.
    """
    request_of_candidate("abort", reason, **options)
