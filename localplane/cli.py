"""The commands of the local plane. Progress goes to standard error, results to standard output."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from localplane import binaries, plane, state
from localplane.errors import PlaneError
from localplane.plane import Plane, say


class Commands(click.Group):
    """Turns what a plane has to say about a failure into one clear message."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; exit 1 with the message of a PlaneError."""
        try:
            return super().invoke(ctx)
        except PlaneError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=Commands)
@click.option(
    "--name", default=state.DEFAULT_NAME, show_default=True, help="Which plane; several may run side by side."
)
@click.option("--state", "folder", type=click.Path(path_type=Path), help="Folder for its files instead of the default.")
@click.pass_context
def main(ctx: click.Context, name: str, folder: Path | None) -> None:
    """Run a real Kubernetes control plane on this machine, without containers."""
    ctx.obj = (name, folder)


@main.command()
@click.option("--scrape-interval", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds.")
@click.option("--images", type=click.Path(exists=True, path_type=Path), multiple=True, help="Further image catalogues.")
@click.option("--gateway-port", type=int, default=0, help="Loopback port of the gateway; default: a free one.")
@click.option("--kubernetes", default="", help="Minor version of the API server; default: the plane's.")
@click.option("--apiserver-flag", "flags", multiple=True, help="Further flag of the API server, such as --v=4.")
@click.pass_obj
def up(
    obj: tuple[str, Path | None],
    scrape_interval: float,
    images: tuple[Path, ...],
    gateway_port: int,
    kubernetes: str,
    flags: tuple[str, ...],
) -> None:
    """Start the plane, building its programs first if need be. Does nothing if it is up."""
    ports = {"gateway": gateway_port}
    options: dict[str, Any] = {"kubernetes": kubernetes, "apiserver_flags": flags}
    found = Plane.start(*obj, scrape_interval=scrape_interval, images=images, ports=ports, **options)
    say(f"kubeconfig  {found.kubeconfig}\ngateway     {found.gateway_url}\nprometheus  {found.prometheus_url}")
    say("look around: python -m localplane kubectl get pods --all-namespaces")


@main.command()
@click.option("--keep-files", is_flag=True, help="Leave logs and data for reading.")
@click.pass_obj
def down(obj: tuple[str, Path | None], keep_files: bool) -> None:
    """Stop the plane with every process in it, and remove its files."""
    was_up = plane.down(state.folder(*obj), keep_files=keep_files)
    say(f"the plane {obj[0]} is down" if was_up else f"no plane {obj[0]} was up")


@main.command()
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def status(obj: tuple[str, Path | None], output: str) -> None:
    """Say how the plane is. Exits 1 when it is not up."""
    found = Plane.attach(*obj)
    answer = found.status()
    facts = {
        "name": found.record.name,
        "phase": answer["phase"],
        "folder": str(found.folder),
        "kubeconfig": str(found.kubeconfig),
        "api": found.api_url,
        "gateway": found.gateway_url,
        "ingress": found.ingress_url,
        "traefikCrd": found.traefik_crd_url,
        "prometheus": found.prometheus_url,
        "prometheusInside": found.prometheus_inside_url,
        "components": answer["components"],
    }
    if output == "json":
        click.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        if key != "components":
            click.echo(f"{key:18}{value}")
    for name, component in answer["components"].items():
        click.echo(f"  {name:20}{'running' if component['running'] else 'down':9}restarts {component['restarts']}")


@main.command()
@click.pass_obj
def kubeconfig(obj: tuple[str, Path | None]) -> None:
    """Print the path of the administrator's kubeconfig: export KUBECONFIG=$(python -m localplane kubeconfig)."""
    click.echo(Plane.attach(*obj).kubeconfig)


@main.command()
def build() -> None:
    """Build the plane's programs, or say where they are."""
    click.echo(binaries.find_or_build(say).folder)


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def kubectl(obj: tuple[str, Path | None], arguments: tuple[str, ...]) -> None:
    """Run kubectl as administrator of the plane."""
    command = [*Plane.attach(*obj).kubectl_command(), *arguments]
    os.execv(command[0], command)  # noqa: S606


@main.command("back-ends")
@click.argument("names", nargs=-1, type=click.Choice(sorted(binaries.BACK_ENDS)))
def back_ends(names: tuple[str, ...]) -> None:
    """Build servers of the Prometheus API that are tested at night; all if none is named."""
    for name in names or binaries.BACK_ENDS:
        click.echo(binaries.back_end(name, say))


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def helm(arguments: tuple[str, ...]) -> None:
    """Run Helm, building it on first use. It finds the plane through KUBECONFIG."""
    command = [str(binaries.helm(say)), *arguments]
    os.execv(command[0], command)  # noqa: S606


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", type=click.Choice(sorted(binaries.TOOLS)))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def tool(name: str, arguments: tuple[str, ...]) -> None:
    """Run a command that checks or generates files of this repository, building it on first use."""
    command = [str(binaries.tool(name, say)), *arguments]
    os.execv(command[0], command)  # noqa: S606


@main.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("arguments", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def run(obj: tuple[str, Path | None], arguments: tuple[str, ...]) -> None:
    """Run a command inside the plane's namespaces, where pods' own addresses can be reached."""
    sys.exit(subprocess.run(Plane.attach(*obj).inside(list(arguments)), check=False).returncode)


@main.command()
@click.argument("pod")
@click.option("-n", "--namespace", default="default", show_default=True)
@click.option("-c", "--container", help="Default: all of them.")
@click.pass_obj
def logs(obj: tuple[str, Path | None], pod: str, namespace: str, container: str | None) -> None:
    """Print what a pod's containers wrote in their last run, also after the pod was deleted."""
    found = Plane.attach(*obj).pod_logs()
    wanted = [path for key, path in found.items() if _matches(key, namespace, pod, container)]
    if not wanted:
        raise PlaneError(f"no logs of pod {namespace}/{pod}; there are: {', '.join(sorted(found)) or 'none'}")
    for path in wanted:
        click.echo(path.read_text(errors="replace"), nl=False)


@main.command()
@click.argument("action", type=click.Choice(["stop", "start"]))
@click.argument("component")
@click.pass_obj
def component(obj: tuple[str, Path | None], action: str, component: str) -> None:
    """Stop or start one component, to see what the rest does without it."""
    found = Plane.attach(*obj)
    (found.stop_component if action == "stop" else found.start_component)(component)


def _matches(key: str, namespace: str, pod: str, container: str | None) -> bool:
    found_namespace, found_pod, found_container = key.split("/")
    return (found_namespace, found_pod) == (namespace, pod) and container in (None, found_container)
