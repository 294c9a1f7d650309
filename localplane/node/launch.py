"""Give a container its private view of the files, then become its command. Run as a program; its argument is a plan.

A new root is made of the machine's own folders, so that all programs are there, with three things private: `/tmp`, the
pod's volumes, and the file for its last words. Mount points that the machine lacks are made by covering the nearest
folder that exists with an empty one holding the same entries: nothing is ever written to the machine itself.
"""

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from localplane.mounts import (
    MS_BIND,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_UNBINDABLE,
    die_with_parent,
    mount,
    own_mounts,
)

# os.statvfs flags and the mount flags that mean the same: a user namespace may add flags but not drop these.
_LOCKED = {os.ST_NOSUID: 0x2, os.ST_NODEV: 0x4, os.ST_NOEXEC: 0x8, os.ST_NOATIME: 0x400}
_LOCKED |= {os.ST_NODIRATIME: 0x800, 0x1000: 0x200000}  # 0x1000 is ST_RELATIME, which the os module lacks

PRIVATE = "tmp"


def plan(
    root: Path,
    mounts: list[tuple[Path, str, bool]],
    keep: list[str],
    command: list[str],
    environment: dict[str, str],
    workdir: str,
) -> dict[str, Any]:
    """Describe a launch as JSON.

    root: an empty folder to build on. mounts: (source, path in the container, read-only), parents first.
    keep: folders that stay visible where something private would cover them: the interpreter and the repository.
    """
    return {
        "root": str(root),
        "mounts": [[str(source), target, readonly] for source, target, readonly in mounts],
        "keep": keep,
        "command": command,
        "environment": environment,
        "workdir": workdir,
    }


class Root:
    """The container's files, being built below a folder; needs a mount namespace of our own."""

    def __init__(self, root: Path) -> None:
        """Mirror the machine's own folders, except for a `/tmp` of our own."""
        self._root = root
        # For each mount point whether what lies there is ours to make entries in; the longest one that fits decides.
        self._ours = {root: True}
        mount("tmpfs", str(root), "tmpfs", 0, "mode=755")
        # Otherwise the mirror of the folder that holds `root` would hold a copy of what is being built.
        mount("none", str(root), None, MS_UNBINDABLE)
        self._mirror(Path("/"), root)
        self._cover(root / PRIVATE, "mode=1777")

    def add(self, mounts: list[tuple[str, str, bool]], keep: list[str]) -> None:
        """Mount (source, target, read-only) in order, then bring back what must stay visible."""
        places = [self._bind(source, target, ours=True) for source, target, _ in mounts]
        for folder in keep:
            if not resolve(folder, self._root).is_dir():
                self._bind(folder, folder, ours=False)
        for place, (_, _, readonly) in zip(places, mounts, strict=True):
            if readonly:
                _protect(place)

    def _mirror(self, source: Path, target: Path) -> None:
        """Let each entry of a folder appear in an empty one: folders and files by bind mounts, links as links."""
        for entry in source.iterdir():
            place = target / entry.name
            if entry.is_symlink():
                place.symlink_to(entry.readlink())
                continue
            if entry.is_dir():
                place.mkdir()
            else:
                place.touch()
            # One that somebody removes between the two calls, or that cannot be shared, stays empty.
            with contextlib.suppress(OSError):
                mount(str(entry), str(place), None, MS_BIND | MS_REC)
                self._ours[place] = False

    def _cover(self, place: Path, options: str = "mode=755") -> None:
        mount("tmpfs", str(place), "tmpfs", 0, options)
        self._ours[place] = True

    def _bind(self, source: str, target: str, *, ours: bool) -> Path:
        place = resolve(target, self._root)
        if not place.exists():
            self._make_place(place, folder=Path(source).is_dir())
        mount(source, str(place), None, MS_BIND | MS_REC)
        self._ours[place] = ours
        return place

    def _make_place(self, place: Path, *, folder: bool) -> None:
        """Make a mount point, covering the nearest existing folder first unless that is ours already."""
        parent = next(one for one in place.parents if one.is_dir())
        if not next(self._ours[one] for one in (parent, *parent.parents) if one in self._ours):
            self._cover(parent)
            self._mirror(Path("/") / parent.relative_to(self._root), parent)
        if folder:
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()


def _protect(place: Path) -> None:
    found = os.statvfs(place).f_flag
    kept = sum(flag for state, flag in _LOCKED.items() if found & state)
    mount("none", str(place), None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def resolve(target: str, root: Path) -> Path:
    """Follow links as they are inside the new root, where `/var/run` may be a link to `/run`."""
    place = root
    waiting = [part for part in target.split("/") if part]
    while waiting:
        step = place / waiting.pop(0)
        if step.name == "..":
            place = place.parent if place != root else root
        elif step.is_symlink():
            link = str(step.readlink())
            waiting = [part for part in link.split("/") if part] + waiting
            place = root if link.startswith("/") else place
        else:
            place = step
    return place


def main() -> None:
    """Become the command of the plan (first argument).

    The second argument is a pipe: it closes when the command has taken over, or brings the reason why it could not.
    Without it, as when somebody runs a plan by hand, the reason goes to standard error.
    """
    wanted = json.loads(Path(sys.argv[1]).read_text())
    report = int(sys.argv[2]) if len(sys.argv) > 2 else sys.stderr.fileno()
    os.set_inheritable(report, report == sys.stderr.fileno())
    try:
        die_with_parent()
        own_mounts()
        Root(Path(wanted["root"])).add(wanted["mounts"], wanted["keep"])
        os.chroot(wanted["root"])
        os.chdir(wanted["workdir"])
        os.execvpe(wanted["command"][0], wanted["command"], wanted["environment"])  # noqa: S606
    except OSError as error:
        os.write(report, f"cannot start {wanted['command'][0]!r}: {error}".encode())
        os._exit(127)


if __name__ == "__main__":
    main()
