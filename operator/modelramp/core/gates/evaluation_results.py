"""The results of an offline evaluation: read with suspicion, held against limits and against the stable version's."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.evaluation import RESULTS_KEY, EvaluationMetric, EvaluationSpec, EvaluationState, ResultsIn
from modelramp.api.quantity import format_number
from modelramp.api.verdict import Verdict
from modelramp.core.revisions import short_hash

BYTES_MAX = 65_536
"""Results may not be longer."""
TERMINATION_BYTES = 4096
"""The kubelet keeps so much of what a container writes to its termination log."""
ENTRIES_MAX = 64
NAME_MAX = 63
WHY_MAX = 600
"""Characters of a judgement; the status cuts longer messages, and what is cut differs from what is said anew."""
_SHOWN = 60
_TOLERANCE = 1e-9

Results = Mapping[str, float]
"""What an evaluation measured, by name."""


@dataclass(frozen=True, slots=True)
class MetricOutcome:
    """One metric of an evaluation. value: None when the results lack it. limit: what was wished, for people."""

    name: str
    verdict: Verdict
    detail: str
    value: float | None = None
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The evaluation of a candidate.

    attempt: part of its Job's name. template: hash of what the Job is made of. since: when it was begun.
    ended: when its Job had ended and was read; 0 while it runs. job: the Job's name, once it was seen.
    """

    attempt: str
    template: str
    since: int
    state: EvaluationState = EvaluationState.RUNNING
    ended: int = 0
    job: str = ""
    message: str = ""
    results: tuple[tuple[str, float], ...] = ()
    metrics: tuple[MetricOutcome, ...] = ()


def template_hash(spec: EvaluationSpec) -> str:
    """Stands for what a Job is made of: another value wants another Job. Limits are no part of it."""
    made_of = [spec.template, spec.timeout, spec.backoff_limit, spec.results]
    return short_hash(json.dumps(made_of, sort_keys=True))


def read_results(text: str, where: ResultsIn) -> tuple[Results, str]:
    """The results in what a Job wrote, and why there are none.

    A flat JSON object of finite numbers, or {"metrics": {...}} with one; anything else counts as nothing at all, so
    that no half of it is believed.
    """
    size = len(text.encode(errors="replace"))
    place = "its termination message" if where is ResultsIn.TERMINATION_MESSAGE else f"{RESULTS_KEY} of its ConfigMap"
    if not text.strip():
        return {}, f"{place} is empty"
    if size > BYTES_MAX:
        return {}, f"{place} has {size:,} bytes; at most {BYTES_MAX:,} are read"
    try:
        found = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number)
        return _numbers(found), ""
    except RecursionError:
        problem = "is nested too deeply; a flat object of numbers is expected"
    except json.JSONDecodeError as error:
        problem = f"is not JSON ({error.msg} at character {error.pos}); it begins with {text[:_SHOWN]!r}"
    except (ValueError, OverflowError) as error:
        problem = f"cannot be used: {error}"
    if where is ResultsIn.TERMINATION_MESSAGE and size >= TERMINATION_BYTES:
        fix = "write fewer results, or set spec.rollout.evaluation.results: ConfigMap"
        problem = f"was truncated: the kubelet keeps {TERMINATION_BYTES:,} bytes; {fix}"
    return {}, f"{place} {problem}"


def judge(results: Results, stable: Results | None, spec: EvaluationSpec) -> tuple[EvaluationState, str, list[Any]]:
    """Passed, Failed or NoData, why, and the outcome of each metric.

    stable: the recorded results of the version that serves; None when it was never evaluated. A metric that was not
    recorded is not compared, and its outcome says so; limits count all the same.
    """
    outcomes = [_outcome(metric, results, stable) for metric in spec.metrics]
    for verdict, state in (
        (Verdict.BREACH, EvaluationState.FAILED),
        (Verdict.NO_DATA, EvaluationState.NO_DATA),
        (Verdict.HEALTHY, EvaluationState.PASSED),
    ):
        found = [outcome.detail for outcome in outcomes if outcome.verdict is verdict]
        if found:
            why = "; ".join(found)
            return state, why if len(why) <= WHY_MAX else f"{why[: WHY_MAX - 3]}...", outcomes
    raise AssertionError("the schema wants at least one metric")


