"""What the plane's own components need beside the API server of an older Kubernetes."""

import shutil
from pathlib import Path

OLDEST_EMULATED = "1.33"
"""The oldest version as which the plane's controller manager and scheduler can run."""
_NEEDS_1_31 = """\
                - message: Hostnames cannot contain an IP
                  rule: self.all(h, !isIP(h))
"""


def numbers(minor: str) -> tuple[int, ...]:
    """Return a minor version in a form that compares.

    >>> numbers("1.9") < numbers("1.30")
    True
    """
    return tuple(int(part) for part in minor.split("."))


def emulation(kubernetes: str) -> tuple[str, ...]:
    """Return the flags with which a component of today watches only what an older API server serves.

    kubernetes: minor version of the API server; empty: the plane's own.

    >>> emulation("1.30"), emulation("1.35"), emulation("")
    (('--emulated-version=1.33',), ('--emulated-version=1.35',), ())
    """
    if not kubernetes:
        return ()
    return (f"--emulated-version={max(kubernetes, OLDEST_EMULATED, key=numbers)}",)


def crds(source: Path, kubernetes: str, folder: Path) -> Path:
    """Return a folder with the gateway's CRDs as the API server accepts them.

    Before 1.31 CEL has no `isIP`; one rule of TLSRoute, a kind that Traefik watches and nobody here writes, calls it.
    """
    if not kubernetes or numbers(kubernetes) >= (1, 31):
        return source
    shutil.copytree(source, folder)
    for path in folder.glob("*_tlsroutes.yaml"):
        path.write_text(path.read_text().replace(_NEEDS_1_31, ""))
    return folder
