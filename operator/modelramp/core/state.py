"""The values that the decisions work on. Times are whole seconds since the epoch."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum

from modelramp.api.names import Phase, Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.verdict import CheckOutcome
from modelramp.core.events import RolloutEvent, stamped
from modelramp.core.gates.evaluation_results import Evaluation
from modelramp.core.gates.work import JobSeen
from modelramp.core.hook_runs import HookRun, HookUpdate


@dataclass(frozen=True, slots=True)
class Version:
    """A revision, the model version it stands for, and since when it has had its role and its traffic."""

    revision: str
    model_version: str
    since: int = 0
    traffic_since: int = 0


@dataclass(frozen=True, slots=True)
class CapacityWait:
    """A candidate's wait for nodes or quota. message: why, in the scheduler's or the quota's words.

    since, ended: seconds since the epoch; ended is 0 while the wait lasts.
    """

    since: int
    message: str
    ended: int = 0


@dataclass(frozen=True, slots=True)
class Deferred:
    """A revision that was withdrawn for lack of capacity.

    It is tried again at `until`, seconds since the epoch, or as soon as the spec has another generation.
    """

    revision: str
    until: int
    generation: int


@dataclass(frozen=True, slots=True)
class ScaledToZero:
    """The time in which spec.replicas is 0, and that in which the pods come back.

    since, ended: seconds since the epoch; ended is 0 while spec.replicas is 0.
    """

    since: int
    ended: int = 0


@dataclass(frozen=True, slots=True)
class HeldReplicas:
    """The pods that a rollout goes on with although spec.replicas asks for fewer.

    revision: the candidate that has traffic, or had it last. until: when the next of the pods end, seconds since the
    epoch; 0 while it has traffic.
    """

    count: int
    revision: str
    until: int = 0


@dataclass(frozen=True, slots=True)
class Candidate:
    """The revision that a rollout is bringing in.

    step: index in the stages of its strategy; -1 while its pods are not yet available and it has no traffic.
    shown: whether the route has shown this step's weight by now.
    evaluation: how it was tried before its first traffic; None without spec.rollout.evaluation.
    wait: its last wait for capacity; None before the first one.
    stopped: when the stable version was stopped for it, seconds since the epoch; 0 where none was.
    """

    version: Version
    weight: int = 0
    step: int = -1
    step_entered: int = 0
    shown: bool = False
    evaluation: Evaluation | None = None
    wait: CapacityWait | None = None
    stopped: int = 0

    @property
    def waiting(self) -> CapacityWait | None:
        """Its wait for capacity while that lasts."""
        return self.wait if self.wait is not None and not self.wait.ended else None


@dataclass(frozen=True, slots=True)
class BreachCounter:
    """Consecutive breaches of one revision.

    breaches: ticks in a row with any breach; shared: the same for checks without a threshold of their own;
    checks: breaches in a row of each check with a threshold of its own.
    """

    revision: str
    since: int
    breaches: int = 0
    shared: int = 0
    checks: tuple[tuple[str, int], ...] = ()


class Ending(StrEnum):
    """How an A/B test stands, or how it ended."""

    UNDECIDED = "Undecided"
    WINNER = "Winner"
    NO_DIFFERENCE = "NoDifference"
    INCONCLUSIVE = "Inconclusive"
    HARM = "Harm"
    INVALID = "Invalid"
    CUT_SHORT = "CutShort"


@dataclass(frozen=True, slots=True)
class ABTestState:
    """An A/B test of a candidate, and what it has found.

    question: what is asked (ABTest.question); another one is another test. since: its beginning. memory: the evidence,
    for analysis.experiment. The texts are for people.
    """

    revision: str
    question: int
    since: int
    ending: Ending = Ending.UNDECIDED
    message: str = ""
    memory: str = ""
    metric: str = ""
    candidate: str = ""
    stable: str = ""
    difference: str = ""
    interval: str = ""
    sample_ratio: str = ""
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class Retiring:
    """A revision that lost its traffic; its pods end at `at`, which is None until the route is without it."""

    revision: str
    at: int | None = None


@dataclass(frozen=True, slots=True)
class HistoryRecord:
    """A history entry: one revision that was tried, and how it ended."""

    revision: str
    model_version: str
    started_at: int
    ended_at: int
    outcome: str
    reason: Reason
    message: str
    weight: int


@dataclass(frozen=True, slots=True)
class RequestAnswer:
    """The outcome of a person's request: a sentence, and when it was decided."""

    at: int
    done: bool
    message: str


