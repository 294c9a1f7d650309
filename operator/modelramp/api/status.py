"""The status of a ModelDeployment, as the API server stores it: core.status writes it and reads it back."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from modelramp.api.evaluation import EvaluationState
from modelramp.api.hooks import HookState
from modelramp.api.names import Phase

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""RFC 3339, UTC, whole seconds: 2026-11-20T12:04:00Z."""


class StatusModel(BaseModel):
    """Base of the status models: unknown fields of a newer operator are ignored when read."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)


class VersionStatus(StatusModel):
    """A revision and the model version that it stands for."""

    revision: Annotated[str, Field(description="Hash of template and model.")]
    model_version: Annotated[str, Field(description="spec.model.version of that revision.")] = ""
    since: Annotated[Time | None, Field(description="Since when it has this role.")] = None
    traffic_since: Annotated[Time | None, Field(description="Since when it has had traffic without a break.")] = None
    pods: Annotated[str, Field(description="Available / wanted pods.")] = ""


class MetricStatus(StatusModel):
    """What one metric of an evaluation said."""

    name: Annotated[str, Field(description="Name in the results.")]
    verdict: Annotated[Literal["healthy", "breach", "no-data"], Field(description="healthy, breach or no-data.")]
    value: Annotated[str | None, Field(description="The result.")] = None
    limit: Annotated[str, Field(description="What was wished, such as >= 0.97 - 0.01.")] = ""
    message: Annotated[str, Field(description="Found, wished, and what was left out.")] = ""


class EvaluationStatus(StatusModel):
    """The evaluation of the candidate before its first traffic."""

    state: Annotated[EvaluationState, Field(description="Running, Passed, Failed or NoData.")]
    since: Annotated[Time, Field(description="When it was begun.")]
    ended: Annotated[Time | None, Field(description="When its Job had ended and was read.")] = None
    job: Annotated[str, Field(description="Name of the Job.")] = ""
    message: Annotated[str, Field(description="Why the state is what it is, in one sentence.")] = ""
    metrics: Annotated[tuple[MetricStatus, ...], Field(description="The metrics of spec.rollout.evaluation.")] = ()
    results: Annotated[dict[str, str], Field(description="All results, as they are recorded with the revision.")] = {}
    attempt: Annotated[str, Field(description="Stands in the Job's name; for programs.")] = ""
    template: Annotated[str, Field(description="Hash of what the Job is made of; for programs.")] = ""


class CandidateStatus(VersionStatus):
    """The revision that a rollout is bringing in."""

    weight: Annotated[int, Field(description="Share of the traffic in percent.")] = 0
    step: Annotated[int, Field(description="Index in the rollout's steps; -1 while waiting for pods.")] = -1
    shown: Annotated[bool, Field(description="The route has shown this step's weight.")] = False
    step_entered: Annotated[Time | None, Field(description="Start of the step.")] = None
    evaluation: Annotated[EvaluationStatus | None, Field(description="How it was tried before its first traffic.")] = (
        None
    )


class WatchStatus(StatusModel):
    """The counts behind `breaches`: of which revision they speak, and per check."""

    revision: Annotated[str, Field(description="The revision that is counted.")]
    since: Annotated[Time, Field(description="Ticks before this instant do not count.")]
    breaches: Annotated[int, Field(description="Ticks in a row with any breach.")] = 0
    shared: Annotated[
        int, Field(description="Ticks in a row in which a check without a threshold of its own breached.")
    ] = 0
    checks: Annotated[
        dict[str, int], Field(description="Breaches in a row of checks with a threshold of their own.")
    ] = {}


class ExperimentStatus(StatusModel):
    """An A/B test: what it asks, what it has found, and how it ended."""

    revision: Annotated[str, Field(description="The candidate.")]
    question: Annotated[int, Field(description="Number of what is asked; for programs.")]
    metric: Annotated[str, Field(description="The metric that decides.")] = ""
    verdict: Annotated[
        str, Field(description="Undecided, Winner, NoDifference, Harm, Invalid, or CutShort by a person.")
    ] = ""
    message: Annotated[str, Field(description="The verdict and its evidence, in one sentence.")] = ""
    candidate: Annotated[str, Field(description="The metric with the candidate, and of how many.")] = ""
    stable: Annotated[str, Field(description="The metric with the stable version, and of how many.")] = ""
    difference: Annotated[str, Field(description="Candidate less stable.")] = ""
    interval: Annotated[str, Field(description="Where the true difference lies, over all looks together.")] = ""
    sample_ratio: Annotated[str, Field(description="Assignment of candidate : stable against the split.")] = ""
    sticky: Annotated[bool, Field(description="Whether one user always met the same version.")] = False
    started_at: Annotated[Time, Field(description="When the test began.")]
    earliest_end: Annotated[Time | None, Field(description="No winner before this.")] = None
    latest_end: Annotated[Time | None, Field(description="Ends then without a winner.")] = None
    memory: Annotated[str, Field(description="Evidence that is carried from tick to tick; for programs.")] = ""


class RetiringStatus(StatusModel):
    """A revision without traffic whose pods are about to end."""

    revision: Annotated[str, Field(description="The revision.")]
    at: Annotated[Time | None, Field(description="When its pods end; not set until the route is without it.")] = None


class CheckStatus(StatusModel):
    """What a check said when it was last asked."""

    name: Annotated[str, Field(description="Name of the check.")]
    dimension: Annotated[str, Field(description="View of the model that it belongs to.")] = ""
    role: Annotated[str, Field(description="rollback, hold or inform.")] = ""
    verdict: Annotated[Literal["healthy", "breach", "no-data"], Field(description="healthy, breach or no-data.")]
    reason: Annotated[str, Field(description="Short code for the verdict.")]
    value: Annotated[str | None, Field(description="What was measured, in the query's unit.")] = None
    limit: Annotated[str, Field(description="What was wished, such as <= 0.01.")] = ""
    message: Annotated[str, Field(description="Found, wished, and what is missing.")] = ""
    at: Annotated[Time | None, Field(description="The tick at which it was asked; not set while it was not.")] = None
    question: Annotated[
        str,
        Field(description="What was asked of which revision, by checks with an interval of their own; for programs."),
    ] = ""
    memory: Annotated[
        str, Field(description="Evidence that sequential checks and budgets carry on from tick to tick; for programs.")
    ] = ""


class HookStatus(StatusModel):
    """One episode of a hook: what breached since when, and what was started because of it."""

    id: Annotated[str, Field(description="Names the episode; stands in the Job's name and in the webhook's body.")]
    on: Annotated[Literal["onDrift", "onBreach"], Field(description="onDrift or onBreach.")]
    name: Annotated[str, Field(description="Name of the hook.")]
    revision: Annotated[str, Field(description="The revision that breached.")]
    model_version: Annotated[str, Field(description="Its model version.")] = ""
    since: Annotated[Time, Field(description="The first breaching tick.")]
    until: Annotated[Time | None, Field(description="The tick that ended the episode; not set while it goes on.")] = (
        None
    )
    breaches: Annotated[int, Field(description="Breaches in a row; no longer counted once the hook has fired.")] = 0
    checks: Annotated[tuple[str, ...], Field(description="The checks that breached.")] = ()
    cause: Annotated[str, Field(description="What they measured.")] = ""
    state: Annotated[
        HookState,
        Field(
            description="Counting: too few breaches yet. CoolingDown: it starts when the cool-down is over. Skipped: a "
            "later episode took its place then. Due: about to start. Running, Done, Failed. Unknown: nobody can say "
            "whether it happened, and it is not repeated."
        ),
    ]
    at: Annotated[Time | None, Field(description="Since when it is in that state.")] = None
    message: Annotated[str, Field(description="What was started, and how it ended.")] = ""
    by: Annotated[str, Field(description="The process that calls the webhook; for programs.")] = ""
    due: Annotated[
        Time | None, Field(description="When it could start; the cool-down of the next episode begins then.")
    ] = None


class PolicyStatus(StatusModel):
    """A policy that the spec refers to, as it was resolved."""

    kind: Annotated[str, Field(description="HealthPolicy or ClusterHealthPolicy.")]
    name: Annotated[str, Field(description="Name of the policy.")]
    revision: Annotated[str, Field(description="Hash of the policy's spec whose checks count.")] = ""
    generation: Annotated[int, Field(description="Its metadata.generation.")] = 0
    problem: Annotated[str, Field(description="Why its checks do not count; promotion waits until they do.")] = ""


class HistoryEntry(StatusModel):
    """One revision that was tried, and how it ended."""

    revision: Annotated[str, Field(description="The revision.")]
    model_version: Annotated[str, Field(description="Its model version.")] = ""
    started_at: Annotated[Time | None, Field(description="When it was first tried.")] = None
    ended_at: Annotated[Time | None, Field(description="When that ended.")] = None
    outcome: Annotated[str, Field(description="How it ended.")]
    reason: Annotated[str, Field(description="Short code for why.")] = ""
    message: Annotated[str, Field(description="Why, in one sentence.")] = ""
    weight: Annotated[int, Field(description="Highest share of the traffic that it had, percent.")] = 0


class Condition(StatusModel):
    """A condition as the Kubernetes API conventions describe it."""

    type: Annotated[str, Field(max_length=316, description="What the condition is about.")]
    status: Annotated[Literal["True", "False", "Unknown"], Field(description="True, False or Unknown.")]
    observed_generation: Annotated[int | None, Field(description="Generation of the spec that it speaks of.")] = None
    last_transition_time: Annotated[Time, Field(description="When status last changed.")]
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, description="Short code for people and programs to search for.")
    ]
    message: Annotated[str, Field(max_length=32768, description="What is found, wished and next, in one sentence.")] = (
        ""
    )


class AnswerStatus(StatusModel):
    """The outcome of a person's request."""

    at: Annotated[Time, Field(description="When it was handled.")]
    outcome: Annotated[Literal["Done", "Ignored"], Field(description="Done or Ignored.")]
    message: Annotated[str, Field(description="What was done, or why it was ignored.")] = ""


