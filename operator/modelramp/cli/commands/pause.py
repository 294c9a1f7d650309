"""`modelramp pause`: hold a rollout at its weight; checks go on."""

from typing import Any

import click

from modelramp.cli.asking import about_one, reason_option, request_of_candidate
from modelramp.cli.cluster import EXIT_CODES


@click.command("pause", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Hold a rollout at its weight; checks go on.

    Checks go on and can roll the version back. A pause lasts until resume, over new commits as well.
    """
    request_of_candidate("pause", reason, **options)
