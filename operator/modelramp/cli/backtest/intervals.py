"""A policy with another time from tick to tick."""

from modelramp.api.check import Check
from modelramp.api.health import Health


def with_interval(health: Health, seconds: int) -> Health:
    """The policy with another interval; a check's own interval becomes the next multiple of it."""
    checks = tuple(_on_grid(check, seconds) for check in health.checks)
    return health.model_copy(update={"interval": seconds, "checks": checks})


def _on_grid(check: Check, seconds: int) -> Check:
    if check.interval is None or check.interval % seconds == 0:
        return check
    return check.model_copy(update={"interval": -(-check.interval // seconds) * seconds})
