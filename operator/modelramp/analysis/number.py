"""Base of the check kinds that compare one number with min and max: query and preset."""

import math
from abc import abstractmethod
from collections.abc import Iterator

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counts import Answers, no_number, number_of
from modelramp.analysis.evidence import Unusable, count_problem, too_few
from modelramp.analysis.kind import CheckKind, without_data
from modelramp.analysis.presets import Labels
from modelramp.analysis.query_advice import of_namespace, of_syntax
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, question
from modelramp.analysis.wording import compared, limit_text, shown
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.quantity import ROUNDING
from modelramp.api.verdict import CheckOutcome, Verdict

VALUE = "value"
"""Name of the question for the number."""
SAMPLES = "samples"
"""Name of the question for the number of observations behind it."""


class NumberKind(CheckKind):
    """A kind that judges the number in the answer to VALUE."""

    @abstractmethod
    def value(self, check: Check, context: QueryContext, window: int) -> Question:
        """The question for the number."""

    def samples_pick(self, query: str, context: QueryContext) -> Labels:
        """The labels of the series that count the samples of one version; () when the query itself names it."""
        del query, context
        return ()

    def queries(self, check: Check, context: QueryContext, window: int) -> Iterator[Question]:
        """The query for the number and, if the check has one, the query for its samples."""
        yield self.value(check, context, window)
        if check.samples is not None:
            pick = self.samples_pick(check.samples, context)
            yield question(SAMPLES, check.samples, context, window, pick)

    def judge(self, check: Check, answers: Answers, window: Window) -> CheckOutcome:
        """See judge_number."""
        del window
        return judge_number(self, check, answers)

    def nothing_found(self, check: Check) -> str:
        """The message for an answer without series."""
        del check
        return "the query returned an empty result"

    def read(self, check: Check, value: float) -> float | Unusable:
        """The number to judge, from the one in the answer, or why there is none."""
        del check
        return value

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """Advice about the query that counts samples."""
        del health
        if check.samples is not None and (unread := of_syntax(check.samples, f"{path}.samples")) is not None:
            yield unread
        elif check.samples is not None:
            yield from of_namespace(check.samples, f"{path}.samples")

    def lint_limits(self, check: Check, path: str, low: float, high: float) -> Iterator[Advice]:
        """Errors when no value, or every value, breaches; every value that the check measures is in low to high."""
        limits = self.limits(check)
        field = f"{path}.max" if check.max is not None else f"{path}.min" if check.min is not None else path
        above = limits.max is not None and limits.max < high
        below = limits.min is not None and limits.min > low
        if not above and not below:
            span = f"lies between {low:g} and {high:g}" if high != float("inf") else f"is never below {low:g}"
            why = f"the value {span}" if limits.max is not None or limits.min is not None else "it has no limit"
            yield Advice(Level.ERROR, field, f"this check can never breach: {why}; set a limit that can be crossed")
        if (limits.max is not None and limits.max < low) or (limits.min is not None and limits.min > high):
            yield Advice(Level.ERROR, field, "this check always breaches: no value of the query can keep the limit")


def judge_number(kind: CheckKind, check: Check, answers: Answers) -> CheckOutcome:
    """The verdict on one number against the limits of the check.

    `max` is breached by a value above it, `min` by one below it; a value equal to a limit is healthy. No series,
    several series and NaN are NO_DATA. An infinite value breaches the limit that it lies beyond; towards the healthy
    side it is a division by zero and NO_DATA.
    """
    found = _number(kind, check, answers)
    if isinstance(found, Unusable):
        return without_data(kind, check, found)
    return _weighed(kind, check, found)


def _number(kind: CheckKind, check: Check, answers: Answers) -> float | Unusable:
    if SAMPLES in answers and (problem := _sample_problem(check, answers)):
        return problem
    series = answers.get(VALUE, ())
    if not series:
        empty = kind.nothing_found(check) if isinstance(kind, NumberKind) else "the query returned an empty result"
        return Unusable(Reason.EMPTY_RESULT, empty)
    if len(series) > 1:
        hint = f"the query returned {len(series)} series; aggregate it to one, as in sum(...)"
        return Unusable(Reason.SEVERAL_SERIES, hint)
    if series[0].histogram is not None:
        return no_number("the query")
    value = series[0].value
    if math.isnan(value):
        hint = "the query gave NaN (not a number), most often because there was no traffic in the window"
        return Unusable(Reason.NOT_A_NUMBER, hint)
    return kind.read(check, value) if isinstance(kind, NumberKind) else value


def _weighed(kind: CheckKind, check: Check, value: float) -> CheckOutcome:
    limits = kind.limits(check)
    verdict, reason = Verdict.HEALTHY, Reason.WITHIN_LIMIT
    if limits.max is not None and value > limits.max and not _as_good_as(value, limits.max):
        verdict, reason = Verdict.BREACH, Reason.ABOVE_MAXIMUM
    elif limits.min is not None and value < limits.min and not _as_good_as(value, limits.min):
        verdict, reason = Verdict.BREACH, Reason.BELOW_MINIMUM
    elif math.isinf(value):
        hint = f"the query gave {shown(value, limits.unit)}, most often because something was divided by zero"
        return without_data(kind, check, Unusable(Reason.NOT_A_NUMBER, hint))
    detail, dimension = compared(value, limits), kind.dimension(check).value
    return CheckOutcome(check.name, verdict, reason, detail, value, limit_text(limits), dimension=dimension)


def _sample_problem(check: Check, answers: Answers) -> Unusable | None:
    found = number_of(answers[SAMPLES], SAMPLES)
    if not isinstance(found, float):
        return found
    least = check.min_samples or 1
    if math.isnan(found):
        return Unusable(Reason.NOT_A_NUMBER, "samples gave NaN (not a number)")
    if problem := count_problem(SAMPLES, found):
        return problem
    return too_few(found, least, "samples") if found < least else None


def _as_good_as(value: float, limit: float) -> bool:
    """Whether the two differ by no more than a rounding error, as when a query divides 0.05 by 5."""
    return math.isclose(value, limit, rel_tol=ROUNDING)
