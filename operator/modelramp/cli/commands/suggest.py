"""`modelramp suggest`: proposes limits from the history in Prometheus, for a given number of false alarms a month."""

import json
from collections.abc import Sequence
from typing import Any

import click

from modelramp.analysis.checks import limits_of
from modelramp.api.check import Check, Role
from modelramp.api.health import Health
from modelramp.api.times import format_duration, to_text
from modelramp.api.verdict import Verdict
from modelramp.cli.backtest.limits import (
    MONTH,
    Proposal,
    Rule,
    Side,
    TooThin,
    autocorrelation,
    propose,
    quantile,
)
from modelramp.cli.backtest.options import asking, asking_of, read_histories
from modelramp.cli.backtest.replay import History
from modelramp.cli.backtest.scores import Scored
from modelramp.cli.output import screen

_SHARES = (0.5, 0.95, 0.99, 0.999)
_FOLLOWS = 0.3
"""Correlation from tick to tick above which people are told."""


@click.command(
    name="suggest",
    short_help="Propose limits from recorded history in Prometheus.",
    epilog="""\b
Choose a period in which everything was well: every incident in it counts as a
false alarm and widens the limits.
Only checks with role rollback and a query or preset get a proposal.
Exit code: 0 with a proposal; 1 when the history is too thin, or unusable.""",
)
@asking
@click.option(
    "--false-alarms-per-month", "per_month", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True,
    help="How often the rule may roll back a good version.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True)
def command(per_month: float, output: str, **options: Any) -> None:
    """Propose limits with which the rule would have rolled back no more often than --false-alarms-per-month.

    The rule is failureThreshold consecutive breaches, over all checks that share a count. The output says what the
    proposal is based on; there is none when the history is too short to support such a rate.
    """
    asked = asking_of(**options)
    health = asked.spec.health
    history = read_histories(asked, {0: asked.spec})[0]
    refused = {check.name: why for check in health.checks if (why := _useless(check, health, history))}
    judge = _judge(health, history, refused)
    refused |= judge.powerless() if judge is not None else {}
    rules = _rules(health, history, refused, judge)
    if not rules:
        told = "\n".join(f"  {name}: {why}" for name, why in refused.items()) or "  it has none"
        raise click.ClickException(f"no check of this policy can get a proposal:\n{told}")
    try:
        proposal = propose(rules, health.interval, per_month)
    except TooThin as error:
        raise click.ClickException(str(error)) from None
    told_json = _as_json(health, history, rules, proposal, refused, per_month)
    if output == "json":
        click.echo(json.dumps(told_json, indent=2))
    else:
        _print(told_json)


def _values(check: str, history: History) -> tuple[float | None, ...]:
    """The check's value at each tick; None where it had no data."""
    found = ({each.name: each for each in recorded.said.checks}.get(check) for recorded in history)
    return tuple(None if each is None or each.verdict is Verdict.NO_DATA else each.value for each in found)


def _useless(check: Check, health: Health, history: History) -> str | None:
    """Why a check gets no proposal; None when it does."""
    if check.role is not Role.ROLLBACK:
        return f"role {check.role.value} rolls nothing back"
    if check.query is None and check.preset is None:
        return "judges more than one number against a limit; `modelramp backtest` shows what it would have done"
    if health.is_slow(check):
        every = format_duration(health.interval_of(check))
        return f"is asked every {every}, not at every tick; give --step {every} for a proposal"
    limits = limits_of(check)
    if limits.min is None and limits.max is None:
        return "has no limit; give it min or max, to say which side is bad"
    known = {value for value in _values(check.name, history) if value is not None}
    if not known:
        return "had no data at any tick"
    if len(known) == 1:
        return f"was {next(iter(known)):g} at every tick: nothing is known of how it varies; keep a limit of your own"
    return None


def _judge(health: Health, history: History, refused: dict[str, str]) -> Scored | None:
    """Who says which ticks breach when scores decide; None when every breach does."""
    if health.min_score is None:
        return None
    return Scored(health, history, [check.name for check in health.checks if check.name not in refused])


def _rules(health: Health, history: History, refused: dict[str, str], judge: Scored | None) -> list[Rule]:
    shared: list[Side] = []
    rules = []
    for check in health.checks:
        if check.name in refused:
            continue
        limits, values = limits_of(check), _values(check.name, history)
        sides = [
            Side(check.name, upward, values) for upward in (False, True) if (limits.min, limits.max)[upward] is not None
        ]
        if check.failure_threshold is None:
            shared += sides
        else:
            rules.append(Rule(tuple(sides), check.failure_threshold))
    return [*rules, *([Rule(tuple(shared), health.failure_threshold, judge)] if shared else [])]


def _as_json(
    health: Health,
    history: History,
    rules: Sequence[Rule],
    proposal: Proposal,
    refused: dict[str, str],
    per_month: float,
) -> dict[str, Any]:
    sides = [side for rule in rules for side in rule.sides]
    return {
        "from": to_text(history[0].tick - health.interval),
        "to": to_text(history[-1].tick),
        "interval": health.interval,
        "ticks": len(history),
        "months": round(len(history) * health.interval / MONTH, 4),
        "falseAlarmsPerMonth": per_month,
        "allowedInHistory": proposal.allowed,
        "alarmsInHistory": proposal.alarms,
        "cautiousEstimatePerMonth": float(f"{proposal.expected:.3g}"),
        "breachedShare": float(f"{proposal.beyond:.3g}"),
        "checks": [_side_json(side, health, proposal) for side in sides],
        "without": refused,
        "caveats": _caveats(sides, proposal, health.min_score),
    }


def _side_json(side: Side, health: Health, proposal: Proposal) -> dict[str, Any]:
    check = next(each for each in health.checks if each.name == side.check)
    limits = limits_of(check)
    known = [value for value in side.values if value is not None]
    return {
        "name": side.check,
        "limit": "max" if side.upward else "min",
        "proposed": proposal.limits[side.check, side.upward],
        "present": limits.max if side.upward else limits.min,
        "failureThreshold": check.failure_threshold or health.failure_threshold,
        "ticksWithData": len(known),
        "quantiles": {f"{share:g}": _finite(quantile(known, share if side.upward else 1 - share)) for share in _SHARES},
        "worst": _finite(max(known) if side.upward else min(known)),
        "autocorrelation": round(autocorrelation(side.values), 3),
    }


def _finite(value: float) -> float | None:
    return value if abs(value) != float("inf") else None


def _caveats(sides: Sequence[Side], proposal: Proposal, min_score: int | None) -> list[str]:
    found = ["all of this history counts as healthy: an incident in it makes the limits wider"]
    if min_score is not None:
        found.append(
            f"only a score below {min_score} breaches a tick: these limits belong together and to this minScore, "
            "weights and critical checks; what has no proposal is in the scores as it was"
        )
    if not proposal.counted:
        found.append(
            "this history is too short to count such rare alarms in it: the rate is reckoned from how its runs of "
            "breaches begin and go on, as if that depended on the tick before only"
        )
    for name in dict.fromkeys(side.check for side in sides):
        values = next(side.values for side in sides if side.check == name)
        follows = autocorrelation(values)
        if follows > _FOLLOWS:
            known = sum(value is not None for value in values)
            worth = known * (1 - follows) / (1 + follows)
            found.append(
                f"{name} follows itself from tick to tick (autocorrelation {follows:.2f}): {known:,} ticks tell about "
                f"as much as {worth:,.0f} independent ones"
            )
    return found


def _print(told: dict[str, Any]) -> None:
    from rich.table import Table

    console = screen()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("CHECK", "LIMIT", "PRESENT", "PROPOSED", "IN A ROW", "MEDIAN", "99 %", "99.9 %", "WORST", "TICKS"):
        table.add_column(heading, no_wrap=True, justify="left" if heading in ("CHECK", "LIMIT") else "right")
    for each in told["checks"]:
        numbers = (each["quantiles"]["0.5"], each["quantiles"]["0.99"], each["quantiles"]["0.999"], each["worst"])
        shown = ("-" if value is None else f"{value:.4g}" for value in numbers)
        limits = ("-" if each["present"] is None else f"{each['present']:g}", f"{each['proposed']:g}")
        counts = str(each["failureThreshold"]), f"{each['ticksWithData']:,}"
        table.add_row(each["name"], each["limit"], *limits, counts[0], *shown, counts[1])
    console.print(table)
    span = f"{told['ticks']:,} ticks of {format_duration(told['interval'])} from {told['from']} to {told['to']}"
    console.print(f"\nBased on {span}: the whole rule would have rolled back {told['alarmsInHistory']} times there.")
    console.print(
        f"Cautious estimate: {told['cautiousEstimatePerMonth']:g} a month; {told['falseAlarmsPerMonth']:g} allowed.\n"
    )
    for caveat in told["caveats"]:
        console.print(f"Note: {caveat}.")
    for name, why in told["without"].items():
        console.print(f"No proposal for {name}: {why}.", markup=False)
