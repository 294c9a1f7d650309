"""`modelramp adopt`: write the ModelDeployment that takes the place of what runs."""

import json

import click

from modelramp.cli.asking import located
from modelramp.cli.cluster import EXIT_CODES, Cluster, Ended, Exit

_KINDS = ("deployment", "deployments", "deploy", "deployments.apps", "deployment.apps")


def _deployment(ctx: click.Context, param: click.Parameter, value: str) -> str:
    kind, slash, name = value.partition("/")
    if not slash:
        return value
    if kind.lower() not in _KINDS or not name:
        raise click.BadParameter("is a Deployment, as in deploy/legacy", ctx, param)
    return name


@click.command("adopt", epilog=EXIT_CODES)
@click.argument("workload", metavar="deploy/NAME", callback=_deployment)
@located
@click.option("--route", help="The HTTPRoute that sends traffic to it; found through its Service if not given.")
@click.option("--rule", help="The rule of the route; found through its Service if not given.")
@click.option("--name", help="Name of the ModelDeployment; the Deployment's if not given.")
@click.option("--version", "model_version", help="The model version that runs now; the image's tag if not given.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
def command(
    workload: str,
    namespace: str | None,
    context: str | None,
    route: str | None,
    rule: str | None,
    name: str | None,
    model_version: str | None,
    output: str,
) -> None:
    """Generate a ModelDeployment that takes over a Deployment and its route.

    Nothing in the cluster is changed: review the output, add checks to spec.health, and apply it. Lint findings go to
    standard error.
    """
    import yaml

    from modelramp.api.advice import Level
    from modelramp.api.kinds import SERVICE
    from modelramp.cli.adoption import AUTOSCALER, Running, Wishes, manifest, remarks
    from modelramp.cli.commands.lint import lint_text
    from modelramp.desired.routers.gateway_api import HTTP_ROUTE

    cluster = Cluster.connect(context, namespace)
    found = Running(
        cluster.deployment(workload),
        cluster.beside(SERVICE),
        cluster.beside(HTTP_ROUTE),
        cluster.beside(AUTOSCALER, optional=True),
    )
    wanted = manifest(found, Wishes(name, model_version, route, rule))
    text = yaml.safe_dump(wanted, sort_keys=False)
    _, findings = lint_text("adopt", text.encode())
    for said in (*(f"adopt: warning: {remark}" for remark in remarks(found, wanted)), *map(str, findings)):
        click.echo(said, err=True)
    if any(finding.level is Level.ERROR for finding in findings):
        raise Ended("the API server would refuse this ModelDeployment", Exit.FAILED)
    click.echo(text if output == "yaml" else json.dumps(wanted, indent=2), nl=output == "json")
