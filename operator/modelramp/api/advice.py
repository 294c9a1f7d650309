"""Advice about an object that follows all rules, for `modelramp lint`."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity of a finding. Error: is refused or can never work. Warning: works, but is probably not intended."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Advice:
    """A problem of a field of an object; `path` as in the YAML."""

    level: Level
    path: str
    message: str
