"""What the server does, without HTTP: answer, judge, and say whether it is ready."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import numpy as np
import structlog

from examples import artefacts, models
from examples.models import Model, Variant
from examples.server import feedback, tokens
from examples.server.feedback import Judgement, SeenIds
from examples.server.telemetry import Telemetry
from examples.server.tokens import Answered

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from examples.server.settings import Settings

log = structlog.get_logger()


class Stage(StrEnum):
    """Where the server is in its life."""

    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"  # told to stop; still answers what arrives


class ModelFailedError(RuntimeError):
    """The model raised on a valid request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answered request."""

    predictions: tuple[int, ...]
    request_id: str


def load_model(settings: Settings) -> Model:
    """Read the model from MODEL_PATH, or train the variant on the spot (about 0.2 s)."""
    if settings.path is not None:
        return artefacts.read(settings.path, settings.digest)
    return models.train(settings.recipe)


class DigitsService:
    """One model behind one server.

    wall: seconds since the epoch, for ids and their age.
    monotonic: seconds, for latencies.
    chance: decides which requests the erroring variant fails.
    """

    def __init__(
        self, settings: Settings, *, wall: Callable[[], float], monotonic: Callable[[], float], chance: Random
    ) -> None:
        self.settings = settings
        self.telemetry = Telemetry(settings.revision, settings.version)
        self.stage = Stage.LOADING
        self._wall, self._monotonic, self._chance = wall, monotonic, chance
        self._model: Model | None = None
        self._seen = SeenIds()
        key = settings.feedback_key
        self._key = key.get_secret_value().encode() if key else secrets.token_bytes(32)

    def load(self) -> None:
        """Get the model and become ready; the crash variant never does."""
        if self.settings.variant is Variant.CRASH:
            raise RuntimeError("MODEL_VARIANT: crash was chosen, and this variant never starts")
        self._model = load_model(self.settings)
        if self.stage is Stage.LOADING:
            self.stage = Stage.READY

    @property
    def loaded(self) -> bool:
        """Whether requests can be answered, also while draining."""
        return self._model is not None

    async def predict(self, pixels: list[list[float]], group: str) -> Answer:
        """Answer one request of 1 or more images; a model that raises is a ModelFailedError.

        group: who asks, for fairness; empty when the request does not say.
        """
        if self._model is None:
            raise RuntimeError("asked before the model was loaded")
        started = self._monotonic()
        try:
            if self.settings.latency:
                await asyncio.sleep(self.settings.latency)
            if self._chance.random() < self.settings.error_rate:
                raise ModelFailedError("the model failed on this request, as MODEL_ERROR_RATE asks")  # noqa: TRY301
            answers = await asyncio.to_thread(self._model.predict, np.array(pixels, dtype=np.float64))
        except Exception as error:
            self.telemetry.failed(self._monotonic() - started)
            log.warning("prediction failed", kind=type(error).__name__, instances=len(pixels))
            raise ModelFailedError(str(error)) from error
        seconds = self._monotonic() - started
        self.telemetry.answered(answers, seconds)
        nonce = secrets.token_bytes(tokens.NONCE_BYTES)
        # The whole id would let a reader of the log send feedback; its random part is enough to find the request.
        log.info("predicted", request=nonce.hex(), instances=len(pixels), seconds=round(seconds, 5))
        answered = Answered(self.settings.revision, int(self._wall()), nonce, group, answers.classes)
        return Answer(answers.classes, tokens.seal(answered, self._key))

    def learn(self, request_id: str, labels: tuple[int, ...]) -> Judgement:
        """Count the true labels of an earlier answer under the revision that gave it."""
        judgement = feedback.judge(
            request_id,
            labels,
            self._key,
            now=self._wall(),
            max_age=self.settings.feedback_max_age,
            seen=self._seen,
        )
        self.telemetry.judged(judgement)
        return judgement
