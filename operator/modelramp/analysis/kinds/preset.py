"""Check kind `preset`: one number of a query that modelramp brings, against its limits or those of the check."""

import math
from collections.abc import Iterator

from modelramp.analysis.evidence import Unusable
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.number import VALUE, NumberKind
from modelramp.analysis.presets import ALIASES, Labels, preset_named, preset_problem
from modelramp.analysis.promql import render
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, own_series
from modelramp.analysis.wording import Limits
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check, Dimension
from modelramp.api.health import Health
from modelramp.api.names import Reason

_SERVED = "Serve it from the start, at 0"
_UNACCOUNTED = "More requests began than were done"
_MANY_SECONDS = 200
_OLD = "it reads what the reference model server serves, and no other; the old name goes with the next release"


class PresetKind(NumberKind):
    """A query of modelramp.analysis.presets."""

    def value(self, check: Check, context: QueryContext, window: int) -> Question:
        """The query of the preset, with the labels by which its answer is divided among versions."""
        preset = preset_named(check.settings)
        if preset is None:
            raise ValueError(preset_problem(check.settings))
        return Question(VALUE, render(preset.query, context, window), preset.pick(context))

    def samples_pick(self, query: str, context: QueryContext) -> Labels:
        """The series of the version: people write `samples` beside a preset as the preset itself is written."""
        return own_series(query, context)

    def limits(self, check: Check) -> Limits:
        """The limits of the check if it has any, else those of the preset."""
        preset = preset_named(check.settings)
        if preset is None:
            return super().limits(check)
        unit = check.unit or preset.unit
        if check.min is not None or check.max is not None:
            return Limits(check.min, check.max, unit)
        return Limits(preset.min, preset.max, unit)

    def dimension(self, check: Check) -> Dimension:
        """The dimension of the check if it says one, else that of the preset."""
        preset = preset_named(check.settings)
        return check.dimension if preset is None or "dimension" in check.model_fields_set else preset.dimension

    def nothing_found(self, check: Check) -> str:
        """Which series were not found."""
        preset = preset_named(check.settings)
        if preset is None:
            return super().nothing_found(check)
        wanted = ", ".join(label for label, _ in preset.pick(QueryContext("", "", "", "")))
        return (
            f"preset {preset.name} found no series of {' or '.join(preset.metrics[-2:])} for this revision (by {wanted}"
            "); is it scraped, and is there traffic?"
        )

    def read(self, check: Check, value: float) -> float | Unusable:
        """The number, or what a share below 0 says: that the counter of failures is missing, and their bound.

        Where even so many failures keep the limit, it does not matter what their counter is called.
        """
        preset = preset_named(check.settings)
        if preset is None or not value < 0 <= preset.range[0]:
            return value
        most = self.limits(check).max
        if most is not None and -value <= most:
            return -value
        bad, *others = preset.metrics
        return Unusable(
            Reason.METRIC_UNKNOWN,
            f"{bad} has no series of this revision, while {others[0]} counts, so nothing is known of failures: has it "
            f"another name now (`modelramp presets {preset.name}`)? {_SERVED if value == -math.inf else _UNACCOUNTED}",
        )

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About the preset and the limits."""
        yield from super().lint(check, health, path)
        preset = preset_named(check.settings)
        if preset is None:
            yield Advice(Level.ERROR, f"{path}.preset", preset_problem(check.settings) or "")
            return
        if check.settings in ALIASES:
            message = f"{check.settings} is the old name of {preset.name}: {_OLD}"
            yield Advice(Level.WARNING, f"{path}.preset", message)
        yield from self.lint_limits(check, path, *preset.range)
        if preset.unit == "s" and check.max is not None and check.max >= _MANY_SECONDS:
            text = f"is {check.max:g} seconds; if milliseconds were meant, write {check.max / 1000:g}"
            yield Advice(Level.WARNING, f"{path}.max", text)


KIND: CheckKind = PresetKind()
