"""The first process of a plane's namespaces: it starts every component, keeps them running and carries the ports.

When it ends, the kernel ends everything else in its process namespace, so nothing can be left behind.
"""

import asyncio
import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from localplane import addresses as at
from localplane import components, configs, control, forward, mounts, namespace, older, state
from localplane.binaries import Binaries
from localplane.components import Files
from localplane.errors import PlaneError, StartError
from localplane.processes import Processes, reap_orphans

READY_TIMEOUT_S = 60.0
REAP_INTERVAL_S = 5.0
CLOSE_TIMEOUT_S = 5.0
MANIFESTS = Path(__file__).parent / "manifests.yaml"


@dataclass(frozen=True, slots=True)
class Launch:
    """What whoever starts a supervisor tells it.

    kubernetes: minor version of the API server; empty: the plane's own.
    apiserver: the words that begin the API server's command, and further flags.
    listening: descriptors of the loopback sockets made outside, by the names in `addresses.FORWARDED`.
    lifeline: descriptor of a pipe; the plane goes down when its other end is closed. None: it lives until told.
    """

    name: str
    folder: str
    binaries: str
    traefik: str
    user_namespace: bool
    scrape_interval: float
    images: tuple[str, ...]
    kubernetes: str
    apiserver: tuple[str, ...]
    listening: dict[str, int]
    control: int
    lifeline: int | None


class Supervisor:
    """One plane, seen from inside."""

    def __init__(self, launch: Launch) -> None:
        """Prepare; nothing runs before `run`."""
        self._launch = launch
        self._files = Files(Path(launch.folder))
        self._programs = Binaries(Path(launch.binaries))
        self._processes = Processes(self._files.logs, component_environment())
        self._phase = "starting"
        self._failure = ""
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Bring everything up, then serve until told to end."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        if self._launch.lifeline is not None:
            loop.add_reader(self._launch.lifeline, self._ending.set)
        background = [asyncio.create_task(self._bring_up()), asyncio.create_task(self._reap())]
        servers = [await control.serve(socket.socket(fileno=self._launch.control), self._handle)]
        for name, descriptor in self._launch.listening.items():
            servers.append(await forward.forward(socket.socket(fileno=descriptor), at.FORWARDED[name]))
        await self._ending.wait()
        for task in background:
            task.cancel()
        for server in servers:
            server.close()
        # Pods get their SIGTERM; the other components hold nothing that is worth a farewell.
        with contextlib.suppress(PlaneError):
            await asyncio.wait_for(self._processes.stop("node"), CLOSE_TIMEOUT_S)

    async def _bring_up(self) -> None:
        try:
            await self._start_everything()
            self._phase = "ready"
        except (PlaneError, OSError) as error:
            self._phase, self._failure = "failed", str(error)

    async def _start_everything(self) -> None:
        started = time.monotonic()
        await write_secrets(self._programs, self._files, self._launch.scrape_interval)
        await self._start(components.etcd(self._programs, self._files))
        await self._start(components.apiserver(tuple(self._launch.apiserver), self._files))
        emulation = older.emulation(self._launch.kubernetes)
        workers = [
            components.controller_manager(self._programs, self._files, emulation),
            components.scheduler(self._programs, self._files, emulation),
            components.node(sys.executable, self._files, self._launch.images),
            components.prometheus(self._programs, self._files),
        ]
        await asyncio.gather(self._install_gateway(), *(self._start(worker) for worker in workers))
        await self._kubectl("wait", "--for=condition=Ready", f"node/{configs.NODE_NAME}", "--timeout=30s")
        print(f"ready after {time.monotonic() - started:.1f} s", flush=True)

    async def _start(self, component: components.Component) -> None:
        await self._processes.start(component)
        await self._processes.wait_ready(component.name, READY_TIMEOUT_S)
        print(f"{component.name} is ready", flush=True)

    async def _install_gateway(self) -> None:
        """Traefik waits for ever for a kind that it knows and the API server does not: the CRDs come first."""
        crds = older.crds(self._programs.crds, self._launch.kubernetes, self._files.folder / "crds")
        await self._kubectl("apply", "--server-side", "-f", str(crds))
        await self._kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        await self._kubectl("apply", "--server-side", "-f", str(MANIFESTS))
        await self._start(components.traefik(self._launch.traefik, self._files))
        gateway = ("--namespace=gateway", "gateway/public", "--timeout=30s")
        await self._kubectl("wait", "--for=condition=Programmed", *gateway)

    async def _kubectl(self, *arguments: str) -> None:
        config = f"--kubeconfig={self._files.kubeconfig_of('admin')}"
        cache = f"--cache-dir={self._files.folder / 'kubectl-cache'}"
        await run_program(str(self._programs.controlplane), "kubectl", config, cache, *arguments)

    async def _reap(self) -> None:
        seen: set[int] = set()
        while True:
            await asyncio.sleep(REAP_INTERVAL_S)
            seen = reap_orphans(self._processes.known_pids(), seen)

    async def _handle(self, request: dict[str, Any]) -> dict[str, Any]:
        name = str(request.get("component", ""))
        match request.get("do"):
            case "status":
                return {
                    "phase": self._phase,
                    "failure": self._failure,
                    "pid": os.getpid(),
                    "components": self._processes.report(),
                }
            case "stop":
                await self._processes.stop(name)
            case "start":
                await self._processes.start_again(name)
            case "signal":
                self._processes.signal(name, int(request["number"]))
            case "down":
                self._ending.set()
            case other:
                raise PlaneError(f"unknown request {other!r}")
        return {"done": True}


