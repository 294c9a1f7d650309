"""An A/B test on numbers given by hand: what it would have said after the last tick."""

from typing import Any

from modelramp.analysis.experiment import difference_in, evidence_of, judge_tick
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.verdict import Verdict
from modelramp.cli.evaluate.data import loaded
from modelramp.core.state import Ending
from modelramp.core.strategies.ab_test import conclude
from modelramp.simulation.ab_test_input import read_ticks
from modelramp.simulation.json_input import finite

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
