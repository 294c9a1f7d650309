"""A plane as seen from outside: start it, ask it, break parts of it, stop it."""

import contextlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from localplane import addresses, binaries, control, launching, namespace, state
from localplane.components import Files
from localplane.errors import KubectlError, NotRunningError, PlaneError, StartError
from localplane.toolchain import Report

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 10.0
KUBECTL_TIMEOUT_S = 120.0
POLL_S = 0.1


def say(line: str) -> None:
    """Report progress to people: on standard error, so that output stays clean."""
    print(line, file=sys.stderr, flush=True)


class Plane:
    """A running plane.

    As a context manager it stops at the end of the block.
    """

    def __init__(self, folder: Path, record: state.State) -> None:
        """Describe a plane that runs; use `start` or `attach` to get one."""
        self.folder = folder
        self.files = Files(folder)
        self.record = record

    @classmethod
    def start(
        cls,
        name: str = state.DEFAULT_NAME,
        state_folder: Path | None = None,
        scrape_interval: float = 5.0,
        images: tuple[Path, ...] = (),
        ports: dict[str, int] | None = None,
        *,
        kubernetes: str = "",
        apiserver_flags: tuple[str, ...] = (),
        tied: bool = False,
        report: Report = say,
    ) -> Self:
        """Return the plane of that name, starting it (and first building it) unless it runs already.

        name: several planes may run side by side under different names.
        state_folder: where to keep its files; default: a folder for the name in the user's state directory.
        scrape_interval: seconds between two scrapes of Prometheus; only looked at when the plane is started.
        images: further catalogue files for the process node.
        ports: loopback ports by the names in `addresses.FORWARDED`; those not named are free ones.
        kubernetes: minor version of the API server, one of `binaries.apiservers()`; default: the plane's own. The other
            components stay the plane's own. Only looked at when the plane is started.
        apiserver_flags: further flags of the API server, for admission plugins or an audit log; only looked at when the
            plane is started.
        tied: the plane goes down when this process ends, however it ends.
        Raises BuildError, NamespaceForbiddenError or StartError.
        """
        folder = state.folder(name, state_folder)
        programs = binaries.find_or_build(report)
        own = (str(programs.controlplane), "apiserver")
        apiserver = (str(binaries.apiserver(kubernetes, report)),) if kubernetes else own
        with state.locked(folder.with_name(folder.name + ".lock")):
            record = state.read(folder)
            if record is not None and record.alive():
                report(f"the plane {name} is already up")
                return cls._wait_ready(cls(folder, record))
            entry = namespace.find_entry()
            _remove(folder)
            folder.mkdir(parents=True, mode=0o700)
            began = time.monotonic()
            launching.spawn(
                *(name, folder, programs, entry, scrape_interval, images, ports or {}),
                kubernetes=kubernetes,
                apiserver=(*apiserver, *apiserver_flags),
                tied=tied,
            )
            plane = cls._wait_ready(cls(folder, launching.wait_record(folder)))
            report(f"the plane {name} is up after {time.monotonic() - began:.1f} s")
            return plane

    @classmethod
    def attach(cls, name: str = state.DEFAULT_NAME, state_folder: Path | None = None) -> Self:
        """Return the running plane of that name; raise NotRunningError when there is none."""
        folder = state.folder(name, state_folder)
        record = state.read(folder)
        if record is None or not record.alive():
            raise NotRunningError(f"no plane {name!r} is up; start it with: python -m localplane --name {name} up")
        return cls(folder, record)

    @classmethod
    def _wait_ready(cls, plane: Self) -> Self:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            status = plane.status()
            if status["phase"] == "ready":
                return plane
            if status["phase"] == "failed":
                failure = str(status["failure"])
                _end(plane.folder, keep_files=True)  # whoever starts it holds the lock that `stop` would wait for
                raise StartError(f"{failure}\n(all logs are in {plane.files.logs})")
            if time.monotonic() > deadline:
                raise StartError(f"the plane was not ready after {START_TIMEOUT_S:.0f} s; see {plane.files.logs}")
            time.sleep(POLL_S)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, good on this machine."""
        return self.files.kubeconfig

    @property
    def api_url(self) -> str:
        """The API server, from outside."""
        return f"https://127.0.0.1:{self.record.ports['api']}"

    @property
    def gateway_url(self) -> str:
        """The Gateway `public`, from outside."""
        return f"http://127.0.0.1:{self.record.ports['gateway']}"

    @property
    def ingress_url(self) -> str:
        """Ingresses of class nginx, from outside."""
        return f"http://127.0.0.1:{self.record.ports['ingress']}"

    @property
    def traefik_crd_url(self) -> str:
        """IngressRoutes that name the entry point `crd`, from outside."""
        return f"http://127.0.0.1:{self.record.ports['traefik-crd']}"

    @property
    def prometheus_url(self) -> str:
        """Prometheus, from outside."""
        return f"http://127.0.0.1:{self.record.ports['prometheus']}"

    @property
    def prometheus_inside_url(self) -> str:
        """Prometheus, as pods reach it."""
        return addresses.PROMETHEUS_URL

    def status(self) -> dict[str, Any]:
        """Return `phase` (starting, ready, failed), `failure` and the state of each component."""
        return control.ask(self.folder, {"do": "status"})

    def stop_component(self, name: str) -> None:
        """End a component (`prometheus`, `traefik`, `node`, `apiserver` ...) and leave it down."""
        control.ask(self.folder, {"do": "stop", "component": name})

    def start_component(self, name: str) -> None:
        """Start a stopped component again and wait until it is ready."""
        control.ask(self.folder, {"do": "start", "component": name})

    def signal_component(self, name: str, number: int) -> None:
        """Send a signal to a component: SIGSTOP and SIGCONT make it slow, SIGKILL makes it crash (and come back)."""
        control.ask(self.folder, {"do": "signal", "component": name, "number": int(number)})

    def inside(self, command: list[str]) -> list[str]:
        """Return the command line that runs `command` inside the plane's namespaces."""
        return [*namespace.inside(self.record.pid, user_namespace=self.record.user_namespace), *command]

    def run_inside(
        self,
        command: list[str],
        *,
        input: str | None = None,  # noqa: A002 - named as in subprocess
        timeout_s: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside the namespaces, where pods' addresses can be reached, and return how it ended."""
        return subprocess.run(
            self.inside(command), input=input, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def kubectl(
        self,
        *arguments: str,
        input: str | None = None,  # noqa: A002 - named as in subprocess
        timeout_s: float = KUBECTL_TIMEOUT_S,
    ) -> str:
        """Run kubectl as administrator and return what it printed; raise KubectlError when it fails."""
        done = subprocess.run(
            [*self.kubectl_command(), *arguments],
            input=input,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        if done.returncode != 0:
            raise KubectlError(arguments, done.returncode, done.stderr)
        return done.stdout

    def kubectl_command(self) -> list[str]:
        """Return the words that begin a kubectl command for this plane."""
        # kubectl remembers what kinds there are; by default it would do so in the user's home.
        cache = f"--cache-dir={self.folder / 'kubectl-cache'}"
        return [f"{self.record.binaries}/controlplane", "kubectl", f"--kubeconfig={self.kubeconfig}", cache]

    def pod_logs(self) -> dict[str, Path]:
        """Return the newest log file of each container, of deleted pods too, by `namespace/pod/container`."""
        found = {}
        for path in sorted(self.files.pods.glob("*/logs/*/*.log"), key=lambda p: p.stat().st_mtime):
            namespace_, pod, _ = path.parent.parent.parent.name.split("_")
            found[f"{namespace_}/{pod}/{path.parent.name}"] = path
        return found

    def stop(self, *, keep_files: bool = False) -> None:
        """End the plane with every process in it, and remove its files."""
        down(self.folder, keep_files=keep_files)

    def __enter__(self) -> Self:
        """Use the plane for the length of a block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the plane, whatever happened in the block."""
        self.stop()


def down(folder: Path, *, keep_files: bool = False) -> bool:
    """End the plane in this folder if one runs there; returns whether one did. Its files go in either case."""
    with state.locked(folder.with_name(folder.name + ".lock")):
        running = _end(folder, keep_files=keep_files)
        if not keep_files:
            folder.with_name(folder.name + ".lock").unlink(missing_ok=True)
    return running


def _end(folder: Path, *, keep_files: bool) -> bool:
    record = state.read(folder)
    running = record is not None and record.alive()
    if record is not None and running:
        with contextlib.suppress(PlaneError):
            control.ask(folder, {"do": "down"}, timeout_s=STOP_TIMEOUT_S)
        if not _ended(record, STOP_TIMEOUT_S):
            # It is the first process of its namespace: its end takes every other one with it.
            os.kill(record.pid, 9)
            _ended(record, STOP_TIMEOUT_S)
    if not keep_files:
        _remove(folder)
    return running


def _ended(record: state.State, timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while record.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S / 2)
    return True


def _remove(folder: Path) -> None:
    # A folder that the user gave may hold other things: remove nothing in which no plane ever was.
    if folder.exists() and ((folder / "launch.json").exists() or not any(folder.iterdir())):
        shutil.rmtree(folder)
