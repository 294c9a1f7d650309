"""The one hierarchy of errors, named by what the engine does next.

ModelrampError
  Refused    the object cannot be accepted -> condition Stalled, no retry       InvalidSpec, NameTaken, Forbidden,
                                                                                AddressRefused, UnreadableStatus
  NoAnswer   the world did not answer      -> NO_DATA, or wait and ask again    ApiServerUnavailable,
                                                                                PrometheusUnavailable, NotLeading
  StaleRead  somebody wrote first          -> read again, decide again          Conflict, Gone
  Broken     our own invariant fails       -> leave the traffic as it is, alert (a bug, never an input)
"""

from dataclasses import dataclass


class ModelrampError(Exception):
    """Root of everything that modelramp raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an object: the field's path as in the YAML, and a sentence that says what to do."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class Refused(ModelrampError):
    """The object cannot be accepted as it is; trying again without a change is useless."""


class InvalidSpec(Refused):
    """The spec breaks a rule; `problems` names each field."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems = problems


class UnreadableStatus(Refused):
    """What a decision would be made from cannot be read in a status; the message names the fields."""


class NewerStatus(UnreadableStatus):
    """A newer operator wrote the status: nothing may be written over it, not even what is wrong."""


class NameTaken(Refused):
    """Another object, not ours, already has the name (or hostname) that we would need."""


class Forbidden(Refused):
    """A right is missing, or a quota or a policy of the cluster says no: that may be put right without a new spec."""


class AddressRefused(Refused):
    """An object names an address that objects may not use, or that does not resolve.

    The message is the same whatever the cause, so that nobody can learn from it what exists behind the operator.
    cause: the real one, for the operator's log only. resolved: False when the name has no address at present, which may
    pass.
    """

    MESSAGE = (
        "the address is not admitted: its host does not resolve, or objects may not use it; "
        "whoever runs the operator can admit it with MODELRAMP_ALLOWED_ADDRESSES"
    )

    def __init__(self, cause: str, *, resolved: bool = True) -> None:
        super().__init__(self.MESSAGE)
        self.cause = cause
        self.resolved = resolved


class NoAnswer(ModelrampError):
    """The world did not answer, or not in time: says nothing about the model."""


class ApiServerUnavailable(NoAnswer):
    """The API server refused, failed or timed out; whether a write took effect is unknown."""


class PrometheusUnavailable(NoAnswer):
    """Prometheus refused, failed, timed out or answered with an error; `reason` is a short code for status."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NotLeading(NoAnswer):
    """Nothing was sent: another replica of the operator leads, or may."""


class StaleRead(ModelrampError):
    """Somebody else wrote first: what we decided on is no longer true."""


class Conflict(StaleRead):
    """The resourceVersion moved, or the object to be created exists already."""


class Gone(StaleRead):
    """The object does not exist (any more)."""


class Broken(ModelrampError):
    """An invariant of our own does not hold. Traffic stays as it is."""
