"""`modelramp rollback`: leave the version that serves for one that worked before."""

from typing import Any

import click

from modelramp.cli.asking import about_one, asked, reason_option, request
from modelramp.cli.cluster import EXIT_CODES


@click.command("rollback", epilog=EXIT_CODES)
@about_one
@click.option("--to", default="", metavar="VERSION", help="Revision or model version; the previous one if not given.")
@reason_option
def command(to: str, reason: str, **options: Any) -> None:
    """Go back to a version that served before.

    Its pods start first, then it gets all traffic at once. The version that served until now counts as failed: it gets
    no traffic until the spec changes, or until you run retry. While a rollout is in progress, abort that first.
    """
    where = asked(**options)
    status = where.cluster.get(where.name).get("status") or {}
    serving = (status.get("stable") or {}).get("revision")
    if "/" in to:
        raise click.BadParameter("a version with a slash is named by its revision", param_hint="--to")
    request("rollback", where, serving, "nothing serves", reason=reason, to=to)
