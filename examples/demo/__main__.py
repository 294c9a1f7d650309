"""``python -m examples.demo``: see the package's description."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

import click
from rich.console import Console

from examples.demo import install, site
from examples.demo.cast import MANIFESTS, Cast, read_cast
from examples.demo.errors import DemoError
from examples.demo.screen import Screen
from examples.demo.site import Site

KEPT, BROKEN, IMPOSSIBLE, INTERRUPTED = 0, 1, 3, 130


@click.command()
@click.option("--context", metavar="NAME", help="Use this context of your kubeconfig instead of a local plane.")
@click.option("--gateway-url", metavar="URL", help="Where the Gateway of that cluster is reached; default: its status.")
@click.option(
    "--prometheus",
    metavar="URL",
    default="http://prometheus.monitoring:9090",
    show_default=True,
    help="Prometheus of that cluster, as its pods reach it.",
)
@click.option(
    "--manifests",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=MANIFESTS,
    help="Folder with digits-v1.yaml to digits-v5.yaml; default: the demo's own.",
)
@click.option("--keep", is_flag=True, help="Leave everything up at the end, and say how to look around.")
def main(context: str | None, gateway_url: str | None, prometheus: str, manifests: Path, *, keep: bool) -> None:
    """Watch a model version being promoted under real traffic, and three bad ones being rolled back by themselves.

    Exit code 0: everything was as promised; 1: something differed; 2: wrong options; 3: the demo could not be played;
    130: Ctrl-C. It leaves the machine as it found it, in each of these cases.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    console = Console(highlight=False)
    screen = Screen(console, time.monotonic)
    try:
        cast = read_cast(manifests)
        if context is None:
            stage = site.local_plane(screen.task, keep=keep)
        else:
            stage = site.existing_cluster(context, gateway_url, prometheus, cast, screen.task, keep=keep)
        with stage as place:
            kept = play(screen, cast, place, keep=keep)
    except DemoError as error:
        console.print(f"\n{error}", style="red", markup=False, soft_wrap=True)
        sys.exit(IMPOSSIBLE)
    except KeyboardInterrupt:
        console.print("interrupted", style="yellow")
        sys.exit(INTERRUPTED)
    sys.exit(KEPT if kept else BROKEN)


def play(screen: Screen, cast: Cast, place: Site, *, keep: bool) -> bool:
    """Set everything up, play, and tell; returns whether everything was as promised."""
    from examples.demo import summary  # the models' libraries take seconds to load: not before something is seen
    from examples.demo.promises import findings
    from examples.demo.show import Show

    try:
        set_up(screen, cast, place)
        show = Show(place, cast, screen, _now)
        with screen.scenes():
            load = asyncio.run(show.run())
        return summary.tell(screen.console, cast, show.journal, load, findings(cast, show.journal, load))
    finally:
        if keep:
            look_around(screen.console, place)


def set_up(screen: Screen, cast: Cast, place: Site) -> None:
    """Install the operator and bring the first version up."""
    kubectl = place.kubectl
    with screen.task(f"installing CRD and operator on {place.what}"):
        install.install_operator(kubectl, place.prometheus)
    with screen.task("asking what the operator may do") as report:
        report(install.enforced_rights(kubectl))
    with screen.task(f"act 1: {cast.versions[0]} is the first version, so it gets all traffic when its pods are up"):
        install.open_stage(kubectl, cast)
        install.put_on(kubectl, cast, 0)
        install.await_first(kubectl, cast)


def look_around(console: Console, place: Site) -> None:
    """Say how to reach what was kept."""
    console.print("\nEverything is still up. Look around:", style="bold")
    for line in place.look_around:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _now() -> float:
    return datetime.now(UTC).timestamp()  # noqa: TID251 - the edge at which the demo's clock is read


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as on Ctrl-C: with everything taken down."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    main()
