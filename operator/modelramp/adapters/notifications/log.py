"""The operator's log: one structured line for each event."""

from modelramp.core.events import RolloutEvent
from modelramp.engine.ports import Delivery, Telemetry


class LogChannel:
    """Fulfils engine.ports.Channel."""

    name = "log"

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    async def deliver(self, event: RolloutEvent) -> Delivery:
        """Write the line; nothing for an event that would be the same line for each of many objects."""
        if event.logged:
            log = self._telemetry.warn if event.warning else self._telemetry.log
            about, phase = event.object, event.to.phase
            log(event.reason.value, namespace=about.namespace, name=about.name, message=event.message, phase=phase)
        return Delivery.TAKEN
