"""`modelramp retry`: begin a version that failed again, from the first step."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, candidate_of, reason_option, request
from modelramp.cli.cluster import EXIT_CODES


@click.command("retry", epilog=EXIT_CODES)
@about_one
@reason_option
def command(reason: str, **options: Any) -> None:
    """Roll out a failed version again, from the first step.

    A version that was withdrawn for lack of capacity is tried at once. An evaluation before traffic that has no result
    is run again.
    """
    where = asked(**options)
    obj = where.cluster.get(where.name)
    status = obj.get("status") or {}
    withdrawn = (status.get("deferred") or {}).get("revision")
    request(
        "retry",
        where,
        status.get("failedRevision") or candidate_of(obj) or withdrawn,
        "nothing has failed",
        reason=reason,
    )