def recorded_text(evaluation: Evaluation) -> str:
    """The results as they are kept with the revision; empty while there are none."""
    if not evaluation.results:
        return ""
    kept = {"state": evaluation.state, "metrics": dict(evaluation.results)}
    return json.dumps(kept, sort_keys=True, separators=(",", ":"))


def recorded_results(text: str) -> Results:
    """The results in such a text; empty when somebody has spoilt it."""
    try:
        return _numbers(json.loads(text)["metrics"])
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return {}


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice[:_SHOWN]!r} appears twice")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not a finite number")


def _numbers(found: Any) -> dict[str, float]:
    """The flat object of numbers. Raises ValueError with what is wrong."""
    if isinstance(found, dict) and isinstance(found.get("metrics"), dict):
        found = found["metrics"]
    if not isinstance(found, dict) or not found:
        kind = {dict: "an empty object", list: "a list", str: "a text", type(None): "null"}.get(type(found), "a number")
        raise ValueError(f'found {kind}; an object such as {{"accuracy": 0.97}} is expected')
    if len(found) > ENTRIES_MAX:
        raise ValueError(f"found {len(found)} entries; at most {ENTRIES_MAX} are accepted")
    return {_name(name): _finite(name, value) for name, value in found.items()}


def _name(name: str) -> str:
    if not name or len(name) > NAME_MAX:
        raise ValueError(f"the name {name[:_SHOWN]!r} is empty or has more than {NAME_MAX} characters")
    return name


def _finite(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(float(value)):
        raise ValueError(f"{name} is {json.dumps(value)[:_SHOWN]}, which is not a finite number")
    return float(value)


def _outcome(metric: EvaluationMetric, results: Results, stable: Results | None) -> MetricOutcome:
    value = results.get(metric.name)
    reference = (stable or {}).get(metric.name)
    limit = _limit(metric, reference)
    if value is None:
        have = ", ".join(sorted(results)[:10])
        return MetricOutcome(metric.name, Verdict.NO_DATA, f"the results have no {metric.name}; they have {have}", None)
    wrong = _beyond(metric, value, reference)
    if wrong:
        return MetricOutcome(metric.name, Verdict.BREACH, wrong, value, limit)
    compares = metric.max_decrease is not None or metric.max_increase is not None
    left_out = ", not compared: no result of the stable version is recorded" if compares and reference is None else ""
    detail = f"{metric.name} {format_number(value)}{f', wished {limit}' if limit else ''}{left_out}"
    return MetricOutcome(metric.name, Verdict.HEALTHY, detail, value, limit)


def _limit(metric: EvaluationMetric, reference: float | None) -> str:
    parts = [f">= {format_number(metric.min)}"] if metric.min is not None else []
    parts += [f"<= {format_number(metric.max)}"] if metric.max is not None else []
    if reference is not None and metric.max_decrease is not None:
        parts.append(f">= {format_number(reference)} - {format_number(metric.max_decrease)}")
    if reference is not None and metric.max_increase is not None:
        parts.append(f"<= {format_number(reference)} + {format_number(metric.max_increase)}")
    return ", ".join(parts)


def _beyond(metric: EvaluationMetric, value: float, reference: float | None) -> str:
    """Which limit the value does not keep; empty when it keeps all."""
    name = metric.name
    if metric.min is not None and value < metric.min:
        return f"{name} {_exact(value, metric.min)} is below the minimum {format_number(metric.min)}"
    if metric.max is not None and value > metric.max:
        return f"{name} {_exact(value, metric.max)} is above the maximum {format_number(metric.max)}"
    if reference is None:
        return ""
    for allowed, fall, word in (
        (metric.max_decrease, reference - value, "below"),
        (metric.max_increase, value - reference, "above"),
    ):
        # 0.97 - 0.96 is a little more than 0.01 for a computer: that is no finding.
        slack = _TOLERANCE * max(abs(value), abs(reference))
        if allowed is not None and fall > allowed + slack:
            told = f"{name} {_exact(value, reference)} is {format_number(fall)} {word} the stable version's"
            return f"{told} {format_number(reference)}; {format_number(allowed)} is allowed"
    return ""


def _exact(value: float, other: float) -> str:
    """The value, with as many digits as it takes to tell it from the other."""
    alike = value != other and format_number(value) == format_number(other)
    return f"{value:.12g}" if alike else format_number(value)
