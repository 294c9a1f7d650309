"""How traffic moves to a new revision, and what goes on when it has arrived."""

import re
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, Field

from modelramp.api.abtest import ABTest
from modelramp.api.blue_green import BlueGreen
from modelramp.api.evaluation import EvaluationSpec
from modelramp.api.quantity import Duration, Seconds, between, parse_quantity
from modelramp.api.rules import ApiModel, Rule


class Step(ApiModel):
    """One step of a rollout."""

    weight: Annotated[int, Field(ge=1, le=100, description="Share of the traffic in percent.")]
    duration: Annotated[
        Duration | None, Field(description="Least time at this weight; spec.rollout.stepDuration if not set.")
    ] = None


DEFAULT_STEPS = (Step(weight=10), Step(weight=50), Step(weight=100))


STRATEGIES = {
    "Canary": "step by step while healthy.",
    "ABTest": "a split, until a metric says who is better.",
    "BlueGreen": "a preview without live traffic, then all traffic at once.",
    "Replace": "what serves is stopped before the new version starts; nothing serves in between.",
}
"""Values of spec.rollout.strategy, each with what people read of it. core.strategies.registry has what each does."""


def _known(strategy: str) -> str:
    if strategy not in STRATEGIES:
        *first, last = STRATEGIES
        raise ValueError(f"must be {', '.join(first)} or {last}")
    return strategy


_CEL_DEFAULT_STEPS = "size(self.steps) == 3 && " + " && ".join(
    f"self.steps[{index}].weight == {step.weight} && !has(self.steps[{index}].duration)"
    for index, step in enumerate(DEFAULT_STEPS)
)


class RollbackWindow(ApiModel):
    """Which earlier versions get all traffic at once when the spec goes back to them."""

    revisions: Annotated[
        int, Field(ge=1, le=20, description="How many versions before the stable one are meant, the latest first.")
    ] = 3
    within: Annotated[Duration, Field(description="How long ago such a version may have ended serving.")] = 86_400


class CandidatePods(StrEnum):
    """How many pods a new version has before its promotion."""

    BY_SHARE = "ByShare"
    FULL = "Full"


def _is_amount(value: int | str) -> bool:
    if isinstance(value, int):
        return 0 <= value <= 1000
    return re.fullmatch("(100|[1-9]?[0-9])%", value) is not None


_AMOUNT = "[0-9]{1,18}([.][0-9]{1,9})?([mkMGTP]|[KMGTP]i)?"
PodsOrPercent = Annotated[
    int | str,
    Field(json_schema_extra={"x-kubernetes-int-or-string": True}),
    Rule(
        "type(self) == int ? self >= 0 && self <= 1000 : self.matches('^(100|[1-9]?[0-9])%$')",
        "must be a number of pods from 0 to 1000, or a percentage from 0% to 100%",
        _is_amount,
    ),
]
"""A number of pods, or a share of spec.replicas."""


def _checked_amount(value: int | str) -> int | str:
    if value < 0 if isinstance(value, int) else re.fullmatch(_AMOUNT, value) is None:
        raise ValueError("must be an amount of at least 0, as in 2, 500m or 16Gi")
    return value


# An expression would cost more than Kubernetes 1.30 allows: it takes a value of two types for as long as a request.
SurgeAmount = Annotated[
    int | str,
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "pattern": f"^{_AMOUNT}$",
            "maxLength": 32,
        }
    ),
    AfterValidator(_checked_amount),
]
"""How much of a resource: a quantity as in a container's resources."""


class Standby(ApiModel):
    """Pods of the previous version that stay after a promotion, so that the way back starts none."""

    replicas: Annotated[
        int, Field(ge=0, le=1000, description="Pods that stay, at most spec.replicas and at most maxSurge.")
    ] = 0
    lasts: Annotated[
        Duration,
        Field(alias="for", description="Time from the promotion to their end; a new rollout ends them at once."),
    ] = 3600


