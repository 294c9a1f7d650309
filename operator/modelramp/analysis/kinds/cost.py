"""Check kind `cost`: the cost of one answer against min and max, and a budget for the whole rollout."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from modelramp.analysis.accumulated import Window, memory_of, remembered
from modelramp.analysis.counting import CountingKind, wrong_shape
from modelramp.analysis.counts import Shape, VersionCounts
from modelramp.analysis.evidence import LEAST_COUNT, Mean, Result, Unusable, finite
from modelramp.analysis.kind import CheckKind
from modelramp.analysis.stats.cost import budget, cost, priced
from modelramp.analysis.wording import Limits
from modelramp.api.advice import Advice, Level
from modelramp.api.check import Check
from modelramp.api.checks.cost import Cost
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.verdict import Verdict

USAGE = "usage."
"""Begins the names of parts that have a price."""
_RANK = {Verdict.HEALTHY: 0, Verdict.NO_DATA: 1, Verdict.BREACH: 2}


class CostKind(CountingKind):
    """Money spent, as a query or as usage with prices, and how much it bought."""

    def limits(self, check: Check) -> Limits:
        """The limits of one answer; the budget when there are none."""
        settings: Cost = check.settings
        if check.min is None and check.max is None:
            return Limits(max=settings.budget, unit=check.unit)
        return super().limits(check)

    def parts(self, check: Check) -> dict[str, str]:
        """The queries, with one for each kind of usage."""
        settings: Cost = check.settings
        return super().parts(check) | {f"{USAGE}{kind}": query for kind, query in (settings.usage or {}).items()}

    def shapes(self, check: Check) -> tuple[Shape, ...]:
        """Money, or usage that is priced as in the check."""
        del check
        return Shape.MEAN, Shape.USAGE

    def counts(self, check: Check, numbers: Mapping[str, float]) -> VersionCounts | Unusable:
        """The money spent, and how much it bought."""
        settings: Cost = check.settings
        if "sum" in numbers:
            return Mean(numbers["sum"], numbers["count"])
        used = {part.removeprefix(USAGE): number for part, number in numbers.items() if part.startswith(USAGE)}
        spent = priced(used, settings.prices or {})
        return Mean(spent, numbers["count"]) if isinstance(spent, float) else spent

    def weigh(
        self, check: Check, candidate: VersionCounts, other: VersionCounts | None, window: Window
    ) -> tuple[Result, str]:
        """The cost of one, and of the whole rollout; the worse of the two speaks."""
        del other
        settings: Cost = check.settings
        if not isinstance(candidate, Mean):
            raise wrong_shape(check)
        each = cost(candidate, Limits(check.min, check.max, check.unit), check.min_samples or 1)
        if settings.budget is None:
            return each, ""
        so_far = spent(check, window)
        if window.trial:
            problem = candidate.problem()
            if candidate.sum < 0 or (problem is not None and problem.reason is not Reason.EMPTY_RESULT):
                return each, window.memory
            so_far += candidate.sum
        if candidate.count < LEAST_COUNT and window.trial and so_far <= settings.budget:
            return each, spent_text(check, window, so_far)
        whole = replace(budget(so_far, settings.budget, check.unit), n=candidate.count)
        limited = check.min is not None or check.max is not None
        worse = each if limited and _RANK[each.verdict] > _RANK[whole.verdict] else whole
        return worse, spent_text(check, window, so_far)

    def lint(self, check: Check, health: Health, path: str) -> Iterator[Advice]:
        """About prices too: an error for usage without a price, a warning for a price without usage."""
        settings: Cost = check.settings
        if settings.usage is not None and settings.prices is not None:
            field = f"{path}.cost.prices"
            for kind in (kind for kind in settings.usage if kind not in settings.prices):
                message = f"{kind} has no price, so this check has no data once it is used; add {kind}"
                yield Advice(Level.ERROR, field, message)
            for kind in (kind for kind in settings.prices if kind not in settings.usage):
                yield Advice(Level.WARNING, field, f"{kind} is no kind of usage, so its price changes nothing")
        yield from super().lint(check, health, path)


def spent(check: Check, window: Window) -> float:
    """What the rollout has cost so far; a new weight does not change that, a new revision does."""
    try:
        (found,) = finite([remembered(check, window, "spent", across_weights=True)])
    except ValueError:
        return 0.0
    return found


def spent_text(check: Check, window: Window, amount: float) -> str:
    """The memory that carries what a rollout has cost."""
    return memory_of(check, window, "spent", amount)


KIND: CheckKind = CostKind()
