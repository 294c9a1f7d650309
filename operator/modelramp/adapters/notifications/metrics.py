"""The operator's metrics: a counter of events by type. What is counted by state stays with engine.rollout_metrics."""

from modelramp.core.events import RolloutEvent
from modelramp.engine.ports import Delivery, Telemetry


class MetricsChannel:
    """Fulfils engine.ports.Channel."""

    name = "metrics"

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def deliver(self, event: RolloutEvent) -> Delivery:
        """Count the event."""
        self._telemetry.count("modelramp_rollout_events_total", type=event.type.value)
        return Delivery.TAKEN
