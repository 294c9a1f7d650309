"""A check as questions to Prometheus, and their answers as a verdict."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from modelramp.analysis.presets import PRESETS, Labels
from modelramp.analysis.promql import NoStableVersion, render, variable_problem
from modelramp.analysis.subject import Subject
from modelramp.analysis.wording import Limits, compared, limit_text, shown
from modelramp.api.errors import NoAnswer, PrometheusSilent
from modelramp.api.health import Check, Dimension
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, Verdict

DETAIL_MOST = 256


class Series(Protocol):
    """One series of an answer at one instant."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        ...

    @property
    def value(self) -> float:
        """Its value; may be NaN or infinite."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """One query.

    name: by which the judge finds the answer. pick: the labels of the subject's series in an answer that serves
    many subjects; empty when the whole answer belongs to the subject.
    """

    name: str
    text: str
    pick: Labels = ()


@dataclass(frozen=True, slots=True)
class Ask:
    """All that has to be asked for one check of one subject at one tick."""

    questions: tuple[Question, ...]


VALUE = "value"
"""Name of the only question of a threshold check."""


def ask(check: Check, subject: Subject, window: int) -> Ask | CheckOutcome:
    """The check's questions; or, when nothing can be asked, the outcome (always NO_DATA) that says why.

    window: seconds that {{window}} stands for.
    """
    if check.preset is not None:
        preset = PRESETS.get(check.preset)
        if preset is None:
            return _no_data(check, Reason.QUERY_INVALID, preset_problem(check.preset) or "")
        return Ask((Question(VALUE, render(preset.query, subject, window), preset.pick(subject)),))
    query = check.query or ""
    if problem := variable_problem(query):
        return _no_data(check, Reason.QUERY_INVALID, problem)
    try:
        return Ask((Question(VALUE, render(query, subject, window)),))
    except NoStableVersion as missing:
        return _no_data(check, Reason.NOT_EVALUATED, str(missing))
    except ValueError as error:
        return _no_data(check, Reason.QUERY_INVALID, str(error))


def judge(check: Check, answers: Mapping[str, Sequence[Series]]) -> CheckOutcome:
    """The verdict on what was measured.

    `max` is breached by a value above it, `min` by one below it; a value equal to a limit is healthy. No series,
    several series and NaN are NO_DATA. An infinite value breaches the limit that it lies beyond; towards the healthy
    side it is a division by zero and NO_DATA.
    """
    series = answers.get(VALUE, ())
    if not series:
        return _no_data(check, Reason.EMPTY_RESULT, _nothing_found(check))
    if len(series) > 1:
        hint = f"the query returned {len(series)} series; aggregate it to one, as in sum(...)"
        return _no_data(check, Reason.SEVERAL_SERIES, hint)
    value = series[0].value
    if math.isnan(value):
        hint = "the query gave NaN (not a number), most often because there was no traffic in the window"
        return _no_data(check, Reason.NOT_A_NUMBER, hint)
    return _weigh(check, value)


def no_answer(check: Check, error: NoAnswer) -> CheckOutcome:
    """The outcome when Prometheus could not be asked: NO_DATA with the error's reason and words."""
    code = error.reason if isinstance(error, PrometheusSilent) else ""
    reason = Reason(code) if code in frozenset(Reason) else Reason.QUERY_FAILED
    return _no_data(check, reason, str(error) or "Prometheus gave no usable answer")


def limits_of(check: Check) -> Limits:
    """The limits that count: the check's own if it gives any, else those of its preset."""
    preset = PRESETS.get(check.preset or "")
    unit = check.unit or (preset.unit if preset else "")
    if preset is None or check.min is not None or check.max is not None:
        return Limits(check.min, check.max, unit)
    return Limits(preset.min, preset.max, unit)


def dimension_of(check: Check) -> Dimension:
    """The check's dimension: its own if it gives one, else that of its preset."""
    preset = PRESETS.get(check.preset or "")
    return preset.dimension if preset is not None and "dimension" not in check.model_fields_set else check.dimension


def preset_problem(name: str) -> str | None:
    """Why a preset cannot be used, as a sentence; None when it exists."""
    from difflib import get_close_matches

    if name in PRESETS:
        return None
    near = get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean {near[0]}?" if near else "`modelramp presets` lists them"
    return f"there is no preset {name!r}; {hint}"


def _weigh(check: Check, value: float) -> CheckOutcome:
    limits = limits_of(check)
    verdict, reason = Verdict.HEALTHY, Reason.WITHIN_LIMIT
    if limits.max is not None and value > limits.max:
        verdict, reason = Verdict.BREACH, Reason.ABOVE_MAXIMUM
    elif limits.min is not None and value < limits.min:
        verdict, reason = Verdict.BREACH, Reason.BELOW_MINIMUM
    elif math.isinf(value):
        hint = f"the query gave {shown(value, limits.unit)}, most often because something was divided by zero"
        return _no_data(check, Reason.NOT_A_NUMBER, hint)
    return CheckOutcome(check.name, verdict, reason, compared(value, limits), value, limit_text(limits))


def _nothing_found(check: Check) -> str:
    if check.preset is None:
        return "the query returned an empty result"
    wanted = ", ".join(label for label, _ in PRESETS[check.preset].pick(Subject("", "", "", "")))
    return f"preset {check.preset} found no series of this revision (by {wanted}); is it scraped, and is there traffic?"


def _no_data(check: Check, reason: Reason, detail: str) -> CheckOutcome:
    return CheckOutcome(check.name, Verdict.NO_DATA, reason, detail[:DETAIL_MOST], None, limit_text(limits_of(check)))
