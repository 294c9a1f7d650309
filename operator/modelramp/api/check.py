"""One declared check of a model: what is measured, the limit that it must keep, and what it may do."""

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


class When(StrEnum):
    """While what a check is asked."""

    ALWAYS = "always"
    ROLLOUT = "rollout"
    AFTER_PROMOTION = "after-promotion"


class _Measured(ApiModel):
    """The fields of a check that come before those of the registered kinds."""

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


if TYPE_CHECKING:
    _KindsOfCheck = _Measured
else:
    _KindsOfCheck = create_model(
        "_KindsOfCheck",
        __base__=_Measured,
        **{field: (schema.annotation, None) for field, schema in SCHEMAS.items() if schema.annotation is not None},
    )


class Check(_KindsOfCheck):
    """One measured condition on a revision: exactly one kind of check, and the limit that it must keep.

    query, preset: one number against min and max. ratio: a rate with its interval. compare, sequential: against the
    stable version. drift, fairness, cost: distributions, groups of people, money.
    """

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
    min: Annotated[Number | None, Field(description="Breach below this value, such as 0.85.")] = None
    max: Annotated[Number | None, Field(description="Breach above this value, such as 0.01.")] = None
    window: Annotated[
        Annotated[Seconds, between(1)] | None,
        Field(description="Time range that {{window}} stands for; the check's interval if not set."),
    ] = None
    interval: Annotated[
        Annotated[Seconds, between(5)] | None,
        Field(
            description="Time from asking to asking, a multiple of spec.health.interval, which counts if not set. In "
            "between the last answer stands."
        ),
    ] = None
    delay: Annotated[
        Duration,
        Field(description="Each tick asks for the time so long before it: labels need that long to be complete."),
    ] = 0
    when: Annotated[
        When,
        Field(description="rollout: asked of a candidate only. after-promotion: asked of what serves only."),
    ] = When.ALWAYS
    failure_threshold: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Consecutive breaches of this check alone that roll back; 1 is at once. Not set: its breaches "
            "feed the common count of spec.health.failureThreshold.",
        ),
    ] = None
    critical: Annotated[
        bool, Field(description="A breach makes the score of its dimension 0, and breaches the tick whatever the rest.")
    ] = False
    weight: Annotated[int, Field(ge=1, le=100, description="Share in the score of its dimension.")] = 1
    unit: Annotated[str, Field(max_length=12, description="Unit for messages, such as s, % or tokens.")] = ""

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
        """Tells an edited check from what it was; a newer operator with more fields gives the same number."""
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
