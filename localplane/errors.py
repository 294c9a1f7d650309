"""What can go wrong with a plane, named by what the person in front of it does next."""


class PlaneError(Exception):
    """Base of everything this package raises for a reader; the message says what was found and what to do."""


class NamespaceForbiddenError(PlaneError):
    """The machine lets nobody make a network namespace, neither as root nor in a user namespace."""


class BuildError(PlaneError):
    """The binaries could be neither found nor built."""


class NotRunningError(PlaneError):
    """The command needs a running plane and there is none of that name."""


class StartError(PlaneError):
    """A component did not come up; the message ends with the last lines of its log."""


class KubectlError(PlaneError):
    """kubectl ended with an error; `stderr` is what it said."""

    def __init__(self, arguments: tuple[str, ...], code: int, stderr: str) -> None:
        """Keep what was asked and what kubectl answered."""
        super().__init__(f"kubectl {' '.join(arguments)}: exit {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr
