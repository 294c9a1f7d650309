"""Give a container its private view of the files, then become its command. Run as a program; its argument is a plan.

A new root is made of the machine's own folders, so that all programs are there, with three things private: `/tmp`, the
pod's volumes, and the file for its last words. Mount points that the machine lacks are made by covering the nearest
folder that exists with an empty one holding the same entries: nothing is ever written to the machine itself.
"""

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
    keep: folders that stay visible even where something private would cover them.
    """
    return {
        "root": str(root),
        "mounts": [[str(source), target, readonly] for source, target, readonly in mounts],
        "keep": keep,
        "command": command,
        "environment": environment,
        "workdir": workdir,
    }


def build_root(root: str, mounts: list[tuple[str, str, bool]], keep: list[str]) -> None:
    """Build the container's files below `root`; needs a mount namespace of our own."""
    mount("tmpfs", root, "tmpfs", 0, "mode=755")
    # Otherwise the mirror of the folder that holds `root` would hold a copy of what is being built.
    mount("none", root, None, MS_UNBINDABLE)
    _mirror("/", root)
    private = root + "/tmp"
    mount("tmpfs", private, "tmpfs", 0, "mode=1777")
    for folder in keep:
        if folder.startswith("/tmp/"):  # noqa: S108
            os.makedirs(root + folder, exist_ok=True)
            mount(folder, root + folder, None, MS_BIND | MS_REC)
    for source, target, readonly in mounts:
        _bind(source, target, root, readonly=readonly)


def _mirror(source: str, target: str) -> None:
    """Let each entry of a folder appear in an empty one: folders and files by bind mounts, links as links."""
    with os.scandir(source) as entries:
        for entry in entries:
            path = os.path.join(target, entry.name)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), path)
                continue
            if entry.is_dir():
                os.mkdir(path)
            else:
                os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
            try:
                mount(entry.path, path, None, MS_BIND | MS_REC)
            except OSError:
                # Somebody removed it between the two calls, or it cannot be shared: the empty entry stays.
                continue


def _bind(source: str, target: str, root: str, *, readonly: bool) -> None:
    place = _resolve(target, root)
    if not os.path.lexists(place):
        _make_place(place, root, folder=os.path.isdir(source))
    mount(source, place, None, MS_BIND | MS_REC)
    if readonly:
        found = os.statvfs(place).f_flag
        kept = sum(flag for state, flag in _LOCKED.items() if found & state)
        mount("none", place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | kept)


def _resolve(target: str, root: str) -> str:
    """Follow links as they are inside the new root, where `/var/run` may be a link to `/run`."""
    place = root
    waiting = [part for part in target.split("/") if part]
    while waiting:
        part = waiting.pop(0)
        step = os.path.normpath(os.path.join(place, part))
        if os.path.islink(step):
            link = os.readlink(step)
            waiting = [p for p in link.split("/") if p] + waiting
            place = root if link.startswith("/") else place
        else:
            place = step if step.startswith(root) else root
    return place


def _make_place(place: str, root: str, *, folder: bool) -> None:
    """Make a mount point, covering the nearest existing folder first unless that is ours already."""
    parent = os.path.dirname(place)
    while not os.path.isdir(parent):
        parent = os.path.dirname(parent)
    if parent != root and not _writable_tmpfs(parent, root):
        original = parent[len(root) :]
        mount("tmpfs", parent, "tmpfs", 0, "mode=755")
        _mirror(original, parent)
    if folder:
        os.makedirs(place, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(place), exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o644))


def _writable_tmpfs(folder: str, root: str) -> bool:
    """Whether a folder lies on a tmpfs that we mounted: a different device from the machine's folder of that name."""
    original = folder[len(root) :] or "/"
    return not os.path.exists(original) or os.stat(folder).st_dev != os.stat(original).st_dev


def main() -> None:
    """Become the command of the plan; exit 127 with a line on standard error when that fails."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    try:
        die_with_parent()
        own_mounts()
        build_root(wanted["root"], wanted["mounts"], wanted["keep"])
        os.chroot(wanted["root"])
        os.chdir(wanted["workdir"])
        os.execvpe(wanted["command"][0], wanted["command"], wanted["environment"])  # noqa: S606
    except OSError as error:
        print(f"cannot start {wanted['command'][0]!r}: {error}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    main()
