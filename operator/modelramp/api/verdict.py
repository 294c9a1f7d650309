"""The three verdicts of a check and of a tick. Unknown is a verdict of its own, never healthy and never a breach."""

from dataclasses import dataclass
from enum import StrEnum

from modelramp.api.names import Reason


class Verdict(StrEnum):
    """What a check or a whole tick says about the model."""

    HEALTHY = "healthy"
    BREACH = "breach"
    NO_DATA = "no-data"


TICK_MARK = {Verdict.HEALTHY: "+", Verdict.BREACH: "-", Verdict.NO_DATA: "?"}
"""One character per tick in the strip that `kubectl get` shows."""


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """One check at one tick.

    value: what was measured, in the query's own unit; None when there was no number.
    limit: the limit as a person reads it, such as "<= 0.01".
    detail: one sentence for people: found, wished, and with no data, what is missing.
    memory: what the check carries on to the next tick (analysis.accumulated); "" for most.
    dimension: the view of the model that it belongs to; "" when that is not known.
    at: the tick at which it was asked, seconds since the epoch; 0 while it was not.
    question: what was asked, of which revision (core.schedule); "" for checks that are asked at every tick.
    """

    name: str
    verdict: Verdict
    reason: Reason
    detail: str
    value: float | None = None
    limit: str = ""
    samples: float | None = None
    memory: str = ""
    dimension: str = ""
    at: int = 0
    question: str = ""


@dataclass(frozen=True, slots=True)
class TickOutcome:
    """All checks of one revision at one tick.

    tick: the instant of the tick, seconds since the epoch, a multiple of the interval.
    available: whether enough pods served; None when that is not known (a replayed tick), or nobody's fault.
    excuse: why pods that were missing were no fault of the revision, for people; empty when it was its fault, or when
    none were.
    ab_test: what an A/B test has found; None when none was measured.
    """

    tick: int
    revision: str
    checks: tuple[CheckOutcome, ...]
    available: bool | None
    pods: str = ""
    excuse: str = ""
    ab_test: "ABTestOutcome | None" = None


@dataclass(frozen=True, slots=True)
class ABTestOutcome:
    """What an A/B test has found up to a tick. NO_DATA when this tick added nothing that can be judged.

    detail: one sentence for people. samples: what was counted of the candidate. memory: the evidence, carried on to the
    next tick. estimate, low, high: how much better the candidate is, in the metric's own unit (negative: worse), with
    the ends of the interval; None while there is none. mismatch: the versions were not assigned as the split says. The
    other texts are for people: each version's own value, the difference, its interval, and the assignment.
    """

    verdict: Verdict
    reason: Reason
    detail: str
    samples: float | None = None
    memory: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    mismatch: bool = False
    candidate: str = ""
    stable: str = ""
    difference: str = ""
    interval: str = ""
    sample_ratio: str = ""
