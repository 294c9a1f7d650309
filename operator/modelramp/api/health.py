"""What "healthy" means: spec.health, its checks and their limits."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.checks import Compare, Cost, Drift, Fairness, Ratio, Sequential
from modelramp.api.kinds import KIND_RULES
from modelramp.api.quantity import Number, Seconds, between, cel_duration, cel_number
from modelramp.api.rules import ApiModel, Rule, matches


class Dimension(StrEnum):
    """Which of the four views of a model a check belongs to."""

    TECHNICAL = "technical"
    BUSINESS = "business"
    OPERATIONAL = "operational"
    USER_EXPERIENCE = "user-experience"


class Role(StrEnum):
    """What a check may do: count towards rollback, hold back promotion, or only report."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    INFORM = "inform"


class SecretReference(ApiModel):
    """Names a Secret in the namespace of the ModelDeployment."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the Secret.")]


Address = Annotated[
    str,
    Field(max_length=2048),
    matches(
        r"https?://[^\s/?#@]+(/[^\s?#]*)?",
        "must be a base URL such as http://prometheus.monitoring:9090, without credentials and without ? or #",
    ),
]


class PrometheusSpec(ApiModel):
    """Which Prometheus answers the checks. Empty means the one that the operator was started with."""

    address: Annotated[
        Address | None,
        Field(description="Base URL, such as http://prometheus.monitoring:9090. No credentials: use secretRef."),
    ] = None
    secret_ref: Annotated[
        SecretReference | None,
        Field(description="Secret with the key `token` (bearer) or the keys `username` and `password` (basic)."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.secretRef) || has(self.address)",
            "secretRef needs address: credentials are only ever sent to an address that this object names",
            lambda self: self.secret_ref is None or self.address is not None,
        ),
    )


class Check(ApiModel):
    """One measured condition on a revision: exactly one kind of check, and the limit that it must keep.

    query, preset: one number against min and max. ratio: a rate with its interval. compare, sequential: against the
    stable version. drift, fairness, cost: distributions, groups of people, money.
    """

    name: Annotated[
        str,
        Field(max_length=63, description="Unique name; appears in status, Events and metrics."),
        matches(
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            "must consist of a-z, 0-9 and '-', and begin and end with a letter or digit, as in p95-latency",
        ),
    ]
    dimension: Annotated[
        Dimension,
        Field(
            description="The view of the model that this check belongs to; if not set, that of the preset, else "
            "technical.",
            # No default for the server to fill in: it would hide that nobody chose a dimension.
            json_schema_extra={"default": None},
        ),
    ] = Dimension.TECHNICAL
    role: Annotated[
        Role,
        Field(
            description="rollback: breaches count towards rollback. hold: blocks promotion while breached or without "
            "data. inform: only reports."
        ),
    ] = Role.ROLLBACK
    query: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4096,
            description="PromQL that gives one number. Variables: {{namespace}}, {{name}}, {{revision}}, {{stable}}, "
            "{{service}}, {{stableService}}, {{window}}.",
        ),
    ] = None
    preset: Annotated[
        str | None,
        Field(min_length=1, max_length=63, description="A query that modelramp brings; `modelramp presets`."),
    ] = None
    ratio: Annotated[Ratio | None, Field(description="A rate of two counters, judged by its interval.")] = None
    compare: Annotated[
        Compare | None, Field(description="Rates, means or quantiles against those of the stable version.")
    ] = None
    sequential: Annotated[
        Sequential | None, Field(description="Rates or means, with evidence that adds up from tick to tick.")
    ] = None
    drift: Annotated[Drift | None, Field(description="A distribution or a quality against what it was.")] = None
    fairness: Annotated[Fairness | None, Field(description="Error rates of groups of people.")] = None
    cost: Annotated[Cost | None, Field(description="Cost of one answer, and a budget.")] = None
    min_samples: Annotated[
        int | None,
        Field(
            ge=1,
            description="Fewer observations than this are no data: of the candidate, in comparisons of either "
            "version, in fairness of each group.",
        ),
    ] = None
    samples: Annotated[
        str | None,
        Field(min_length=1, max_length=4096, description="PromQL that counts the samples of a query or preset."),
    ] = None
    min: Annotated[Number | None, Field(description='Breach below this value. Decimals need quotes: "0.85".')] = None
    max: Annotated[Number | None, Field(description='Breach above this value. Decimals need quotes: "0.01".')] = None
    window: Annotated[
        Annotated[Seconds, between(1)] | None,
        Field(description="Time range that {{window}} stands for; the interval if not set."),
    ] = None
    failure_threshold: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Consecutive breaches of this check alone that roll back; 1 is at once. Not set: its breaches "
            "feed the common count of spec.health.failureThreshold.",
        ),
    ] = None
    unit: Annotated[str, Field(max_length=12, description="Unit for messages, such as s, % or tokens.")] = ""

    RULES: ClassVar[tuple[Rule, ...]] = (
        *KIND_RULES,
        Rule(
            f"!has(self.min) || !has(self.max) || {cel_number('self.min')} <= {cel_number('self.max')}",
            "min must not be above max",
            lambda self: self.min is None or self.max is None or self.min <= self.max,
        ),
        Rule(
            "!has(self.failureThreshold) || !has(self.role) || self.role == 'rollback'",
            "failureThreshold is only for role rollback; hold and inform checks count nothing",
            lambda self: self.failure_threshold is None or self.role is Role.ROLLBACK,
        ),
    )


def _window_fits(health: "Health") -> bool:
    return all(c.role is not Role.ROLLBACK or (c.window or 0) <= health.interval for c in health.checks)


def _adds_up(check: Check) -> bool:
    return check.sequential is not None or (check.cost is not None and check.cost.budget is not None)


def _sums_fit(health: "Health") -> bool:
    return all((c.window or 0) <= health.interval for c in health.checks if _adds_up(c))


class Health(ApiModel):
    """When a revision counts as healthy, and how many bad minutes are too many."""

    interval: Annotated[
        Seconds,
        between(5, 3600),
        Field(description="Time from tick to tick; the ticks lie on one grid for all objects."),
    ] = 60
    failure_threshold: Annotated[int, Field(ge=1, le=100, description="Consecutive breached ticks that roll back.")] = 3
    prometheus: Annotated[PrometheusSpec, Field(description="Where the checks are asked.")] = PrometheusSpec()
    checks: Annotated[
        tuple[Check, ...],
        Field(
            max_length=32,
            description="What is measured each tick, beside the built-in check that pods are available.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.checks) || self.checks.all(c, (has(c.role) && c.role != 'rollback') || !has(c.window) || "
            f"{cel_duration('c.window')} <= {cel_duration('self.interval')})",
            "checks[].window must not be longer than interval for role rollback (one burst would be counted several "
            "times); shorten window or set role: hold",
            _window_fits,
            field=".checks",
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, !(has(c.sequential) || (has(c.cost) && has(c.cost.budget))) || "
            f"!has(c.window) || {cel_duration('c.window')} <= {cel_duration('self.interval')})",
            "checks[].window of a sequential check or a budget must not be longer than interval: ticks are added up, "
            "and would be counted several times",
            _sums_fit,
            field=".checks",
        ),
        Rule(
            "",  # the list-map key says it to the API server
            "checks[].name must be unique",
            lambda self: len({check.name for check in self.checks}) == len(self.checks),
            field=".checks",
        ),
    )

    def window_of(self, check: Check) -> int:
        """The check's time range in seconds."""
        return check.window if check.window is not None else self.interval
