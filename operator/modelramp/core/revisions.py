"""A revision: an immutable hash of the pod template and the model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from modelramp.api.spec import ALPHABET, ModelDeploymentSpec

_LENGTH = 10


def revision_of(spec: ModelDeploymentSpec) -> str:
    """Ten characters that stand for `template` + `model`; replicas and health rules do not change it.

    Fields left at their default do not count, so that a field added to the API later changes no revision.
    """
    return hash_of(spec.template, dumped(spec))


def dumped(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """The model as it is part of a revision."""
    return spec.model.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def hash_of(template: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """The revision of a raw template and a model as `revision_of` dumps it."""
    return short_hash(json.dumps({"template": template, "model": model}, sort_keys=True, separators=(",", ":")))


def short_hash(text: str) -> str:
    """Ten characters that stand for a text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12])
    letters = []
    for _ in range(_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)