def component_environment() -> dict[str, str]:
    """What components inherit: how to find programs and modules, but no proxies, which lead out of the namespace."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return {**kept, "PYTHONUNBUFFERED": "1"}


async def write_secrets(programs: Binaries, files: Files, scrape_interval_s: float) -> None:
    """Make the plane's certificates and tokens and every file that holds one of them."""
    for folder in (files.secrets, files.logs, files.pods):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    await run_program(str(programs.controlplane), "certificates", str(files.secrets), at.API_HOST)
    authority = files.authority.read_bytes()
    tokens = {name: secrets.token_hex(24) for name in configs.USERS}
    (files.secrets / "tokens.csv").write_text(configs.token_file(tokens))
    for name, token in tokens.items():
        files.token_of(name).write_text(token)
        config = configs.kubeconfig(at.API_URL, authority, token)
        files.kubeconfig_of(name).write_text(yaml.safe_dump(config))
    outside = state.read(files.folder)
    if outside is not None:
        server = f"https://127.0.0.1:{outside.ports['api']}"
        config = configs.kubeconfig(server, authority, tokens["admin"], f"localplane-{outside.name}")
        files.kubeconfig.touch(mode=0o600)
        files.kubeconfig.write_text(yaml.safe_dump(config))
    traefik = configs.traefik(tokens["traefik"], str(files.authority))
    (files.secrets / "traefik.yaml").write_text(yaml.safe_dump(traefik))
    prometheus = configs.prometheus(scrape_interval_s, str(files.token_of("prometheus")), str(files.authority))
    (files.secrets / "prometheus.yaml").write_text(yaml.safe_dump(prometheus))


async def run_program(*command: str) -> None:
    """Run a program to its end; raise StartError with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise StartError(f"`{' '.join(command[1:])}` ended with {process.returncode}: {said.decode()[-800:].strip()}")


def main() -> None:
    """Enter as first process of new namespaces; the argument is the file that holds the Launch."""
    launch = Launch(**json.loads(Path(sys.argv[1]).read_text()))
    # The /proc we see still belongs to the namespace outside, so this link names us as the outside does.
    pid = int(str(Path("/proc/self").readlink()))
    ports = {name: socket.socket(fileno=os.dup(fd)).getsockname()[1] for name, fd in launch.listening.items()}
    record = state.State(
        name=launch.name,
        pid=pid,
        born=state.birth(pid) or 0,
        user_namespace=launch.user_namespace,
        ports=ports,
        binaries=launch.binaries,
        scrape_interval=launch.scrape_interval,
    )
    state.write(Path(launch.folder), record)
    with contextlib.suppress(OSError):
        # Where the machine masks parts of /proc this is refused; then programs inside see the outside's /proc.
        mounts.mount("proc", "/proc", "proc", 0)
    namespace.make_pod_network()
    asyncio.run(Supervisor(launch).run())
    # Do not wait for anybody: our end is the end of every process in the namespace.
    os._exit(0)


if __name__ == "__main__":
    main()