class Status(StatusModel):
    """What serves, what is tried, what was measured, why it ended, what happens next."""

    observed_generation: Annotated[
        int | None, Field(description="Generation of the spec that this status speaks of.")
    ] = None
    phase: Annotated[Phase | None, Field(description="Where the rollout stands.")] = None
    reason: Annotated[str, Field(description="Short code for the message.")] = ""
    message: Annotated[str, Field(description="One sentence for people; times are absolute.")] = ""
    detail: Annotated[str, Field(description="How the last rollout ended.")] = ""
    stable: Annotated[
        VersionStatus | None, Field(description="The version that serves, or that traffic returns to.")
    ] = None
    previous: Annotated[VersionStatus | None, Field(description="The last version that worked before stable.")] = None
    candidate: Annotated[CandidateStatus | None, Field(description="The version that is being brought in.")] = None
    failed_revision: Annotated[str | None, Field(description="Gets no traffic until the spec changes or a retry.")] = (
        None
    )
    restored: Annotated[bool, Field(description="Stable came back by a rollback after promotion.")] = False
    paused: Annotated[bool, Field(description="A person has paused the rollout.")] = False
    progress: Annotated[str, Field(description="Step / steps.")] = ""
    breaches: Annotated[int, Field(description="Consecutive breached ticks.")] = 0
    ticks: Annotated[str, Field(description="The last ten ticks, oldest left: + healthy, ? no data, - breach.")] = ""
    last_tick: Annotated[Time | None, Field(description="The last tick that was evaluated.")] = None
    next: Annotated[str, Field(description="Time of the next check, UTC.")] = ""
    watch: Annotated[WatchStatus | None, Field(description="Counts that survive a restart.")] = None
    scores: Annotated[
        dict[str, int],
        Field(
            description="By dimension: 100 x the weight of its checks within their limits / the weight of those that "
            "have data; 0 when a critical one breached. A dimension without data has no score."
        ),
    ] = {}
    checks: Annotated[
        tuple[CheckStatus, ...],
        Field(
            description="The checks, each with its last answer.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    experiment: Annotated[ExperimentStatus | None, Field(description="The A/B test under way, or the last one.")] = None
    policies: Annotated[
        tuple[PolicyStatus, ...],
        Field(
            description="The policies of spec.health.policies.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()
    retiring: Annotated[
        tuple[RetiringStatus, ...], Field(description="Revisions without traffic whose pods are about to end.")
    ] = ()
    hooks: Annotated[
        tuple[HookStatus, ...],
        Field(
            description="Episodes of the hooks of spec.health, newest last.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        ),
    ] = ()
    history: Annotated[tuple[HistoryEntry, ...], Field(description="What was tried, newest first.")] = ()
    request: Annotated[str, Field(description="The last value of the request annotation that was handled.")] = ""
    answer: Annotated[AnswerStatus | None, Field(description="The outcome of that request.")] = None
    heard: Annotated[
        dict[str, tuple[str, ...]],
        Field(description="By revision: marks of the requests that were handled, each of which counts once."),
    ] = {}
    replicas: Annotated[
        int, Field(description="Available pods of the version that serves; for the scale subresource.")
    ] = 0
    selector: Annotated[str, Field(description="Label selector of the pods; for the scale subresource.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            description="Ready, Available, Healthy, Routed, Reconciling, Stalled.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
