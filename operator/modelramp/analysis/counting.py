"""Base of the check kinds that count events of each version and judge the counts with a statistic."""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import replace

from modelramp.analysis.accumulated import Window
from modelramp.analysis.counts import (
    CANDIDATE,
    REFERENCE,
    STABLE,
    Answers,
    Shape,
    VersionCounts,
    buckets_of,
    number_of,
)
from modelramp.analysis.evidence import Mean, Proportion, Result, Unusable, count_text, counted, no_data
from modelramp.analysis.kind import CheckKind, outcome_of
from modelramp.analysis.promql import NoStableVersion
from modelramp.analysis.query_advice import of_count
from modelramp.analysis.query_context import QueryContext
from modelramp.analysis.questions import Question, count_questions, not_as_scraped
from modelramp.api.advice import Advice
from modelramp.api.check import Check
from modelramp.api.health import Health
from modelramp.api.verdict import CheckOutcome, Verdict

PARTS = ("bad", "total", "sum", "count", "buckets")
"""Fields of a kind that hold the query of a counter."""
_TITLES = {STABLE: "stable version", REFERENCE: "reference"}


class CountingKind(CheckKind):
    """A kind that counts events of the candidate, and of the version that it is compared with."""

    @abstractmethod
    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The result of the statistic, and the memory for the next tick ("" for none).

        other: counts of the baseline; None when the candidate is compared with a limit.
        """

    def parts(self, check: Check) -> dict[str, str]:
        """The queries of one version, by part."""
        settings = check.settings
        return {part: query for part in PARTS if (query := getattr(settings, part, None)) is not None}

    def asked(self, check: Check) -> dict[str, str]:
        """All queries about one version, by name: the parts, and what is asked beside them."""
        return self.parts(check)

    def shapes(self, check: Check) -> tuple[Shape, ...]:
        """JSON forms of the counts of one version in `modelramp evaluate`; the first is shown as an example."""
        parts = self.parts(check)
        if "buckets" in parts:
            return (Shape.BUCKETS,)
        return (Shape.PROPORTION,) if "bad" in parts else (Shape.MEAN,)

    def stored(self, check: Check) -> VersionCounts | Unusable | None:
        """The counts of the baseline, if the check itself contains them."""
        del check
        return None

    def counts(self, check: Check, numbers: Mapping[str, float]) -> VersionCounts | Unusable:
        """The counts of one version from the numbers of its parts."""
        del check
        if "bad" in numbers:
            return counted(numbers["bad"], numbers["total"])
        return Mean(numbers["sum"], numbers["count"])

    def read(self, check: Check, answers: Answers, version: str) -> VersionCounts | Unusable:
        """The counts of one version, or why the answers do not contain them."""
        if f"{version}.buckets" in answers:
            return buckets_of(answers[f"{version}.buckets"])
        numbers: dict[str, float] = {}
        for part in self.parts(check):
            value = number_of(answers[f"{version}.{part}"], part)
            if isinstance(value, Unusable):
                return value
            numbers[part] = value
        return self.counts(check, numbers)

    def queries(self, check: Check, context: QueryContext, window: int) -> Iterator[Question]:
        """The parts of the candidate and, if the check compares with it, of the stable version."""
        yield from count_questions(CANDIDATE, self.asked(check), context, window)
        if self.baseline(check) != STABLE:
            return
        if context.stable is None:
            raise NoStableVersion("there is no stable version to compare with: no version has worked yet")
        stable = replace(context, revision=context.stable, service=context.stable_service or "")
        yield from count_questions(STABLE, self.asked(check), stable, window)

    def judge(self, check: Check, answers: Answers, window: Window) -> CheckOutcome:
        """The verdict on the counts in the answers."""
        result, memory = self.result(
            check, self.read(check, answers, CANDIDATE), self._other(check, answers, window), window
        )
        parts = [part for part, query in self.parts(check).items() if not_as_scraped(query)]
        if parts and result.verdict is not Verdict.NO_DATA:
            result = replace(result, detail=f"{result.detail} ({', '.join(parts)}: not counted as scraped)")
        return self.outcome(check, result, memory)

    def outcome(self, check: Check, result: Result, memory: str) -> CheckOutcome:
        """A result as the check's outcome at a tick."""
        return outcome_of(self, check, result, memory)

    def result(
        self,
        check: Check,
        candidate: VersionCounts | Unusable,
        other: VersionCounts | Unusable | None,
        window: Window,
    ) -> tuple[Result, str]:
        """The result of the check on counts, and the memory for the next tick ("" for none).

        Counts that could not be read give NO_DATA with the name of their version, and leave the memory unchanged.
        """
        baseline = self.baseline(check)
        if isinstance(candidate, Unusable):
            return no_data(candidate, arm="candidate" if baseline else ""), window.memory
        if isinstance(other, Unusable):
            return no_data(other, arm=_TITLES.get(baseline or "", "")), window.memory
        result, memory = self.weigh(check, candidate, other, window)
        if isinstance(candidate, Proportion) and candidate.beyond and result.verdict is not Verdict.NO_DATA:
            counts = f"{count_text(candidate.bad + candidate.beyond)} of {count_text(candidate.total)}"
            result = replace(result, detail=f"{result.detail} (bad counts {counts}, which is all of them)")
        if baseline == STABLE and (window.alone or not window.trial) and result.verdict is not Verdict.NO_DATA:
            result = replace(result, detail=f"{result.detail} (no other version serves: it is compared with itself)")
        return result, memory

    def _other(self, check: Check, answers: Answers, window: Window) -> VersionCounts | Unusable | None:
        """The counts of the baseline; those of the candidate while no other version has traffic."""
        stored, baseline = self.stored(check), self.baseline(check)
        if stored is not None or baseline is None:
            return stored
        return self.read(check, answers, CANDIDATE if baseline == STABLE and window.alone else baseline)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """Advice about the queries of the check."""
        del health
        for part, query in self.parts(check).items():
            yield from of_count(query, f"{path}.{check.kind}.{part}", both=self.baseline(check) == STABLE)


def wrong_shape(check: Check) -> TypeError:
    """The error of a kind that was given counts of a type that it does not read."""
    return TypeError(f"the counts of check {check.name} have another shape than {check.kind} reads")
