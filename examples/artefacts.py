"""Models as files: written by ``python -m examples.train``, read by the server when MODEL_PATH is set."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING

import joblib  # type: ignore[import-untyped]

from examples.models import Model

if TYPE_CHECKING:
    from pathlib import Path


class WrongArtefactError(ValueError):
    """The file is not the model that was asked for; nothing of it has been executed."""


def write(model: Model, path: Path) -> str:
    """Store a model and return its digest as ``sha256:<hex>``."""
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    content = buffer.getvalue()
    path.write_bytes(content)
    return digest_of(content)


def read(path: Path, digest: str) -> Model:
    """Load a model whose file has exactly this digest; anything else is a WrongArtefactError.

    The digest is not optional: unpickling a file runs whatever stands in it.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WrongArtefactError(
            f"MODEL_PATH: {path} cannot be read ({error.strerror}); write it with examples.train"
        ) from error
    found = digest_of(content)
    if found != digest:
        raise WrongArtefactError(f"MODEL_DIGEST: {path} has {found}, {digest or 'nothing'} was asked for; not loaded")
    model = joblib.load(io.BytesIO(content))
    if not isinstance(model, Model):
        raise WrongArtefactError(f"MODEL_PATH: {path} holds a {type(model).__name__}, not a digits model")
    return model


def digest_of(content: bytes) -> str:
    """``sha256:<hex>``, as in ``spec.model.digest``."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
