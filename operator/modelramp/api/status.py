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
    """A revision and the model version that it runs."""

    revision: Annotated[str, Field(description="Name of the revision: a hash of spec.template and spec.model.")]
    model_version: Annotated[str, Field(description="spec.model.version of the revision.")] = ""
    since: Annotated[Time | None, Field(description="When the revision took this role.")] = None
    traffic_since: Annotated[Time | None, Field(description="Start of its current, uninterrupted traffic.")] = None
    pods: Annotated[str, Field(description="Available pods / desired pods.")] = ""


class MetricStatus(StatusModel):
    """The result of one evaluation metric."""

    name: Annotated[str, Field(description="Name of the metric in the results.")]
    verdict: Annotated[
        Literal["healthy", "breach", "no-data"], Field(description="Verdict: healthy, breach or no-data.")
    ]
    value: Annotated[str | None, Field(description="The result.")] = None
    limit: Annotated[str, Field(description="The limit that the result was compared with, such as >= 0.97 - 0.01.")] = (
        ""
    )
    message: Annotated[str, Field(description="Explains the verdict.")] = ""


class EvaluationStatus(StatusModel):
    """The offline evaluation of the candidate, which runs before its first traffic."""

    state: Annotated[EvaluationState, Field(description="Running, Passed, Failed or NoData.")]
    since: Annotated[Time, Field(description="When the evaluation started.")]
    ended: Annotated[Time | None, Field(description="When the results of the finished Job were read.")] = None
    job: Annotated[str, Field(description="Name of the Job.")] = ""
    message: Annotated[str, Field(description="Explains the state in one sentence.")] = ""
    metrics: Annotated[
        tuple[MetricStatus, ...], Field(description="Results of the metrics listed in spec.rollout.evaluation.")
    ] = ()
    results: Annotated[
        dict[str, str], Field(description="All results that the Job reported, as recorded with the revision.")
    ] = {}
    attempt: Annotated[str, Field(description="Suffix of the Job's name. Internal.")] = ""
    template: Annotated[str, Field(description="Hash of the Job's template. Internal.")] = ""


class CapacityWaitStatus(StatusModel):
    """A wait for nodes or quota."""

    since: Annotated[Time, Field(description="When the wait started.")]
    ended: Annotated[Time | None, Field(description="When the wait ended; not set while it lasts.")] = None
    message: Annotated[str, Field(description="What is missing, as the scheduler or the quota puts it.")] = ""


class CandidateStatus(VersionStatus):
    """The revision that is being rolled out."""

    weight: Annotated[int, Field(description="Share of the traffic, in percent.")] = 0
    step: Annotated[int, Field(description="Index of the current step, from 0; -1 while the pods are not ready.")] = -1
    shown: Annotated[bool, Field(description="Whether the route has applied the weight of this step.")] = False
    step_entered: Annotated[Time | None, Field(description="When the current step started.")] = None
    evaluation: Annotated[
        EvaluationStatus | None, Field(description="The offline evaluation before its first traffic.")
    ] = None
    capacity_wait: Annotated[CapacityWaitStatus | None, Field(description="Its last wait for nodes or quota.")] = None
    stable_stopped: Annotated[Time | None, Field(description="When strategy Replace stopped what served.")] = None


class DeferredStatus(StatusModel):
    """A revision that was withdrawn for lack of capacity and will be tried again."""

    revision: Annotated[str, Field(description="Name of the revision.")]
    until: Annotated[Time, Field(description="When it is tried again at the latest.")]
    generation: Annotated[int, Field(description="With another metadata.generation it is tried again at once.")] = 0


class WatchStatus(StatusModel):
    """The counters behind `breaches`, for one revision."""

    revision: Annotated[str, Field(description="The revision that the counters belong to.")]
    since: Annotated[Time, Field(description="Ticks before this time are not counted.")]
    breaches: Annotated[int, Field(description="Consecutive ticks with at least one breach.")] = 0
    shared: Annotated[
        int, Field(description="Consecutive breached ticks of the checks that use spec.health.failureThreshold.")
    ] = 0
    checks: Annotated[
        dict[str, int], Field(description="Consecutive breaches of each check that sets its own failureThreshold.")
    ] = {}


