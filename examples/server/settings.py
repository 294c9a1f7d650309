"""The server's environment, read once at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from examples.models import RECIPES, Recipe, Variant

LabelValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$")]


class WrongSettingsError(ValueError):
    """The environment cannot be served; the message names each variable and what to write instead."""


class Settings(BaseSettings):
    """Every variable that the server reads; durations are seconds."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, populate_by_name=False)

    host: str = Field(default="127.0.0.1", alias="POD_IP")
    port: int = Field(default=8080, ge=0, le=65535, alias="PORT")
    pod: str = Field(default="local", max_length=253, alias="POD_NAME")
    revision: LabelValue = Field(default="local", alias="MODEL_REVISION")

    variant: Variant = Field(default=Variant.V1, alias="MODEL_VARIANT")
    version_override: LabelValue | None = Field(default=None, alias="MODEL_VERSION")
    path: Path | None = Field(default=None, alias="MODEL_PATH")
    digest: str = Field(default="", alias="MODEL_DIGEST")
    latency_override: float | None = Field(default=None, ge=0, le=60, alias="MODEL_LATENCY_SECONDS")
    error_rate_override: float | None = Field(default=None, ge=0, le=1, alias="MODEL_ERROR_RATE")

    feedback_key: SecretStr | None = Field(default=None, min_length=16, alias="FEEDBACK_KEY")
    feedback_max_age: float = Field(default=86_400, gt=0, alias="FEEDBACK_MAX_AGE_SECONDS")
    drain: float = Field(default=2.5, ge=0, le=60, alias="DRAIN_SECONDS")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$", alias="LOG_LEVEL")

    @property
    def recipe(self) -> Recipe:
        """The variant's recipe."""
        return RECIPES[self.variant]

    @property
    def version(self) -> str:
        """The model version that answers carry."""
        return self.version_override or self.recipe.version

    @property
    def latency(self) -> float:
        """Seconds waited before each answer."""
        return self.recipe.latency_seconds if self.latency_override is None else self.latency_override

    @property
    def error_rate(self) -> float:
        """The share of requests that raise, 0 to 1."""
        return self.recipe.error_rate if self.error_rate_override is None else self.error_rate_override


def from_environment() -> Settings:
    """Read the environment; a WrongSettingsError names the variables that cannot be used, never their values."""
    try:
        return Settings()
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise WrongSettingsError(wrong) from None
