"""A check kind of a few lines: `floor`, a value that may not fall below a limit, with the lowest one so far."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from pydantic import Field
from pydantic.fields import FieldInfo

from modelramp.analysis.accumulated import Window, memory_of, remembered
from modelramp.analysis.counts import Answers, number_of
from modelramp.analysis.evidence import Result, Unusable
from modelramp.analysis.kind import CheckKind, outcome_of, without_data
from modelramp.analysis.kinds import KINDS
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, count_questions
from modelramp.analysis.wording import Limits
from modelramp.api.check import Check
from modelramp.api.checks import SCHEMAS
from modelramp.api.checks.schema import CheckSchema
from modelramp.api.crd import models
from modelramp.api.names import Reason
from modelramp.api.quantity import Number
from modelramp.api.rules import ApiModel
from modelramp.api.verdict import CheckOutcome, Verdict


class Floor(ApiModel):
    """A value and the least that it may be."""

    query: str
    least: Number


SCHEMA = CheckSchema(
    "floor",
    Annotated[Floor | None, Field(description="A value that may not fall below a limit.")],
    own_limit=True,
    takes=(),
    accumulates=True,
)


class FloorKind(CheckKind):
    """Remembers the lowest value since the revision had traffic."""

    def queries(self, check: Check, context: QueryContext, window: int) -> Iterator[Question]:
        yield from count_questions("floor", {"query": check.settings.query}, context, window)

    def limits(self, check: Check) -> Limits:
        return Limits(min=check.settings.least)

    def judge(self, check: Check, answers: Answers, window: Window) -> CheckOutcome:
        value = number_of(answers["floor.query"], "query")
        if isinstance(value, Unusable) or math.isnan(value):
            return without_data(self, check, value if isinstance(value, Unusable) else UNKNOWN)
        lowest = min(value, remembered(check, window, "lowest", across_weights=True) or value)
        below = value < check.settings.least
        verdict, reason = (Verdict.BREACH, Reason.BELOW_MINIMUM) if below else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
        result = Result(verdict, reason, f"{value:g}, lowest so far {lowest:g}", value)
        return outcome_of(self, check, result, memory_of(check, window, "lowest", lowest))


UNKNOWN = Unusable(Reason.NOT_A_NUMBER, "the query gave NaN (not a number)")


@contextmanager
def registered(schema: CheckSchema, kind: CheckKind) -> Iterator[None]:
    """What one line in modelramp.api.checks and a module in analysis.kinds do when the operator starts."""
    fields = Check.__pydantic_fields__
    SCHEMAS[schema.field], KINDS[schema.field] = schema, kind
    fields[schema.field] = FieldInfo.from_annotated_attribute(schema.annotation, None)
    try:
        _rebuild()
        yield
    finally:
        del SCHEMAS[schema.field], KINDS[schema.field], fields[schema.field]
        _rebuild()


def _rebuild() -> None:
    """Compile Check again, and the models that contain it."""
    for model in models():
        model.model_rebuild(force=True)