class Capacity(ApiModel):
    """How many pods the versions may have during a rollout."""

    candidate: Annotated[
        CandidatePods,
        Field(
            description="ByShare: a new version has the pods that its share of the traffic needs. Full: it has as many "
            "as the stable version from the first step on."
        ),
    ] = CandidatePods.BY_SHARE
    minimum: Annotated[int, Field(ge=1, le=1000, description="Pods that a new version has at least.")] = 1
    max_surge: Annotated[
        PodsOrPercent,
        Field(
            description="All versions together have at most spec.replicas and this many pods, or percent of "
            "spec.replicas, rounded up. With less than a rollout needs, the stable version gives up pods as traffic "
            "leaves it."
        ),
    ] = "100%"
    max_surge_resources: Annotated[
        dict[str, SurgeAmount],
        Field(
            default_factory=dict,
            max_length=4,
            description="In place of maxSurge: all versions together ask for at most what spec.replicas pods of the "
            "larger version ask for, and for this much more, such as {nvidia.com/gpu: 2}.",
        ),
    ]
    max_unavailable: Annotated[
        PodsOrPercent,
        Field(
            description="Of spec.replicas, this many pods, or percent rounded down, may be missing in all versions "
            "together: the stable version makes room for the first pod of a new one."
        ),
    ] = 0

    standby: Annotated[
        Standby, Field(description="Pods of the previous version that stay for a while after a promotion.")
    ] = Standby()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.maxSurge) || (self.maxSurge != 0 && self.maxSurge != '0%') || (has(self.maxUnavailable) && "
            "self.maxUnavailable != 0 && self.maxUnavailable != '0%')",
            "maxSurge 0 with maxUnavailable 0 leaves no room for one pod of a new version: raise maxSurge to 1, or "
            "maxUnavailable to 1",
            lambda self: self.max_surge not in (0, "0%") or self.max_unavailable not in (0, "0%"),
            field=".maxSurge",
        ),
        Rule(
            "!has(self.candidate) || self.candidate != 'Full' || ((!has(self.maxSurge) || self.maxSurge == '100%') && "
            "(!has(self.maxUnavailable) || self.maxUnavailable == 0))",
            "candidate: Full needs room for all pods twice: remove maxSurge and maxUnavailable, or use ByShare",
            lambda self: (
                self.candidate is not CandidatePods.FULL or (self.max_surge, self.max_unavailable) == ("100%", 0)
            ),
            field=".candidate",
        ),
        Rule(
            "!has(self.maxSurgeResources) || size(self.maxSurgeResources) == 0 || !has(self.maxSurge) || "
            "self.maxSurge == '100%'",
            "maxSurge and maxSurgeResources bound the same: remove one of them",
            lambda self: not self.max_surge_resources or self.max_surge == "100%",
            field=".maxSurgeResources",
        ),
        Rule(
            "!has(self.maxSurgeResources) || (has(self.maxUnavailable) && self.maxUnavailable != 0 && "
            "self.maxUnavailable != '0%') || self.maxSurgeResources.all(name, self.maxSurgeResources[name] != 0 && "
            "self.maxSurgeResources[name] != '0')",
            "maxSurgeResources 0 with maxUnavailable 0 leaves no room for one pod of a new version: raise it to what a "
            "pod asks for, or maxUnavailable to 1",
            lambda self: (
                self.max_unavailable not in (0, "0%")
                or all(amount not in (0, "0") for amount in self.max_surge_resources.values())
            ),
            field=".maxSurgeResources",
        ),
        Rule(
            "!has(self.maxSurgeResources) || size(self.maxSurgeResources) == 0 || !has(self.candidate) || "
            "self.candidate != 'Full'",
            "candidate: Full needs room for all pods twice: remove maxSurgeResources, or use ByShare",
            lambda self: self.candidate is not CandidatePods.FULL or not self.max_surge_resources,
            field=".candidate",
        ),
    )

    @property
    def surge_amounts(self) -> dict[str, Decimal]:
        """What all versions together may ask for above spec.replicas pods, by resource; empty: maxSurge counts."""
        return {name: parse_quantity(str(amount)) for name, amount in self.max_surge_resources.items()}

    def surge(self, replicas: int) -> int:
        """Pods that all versions together may have above `replicas`."""
        return _pods(self.max_surge, replicas, up=True)

    def unavailable(self, replicas: int) -> int:
        """Pods of `replicas` that may be missing; at least one where there is no surge, as in a Deployment."""
        found = _pods(self.max_unavailable, replicas, up=False)
        surge = all(self.surge_amounts.values()) if self.max_surge_resources else self.surge(replicas)
        return found if found or surge else 1


