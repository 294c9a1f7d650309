"""`modelramp release`: give back what a ModelDeployment has taken over, and end it."""

import time

import click

from modelramp.api.names import FINALIZER
from modelramp.cli.asking import POLL_SECONDS, complete_names, located, timeout_option
from modelramp.cli.cluster import EXIT_CODES, Cluster, Ended, Exit


@click.command("release", epilog=EXIT_CODES)
@click.argument("name", shell_complete=complete_names)
@located
@timeout_option("15m")
def command(name: str, namespace: str | None, context: str | None, timeout: int) -> None:
    """Hand the Deployment and the route that a ModelDeployment has taken over back, and delete the ModelDeployment.

    The Deployment gets its replicas first and the traffic when its pods are ready; then the pods of the versions end.
    Take the ModelDeployment out of Git before, or it takes over again.
    """
    from modelramp.desired.workloads.reference import originals

    cluster = Cluster.connect(context, namespace)
    obj = cluster.get(name)
    if FINALIZER not in (obj["metadata"].get("finalizers") or ()):
        raise Ended(f"{name}: has taken over nothing; kubectl delete modeldeployment {name} ends it", Exit.FAILED)
    kept = originals(obj["metadata"])
    for workload in kept:
        cluster.deployment(workload)  # ends the command where nothing is left that could serve
    cluster.delete(name)
    until = time.monotonic() + timeout
    while timeout and cluster.exists(name, obj["metadata"].get("uid", "")):
        if time.monotonic() >= until:
            text = f"{name}: still gives back what it has taken over; its versions serve until then"
            raise Ended(text, Exit.TIMED_OUT)
        time.sleep(POLL_SECONDS)
    for workload in kept if timeout else ():
        found = cluster.deployment(workload)
        ready = (found.get("status") or {}).get("availableReplicas", 0)
        click.echo(f"Deployment {workload}: {ready} of {found['spec'].get('replicas', 1)} pods are available")
    click.echo(f"{name}: {'is released' if timeout else 'is being released'}")
