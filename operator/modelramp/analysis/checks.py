"""A check as questions to Prometheus, and their answers as a verdict."""

import math
from dataclasses import dataclass, replace

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counts import (
    CANDIDATE,
    REFERENCE,
    STABLE,
    Answers,
    VersionCounts,
    arm_from,
    no_number,
    other_arm,
    parts_of,
    single,
    stored,
)
from modelramp.analysis.evidence import Result, Unusable, count_problem, too_few
from modelramp.analysis.kinds import limits_of_kind, weigh
from modelramp.analysis.matchers import narrowed
from modelramp.analysis.presets import ALIASES, PRESETS, Labels, Preset, preset_named
from modelramp.analysis.promql import NoStableVersion, render, variable_problem, variables_in
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.wording import Limits, compared, limit_text, shown
from modelramp.api.check import Check, Dimension
from modelramp.api.errors import NoAnswer, PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.api.quantity import ROUNDING
from modelramp.api.text import visible
from modelramp.api.verdict import CheckOutcome, Verdict

DETAIL_MOST = 256


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
"""Name of the question whose answer is the number that a query or preset check judges."""
SAMPLES = "samples"
"""Name of the question how many samples stand behind that number."""
ONCE = Window()
"""A tick that stands for itself: nothing was remembered."""


def ask(check: Check, subject: QueryContext, window: int) -> Ask | CheckOutcome:
    """The check's questions; or, when nothing can be asked, the outcome (always NO_DATA) that says why.

    window: seconds that {{window}} stands for.
    """
    try:
        return Ask(tuple(_questions(check, subject, window)))
    except NoStableVersion as missing:
        return _no_data(check, Reason.NOT_EVALUATED, str(missing))
    except ValueError as error:
        return _no_data(check, Reason.QUERY_INVALID, str(error))


def _questions(check: Check, subject: QueryContext, window: int) -> list[Question]:
    if check.preset is not None:
        preset = preset_named(check.preset)
        if preset is None:
            raise ValueError(preset_problem(check.preset))
        found = [Question(VALUE, render(preset.query, subject, window), preset.pick(subject))]
    elif check.query is not None:
        found = [Question(VALUE, _rendered(check.query, subject, window))]
    else:
        return _questions_of_arms(check, subject, window)
    if check.samples is not None:
        pick = _own_series(check.samples, subject) if check.preset is not None else ()
        found.append(Question(SAMPLES, _rendered(check.samples, subject, window), pick))
    return found


def _questions_of_arms(check: Check, subject: QueryContext, window: int) -> list[Question]:
    parts, other = parts_of(check), other_arm(check)
    found = [question(f"{CANDIDATE}.{part}", text, subject, window) for part, text in parts.items()]
    if other == STABLE:
        if subject.stable is None:
            raise NoStableVersion("there is no stable version to compare with: no version has worked yet")
        beside = replace(subject, revision=subject.stable, service=subject.stable_service or "")
        found += [question(f"{STABLE}.{part}", text, beside, window) for part, text in parts.items()]
    reference = check.drift.reference if check.drift is not None else None
    if reference is not None and reference.query is not None:
        found.append(Question(f"{REFERENCE}.buckets", _rendered(reference.query, subject, window)))
    return found


def question(name: str, query: str, subject: QueryContext, window: int) -> Question:
    """A query about one version, with the series that are its own. Raises ValueError when it cannot be asked."""
    return Question(name, _rendered(query, subject, window), _own_series(query, subject))


def _rendered(query: str, subject: QueryContext, window: int) -> str:
    if problem := variable_problem(query):
        raise ValueError(problem)
    text = render(query, subject, window)
    return narrowed(text, subject.namespace) if subject.limited else text


def _own_series(query: str, subject: QueryContext) -> Labels:
    """Which series of the answer belong to the subject; () when the query itself names it.

    A query that names no version answers for all of them at once and must keep the label revision; one that names no
    ModelDeployment either serves all of them with one answer, and must keep their labels too.
    """
    named = variables_in(query)
    if named & {"revision", "service"}:
        return ()
    revision = ("revision", subject.revision)
    if named & {"namespace", "name"}:
        return (revision,)
    return (("namespace", subject.namespace), ("modeldeployment", subject.name), revision)


def judge(check: Check, answers: Answers, episode: Window = ONCE) -> CheckOutcome:
    """The verdict on what was measured.

    `max` is breached by a value above it, `min` by one below it; a value equal to a limit is healthy. No series,
    several series and NaN are NO_DATA. An infinite value breaches the limit that it lies beyond; towards the healthy
    side it is a division by zero and NO_DATA. The other kinds say for themselves (analysis.kinds).
    episode: over what a check that remembers adds up.
    """
    if parts_of(check) and VALUE not in answers:
        return judge_arms(check, arm_from(check, answers, CANDIDATE), _other(check, answers, episode), episode)
    if SAMPLES in answers and (problem := _sample_problem(check, answers)):
        return _no_data(check, problem.reason, problem.message)
    series = answers.get(VALUE, ())
    if not series:
        return _no_data(check, Reason.EMPTY_RESULT, _nothing_found(check))
    if len(series) > 1:
        hint = f"the query returned {len(series)} series; aggregate it to one, as in sum(...)"
        return _no_data(check, Reason.SEVERAL_SERIES, hint)
    if series[0].histogram is not None:
        problem = no_number("the query")
        return _no_data(check, problem.reason, problem.message)
    value = series[0].value
    if math.isnan(value):
        hint = "the query gave NaN (not a number), most often because there was no traffic in the window"
        return _no_data(check, Reason.NOT_A_NUMBER, hint)
    preset = preset_named(check.preset)
    if preset is not None and value < 0 <= preset.range[0]:
        return _no_data(check, Reason.METRIC_UNKNOWN, _unknown(preset))
    return _weigh(check, value)


