"""What the checks of a policy would have said at every tick of a stretch of history, asked in pieces."""

from collections.abc import Callable, Sequence

from modelramp.analysis.checks import Ask
from modelramp.api.errors import PrometheusSilent
from modelramp.api.names import Reason
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.cli.backtest_replay import History
from modelramp.engine.plan import Due, asked
from modelramp.engine.ports import Metrics, Telemetry
from modelramp.engine.replay import Missed, missed_outcomes

PIECE = 1440
"""Ticks of one range query: a day of minutes, well below the 11,000 points that Prometheus gives at most."""
LEAST = 45
"""A piece that is still refused at this size is not refused for its size."""
_TOO_MUCH = frozenset({Reason.PROMETHEUS_TIMEOUT, Reason.QUERY_FAILED})
_HOPELESS = frozenset({Reason.QUERY_INVALID})


class NoHistory(Exception):
    """History cannot be read, or says nothing; the message is for people."""


def unaskable(due: Due) -> list[str]:
    """Checks that cannot be asked at all, each with the reason; empty when all can."""
    return [f"{check.name}: {each.detail}" for check, each in asked(due).checks if not isinstance(each, Ask)]


async def read_history(
    due: Due, ticks: Sequence[int], metrics: Metrics, telemetry: Telemetry, progress: Callable[[int], None]
) -> History:
    """The outcomes at all ticks, by the same queries and the same judge as in the operator.

    progress: is told how many ticks have been read. A piece that Prometheus does not manage (time-out, too many
    samples) is asked again in halves. Raises NoHistory when nobody answers, or when a query is no PromQL.
    """
    found: list[tuple[int, tuple[CheckOutcome, ...]]] = []
    size = PIECE
    while len(found) < len(ticks):
        piece = tuple(ticks[len(found) : len(found) + size])
        outcomes = (await missed_outcomes([Missed(due, piece)], metrics, telemetry))[due.key]
        _raise_if_hopeless(outcomes[piece[-1]])
        if len(piece) > LEAST and any(check.reason in _TOO_MUCH for check in outcomes[piece[-1]]):
            size = max(LEAST, len(piece) // 2)
            continue
        found.extend((tick, outcomes[tick]) for tick in piece)
        progress(len(found))
    return found


def _raise_if_hopeless(outcomes: tuple[CheckOutcome, ...]) -> None:
    for check in outcomes:
        if check.reason is Reason.PROMETHEUS_UNREACHABLE:
            raise NoHistory(f"Prometheus gives no answer: {check.detail}")
        if check.reason in _HOPELESS:
            raise NoHistory(f"{check.name} can never be asked: {check.detail}")


def silent_checks(history: History) -> dict[str, CheckOutcome]:
    """Checks that had no data at any tick, by name, with what the newest tick said of them."""
    silent = {check.name: check for check in history[-1][1]}
    for _, outcomes in history:
        for check in outcomes:
            if check.verdict is not Verdict.NO_DATA:
                silent.pop(check.name, None)
        if not silent:
            break
    return silent


async def known_revisions(due: Due, ticks: Sequence[int], metrics: Metrics) -> tuple[str, ...]:
    """Revisions of the same ModelDeployment that were recorded in that time; none when Prometheus will not say."""
    subject = due.subject
    seconds = max(60, ticks[-1] - ticks[0])
    of = f'namespace="{subject.namespace}",modeldeployment="{subject.name}"'
    query = f"group by (revision) (last_over_time({{{of}}}[{seconds}s]))"
    try:
        samples = await metrics.instant(due.endpoint, query, ticks[-1])
    except PrometheusSilent:
        return ()
    return tuple(sorted({sample.labels.get("revision", "") for sample in samples} - {""}))
