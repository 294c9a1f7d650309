"""A replay as JSON: one object per tick, and a summary. No I/O."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from modelramp.api.times import to_text
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.cli.backtest.ab_test import look_json
from modelramp.cli.backtest.replay import HELD, PROMOTED, ROLLED_BACK, Moment, Replayed
from modelramp.cli.backtest.sensitivity import Variant


def moment_json(moment: Moment) -> dict[str, Any]:
    """One tick; the keys of `modelramp simulate` with the time, what happened, and each check."""
    return {
        "tick": moment.number,
        "time": to_text(moment.at),
        "verdict": moment.verdict.value,
        "breaches": moment.breaches,
        "phase": moment.phase.value,
        "step": moment.step,
        "weight": moment.weight,
        "event": moment.event or None,
        "reason": moment.reason,
        "checks": {check.name: _check_json(check) for check in moment.checks},
        **({"experiment": look_json(moment.look)} if moment.look is not None else {}),
    }


def _check_json(check: CheckOutcome) -> dict[str, Any]:
    value = check.value if check.value is not None and math.isfinite(check.value) else None
    return {"verdict": check.verdict.value, "value": value, "limit": check.limit, "reason": check.reason.value}


def summary_json(told: Replayed, variants: Sequence[Variant]) -> dict[str, Any]:
    """How it ended and why, how often each thing happened and when first, by check and in all."""
    end = told.decisive
    return {
        "outcome": end.event if end.event in (ROLLED_BACK, PROMOTED) else "in-progress",
        "tick": end.number,
        "time": to_text(end.at),
        "reason": end.reason,
        "ticks": len(told.moments),
        "from": to_text(told.moments[0].at),
        "to": to_text(told.moments[-1].at),
        "breaches": _times(told.of(Verdict.BREACH)),
        "noData": _times(told.of(Verdict.NO_DATA)),
        "holds": _times(told.having(HELD)),
        "rollbacks": _times(told.having(ROLLED_BACK)),
        "promotions": _times(told.having(PROMOTED)),
        "checks": check_counts(told),
        "sensitivity": [variant_json(each) for each in variants],
    }


def _times(moments: Sequence[Moment]) -> dict[str, Any]:
    return {"count": len(moments), "first": to_text(moments[0].at) if moments else None}


def check_counts(told: Replayed) -> dict[str, dict[str, int]]:
    """How often each check had which verdict, over all ticks."""
    counts: dict[str, Counter[str]] = {check.name: Counter() for check in told.moments[0].checks}
    for moment in told.moments:
        for check in moment.checks:
            counts[check.name][check.verdict.value] += 1
    return {name: {verdict.value: of[verdict.value] for verdict in Verdict} for name, of in counts.items()}


def variant_json(variant: Variant) -> dict[str, Any]:
    """One row of the sensitivity table."""
    return {
        "window": variant.window,
        "interval": variant.interval,
        "failureThreshold": variant.failure_threshold,
        "ticks": variant.ticks,
        "breaches": variant.breaches,
        "noData": variant.no_data,
        "rollbacks": variant.rollbacks,
        "firstRollback": to_text(variant.first_rollback) if variant.first_rollback else None,
        "promoted": to_text(variant.promoted) if variant.promoted else None,
    }
