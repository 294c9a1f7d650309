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

PRIVATE = "/tmp"  # noqa: S108 - the name of what is made private


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


def build_root(root: Path, mounts: list[tuple[str, str, bool]], keep: list[str]) -> None:
    """Build the container's files below `root`; needs a mount namespace of our own."""
    mount("tmpfs", str(root), "tmpfs", 0, "mode=755")
    # Otherwise the mirror of the folder that holds `root` would hold a copy of what is being built.
    mount("none", str(root), None, MS_UNBINDABLE)
    _mirror(Path("/"), root)
    mount("tmpfs", f"{root}{PRIVATE}", "tmpfs", 0, "mode=1777")
    for folder in keep:
        if folder.startswith(f"{PRIVATE}/"):
            Path(f"{root}{folder}").mkdir(parents=True, exist_ok=True)
            mount(folder, f"{root}{folder}", None, MS_BIND | MS_REC)
    for source, target, readonly in mounts:
        _bind(source, target, root, readonly=readonly)


def _mirror(source: Path, target: Path) -> None:
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


def _bind(source: str, target: str, root: Path, *, readonly: bool) -> None:
    place = resolve(target, root)
    if not place.exists():
        _make_place(place, root, folder=Path(source).is_dir())
    mount(source, str(place), None, MS_BIND | MS_REC)
    if readonly:
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


def _make_place(place: Path, root: Path, *, folder: bool) -> None:
    """Make a mount point, covering the nearest existing folder first unless that is ours already."""
    parent = next(one for one in place.parents if one.is_dir())
    if parent != root and not _ours(parent, root):
        original = Path("/") / parent.relative_to(root)
        mount("tmpfs", str(parent), "tmpfs", 0, "mode=755")
        _mirror(original, parent)
    if folder:
        place.mkdir(parents=True, exist_ok=True)
    else:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()


def _ours(folder: Path, root: Path) -> bool:
    """Whether a folder is one that we mounted: it lies on another device than the machine's folder of that name."""
    original = Path("/") / folder.relative_to(root)
    return not original.exists() or folder.stat().st_dev != original.stat().st_dev


def main() -> None:
    """Become the command of the plan; exit 127 with a line on standard error when that fails."""
    wanted = json.loads(Path(sys.argv[1]).read_text())
    try:
        die_with_parent()
        own_mounts()
        build_root(Path(wanted["root"]), wanted["mounts"], wanted["keep"])
        os.chroot(wanted["root"])
        os.chdir(wanted["workdir"])
        os.execvpe(wanted["command"][0], wanted["command"], wanted["environment"])  # noqa: S606
    except OSError as error:
        print(f"cannot start {wanted['command'][0]!r}: {error}", file=sys.stderr)
        os._exit(127)


if __name__ == "__main__":
    main()
