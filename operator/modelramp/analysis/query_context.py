"""Whom a check is about: the names that stand behind the variables of a query."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QueryContext:
    """One revision of one ModelDeployment, and the version that it is measured against.

    service, stable_service: names of the Services that select only that revision's pods.
    stable, stable_service: None while no version has worked yet. limited: queries that people wrote see series of the
    namespace only.
    """

    namespace: str
    name: str
    revision: str
    service: str
    stable: str | None = None
    stable_service: str | None = None
    limited: bool = False


VARIABLES = ("namespace", "name", "revision", "stable", "service", "stableService", "window")
"""What may stand in double braces in a query."""


def value_of(variable: str, subject: QueryContext) -> str | None:
    """The text behind a variable other than `window`; None when there is no stable version to name."""
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