@dataclass(frozen=True, slots=True)
class State:
    """All that is remembered about one ModelDeployment; the status carries exactly this.

    stable: what serves, or what traffic returns to. previous: the last version that worked before it.
    failed: a revision that gets no traffic until the spec changes or a person says retry.
    deferred: a revision that was withdrawn for lack of capacity, until it is tried again.
    held: the most replicas that the spec asked for since the first step; they stay until the promotion.
    zero: while spec.replicas is 0 and the pods are not back: nothing is judged.
    restored: stable came back by a rollback after promotion (so it is not exchanged again: no ping-pong).
    ab_test: the A/B test under way, or the last one until the next rollout begins.
    request: the last one that was handled; answer: the outcome. heard: by revision, marks of every request text
    that was handled, for as long as its ControllerRevision exists.
    """

    phase: Phase = Phase.PENDING
    reason: Reason = Reason.WAITING_FOR_PODS
    detail: str = ""
    stable: Version | None = None
    previous: Version | None = None
    candidate: Candidate | None = None
    failed: str | None = None
    restored: bool = False
    paused: bool = False
    watch: BreachCounter | None = None
    last_tick: int = 0
    recent_ticks: str = ""
    checks: tuple[CheckOutcome, ...] = ()
    retiring: tuple[Retiring, ...] = ()
    history: tuple[HistoryRecord, ...] = ()
    request: str = ""
    answer: RequestAnswer | None = None
    heard: tuple[tuple[str, tuple[str, ...]], ...] = ()
    hooks: tuple[HookRun, ...] = ()
    ab_test: ABTestState | None = None
    deferred: Deferred | None = None
    held: HeldReplicas | None = None
    zero: ScaledToZero | None = None

    @property
    def running(self) -> Candidate | None:
        """The candidate once it has entered a step; None before that and without a rollout."""
        return self.candidate if self.candidate is not None and self.candidate.step >= 0 else None

    @property
    def interrupted(self) -> bool:
        """Whether the stable version was stopped for a candidate that does not serve yet: nothing serves on purpose."""
        return self.candidate is not None and bool(self.candidate.stopped) and self.candidate.step < 0

    @property
    def out(self) -> frozenset[str]:
        """Revisions that get no traffic now although the spec may want them: failed, or deferred."""
        deferred = self.deferred.revision if self.deferred is not None else None
        return frozenset(revision for revision in (self.failed, deferred) if revision is not None)

    @property
    def subject(self) -> str | None:
        """The revision that the checks speak of: the candidate once it has a step, else what serves."""
        version = self.running.version if self.running is not None else self.stable
        return version.revision if version is not None else None

    @property
    def traffic_since(self) -> int:
        """Since when the subject has had its traffic, seconds since the epoch; 0 while it has none."""
        version = self.running.version if self.running is not None else self.stable
        return version.traffic_since if version is not None else 0

    @property
    def weight_since(self) -> int:
        """Since when the subject has had its present weight, seconds since the epoch: older samples are no evidence."""
        if self.running is not None:
            return self.running.step_entered
        return self.stable.traffic_since if self.stable is not None else 0

    @property
    def weights(self) -> dict[str, int]:
        """Share of the traffic that each revision should have, percent; revisions without any are left out."""
        shares: dict[str, int] = {}
        if self.candidate is not None and self.candidate.weight:
            shares[self.candidate.version.revision] = self.candidate.weight
        if self.stable is not None and sum(shares.values()) < 100:
            shares[self.stable.revision] = 100 - sum(shares.values())
        return shares


@dataclass(frozen=True, slots=True)
class Request:
    """A person's command: `<verb>/<revision>/<nonce>`; `text` is the whole annotation.

    to: of a rollback, the revision or model version to go back to; empty for the one before.
    """

    verb: str
    revision: str
    text: str
    to: str = ""


@dataclass(frozen=True, slots=True)
class UsedPolicy:
    """A policy that a spec refers to, and the outcome; `problem` is empty when its checks count."""

    kind: str
    name: str
    revision: str = ""
    generation: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RolloutInput:
    """What is wanted: the spec, the revision it stands for, and a person's command if there is one.

    spec: its health has the checks of all policies that could be resolved. missing: which could not, and why.
    sticky: whether the router keeps each user at one version. frozen: why no version may get more traffic at
    present, for people; empty without a freeze. generation: metadata.generation of the object. dropped: label keys that
    a new revision's pods shall not have, since selectors of others match them. config: hashes of the configuration that
    is part of the revision, by what they are of; empty when none is tracked, None while it is not known.
    """

    spec: ModelDeploymentSpec
    revision: str
    request: Request | None = None
    policies: tuple[UsedPolicy, ...] = ()
    missing: str = ""
    sticky: bool = False
    frozen: str = ""
    generation: int = 0
    dropped: frozenset[str] = frozenset()
    config: Mapping[str, str] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pods:
    """Pods of one revision: wanted and available by its Deployment, and ready endpoints of its Service.

    portless: ready endpoints that cannot be reached, since the pods have no port of the name that the Service asks for.
    trouble: why some are missing, in the kubelet's words. excuse: why that is, or was of late, no fault of the version.
    lost: when such a loss began; since: from when on enough pods have been available. Both are seconds since the epoch,
    0 when that is not known. kept: whether some pod was ready all the time. waits: the scheduler's or the quota's words
    while nothing but capacity keeps missing pods from running; waits_since: since when, seconds since the epoch.
    made: how many exist, also beyond `wanted`.
    """

    wanted: int = 0
    available: int = 0
    endpoints: int = 0
    trouble: str = ""
    portless: int = 0
    excuse: str = ""
    lost: int = 0
    since: int = 0
    kept: bool = False
    waits: str = ""
    waits_since: int = 0
    made: int = 0

    @property
    def existing(self) -> int:
        """Pods that exist, or will in a moment."""
        return max(self.wanted, self.made)

    def __str__(self) -> str:
        return f"{self.available}/{self.wanted}"


