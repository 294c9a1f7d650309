"""Random numbers for each object by itself: one more object in the world shifts nothing for the others."""

import random
from collections.abc import Mapping
from typing import Any

from modelramp.api.names import LABEL_DEPLOYMENT

Key = tuple[str, str]
"""Namespace and name of a ModelDeployment; the name is "" for what concerns a namespace as a whole."""
DIGITS: Key = ("ml", "digits")
"""The object that most stories are about."""


class Streams:
    """A stream of random numbers for each key. `first` serves the usual object, and whatever concerns no single one."""

    def __init__(self, purpose: object, first: random.Random) -> None:
        self._purpose = purpose
        self._first = first
        self._of: dict[Key | None, random.Random] = {None: first, DIGITS: first}

    def of_object(self, obj: Mapping[str, Any]) -> random.Random:
        """The stream for what happens to an object: its ModelDeployment's; a copy of a child has one of its own."""
        key, name = key_of(obj), obj["metadata"]["name"]
        return self.of(key if f"{name}-".startswith(f"{key[1]}-") else (key[0], f"copy {name}"))

    def of(self, key: Key | None) -> random.Random:
        """The stream of an object."""
        found = self._of.get(key)
        if found is None:
            found = random.Random(f"{self._purpose} {key}")  # noqa: S311 - a simulation, not a secret
            self._of[key] = found
        return found


def key_of(obj: Mapping[str, Any]) -> Key:
    """The ModelDeployment that an object is, or says that it was made for; without a name if it names none."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace", "")
    if obj.get("kind") == "ModelDeployment":
        return namespace, metadata["name"]
    return namespace, (metadata.get("labels") or {}).get(LABEL_DEPLOYMENT, "")
