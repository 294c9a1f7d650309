"""One check of a model: what it measures, its limit, and the effect of a breach."""

from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from zlib import crc32

from pydantic import Field, create_model

from modelramp.api.checks import SCHEMAS
from modelramp.api.checks.rules import kind_rules, kinds_of
from modelramp.api.checks.schema import holds
from modelramp.api.quantity import Duration, Number, Seconds, between
from modelramp.api.rules import ApiModel, Rule, matches


class Dimension(StrEnum):
    """The aspect of a model that a check measures; each has a score."""

    TECHNICAL = "technical"
    BUSINESS = "business"
    OPERATIONAL = "operational"
    USER_EXPERIENCE = "user-experience"


class Role(StrEnum):
    """Effect of a breach: counts towards rollback, blocks promotion, or is only reported."""

    ROLLBACK = "rollback"
    HOLD = "hold"
    INFORM = "inform"


class When(StrEnum):
    """When a check is evaluated."""

    ALWAYS = "always"
    ROLLOUT = "rollout"
    AFTER_PROMOTION = "after-promotion"


class _Measured(ApiModel):
    """The fields of a check that come before those of the registered kinds."""

    name: Annotated[
        str,
        Field(max_length=63, description="Unique name. Appears in the status, in Events and in metrics."),
        matches(
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            "must consist of a-z, 0-9 and '-', and begin and end with a letter or digit, as in p95-latency",
        ),
    ]
    dimension: Annotated[
        Dimension,
        Field(
            description="Aspect of the model that the check measures. Defaults to that of the preset, else to "
            "technical.",
            # No default for the server to fill in: it would hide that nobody chose a dimension.
            json_schema_extra={"default": None},
        ),
    ] = Dimension.TECHNICAL
    role: Annotated[
        Role,
        Field(
            description="rollback: breaches count towards a rollback. hold: blocks promotion while breached or without "
            "data. inform: is only reported."
        ),
    ] = Role.ROLLBACK
    query: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4096,
            description="PromQL that returns one number. Variables: {{namespace}}, {{name}}, {{revision}}, {{stable}}, "
            "{{service}}, {{stableService}}, {{window}}.",
        ),
    ] = None
    preset: Annotated[
        str | None,
        Field(min_length=1, max_length=63, description="Name of a built-in query; `modelramp presets` lists them."),
    ] = None


if TYPE_CHECKING:
    _KindsOfCheck = _Measured
else:
    _KindsOfCheck = create_model(
        "_KindsOfCheck",
        __base__=_Measured,
        **{field: (schema.annotation, None) for field, schema in SCHEMAS.items() if schema.annotation is not None},
    )


class Check(_KindsOfCheck):
    """One condition that a revision must meet: exactly one kind of check, and its limit."""

    min_samples: Annotated[
        int | None,
        Field(
            ge=1,
            description="Minimum number of observations of each version or group; with fewer, the check has no data. "
            "If not set, a ratio needs five failures to breach.",
        ),
    ] = None
    samples: Annotated[
        str | None,
        Field(
            min_length=1, max_length=4096, description="PromQL that counts the observations behind a query or preset."
        ),
    ] = None
    min: Annotated[Number | None, Field(description="Minimum: a lower value is a breach. Example: 0.85.")] = None
    max: Annotated[Number | None, Field(description="Maximum: a higher value is a breach. Example: 0.01.")] = None
    window: Annotated[
        Annotated[Seconds, between(1)] | None,
        Field(description="Time range of the variable {{window}}. Defaults to the interval of the check."),
    ] = None
    interval: Annotated[
        Annotated[Seconds, between(5)] | None,
        Field(
            description="Time between two evaluations, a multiple of spec.health.interval (the default). In between, "
            "the last result applies."
        ),
    ] = None
    delay: Annotated[
        Duration,
        Field(
            description="Evaluates each query this long in the past, for metrics that arrive late, such as "
            "ground-truth labels."
        ),
    ] = 0
    when: Annotated[
        When,
        Field(description="rollout: evaluated for a candidate only. after-promotion: for the stable version only."),
    ] = When.ALWAYS
    failure_threshold: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Number of consecutive breaches of this check that trigger a rollback. If not set, its "
            "breaches count towards spec.health.failureThreshold.",
        ),
    ] = None
    critical: Annotated[
        bool, Field(description="A breach sets the score of the dimension to 0 and makes the tick a breach.")
    ] = False
    weight: Annotated[int, Field(ge=1, le=100, description="Weight in the score of the dimension.")] = 1
    unit: Annotated[str, Field(max_length=12, description="Unit of the value in messages, such as s, % or tokens.")] = (
        ""
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        *kind_rules(),
        Rule(
            "!has(self.min) || !has(self.max) || double(self.min) <= double(self.max)",
            "min must not be above max",
            lambda self: self.min is None or self.max is None or self.min <= self.max,
            reads_numbers=True,
        ),
        Rule(
            "!has(self.failureThreshold) || !has(self.role) || self.role == 'rollback'",
            "failureThreshold is only for role rollback; hold and inform checks count nothing",
            lambda self: self.failure_threshold is None or self.role is Role.ROLLBACK,
        ),
        Rule(
            "!has(self.when) || self.when != 'after-promotion' || !has(self.role) || self.role != 'hold'",
            "a check with role hold holds promotion, and after-promotion nothing is left to hold; set when: rollout, "
            "or role: rollback or inform",
            lambda self: self.when is not When.AFTER_PROMOTION or self.role is not Role.HOLD,
        ),
    )

    def identity(self) -> int:
        """A number that changes when the check is edited, but not when a newer operator knows more fields."""
        return crc32(self.model_dump_json(exclude_defaults=True).encode())

    @cached_property
    def kind(self) -> str:
        """The field that selects the kind of the check, such as "ratio"."""
        return kinds_of(self)[0].field

    @cached_property
    def settings(self) -> Any:
        """The value of that field: the model of the kind, or the text of a query or preset."""
        return getattr(self, self.kind)

    @property
    def starts_drift_hooks(self) -> bool:
        """Whether a breach starts the hooks of spec.health.onDrift that name no checks."""
        return SCHEMAS[self.kind].starts_drift_hooks

    @cached_property
    def accumulates(self) -> bool:
        """Whether evidence adds up from tick to tick, so that the check carries a memory."""
        return holds(SCHEMAS[self.kind].accumulates, self.settings)