class ABTestStatus(StatusModel):
    """An A/B test: its metric, its evidence and its verdict."""

    revision: Annotated[str, Field(description="The candidate.")]
    question: Annotated[int, Field(description="Identifies the configuration of the test. Internal.")]
    metric: Annotated[str, Field(description="Name of the primary metric.")] = ""
    verdict: Annotated[
        str,
        Field(
            description="Undecided, Winner, NoDifference, Inconclusive, Harm, Invalid, or CutShort (ended by a person)."
        ),
    ] = ""
    message: Annotated[str, Field(description="The verdict and its evidence, in one sentence.")] = ""
    candidate: Annotated[str, Field(description="Metric and sample size of the candidate.")] = ""
    stable: Annotated[str, Field(description="Metric and sample size of the stable version.")] = ""
    difference: Annotated[str, Field(description="Candidate minus stable.")] = ""
    interval: Annotated[str, Field(description="Confidence interval of the difference, valid over all looks.")] = ""
    sample_ratio: Annotated[str, Field(description="Assigned candidate : stable, compared with the split.")] = ""
    sticky: Annotated[bool, Field(description="Whether each user was always sent to the same version.")] = False
    started_at: Annotated[Time, Field(description="When the test started.")]
    earliest_end: Annotated[Time | None, Field(description="The test has no winner before this time.")] = None
    latest_end: Annotated[Time | None, Field(description="At this time the test ends without a winner.")] = None
    memory: Annotated[str, Field(description="Accumulated evidence. Internal.")] = ""


class RetiringStatus(StatusModel):
    """A revision without traffic whose pods will be scaled down."""

    revision: Annotated[str, Field(description="Name of the revision.")]
    at: Annotated[
        Time | None, Field(description="When its pods are scaled down; not set until the route no longer names it.")
    ] = None


class CheckStatus(StatusModel):
    """The latest result of a check."""

    name: Annotated[str, Field(description="Name of the check.")]
    dimension: Annotated[str, Field(description="Dimension of the check: operational, technical, business, ...")] = ""
    role: Annotated[str, Field(description="Role of the check: rollback, hold or inform.")] = ""
    verdict: Annotated[
        Literal["healthy", "breach", "no-data"], Field(description="Verdict: healthy, breach or no-data.")
    ]
    reason: Annotated[str, Field(description="Machine-readable reason for the verdict.")]
    value: Annotated[str | None, Field(description="Measured value, in the unit of the query.")] = None
    limit: Annotated[str, Field(description="The limit that the value was compared with, such as <= 0.01.")] = ""
    message: Annotated[str, Field(description="Explains the verdict.")] = ""
    at: Annotated[Time | None, Field(description="The tick of this result; not set before the first one.")] = None
    question: Annotated[
        str,
        Field(description="Identifies the query and the revision, for checks that set their own interval. Internal."),
    ] = ""
    memory: Annotated[str, Field(description="Evidence that the check accumulates from tick to tick. Internal.")] = ""


class HookStatus(StatusModel):
    """One run of a hook: the breach that started it, and its outcome."""

    id: Annotated[str, Field(description="Identifies the run; part of the Job's name and of the webhook's body.")]
    on: Annotated[
        Literal["onDrift", "onBreach"], Field(description="The list that the hook belongs to: onDrift or onBreach.")
    ]
    name: Annotated[str, Field(description="Name of the hook.")]
    revision: Annotated[str, Field(description="The revision that breached.")]
    model_version: Annotated[str, Field(description="Model version of the revision.")] = ""
    since: Annotated[Time, Field(description="The first breaching tick.")]
    until: Annotated[
        Time | None, Field(description="The healthy tick that ended the breach; not set while the breach lasts.")
    ] = None
    breaches: Annotated[
        int, Field(description="Consecutive breaches; not counted further once the hook has fired.")
    ] = 0
    checks: Annotated[tuple[str, ...], Field(description="Names of the checks that breached.")] = ()
    cause: Annotated[str, Field(description="What the checks measured.")] = ""
    state: Annotated[
        HookState,
        Field(
            description="Counting (too few breaches so far), CoolingDown, Skipped (for a later episode), Due, Running, "
            "Done, Failed, or Unknown (not run again)."
        ),
    ]
    at: Annotated[Time | None, Field(description="When the hook reached this state.")] = None
    message: Annotated[str, Field(description="What was started, and its outcome.")] = ""
    by: Annotated[str, Field(description="The operator process that calls the webhook. Internal.")] = ""
    due: Annotated[Time | None, Field(description="When the hook became due; its cool-down is measured from here.")] = (
        None
    )


