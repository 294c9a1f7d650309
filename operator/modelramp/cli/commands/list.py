"""`modelramp list`: all models at a glance, those in trouble first."""

import click

from modelramp.api.text import cut, visible
from modelramp.cli.asking import located
from modelramp.cli.cluster import EXIT_CODES, Cluster, Exit, Object
from modelramp.cli.output import screen
from modelramp.cli.reading import printed, verdict

_ORDER = (Exit.FAILED, Exit.UNKNOWN, Exit.HELD, Exit.TIMED_OUT, Exit.DONE)
_WORDS = 90


@click.command("list", epilog=EXIT_CODES)
@located
@click.option("-A", "--all-namespaces", is_flag=True, help="List models of all namespaces.")
@click.option("--trouble", is_flag=True, help="Only models that failed, are held, breach, or have no data.")
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True)
def command(namespace: str | None, context: str | None, all_namespaces: bool, trouble: bool, output: str) -> None:
    """List models: the serving version, the one being rolled out, and the last ten ticks; those in trouble first."""
    cluster = Cluster.connect(context, namespace)
    found = cluster.list(everywhere=all_namespaces)
    chosen = sorted((obj for obj in found if not trouble or in_trouble(obj)), key=_place)
    if output != "table":
        printed([row(obj) for obj in chosen], output)
        return
    if not chosen:
        what = "no model is in trouble" if trouble and found else "no ModelDeployment is here"
        click.echo(what if all_namespaces else f"{what}: namespace {cluster.namespace}")
        return
    _table([row(obj) for obj in chosen], namespaces=all_namespaces)


def in_trouble(obj: Object) -> bool:
    """Whether the model needs attention: it failed, is held, breaches, or has no data."""
    status = obj.get("status") or {}
    conditions = {one["type"]: one.get("status") for one in status.get("conditions") or ()}
    unwell = conditions.get("Healthy") in {"False", "Unknown"} and "scaledToZero" not in status
    return verdict(obj) in {Exit.FAILED, Exit.HELD} or unwell


def row(obj: Object) -> dict[str, str]:
    """What the table says of one model."""
    status = obj.get("status") or {}
    stable, candidate = status.get("stable") or {}, status.get("candidate") or {}
    moving = f"{candidate['modelVersion']} {candidate.get('weight', 0)}%" if candidate else ""
    return {
        "namespace": obj["metadata"]["namespace"],
        "name": obj["metadata"]["name"],
        "phase": status.get("phase", "Pending"),
        "serves": visible(str(stable.get("modelVersion", ""))),
        "rollout": visible(moving),
        "ticks": str(status.get("ticks", "")),
        "message": visible(str(status.get("message", ""))),
    }


def _place(obj: Object) -> tuple[int, bool, str, str]:
    metadata = obj["metadata"]
    return _ORDER.index(verdict(obj)), not in_trouble(obj), metadata["namespace"], metadata["name"]


def _table(rows: list[dict[str, str]], *, namespaces: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    names = [name for name in rows[0] if namespaces or name != "namespace"]
    for name in names:
        table.add_column(name.upper(), no_wrap=name != "message")
    for each in rows:
        table.add_row(*(escape(cut(each[name], _WORDS) if name == "message" else each[name]) for name in names))
    screen().print(table)
