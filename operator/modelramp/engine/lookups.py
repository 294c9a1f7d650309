"""Looks up why presets find nothing, beside the ticks: no tick waits for it, and a look-up that fails is forgotten."""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from modelramp.analysis.missing import lookup, told
from modelramp.analysis.presets import Preset, preset_named
from modelramp.api.errors import NoAnswer
from modelramp.api.names import Reason
from modelramp.api.text import visible
from modelramp.api.verdict import CheckOutcome
from modelramp.engine.ports import Asker, Metrics, Telemetry
from modelramp.engine.rounds import DueTicks
from modelramp.engine.store import Key

PATIENCE_TICKS = 2
"""Ticks that a preset has to find nothing before anybody asks why."""
REST_TICKS = 10
"""Ticks until the same is asked again."""
_SECONDS = 5.0
_MOST_DETAIL = 256


@dataclass(slots=True)
class _Doubt:
    """One check that found nothing: since how many ticks, when it may be asked about, and what was found then."""

    revision: str
    ticks: int = 0
    rests: int = 0
    why: str = ""


class Lookups:
    """Remembers, for each object, which presets find nothing, and why. In memory only."""

    def __init__(self, metrics: Metrics, telemetry: Telemetry) -> None:
        self._metrics = metrics
        self._telemetry = telemetry
        self._found: dict[Key, dict[str, _Doubt]] = {}
        # One of a namespace, so that none waits for another's; how many reach a Prometheus, its lanes say.
        self._under_way: dict[str, asyncio.Task[None]] = {}

    def heard(self, turn: DueTicks, outcomes: Iterable[CheckOutcome]) -> tuple[CheckOutcome, ...]:
        """The outcomes of a tick, with what is known of why nothing was found; may begin to look it up."""
        known, found, result = self._found.get(turn.key, {}), dict[str, _Doubt](), []
        for outcome in outcomes:
            preset = _preset_of(turn, outcome.name) if outcome.reason == Reason.EMPTY_RESULT else None
            if preset is None:
                result.append(outcome)
                continue
            doubt = known.get(outcome.name)
            if doubt is None or doubt.revision != turn.revision:
                doubt = _Doubt(turn.revision)
            found[outcome.name] = doubt
            result.append(_explained(outcome, preset, doubt.why))
            self._ask(turn, preset, doubt)
        if found:
            self._found[turn.key] = found
        else:
            self._found.pop(turn.key, None)
        return tuple(result)

    def forget(self, alive: Collection[Key]) -> None:
        """Drop every object that does not exist any more."""
        for key in [key for key in self._found if key not in alive]:
            del self._found[key]

    async def stop(self) -> None:
        """End what is under way."""
        tasks = tuple(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ask(self, turn: DueTicks, preset: Preset, doubt: _Doubt) -> None:
        doubt.ticks += 1
        doubt.rests = max(0, doubt.rests - 1)
        namespace = turn.key[0]
        if doubt.ticks < PATIENCE_TICKS or doubt.rests:
            return
        if namespace in self._under_way:
            return  # at the next tick; those that were asked rest meanwhile
        doubt.rests = REST_TICKS
        task = asyncio.create_task(self._look(turn, preset, doubt), name=f"why {preset.name} finds nothing")
        self._under_way[namespace] = task
        task.add_done_callback(lambda _: self._under_way.pop(namespace, None))

    async def _look(self, turn: DueTicks, preset: Preset, doubt: _Doubt) -> None:
        subject = turn.due.subject
        try:
            async with asyncio.timeout(_SECONDS):
                samples = await self._metrics.instant(
                    turn.due.endpoint, lookup(preset, subject), turn.ticks[-1], Asker(turn.key[0], 1)
                )
            doubt.why = told(preset, subject, samples)
        except (NoAnswer, TimeoutError, ValueError):
            return
        except Exception as error:  # noqa: BLE001 - what explains must stop nothing
            self._telemetry.warn("look-up failed", namespace=turn.key[0], name=turn.key[1], error=repr(error)[:256])


def _preset_of(turn: DueTicks, name: str) -> Preset | None:
    return next((preset_named(check.preset) for check in turn.due.health.checks if check.name == name), None)


def _explained(outcome: CheckOutcome, preset: Preset, why: str) -> CheckOutcome:
    return replace(outcome, detail=visible(f"{preset.name}: {why}")[:_MOST_DETAIL]) if why else outcome