class PolicyStatus(StatusModel):
    """A policy that the spec refers to, and how it was resolved."""

    kind: Annotated[str, Field(description="HealthPolicy or ClusterHealthPolicy.")]
    name: Annotated[str, Field(description="Name of the policy.")]
    revision: Annotated[str, Field(description="Hash of the policy's spec in use.")] = ""
    generation: Annotated[int, Field(description="metadata.generation of the policy.")] = 0
    problem: Annotated[str, Field(description="Why the policy cannot be used. Promotion waits until it can.")] = ""


class HistoryEntry(StatusModel):
    """One rollout attempt and its outcome."""

    revision: Annotated[str, Field(description="Name of the revision.")]
    model_version: Annotated[str, Field(description="Model version of the revision.")] = ""
    started_at: Annotated[Time | None, Field(description="When the attempt started.")] = None
    ended_at: Annotated[Time | None, Field(description="When the attempt ended.")] = None
    outcome: Annotated[str, Field(description="Outcome of the attempt.")]
    reason: Annotated[str, Field(description="Machine-readable reason for the outcome.")] = ""
    message: Annotated[str, Field(description="Explains the outcome in one sentence.")] = ""
    weight: Annotated[int, Field(description="Highest share of the traffic that it received, in percent.")] = 0


class Condition(StatusModel):
    """A condition, as defined by the Kubernetes API conventions."""

    type: Annotated[str, Field(max_length=316, description="Type of the condition.")]
    status: Annotated[
        Literal["True", "False", "Unknown"], Field(description="Status of the condition: True, False or Unknown.")
    ]
    observed_generation: Annotated[
        int | None, Field(description="Generation of the spec that the condition was computed from.")
    ] = None
    last_transition_time: Annotated[Time, Field(description="When the status of the condition last changed.")]
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, description="Machine-readable reason for the condition's status.")
    ]
    message: Annotated[str, Field(max_length=32768, description="Human-readable explanation.")] = ""


class AnswerStatus(StatusModel):
    """The outcome of a request made through the annotation."""

    at: Annotated[Time, Field(description="When the request was handled.")]
    outcome: Annotated[Literal["Done", "Ignored"], Field(description="Done or Ignored.")]
    message: Annotated[str, Field(description="What was done, or why the request was ignored.")] = ""


class ScaledToZeroStatus(StatusModel):
    """The time without replicas."""

    since: Annotated[Time, Field(description="Since when spec.replicas has been 0.")]
    ended: Annotated[
        Time | None, Field(description="Since when spec.replicas has been more, while pods are not yet back.")
    ] = None


class HeldReplicasStatus(StatusModel):
    """The pods that stay although spec.replicas asks for fewer."""

    count: Annotated[
        int,
        Field(description="Pods that stay: the most that the spec asked for since the first step, then fewer."),
    ]
    revision: Annotated[str, Field(description="The candidate that has traffic, or had it last.")]
    until: Annotated[
        Time | None, Field(description="When the next of them end; not set while the candidate has traffic.")
    ] = None


class AdoptedStatus(StatusModel):
    """The Deployment that spec.workloadRef names."""

    name: Annotated[str, Field(description="Its name.")]
    replicas: Annotated[
        int | None,
        Field(description="Replicas that deletion gives it back."),
    ] = None
    dropped_labels: Annotated[
        tuple[str, ...],
        Field(description="Labels that new revisions lack: Services of its owner select by them."),
    ] = ()


FORMAT = 1
"""Rises with a field whose loss would break a promise, since an older operator would drop it. 1 is not written."""


