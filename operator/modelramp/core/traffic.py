"""What a decision says of traffic; a router turns it into objects."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preview:
    """Hostnames that reach one revision alone, whatever the weights are."""

    revision: str
    hostnames: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Traffic:
    """How requests are divided.

    weights: relative, by revision; revisions without traffic are left out. preview: None while nothing is previewed.
    """

    weights: Mapping[str, int]
    preview: Preview | None = None
