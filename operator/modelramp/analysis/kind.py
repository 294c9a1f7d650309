"""The protocol of check kinds. modelramp.analysis.kinds has the kinds and their registry."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator
from typing import Protocol

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counts import Answers
from modelramp.analysis.evidence import Result, Unusable, no_data
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question
from modelramp.analysis.wording import Limits, limit_text
from modelramp.api.advice import Advice
from modelramp.api.check import Check, Dimension
from modelramp.api.health import Health
from modelramp.api.text import visible
from modelramp.api.verdict import CheckOutcome

DETAIL_MOST = 256


class CheckKind(Protocol):
    """A kind of check, selected by a field of the spec: its queries, and the verdict on their answers.

    A kind has no state. What a check keeps from tick to tick is the memory of its outcome.
    """

    @abstractmethod
    def queries(self, check: Check, context: QueryContext, window: int) -> Iterable[Question]:
        """The queries about one version. window: value of {{window}}, seconds.

        Raises NoStableVersion when there is no version to compare with, and ValueError for an invalid query.
        """

    @abstractmethod
    def judge(self, check: Check, answers: Answers, window: Window) -> CheckOutcome:
        """The outcome on the answers, by name of the question. window: the period of the evidence."""

    def limits(self, check: Check) -> Limits:
        """The limits that follow from the check alone, without numbers of another version."""
        return Limits(check.min, check.max, check.unit)

    def baseline(self, check: Check) -> str | None:
        """What the candidate is compared with: counts.STABLE, counts.REFERENCE, or None for a limit."""
        del check
        return None

    def dimension(self, check: Check) -> Dimension:
        """The effective dimension of the check."""
        return check.dimension

    def needs_scipy(self, check: Check) -> bool:
        """Whether judging may need a distribution of analysis.stats.distributions, which imports scipy."""
        del check
        return False

    def notices_late_changes(self, check: Check) -> bool:
        """Whether a change after hours of healthy traffic is detected as fast as one at the start."""
        del check
        return True

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """Errors and warnings about a check that follows all rules; `path`: of the check in the YAML."""
        del check, health, path
        yield from ()


def outcome_of(
    kind: CheckKind, check: Check, result: Result, memory: str = "", limits: Limits | None = None
) -> CheckOutcome:
    """The outcome of a check from a result. limits: those of this tick, if they differ from kind.limits."""
    return CheckOutcome(
        check.name,
        result.verdict,
        result.reason,
        visible(result.detail)[:DETAIL_MOST],
        result.value,
        limit_text(limits or kind.limits(check)),
        result.n,
        memory,
        kind.dimension(check).value,
    )


def without_data(kind: CheckKind, check: Check, problem: Unusable) -> CheckOutcome:
    """The outcome NO_DATA of a check whose answers are unusable."""
    return outcome_of(kind, check, no_data(problem))
