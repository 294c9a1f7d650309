import random
from functools import cache

import httpx

from examples import models
from examples.models import RECIPES, Model, Variant
from examples.server.app import create_app
from examples.server.service import DigitsService
from examples.server.settings import Settings

KEY = "a key that all pods share"


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Pod:
    """One server of the deployment, reached without a network."""

    def __init__(self, clock: Clock, **environment: object) -> None:
        settings = Settings.model_validate({"FEEDBACK_KEY": KEY, **environment})
        self.service = DigitsService(settings, wall=clock, monotonic=clock, chance=random.Random(1))  # noqa: S311
        self.app = create_app(self.service)
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://pod")

    async def metric(self, name: str, **labels: str) -> float | None:
        await self.client.get("/metrics")
        return self.service.telemetry.registry.get_sample_value(name, labels)


@cache
def trained(variant: Variant) -> Model:
    return models.train(RECIPES[variant])
