"""`modelramp evaluate`: runs one check on given numbers and explains its verdict."""

import json
from typing import IO, Any

import click

from modelramp.analysis.accumulated import Window
from modelramp.analysis.checks import SAMPLES, VALUE, judge, limits_of
from modelramp.analysis.counting import CountingKind
from modelramp.analysis.evidence import Result, no_data
from modelramp.analysis.experiment import difference_in, evidence_of, judge_tick
from modelramp.analysis.kinds import check_kind
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.check import Check
from modelramp.api.names import Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.verdict import Verdict
from modelramp.cli.evaluate.data import Measured, Ticks, loaded, read_data
from modelramp.cli.policy_file import read_policy
from modelramp.core.state import Ending
from modelramp.core.strategies.ab_test import conclude
from modelramp.engine.ports import Sample
from modelramp.simulation.ab_test_input import read_ticks
from modelramp.simulation.json_input import BadData, finite, meant


@click.command(
    name="evaluate",
    short_help="Run one check on given numbers and explain its verdict.",
    epilog="""\b
DATA is {"candidate": ARM, "stable": ARM}, or "reference" instead of "stable". An ARM is
  {"bad": 12, "total": 1204}                           rates (ratio, compare, sequential)
  {"sum": 12.5, "count": 300}                          means and cost
  {"buckets": {"0.1": 3, "0.5": 10, "+Inf": 12}}       quantiles and drift, cumulative
  {"buckets": [[0.1, 0.2, 3], [0.2, 0.5, 10]]}         the same from a native histogram: from, to, count
  {"groups": {"a": {"bad": 3, "total": 100}, ...}}     fairness
  {"value": 0.031, "samples": 1204}                    query and preset checks
A sequential check and a cost budget take lists of arms, one for each tick. So does the metric of an A/B test,
whose arms are {"good": 12, "total": 1204}, with "bad" or as a mean, and may have "assigned": 1210.
Exit code: 0 when the check was evaluated, whatever it says; 1 for unusable input.""",
)
@click.option("-f", "--filename", "manifest", type=click.File("rb"), required=True, help="ModelDeployment, YAML or -.")
@click.option("--check", "name", required=True, help="Name of the check, or of the A/B test's metric.")
@click.option("--data", type=click.File("rb"), required=True, help="The numbers, JSON or -.")
@click.option("--name", "deployment", default=None, help="Which ModelDeployment, when the file has several.")
@click.option("-o", "--output", type=click.Choice(["json", "text"]), default="json", show_default=True)
def command(manifest: IO[bytes], name: str, data: IO[bytes], deployment: str | None, output: str) -> None:
    """Run one check on given numbers, and explain its verdict.

    The same code judges in the cluster. Neither a cluster nor a Prometheus is contacted.
    """
    spec = read_policy(manifest, deployment, None, checks_needed=False).spec
    check = _chosen(spec, name, manifest.name)
    try:
        text = data.read().decode("utf-8-sig")
        if not isinstance(check, Check):
            told = evaluate_test(check, spec.health.interval, text)
            click.echo(json.dumps(told) if output == "json" else test_text(name, told))
            return
        numbers = read_data(text, check)
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{data.name}: byte {error.start + 1} is not UTF-8 text") from None
    except BadData as error:
        raise click.ClickException(f"{data.name}: {error}") from None
    result = evaluate(check, numbers)
    click.echo(json.dumps(as_json(check, result)) if output == "json" else as_text(check, result))


def evaluate(check: Check, numbers: Ticks | Measured) -> Result:
    """What the check says of the numbers; of a sequential one after the last tick."""
    if isinstance(numbers, Measured):
        return _of_number(check, numbers)
    kind, window, result = check_kind(check), Window(), None
    assert isinstance(kind, CountingKind)  # noqa: S101 - only such a kind has ticks
    for candidate, other in zip(numbers.candidate, numbers.other, strict=True):
        result, memory = kind.result(check, candidate, other, window)
        window = Window(memory=memory)
    assert result is not None  # noqa: S101 - the data holds at least one tick
    return result


def _of_number(check: Check, measured: Measured) -> Result:
    if measured.problem is not None:
        return no_data(measured.problem)
    answers = {VALUE: [Sample({}, measured.value)]}
    if check.samples is not None and measured.samples is not None:
        answers[SAMPLES] = [Sample({}, measured.samples)]
    found, limits = judge(check, answers), limits_of(check)
    below = found.reason is Reason.BELOW_MINIMUM or limits.max is None
    limit = limits.min if below else limits.max
    return Result(found.verdict, found.reason, found.detail, found.value, limit, n=measured.samples)


def as_json(check: Check, result: Result) -> dict[str, Any]:
    """The result for programs; what does not apply, or is infinite, is null."""
    limits = limits_of(check)
    limit = result.limit if result.limit is not None else limits.max if limits.max is not None else limits.min
    return {
        "verdict": result.verdict.value,
        "value": finite(result.value),
        "limit": finite(limit),
        "interval": [finite(end) for end in result.interval] if result.interval is not None else None,
        "pValue": finite(result.p_value),
        "n": finite(result.n),
        "reason": result.detail,
    }


def as_text(check: Check, result: Result) -> str:
    """The result for people."""
    return f"{check.name}: {result.verdict.value} ({result.reason}): {result.detail}"


def _chosen(spec: ModelDeploymentSpec, name: str, source: str) -> Check | ABTest:
    by_name: dict[str, Check | ABTest] = {check.name: check for check in spec.health.checks}
    test = spec.rollout.ab_test
    if test is not None:
        by_name.setdefault(test.metric.name, test)
    if name not in by_name:
        known = f"but {', '.join(by_name)}{meant(name, by_name)}" if by_name else "for spec.health.checks is empty"
        raise click.ClickException(f'{source}: has no check "{name}", {known}')
    return by_name[name]


_VERDICTS = {Ending.HARM: Verdict.BREACH, Ending.INVALID: Verdict.NO_DATA}
"""What harm and an invalid comparison are among the verdicts of checks; the other endings are healthy ones."""


def evaluate_test(test: ABTest, interval: int, text: str) -> dict[str, Any]:
    """What the test says after the last tick, for programs; the test ends at the first tick that ends it.

    interval: from tick to tick, seconds. Raises BadData. value and interval are candidate less stable; limit is
    minEffect; verdict is breach for harm, no-data while nothing can be said.
    """
    run = ABTestRun(test, test.split, "candidate")
    ticks = read_ticks(loaded(text), test.metric)
    for number, tick in enumerate(ticks, start=1):
        found = judge_tick(run, tick)
        run = ABTestRun(test, test.split, "candidate", memory=found.memory)
        ending, why = conclude(test, found, 0, number * interval)
        if ending is not Ending.UNDECIDED:
            break
    difference = difference_in(test, evidence_of(run))
    verdict = _VERDICTS.get(ending, Verdict.NO_DATA if difference is None or found.mismatch else Verdict.HEALTHY)
    ratio = f"sample ratio {found.sample_ratio}" if found.sample_ratio else ""
    place = f"{ending.value} after tick {number} of {len(ticks)}: {why}"
    return {
        "verdict": verdict.value,
        "value": finite(difference.estimate) if difference else None,
        "limit": finite(test.min_effect),
        "interval": [finite(difference.low), finite(difference.high)] if difference else None,
        "pValue": finite(difference.p_value) if difference else None,
        "n": finite(found.samples),
        "reason": "; ".join(part for part in (place, found.detail, ratio) if part),
    }


def test_text(name: str, told: dict[str, Any]) -> str:
    """The same for people."""
    return f"{name}: {told['verdict']}: {told['reason']}"
