"""`modelramp retry`: begin a version that failed again, from the first step."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, candidate_of, reason_option, request
from modelramp.cli.cluster import EXIT_CODES


@click.command("retry", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Begin a version that failed again, from the first step.

    An evaluation before traffic that has no result is run again.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    failed = (obj.get("status") or {}).get("failedRevision") or candidate_of(obj)
    request("retry", where, failed, "nothing has failed", reason=reason)