def _pods(amount: int | str, replicas: int, *, up: bool) -> int:
    """The pods that an amount stands for; a percentage that is no whole number of pods is rounded up or down.

    >>> _pods("25%", 10, up=True), _pods("25%", 10, up=False), _pods(2, 10, up=True)
    (3, 2, 2)
    """
    if isinstance(amount, int):
        return amount
    share = int(amount.removesuffix("%")) * replicas
    return -(-share // 100) if up else share // 100


class Rollout(ApiModel):
    """How traffic moves to a new revision."""

    strategy: Annotated[
        str,
        AfterValidator(_known),
        Field(
            description=" ".join(f"{name}: {text}" for name, text in STRATEGIES.items()),
            json_schema_extra={"enum": list(STRATEGIES)},
        ),
    ] = "Canary"
    ab_test: Annotated[ABTest | None, Field(description="The test of strategy ABTest; takes the place of steps.")] = (
        None
    )
    blue_green: Annotated[
        BlueGreen | None, Field(description="The preview of strategy BlueGreen; takes the place of steps.")
    ] = None
    steps: Annotated[
        tuple[Step, ...],
        Field(
            min_length=1,
            max_length=20,
            description="Weights that rise strictly and end at 100.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = DEFAULT_STEPS
    step_duration: Annotated[Duration, Field(description="Least time at each step.")] = 300
    progress_deadline: Annotated[
        Seconds, between(10), Field(description="Time that a new revision's pods get to become available.")
    ] = 600
    capacity_deadline: Annotated[
        Seconds | None,
        between(10),
        Field(
            description="Longest time that a new revision waits for nodes or quota before it is withdrawn; no limit if "
            "not set. A withdrawn revision is tried again after the same time, or when the spec changes."
        ),
    ] = None
    # default_factory: not filled in by the API server (tests/unit/api/test_what_the_server_fills_in.py)
    capacity: Annotated[
        Capacity,
        Field(default_factory=Capacity, description="How many pods the versions may have during a rollout."),
    ]
    scale_down_during_rollout: Annotated[
        bool,
        Field(
            description="Whether a decrease of spec.replicas takes effect while a candidate has traffic. If not, it "
            "waits for the promotion, or for five minutes after the candidate has lost its traffic; then a tenth of "
            "the pods ends every 30 s."
        ),
    ] = False
    scale_down_delay: Annotated[
        Seconds,
        between(3),
        Field(
            description="Time from a revision's last traffic to its pods' end; longer than the router's propagation."
        ),
    ] = 30
    evaluation: Annotated[
        EvaluationSpec | None, Field(description="A Job that tries a new revision before its first traffic.")
    ] = None
    paused: Annotated[
        bool,
        Field(
            description="Hold every version at its weight: a new one gets no traffic, one in flight goes no further. "
            "Checks and automatic rollbacks go on."
        ),
    ] = False
    rollback_window: Annotated[
        RollbackWindow | None,
        Field(description="A spec that goes back to a version which served lately skips the steps. Unset: never."),
    ] = None
    revision_history_limit: Annotated[int, Field(ge=2, le=100, description="ControllerRevisions that are kept.")] = 10

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "size(self.steps) == 0 || self.steps[size(self.steps) - 1].weight == 100",
            "steps must end with weight 100: add a last step {weight: 100}",
            lambda self: self.steps[-1].weight == 100,
            field=".steps",
        ),
        Rule(
            "self.steps.all(s, self.steps.filter(t, t.weight == s.weight).size() == 1) && "
            "self.steps.map(s, s.weight).isSorted()",
            "steps[].weight must rise strictly from step to step",
            lambda self: all(a.weight < b.weight for a, b in zip(self.steps, self.steps[1:], strict=False)),
            field=".steps",
        ),
        Rule(
            "(has(self.strategy) && self.strategy == 'ABTest') == has(self.abTest)",
            "strategy ABTest needs abTest, and abTest needs strategy: ABTest",
            lambda self: (self.strategy == "ABTest") == (self.ab_test is not None),
            field=".abTest",
        ),
        Rule(
            # The server fills in the default steps before it asks; those say nothing about what a person wants.
            f"!has(self.strategy) || self.strategy != 'ABTest' || !has(self.steps) || ({_CEL_DEFAULT_STEPS})",
            "strategy ABTest has no steps of its own: remove steps, abTest.split is the share of the test",
            lambda self: self.strategy != "ABTest" or self.steps == DEFAULT_STEPS,
            field=".steps",
        ),
        Rule(
            "!has(self.blueGreen) || (has(self.strategy) && self.strategy == 'BlueGreen')",
            "blueGreen needs strategy: BlueGreen",
            lambda self: self.blue_green is None or self.strategy == "BlueGreen",
            field=".blueGreen",
        ),
        Rule(
            f"!has(self.strategy) || !(self.strategy in ['BlueGreen', 'Replace']) || !has(self.steps) || "
            f"({_CEL_DEFAULT_STEPS})",
            "strategies BlueGreen and Replace have no steps: remove steps, all traffic moves at once",
            lambda self: self.strategy not in {"BlueGreen", "Replace"} or self.steps == DEFAULT_STEPS,
            field=".steps",
        ),
        Rule(
            "!has(self.strategy) || self.strategy != 'Replace' || !(has(self.capacity) || has(self.capacityDeadline) "
            "|| has(self.evaluation))",
            "strategy Replace runs no pod beside what serves, and ends at progressDeadline: remove capacity, "
            "capacityDeadline and evaluation",
            lambda self: (
                self.strategy != "Replace"
                or (self.capacity_deadline is None and self.evaluation is None and self.capacity == Capacity())
            ),
            field=".strategy",
        ),
    )


class OnBreach(StrEnum):
    """What breaches after promotion lead to."""

    ROLLBACK = "Rollback"
    REPORT = "Report"


class Watching(StrEnum):
    """How long the checks go on after promotion."""

    FOREVER = "forever"
    NEVER = "never"


class AfterPromotion(ApiModel):
    """The watch that goes on when the rollout has ended."""

    watch: Annotated[Watching, Field(description="forever or never.")] = Watching.FOREVER
    on_breach: Annotated[
        OnBreach, Field(description="Rollback: bring the previous version back, once. Report: only say so.")
    ] = OnBreach.ROLLBACK
