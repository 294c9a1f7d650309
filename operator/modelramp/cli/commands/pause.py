"""`modelramp pause`: hold a rollout at its weight; checks go on."""

from typing import Any

import click

from modelramp.cli.asking import about_one, reason_option, request_of_candidate
from modelramp.cli.cluster import EXIT_CODES


@click.command("pause", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Hold a rollout at its current weight.

    Checks go on and can roll the version back. The pause lasts until you run resume, even if the spec changes.
    """
    request_of_candidate("pause", reason, **options)
