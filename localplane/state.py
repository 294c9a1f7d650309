"""What is remembered about a plane between two commands: folders, ports and the process to talk to."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

DEFAULT_NAME = "default"


@dataclass(frozen=True, slots=True)
class State:
    """One plane as written to `state.json` in its folder.

    pid: the supervisor, as seen outside its process namespace.
    born: start time of that process in clock ticks since boot, which tells it from a later process of the same pid.
    ports: loopback ports outside the namespace, by the names in `addresses.FORWARDED`.
    """

    name: str
    pid: int
    born: int
    user_namespace: bool
    ports: dict[str, int]
    binaries: str
    scrape_interval: float

    def alive(self) -> bool:
        """Whether the supervisor that wrote this is still the process with that pid."""
        return birth(self.pid) == self.born


def folder(name: str, state: Path | None = None) -> Path:
    """Where a plane keeps its files: `state` when given, otherwise a folder in the user's state directory."""
    if state is not None:
        return state.resolve()
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "modelramp" / "localplane" / name


def birth(pid: int) -> int | None:
    """Start time of a process in clock ticks since boot; None if there is no such process or only its corpse."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name stands in parentheses and may hold spaces, so count from the last one.
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else int(fields[19])


def read(where: Path) -> State | None:
    """Return the plane written in this folder, or None when there is none or its record is unreadable."""
    try:
        found = json.loads((where / "state.json").read_text())
        # A plane that another version of this package started may have written more.
        return State(**{one.name: found[one.name] for one in fields(State)})
    except (OSError, ValueError, KeyError):
        return None


def write(where: Path, state: State) -> None:
    """Replace the record in one step, so that a reader never sees half of it."""
    draft = where / "state.json.new"
    draft.write_text(json.dumps(asdict(state), indent=1))
    draft.replace(where / "state.json")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time past this file; the others wait. The lock dies with its holder.

    A holder may remove the file; whoever waited on the removed one then begins anew.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            if path.exists() and path.stat().st_ino == os.fstat(held.fileno()).st_ino:
                yield
                return
