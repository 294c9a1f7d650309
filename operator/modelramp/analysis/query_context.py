"""The values of the variables in queries."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryContext:
    """One revision of one ModelDeployment, and the stable version that it is compared with.

    service, stable_service: names of the Services that select only that revision's pods.
    stable, stable_service: None before the first promotion. limited: queries of the spec see only series of the
    namespace.
    """

    namespace: str
    name: str
    revision: str
    service: str
    stable: str | None = None
    stable_service: str | None = None
    limited: bool = False


VARIABLES = ("namespace", "name", "revision", "stable", "service", "stableService", "window")
"""Names of the variables: a query may contain {{namespace}}, and so on."""


def value_of(variable: str, subject: QueryContext) -> str | None:
    """The value of a variable other than `window`; None when there is no stable version."""
    match variable:
        case "namespace":
            return subject.namespace
        case "name":
            return subject.name
        case "revision":
            return subject.revision
        case "stable":
            return subject.stable
        case "service":
            return subject.service
        case "stableService":
            return subject.stable_service
        case _:
            raise KeyError(variable)
