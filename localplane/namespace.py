"""The namespaces a plane lives in: how to make them, and how to run something inside a living one.

Network, mount and process namespaces are always the plane's own. The process namespace is what makes cleaning up
certain: when its first process (the supervisor) ends, for whatever reason, the kernel ends all the others.
"""

import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass

from localplane.addresses import API_HOST, POD_NETMASK
from localplane.errors import NamespaceForbiddenError

# linux/sockios.h, linux/if.h
SIOCGIFFLAGS, SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8913, 0x8914, 0x8916, 0x891C
IFF_UP = 0x1

_ISOLATED = ["--net", "--mount", "--pid", "--fork", "--kill-child"]
_AS_USER = ["--user", "--map-root-user"]
_REMEDY = (
    "A plane needs a network namespace of its own. Any of these lets it have one: run as root; allow unprivileged user "
    "namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, on Ubuntu also "
    "kernel.apparmor_restrict_unprivileged_userns=0); in a container add the capability SYS_ADMIN or run it privileged."
    " Or use an existing cluster instead of the local plane: make demo CONTEXT=name"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A way into new namespaces that was tried on this machine and works."""

    command: tuple[str, ...]
    user_namespace: bool


def find_entry() -> Entry:
    """Try root first (if we are root), then a user namespace; raise NamespaceForbiddenError when neither is allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        raise NamespaceForbiddenError("the program `unshare` (package util-linux) was not found on PATH; install it")
    ways = [Entry((unshare, *_AS_USER, *_ISOLATED), user_namespace=True)]
    if os.geteuid() == 0:
        ways.insert(0, Entry((unshare, *_ISOLATED), user_namespace=False))
    refusals = []
    for way in ways:
        found = subprocess.run(
            [*way.command, sys.executable, "-c", "from localplane import namespace; namespace.make_pod_network()"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        )
        if found.returncode == 0:
            return way
        refusals.append(f"{' '.join(way.command)}: {found.stderr.strip().splitlines()[-1:] or found.returncode}")
    raise NamespaceForbiddenError(f"this machine allows no network namespace ({'; '.join(refusals)}). {_REMEDY}")


def make_pod_network() -> None:
    """Make every pod address local to the namespace we are in.

    An address with a /16 mask on the loopback device makes the whole /16 local, as 127.0.0.1/8 does: any process may
    then bind any address in it, with neither bridge nor routes, and nothing leaves the namespace.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as handle:
        _raise_interface(handle, b"lo")
        for request, address in ((SIOCSIFADDR, API_HOST), (SIOCSIFNETMASK, POD_NETMASK)):
            fcntl.ioctl(
                handle, request, struct.pack("16sHH4s8x", b"lo:1", socket.AF_INET, 0, socket.inet_aton(address))
            )


def _raise_interface(handle: socket.socket, name: bytes) -> None:
    answer = fcntl.ioctl(handle, SIOCGIFFLAGS, struct.pack("16sH22x", name, 0))
    flags = struct.unpack("16sH22x", answer)[1]
    fcntl.ioctl(handle, SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | IFF_UP))


def inside(pid: int, *, user_namespace: bool) -> list[str]:
    """Return the words that, put before a command, run it in the namespaces of process `pid`."""
    user = ["--user", "--preserve-credentials"] if user_namespace else []
    return ["nsenter", "--target", str(pid), *user, "--net", "--mount", "--pid", "--"]
