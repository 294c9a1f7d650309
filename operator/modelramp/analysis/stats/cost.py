"""Cost per answer from counters and declared prices, and a budget for a whole rollout."""

import math
from collections.abc import Mapping

from modelramp.analysis.evidence import Mean, Result, Unusable, count_text, no_data, too_few
from modelramp.analysis.wording import Limits, apart, percents, shown
from modelramp.api.names import Reason
from modelramp.api.quantity import above
from modelramp.api.verdict import Verdict


def priced(usage: Mapping[str, float], prices: Mapping[str, float]) -> float | Unusable:
    """The price of usage (tokens, seconds, calls; by kind) from the price of one unit of each kind.

    Usage without a price is an error, not free.
    """
    spent = []
    for kind, amount in usage.items():
        if not math.isfinite(amount):
            strange = f"usage of {kind} is not a finite number"
            return Unusable(Reason.NOT_A_NUMBER, f"{strange}; count with increase(), and do not divide")
        if amount < 0:
            below = f"usage of {kind} is negative ({amount:g})"
            return Unusable(Reason.NOT_A_NUMBER, f"{below}; a counter never falls: use increase()")
        if amount > 0 and kind not in prices:
            return Unusable(Reason.NOT_EVALUATED, f"{kind} was used and has no price; add prices.{kind}")
        spent.append(amount * prices.get(kind, 0.0))
    return math.fsum(spent)


def cost(spent: Mean, limits: Limits, min_samples: float = 1) -> Result:
    """Compares the cost of one request, conversation or token with its limits.

    spent: money, and the number of requests, conversations or tokens. No interval: a sum has no known variance.
    """
    if problem := spent.problem():
        return no_data(problem, spent.observed)
    if spent.sum < 0:
        return no_data(
            Unusable(Reason.NOT_A_NUMBER, f"the cost is negative ({spent.sum:g}); check the prices"), spent.count
        )
    if spent.count < min_samples:
        return no_data(too_few(spent.count, min_samples), spent.count)
    value, verdict, reason, limit = spent.mean, Verdict.HEALTHY, Reason.WITHIN_LIMIT, limits.max
    below = limits.min is not None and above(limits.min, value, scale=0.0)
    if limits.max is not None and above(value, limits.max, scale=0.0):
        verdict, reason = Verdict.BREACH, Reason.ABOVE_MAXIMUM
    elif below or limit is None:
        limit = limits.min
        if below:
            verdict, reason = Verdict.BREACH, Reason.BELOW_MINIMUM
    title = "minimum" if limit is not None and limit == limits.min else "limit"
    against = "no limit" if limit is None else f"{title} {shown(limit, limits.unit)}"
    found = shown(value, limits.unit) if limit is None else apart(value, limit, limits.unit)
    detail = f"{found} each, {against}, n = {count_text(spent.count)}"
    return Result(verdict, reason, detail, value, limit, n=spent.count)


def budget(spent: float | None, most: float, unit: str = "") -> Result:
    """Compares the cost of a rollout so far with its budget. spent: None when it is unknown."""
    if spent is None or not math.isfinite(spent):
        return no_data(Unusable(Reason.NOT_A_NUMBER, "what the rollout has cost so far is not known"))
    if spent < 0:
        return no_data(Unusable(Reason.NOT_A_NUMBER, f"the cost so far is negative ({spent:g}); check the prices"))
    over = above(spent, most, scale=0.0)
    verdict, reason = (Verdict.BREACH, Reason.ABOVE_MAXIMUM) if over else (Verdict.HEALTHY, Reason.WITHIN_LIMIT)
    share = f"{percents(spent / most, 3)} % of " if most > 0 else "against "
    return Result(
        verdict, reason, f"{apart(spent, most, unit)} spent, {share}the budget of {shown(most, unit)}", spent, most
    )
