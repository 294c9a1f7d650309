"""An A/B test: both versions serve side by side until the evidence says which one is better."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar
from zlib import crc32

from pydantic import Field

from modelramp.api.checks.counted import Alpha, Count, Positive, Total, query_field
from modelramp.api.quantity import Duration, Seconds, between, cel_duration
from modelramp.api.rules import ApiModel, Rule, matches


class Goal(StrEnum):
    """Which way the metric should move."""

    INCREASE = "Increase"
    DECREASE = "Decrease"


class Unit(StrEnum):
    """What is assigned to a version, and compared: its outcomes must not depend on each other."""

    REQUEST = "Request"
    USER = "User"


def _pairs(metric: "PrimaryMetric") -> bool:
    rate, mean = metric.good is not None or metric.bad is not None, metric.sum is not None
    total, count = metric.total is not None, metric.count is not None
    if [metric.good, metric.bad, metric.sum].count(None) != 2:
        return False
    if metric.users is not None:
        return not total and not count and mean == (metric.squares is not None)
    return metric.squares is None and rate == total and mean == count


def _goal_fits(metric: "PrimaryMetric") -> bool:
    if metric.sum is not None:
        return metric.goal is not None
    return metric.goal in (None, Goal.INCREASE if metric.good is not None else Goal.DECREASE)


class PrimaryMetric(ApiModel):
    """The one metric that decides: a rate (good or bad, of total) or a mean (sum by count); or either by users.

    Each query is asked twice: with {{revision}} and {{service}} of the candidate, and with those of the stable version.
    """

    name: Annotated[
        str,
        Field(max_length=63, description="Name for status, Events and commands."),
        matches(
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            "must consist of a-z, 0-9 and '-', and begin and end with a letter or digit, as in conversion",
        ),
    ]
    goal: Annotated[
        Goal | None,
        Field(description="Increase or Decrease; needed for a mean. good should increase and bad decrease."),
    ] = None
    good: Annotated[str | None, query_field("the successes in {{window}}; over increase(), not rate()")] = None
    bad: Annotated[str | None, query_field("what went wrong in {{window}}; over increase(), not rate()")] = None
    total: Total | None = None
    sum: Annotated[str | None, query_field("the sum of what is averaged, such as revenue or tokens, in {{window}}")] = (
        None
    )
    count: Count | None = None
    users: Annotated[
        str | None,
        query_field("new users in {{window}}, each counted once; good and bad count each user at most once too"),
    ] = None
    squares: Annotated[
        str | None,
        query_field(
            "the growth in {{window}} of the squares of the amounts in sum by user: b * b - a * a when one grows from "
            "a to b"
        ),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.good), has(self.bad), has(self.sum)].exists_one(x, x) && (has(self.users) ? !has(self.total) && "
            "!has(self.count) && has(self.sum) == has(self.squares) : !has(self.squares) && has(self.sum) == "
            "has(self.count) && (has(self.good) || has(self.bad)) == has(self.total))",
            "metric needs good and total, or bad and total, or sum and count; with unit: User, users in place of "
            "total, or sum, squares and users",
            _pairs,
        ),
        Rule(
            "has(self.sum) ? has(self.goal) : (!has(self.goal) || self.goal == (has(self.good) ? 'Increase' : "
            "'Decrease'))",
            "goal is Increase or Decrease: a mean (sum and count) needs it, good can only have Increase, bad Decrease",
            _goal_fits,
            field=".goal",
        ),
    )

    @property
    def rises(self) -> bool:
        """Whether more of it is better."""
        return self.good is not None or self.goal is Goal.INCREASE


class ABTest(ApiModel):
    """Both versions serve side by side until the evidence on one metric says which is better.

    Ends with a winner, with no difference, with harm, or inconclusive. spec.health.checks are the guardrails: they roll
    back and hold as ever.
    """

    split: Annotated[
        int, Field(ge=1, le=99, description="The candidate's share of the traffic during the test, percent.")
    ] = 50
    # default_factory: not filled in by the API server (tests/unit/api/test_what_the_server_fills_in.py)
    unit: Annotated[
        Unit,
        Field(
            default_factory=lambda: Unit.REQUEST,
            description="What is assigned to a version and compared: Request (the default), each by itself, or User, "
            "who stays at one version; then metric.users is needed.",
        ),
    ]
    metric: Annotated[PrimaryMetric, Field(description="The metric that decides.")]
    min_effect: Annotated[
        Positive,
        Field(
            description="Least difference that is worth a change, in the metric's own unit (of rates absolute: 0.01 is "
            "one percentage point)."
        ),
    ]
    min_duration: Annotated[
        Seconds, between(1), Field(description="Least time of a test, but for harm. Whole days or weeks are fair.")
    ] = 86_400
    max_duration: Annotated[
        Seconds, between(1), Field(description="A test without a verdict by then ends as inconclusive.")
    ] = 14 * 86_400
    delay: Annotated[
        Duration,
        Field(description="Each tick asks for the time so long before it: labels need that long to be complete."),
    ] = 0
    alpha: Alpha = None
    assignment: Annotated[
        str | None,
        query_field(
            "the users or requests assigned to a version in {{window}}; the metric's total, count or users if not set"
        ),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.unit) && self.unit == 'User') == has(self.metric.users)",
            "unit: User needs metric.users, a counter that is incremented once for each user; users needs unit: User",
            lambda self: (self.unit is Unit.USER) == (self.metric.users is not None),
            field=".unit",
        ),
        Rule(
            "!has(self.minDuration) || !has(self.maxDuration) || "
            f"{cel_duration('self.minDuration')} <= {cel_duration('self.maxDuration')}",
            "minDuration must not be longer than maxDuration",
            lambda self: self.min_duration <= self.max_duration,
            field=".minDuration",
        ),
        Rule(
            "has(self.metric.sum) || double(self.minEffect) < 1.0",
            "must be below 1 for a rate: no version can be better by more; write 5 percentage points as 0.05",
            lambda self: self.metric.sum is not None or self.min_effect < 1,
            field=".minEffect",
            reads_numbers=True,
        ),
    )

    @property
    def level(self) -> float:
        """The chance, over all looks together, of calling a difference where there is none; 0.05 if not set."""
        return 0.05 if self.alpha is None else self.alpha

    def ends(self, since: int) -> tuple[int, int]:
        """The earliest and the latest end of a test that began at `since`, seconds since the epoch."""
        begun = since + self.delay
        return begun + self.min_duration, begun + self.max_duration

    def question(self, weight: int) -> int:
        """A number for what is asked, at the candidate's weight (percent): evidence for another one is no evidence.

        The durations are not part of it: a test may be shortened or prolonged.
        """
        # Without a delay and of requests the number is the one that operators gave before they knew of any.
        left_out: dict[str, Any] = dict.fromkeys(("min_duration", "max_duration", "split"), True)
        left_out |= {} if self.delay else {"delay": True}
        if self.unit is Unit.REQUEST:
            left_out |= {"unit": True, "metric": {"users": True, "squares": True}}
        asked = self.model_dump_json(exclude=left_out)
        return crc32(f"{weight} {asked}".encode())


@dataclass(frozen=True, slots=True)
class ABTestRun:
    """A test that is under way.

    weight: the candidate's share of the traffic, percent. revision: the candidate's. since: start of its present
    traffic, seconds since the epoch. memory: what was left by the last tick.
    """

    test: ABTest
    weight: int
    revision: str
    since: int = 0
    memory: str = ""

    def covers(self, tick: int, interval: int) -> bool:
        """Whether a tick's window lies wholly in the present traffic; one that reaches back before is no evidence."""
        return tick - self.test.delay - interval >= self.since
