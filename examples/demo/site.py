"""Where the demo runs: on a local plane of its own, or on a cluster that the user has; and how it leaves either."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from examples.demo import install
from examples.demo.cast import Cast
from examples.demo.errors import DemoError
from examples.demo.kubectl import Kubectl
from localplane import Plane, namespace, plane, state
from localplane.errors import PlaneError

Task = Callable[[str], AbstractContextManager[Callable[[str], None]]]
"""Names a piece of work that begins and gives what its progress is told to: `Screen.task`."""

PREFIX = "demo-"
SCRAPE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster to play in.

    kubeconfig, context: how to log in; None stands for the user's own. gateway_url: where clients reach the Gateway.
    prometheus: its address as pods see it. remote: that the gateway may be on another machine.
    """

    what: str
    kubectl: Kubectl
    kubeconfig: Path | None
    context: str | None
    gateway_url: str
    prometheus: str
    remote: bool
    look_around: tuple[str, ...]


@contextmanager
def local_plane(task: Task, *, keep: bool) -> Iterator[Site]:
    """A plane that is there for the length of the block, and longer if it is to be kept.

    It is named after this process, so that demos may run side by side, and ends with it, however that ends.
    Raises DemoError when the machine allows none or it does not start.
    """
    name = f"{PREFIX}{os.getpid()}"
    sweep()
    try:
        try:
            with task("starting a Kubernetes control plane, Prometheus and a gateway on this machine") as report:
                namespace.find_entry()  # before a build of ten minutes, not after it
                found = Plane.start(name, scrape_interval=SCRAPE_SECONDS, tied=not keep, report=report)
        except PlaneError as error:
            raise DemoError(str(error)) from error
        yield _plane_site(name, found)
    finally:
        if not keep and state.folder(name).exists():
            with undisturbed(), task("taking the control plane down"):
                plane.down(state.folder(name))


def sweep() -> None:
    """Remove the files of demos that were killed: their processes ended with them, their files could not."""
    for folder in state.folder(PREFIX).parent.glob(f"{PREFIX}[0-9]*"):
        owner = folder.name.removeprefix(PREFIX)
        record = state.read(folder)
        if owner.isdigit() and state.birth(int(owner)) is None and (record is None or not record.alive()):
            plane.down(folder)


def _plane_site(name: str, found: Plane) -> Site:
    command = f"python -m localplane --name {name}"
    return Site(
        what="a local control plane",
        kubectl=Kubectl(tuple(found.kubectl_command())),
        kubeconfig=found.kubeconfig,
        context=None,
        gateway_url=found.gateway_url,
        prometheus=found.prometheus_inside_url,
        remote=False,
        look_around=(
            "source .venv/bin/activate",
            f"export KUBECONFIG={found.kubeconfig}",
            f"alias kubectl='{command} kubectl'",
            "kubectl get mdep -n ml                    # what serves, what was tried",
            "kubectl describe mdep digits -n ml        # checks, history, events",
            "kubectl logs -n modelramp-system deployment/modelramp",
            f"curl -H 'Host: digits.example.com' {found.gateway_url}/health",
            f"python -m examples.load --url {found.gateway_url} --host digits.example.com --rps 40   # traffic again",
            f"Prometheus: {found.prometheus_url}",
            f"{command} down       # when you have seen enough",
        ),
    )


@contextmanager
def existing_cluster(
    context: str, gateway_url: str | None, prometheus: str, cast: Cast, task: Task, *, keep: bool
) -> Iterator[Site]:
    """A cluster from the user's kubeconfig, which is left as it was found unless things are to be kept.

    Raises DemoError that names what the cluster lacks.
    """
    kubectl = Kubectl(("kubectl", "--context", context))
    with task(f"looking at cluster {context}"):
        require(kubectl, cast)
        url = gateway_url or gateway_address(kubectl, cast)
        install.refuse_strangers(kubectl, cast)
        install.clear_stage(kubectl, cast)  # what an earlier demo was told to keep
    named = f"kubectl --context {context}"
    try:
        yield Site(
            what=f"cluster {context}",
            kubectl=kubectl,
            kubeconfig=None,
            context=context,
            gateway_url=url,
            prometheus=prometheus,
            remote=True,
            look_around=(
                f"{named} get mdep -n {cast.namespace}",
                f"{named} describe mdep {cast.name} -n {cast.namespace}",
                f"curl -H 'Host: {cast.host}' {url}/health",
                f"{named} delete mdep --all -n {cast.namespace} && {named} delete namespace {cast.namespace}",
                f"{named} delete -k manifests       # when you have seen enough",
            ),
        )
    finally:
        if not keep:
            with undisturbed(), task(f"taking everything out of {context} again"):
                install.clear_stage(kubectl, cast)


def require(kubectl: Kubectl, cast: Cast) -> None:
    """Raise DemoError that names the first thing which a cluster must have and this one lacks."""
    kubectl("version")
    if not kubectl.exists("crd", "httproutes.gateway.networking.k8s.io"):
        raise DemoError(
            "the cluster has no Gateway API (crd httproutes.gateway.networking.k8s.io): install its CRDs and a gateway "
            "that implements them, see https://gateway-api.sigs.k8s.io/guides/"
        )
    space, name = cast.gateway
    if not kubectl.exists("gateway.gateway.networking.k8s.io", name, "--namespace", space):
        raise DemoError(
            f"there is no Gateway {name} in namespace {space}: set the class of your gateway in "
            "examples/manifests/gateway.yaml and apply it"
        )


def gateway_address(kubectl: Kubectl, cast: Cast) -> str:
    """The URL of the Gateway by its status; raises DemoError when it has no address."""
    space, name = cast.gateway
    path = "jsonpath={.status.addresses[0].value}"
    kind = "gateway.gateway.networking.k8s.io"
    address = kubectl("get", kind, name, "--namespace", space, "-o", path).strip()
    if not address:
        raise DemoError(f"Gateway {space}/{name} has no address in its status: give the URL with --gateway-url")
    return f"http://[{address}]" if ":" in address else f"http://{address}"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Cleaning up is not interrupted by impatience: an interrupted one would leave things behind."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