class Status(StatusModel):
    """The observed state of the rollout."""

    format: Annotated[
        int | None,
        Field(
            ge=1,
            description="Written by an operator from which older ones must not take over: one that knows only lower "
            "numbers leaves the object as it is.",
        ),
    ] = None
    observed_generation: Annotated[
        int | None, Field(description="Generation of the spec that this status was computed from.")
    ] = None
    phase: Annotated[Phase | None, Field(description="Phase of the rollout.")] = None
    reason: Annotated[str, Field(description="Machine-readable reason for the message.")] = ""
    message: Annotated[str, Field(description="Human-readable summary in one sentence. Times are absolute.")] = ""
    detail: Annotated[str, Field(description="Outcome of the last rollout.")] = ""
    stable: Annotated[
        VersionStatus | None, Field(description="The version that serves, and that a rollback returns to.")
    ] = None
    previous: Annotated[VersionStatus | None, Field(description="The version that worked before the stable one.")] = (
        None
    )
    candidate: Annotated[CandidateStatus | None, Field(description="The version that is being rolled out.")] = None
    failed_revision: Annotated[
        str | None,
        Field(
            description="The revision that failed. It gets no traffic until the spec changes or a retry is requested."
        ),
    ] = None
    deferred: Annotated[
        DeferredStatus | None, Field(description="The revision that was withdrawn for lack of capacity, if any.")
    ] = None
    scaled_to_zero: Annotated[
        ScaledToZeroStatus | None,
        Field(description="While spec.replicas is 0, and until the pods are back afterwards: nothing is judged."),
    ] = None
    held_replicas: Annotated[
        HeldReplicasStatus | None,
        Field(description="A decrease of spec.replicas below this number waits, while a candidate has traffic."),
    ] = None
    restored: Annotated[
        bool, Field(description="Whether the stable version was restored by a rollback after promotion.")
    ] = False
    paused: Annotated[bool, Field(description="Whether a person has paused the rollout.")] = False
    progress: Annotated[str, Field(description="Current step / number of steps.")] = ""
    breaches: Annotated[int, Field(description="Consecutive breached ticks.")] = 0
    ticks: Annotated[str, Field(description="The last ten ticks, oldest first: + healthy, ? no data, - breach.")] = ""
    last_tick: Annotated[Time | None, Field(description="The latest tick that was evaluated.")] = None
    next: Annotated[str, Field(description="Time of the next check, UTC.")] = ""
    watch: Annotated[
        WatchStatus | None, Field(description="Breach counters; they survive a restart of the operator.")
    ] = None
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
            description="The latest result of each check.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    experiment: Annotated[ABTestStatus | None, Field(description="The current A/B test, or the last one.")] = None
    policies: Annotated[
        tuple[PolicyStatus, ...],
        Field(
            description="The policies listed in spec.health.policies.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()
    retiring: Annotated[
        tuple[RetiringStatus, ...], Field(description="Revisions without traffic whose pods will be scaled down.")
    ] = ()
    hooks: Annotated[
        tuple[HookStatus, ...],
        Field(
            description="Runs of the hooks in spec.health, newest last.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"]},
        ),
    ] = ()
    history: Annotated[tuple[HistoryEntry, ...], Field(description="Rollout attempts, newest first.")] = ()
    request: Annotated[str, Field(description="The last handled value of the annotation modelramp.io/request.")] = ""
    answer: Annotated[AnswerStatus | None, Field(description="The outcome of the last request.")] = None
    heard: Annotated[
        dict[str, tuple[str, ...]],
        Field(
            description="Hashes of the handled requests by revision, so that each request takes effect once. Internal."
        ),
    ] = {}
    adopted: Annotated[AdoptedStatus | None, Field(description="The Deployment that spec.workloadRef names.")] = None
    replicas: Annotated[
        int, Field(description="Available pods of the versions that `selector` matches, for the scale subresource.")
    ] = 0
    selector: Annotated[str, Field(description="Label selector of the pods, for the scale subresource.")] = ""
    conditions: Annotated[
        tuple[Condition, ...],
        Field(
            description="Ready, Available, Healthy, Routed, Adopted, Reconciling, Stalled.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
        ),
    ] = ()
