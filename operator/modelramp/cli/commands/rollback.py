"""`modelramp rollback`: leave the version that serves for one that worked before."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, reason_option, request
from modelramp.cli.cluster import EXIT_CODES


@click.command("rollback", epilog=EXIT_CODES)
@about_one
@click.option("--to", default="", metavar="VERSION", help="Revision or model version; the one before if not given.")
@reason_option
def command(to: str, reason: str, **options: Any) -> None:
    """Leave the version that serves for one that worked before.

    Its pods start first, then it gets all traffic at once. What is left counts as failed: it gets no traffic until the
    spec changes, or retry. While another version is in flight, abort that one first.
    """
    where = asked(**options)
    status = where.cluster.get(where.name).get("status") or {}
    serving = (status.get("stable") or {}).get("revision")
    if "/" in to:
        raise click.BadParameter("a version with a slash is named by its revision", param_hint="--to")
    request("rollback", where, serving, "nothing serves", reason=reason, to=to)