def judge_arms(
    check: Check, candidate: VersionCounts | Unusable, other: VersionCounts | Unusable | None, episode: Window
) -> CheckOutcome:
    """The verdict of a check that is neither a query nor a preset, on the counts of its arms."""
    result, memory = weigh(check, candidate, other, episode)
    return outcome_of(check, result, memory)


def outcome_of(check: Check, result: Result, memory: str = "") -> CheckOutcome:
    """A result as the check's outcome at a tick."""
    limits = limits_of(check)
    if check.compare is not None and result.limit is not None:
        limits = replace(limits, max=result.limit)
    detail, text = visible(result.detail)[:DETAIL_MOST], limit_text(limits)
    dimension = dimension_of(check).value
    return CheckOutcome(
        check.name, result.verdict, result.reason, detail, result.value, text, result.n, memory, dimension
    )


def _other(check: Check, answers: Answers, episode: Window) -> VersionCounts | Unusable | None:
    """Whom the candidate is held against; itself once no other version has traffic, for there is nobody else then."""
    reference = check.drift.reference if check.drift is not None else None
    if reference is not None and reference.query is None:
        return stored(reference)
    name = other_arm(check)
    if name == STABLE and episode.alone:
        name = CANDIDATE
    return arm_from(check, answers, name) if name is not None else None


def _sample_problem(check: Check, answers: Answers) -> Unusable | None:
    found = single(answers[SAMPLES], SAMPLES)
    if not isinstance(found, float):
        return found
    least = check.min_samples or 1
    if math.isnan(found):
        return Unusable(Reason.NOT_A_NUMBER, "samples gave NaN (not a number)")
    if problem := count_problem(SAMPLES, found):
        return problem
    return too_few(found, least, "samples") if found < least else None


def no_answer(check: Check, error: NoAnswer) -> CheckOutcome:
    """The outcome when Prometheus could not be asked: NO_DATA with the error's reason and words."""
    code = error.reason if isinstance(error, PrometheusUnavailable) else ""
    reason = Reason(code) if code in frozenset(Reason) else Reason.QUERY_FAILED
    return _no_data(check, reason, str(error) or "Prometheus gave no usable answer")


def limits_of(check: Check) -> Limits:
    """The limits that count: the check's own if it gives any, else those of its preset or its kind."""
    if check.preset is None and check.query is None:
        return limits_of_kind(check)
    preset = preset_named(check.preset)
    unit = check.unit or (preset.unit if preset else "")
    if preset is None or check.min is not None or check.max is not None:
        return Limits(check.min, check.max, unit)
    return Limits(preset.min, preset.max, unit)


def dimension_of(check: Check) -> Dimension:
    """The check's dimension: its own if it gives one, else that of its preset."""
    preset = preset_named(check.preset)
    return preset.dimension if preset is not None and "dimension" not in check.model_fields_set else check.dimension


def preset_problem(name: str) -> str | None:
    """Why a preset cannot be used, as a sentence; None when it exists."""
    from difflib import get_close_matches

    if preset_named(name) is not None:
        return None
    near = get_close_matches(name, (*PRESETS, *ALIASES), n=1)
    hint = f"did you mean {ALIASES.get(near[0], near[0])}?" if near else "`modelramp presets` lists them"
    return f"there is no preset {name!r}; {hint}"


def _weigh(check: Check, value: float) -> CheckOutcome:
    limits = limits_of(check)
    verdict, reason = Verdict.HEALTHY, Reason.WITHIN_LIMIT
    if limits.max is not None and value > limits.max and not _as_good_as(value, limits.max):
        verdict, reason = Verdict.BREACH, Reason.ABOVE_MAXIMUM
    elif limits.min is not None and value < limits.min and not _as_good_as(value, limits.min):
        verdict, reason = Verdict.BREACH, Reason.BELOW_MINIMUM
    elif math.isinf(value):
        hint = f"the query gave {shown(value, limits.unit)}, most often because something was divided by zero"
        return _no_data(check, Reason.NOT_A_NUMBER, hint)
    detail, dimension = compared(value, limits), dimension_of(check).value
    return CheckOutcome(check.name, verdict, reason, detail, value, limit_text(limits), dimension=dimension)


def _as_good_as(value: float, limit: float) -> bool:
    """Whether only rounding tells the two apart, as when a query divides 0.05 by 5."""
    return math.isclose(value, limit, rel_tol=ROUNDING)


def _nothing_found(check: Check) -> str:
    preset = preset_named(check.preset)
    if preset is None:
        return "the query returned an empty result"
    wanted = ", ".join(label for label, _ in preset.pick(QueryContext("", "", "", "")))
    return (
        f"preset {preset.name} found no series of {' or '.join(preset.metrics[-2:])} for this revision (by {wanted}); "
        "is it scraped, and is there traffic?"
    )


def _unknown(preset: Preset) -> str:
    """What series.UNKNOWN stands for."""
    bad, *others = preset.metrics
    return (
        f"{bad} has no series of this revision, while {others[0]} counts, so nothing is known of failures: has it "
        f"another name now (`modelramp presets {preset.name}`)? Serve it from the start, at 0"
    )


def _no_data(check: Check, reason: Reason, detail: str) -> CheckOutcome:
    limit, dimension = limit_text(limits_of(check)), dimension_of(check).value
    return CheckOutcome(
        check.name, Verdict.NO_DATA, reason, visible(detail)[:DETAIL_MOST], None, limit, dimension=dimension
    )
