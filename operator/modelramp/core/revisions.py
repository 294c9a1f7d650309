"""A revision: an immutable hash of the pod template and the model."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from modelramp.api.spec import ALPHABET, ModelDeploymentSpec

_LENGTH = 10


def revision_of(spec: ModelDeploymentSpec, config: Mapping[str, str] | None = None) -> str:
    """Ten characters that stand for `template` + `model`; replicas and health rules do not change it.

    Fields left at their default do not count, so that a field added to the API later changes no revision.
    config: hashes of tracked configuration, by what they are of.
    """
    return hash_of(spec.template, dumped(spec), config)


def dumped(spec: ModelDeploymentSpec) -> dict[str, Any]:
    """The model as it is part of a revision."""
    return spec.model.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def hash_of(template: Mapping[str, Any], model: Mapping[str, Any], config: Mapping[str, str] | None = None) -> str:
    """The revision of a raw template, a model as `revision_of` dumps it, and the hashes of tracked configuration."""
    parts = {"template": template, "model": model} | ({"config": dict(config)} if config else {})
    return short_hash(json.dumps(parts, sort_keys=True, separators=(",", ":")))


def short_hash(text: str) -> str:
    """Ten characters that stand for a text."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:12])
    letters = []
    for _ in range(_LENGTH):
        number, index = divmod(number, len(ALPHABET))
        letters.append(ALPHABET[index])
    return "".join(letters)