@dataclass(frozen=True, slots=True)
class Adopted:
    """Another owner's Deployment that the spec refers to.

    replicas: its spec.replicas now. pods: how many it has. original: what it gets back; None while it was not changed.
    least: what it is scaled down to. least_for: the Service that would be empty without that, if any. dropped: label
    keys that the pods of revisions lack, since others select by them. contested: whether somebody scales it up again.
    trouble: why it is not taken over; None when it is, or will be.
    """

    name: str
    replicas: int = 0
    pods: int = 0
    original: int | None = None
    least: int = 0
    least_for: str = ""
    dropped: tuple[str, ...] = ()
    contested: bool = False
    trouble: RolloutEvent | None = None


@dataclass(frozen=True, slots=True)
class Observed:
    """What was last seen of the world.

    pods: by revision. served: the weight that the route gives to each revision that it names now, percent.
    routed: whether the gateway took the route as it is now; None while it has not said. route_detail: why not, for
    people. undated: which gateway does not say of which generation of the route it speaks, for people.
    uncarried: which gateway does not carry the route in any generation, and why; shadowed: whose older route takes all
    of its hosts and paths. Both are for people. shared: who else has traffic of the route's hosts, for people.
    hooks: the outcome of what hooks have started, by id of the episode.
    jobs: what is known of the Jobs of gates, by attempt. recorded: results of evaluations by revision, as recorded.
    cause: the last thing that was found to keep the candidate from its pods, for people.
    examined: whether its pods were looked at, so that it is known what keeps them.
    kept: revisions whose ControllerRevision exists; empty when nobody asked.
    versions: model versions by revision, as recorded; looked up only where there is no status.
    remark: which child is not as asked although the API server took it, for people.
    look_at: when to look at the route again though nothing happens, seconds since the epoch.
    previewed: the revision that the preview hostnames reach, once the gateway has taken that; None for none.
    preview_detail: why they reach none, for people.
    adopted: the Deployment that spec.workloadRef names, once it was looked at.
    asks: what one pod of each known revision asks for, of the resources in maxSurgeResources.
    now: the present time, seconds since the epoch.
    """

    pods: Mapping[str, Pods] = field(default_factory=dict)
    served: Mapping[str, int] = field(default_factory=dict)
    routed: bool | None = None
    route_reason: Reason = Reason.ROUTE_PENDING
    route_detail: str = ""
    undated: str = ""
    uncarried: str = ""
    shadowed: str = ""
    shared: str = ""
    hooks: Mapping[str, HookUpdate] = field(default_factory=dict)
    jobs: Mapping[str, JobSeen] = field(default_factory=dict)
    recorded: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cause: str = ""
    examined: bool = True
    kept: frozenset[str] = frozenset()
    versions: Mapping[str, str] = field(default_factory=dict)
    remark: str = ""
    look_at: float = math.inf
    previewed: str | None = None
    preview_detail: str = ""
    adopted: Adopted | None = None
    asks: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    now: int = 0


@dataclass(frozen=True, slots=True)
class Decision:
    """The state after, and what happened on the way."""

    state: State
    findings: tuple[RolloutEvent, ...] = ()

    def then(self, *findings: RolloutEvent, **changes: object) -> "Decision":
        """The decision with state changes and further findings."""
        if not changes and not findings:
            return self
        state = replace(self.state, **changes) if changes else self.state  # type: ignore[arg-type]
        return Decision(state, (*self.findings, *findings))

    def since(self, before: "Decision", *, tick: int = 0, checks: tuple[str, ...] = ()) -> "Decision":
        """The decision whose findings since `before` are of this tick (seconds since the epoch) and of these checks.

        A finding that names its own keeps them.
        """
        known = len(before.findings)
        if len(self.findings) == known:
            return self
        return Decision(self.state, (*self.findings[:known], *stamped(self.findings[known:], tick=tick, checks=checks)))


def held_by_people(target: RolloutInput, state: State) -> tuple[RolloutEvent, ...]:
    """Why a candidate may not get more traffic: a pause, or a freeze; empty without a candidate."""
    found: list[RolloutEvent] = []
    if state.candidate is None:
        return ()
    if target.frozen:
        found.append(RolloutEvent(Reason.FROZEN, target.frozen))
    if target.spec.rollout.paused:
        found.append(RolloutEvent(Reason.PAUSED, "spec.rollout.paused is true"))
    if state.paused:
        found.append(RolloutEvent(Reason.PAUSED, "a person has paused the rollout"))
    return tuple(found)
