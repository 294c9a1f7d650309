"""`modelramp unfreeze`: rollouts in a namespace go on."""

import click

from modelramp.api.names import FREEZE_ANNOTATION
from modelramp.cli.asking import located
from modelramp.cli.cluster import EXIT_CODES, Cluster


@click.command("unfreeze", epilog=EXIT_CODES)
@located
def command(namespace: str | None, context: str | None) -> None:
    """Lift the freeze of a namespace: rollouts continue from where they are."""
    cluster = Cluster.connect(context, namespace)
    cluster.annotate_namespace(FREEZE_ANNOTATION, None)
    click.echo(f"namespace {cluster.namespace} is not frozen")
