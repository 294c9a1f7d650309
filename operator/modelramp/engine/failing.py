"""Checks whose evaluation raises an error: they rest for some ticks, and are shown with their object's name."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome
from modelramp.engine.ports import Telemetry
from modelramp.engine.store import Key

_MOST_TICKS = 4
"""Ticks that a check rests at most. A rollback must not wait long for a check that works again."""


@dataclass(slots=True)
class _Failing:
    detail: str
    ticks: int
    until: int


class FailingChecks:
    """Remembers, for each object, which checks raised and when they are tried again. In memory only."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._found: dict[Key, dict[str, _Failing]] = {}

    def resting(self, key: Key, tick: int) -> Mapping[str, str]:
        """Checks of an object that are not evaluated at a tick, with what they raised."""
        found = self._found.get(key)
        return {name: item.detail for name, item in found.items() if tick < item.until} if found else {}

    def heard(
        self, key: Key, tick: int, interval: int, outcomes: Iterable[CheckOutcome], rested: Collection[str]
    ) -> None:
        """Take in what the checks of an object said at a tick, apart from those that rested."""
        found = self._found.get(key, {})
        for outcome in outcomes:
            if outcome.name in rested:
                continue
            if outcome.reason != Reason.CHECK_FAILED:
                found.pop(outcome.name, None)
                continue
            known = found.get(outcome.name)
            if known is None or known.detail != outcome.detail:
                self._warn(key, outcome)
            ticks = min(known.ticks * 2, _MOST_TICKS) if known else 1
            found[outcome.name] = _Failing(outcome.detail, ticks, tick + ticks * interval)
        self._keep(key, found)

    def forget(self, alive: Collection[Key]) -> None:
        """Drop every object that does not exist any more."""
        for key in [key for key in self._found if key not in alive]:
            self._keep(key, {})

    def _keep(self, key: Key, found: dict[str, _Failing]) -> None:
        namespace, name = key
        if found:
            self._found[key] = found
        elif self._found.pop(key, None) is None:
            return
        self._telemetry.gauge("modelramp_failing_checks", len(found) or None, namespace=namespace, name=name)

    def _warn(self, key: Key, outcome: CheckOutcome) -> None:
        namespace, name = key
        self._telemetry.warn("a check failed", namespace=namespace, name=name, check=outcome.name, error=outcome.detail)
