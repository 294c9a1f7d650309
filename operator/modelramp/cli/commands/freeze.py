"""`modelramp freeze`: no version in a namespace gets more traffic."""

import click

from modelramp.api.names import FREEZE_ANNOTATION
from modelramp.cli.asking import located
from modelramp.cli.cluster import EXIT_CODES, Cluster


@click.command("freeze", epilog=EXIT_CODES)
@located
@click.option("--reason", default="true", help="Why, in a few words; the status of every model repeats them.")
def command(namespace: str | None, context: str | None, reason: str) -> None:
    """Stop every rollout in a namespace from getting more traffic; checks and rollbacks go on.

    New versions start their pods but get no traffic; versions that are being rolled out keep their weight.
    """
    cluster = Cluster.connect(context, namespace)
    cluster.annotate_namespace(FREEZE_ANNOTATION, reason)
    click.echo(f"namespace {cluster.namespace} is frozen; modelramp unfreeze -n {cluster.namespace} ends that")
