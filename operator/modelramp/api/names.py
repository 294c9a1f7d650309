"""Names that other programs and people search for: the group, labels, annotations, condition types, every reason."""

from enum import StrEnum

GROUP = "modelramp.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "ModelDeployment"
PLURAL = "modeldeployments"
FIELD_MANAGER = "modelramp"
CLI_FIELD_MANAGER = "modelramp-cli"

LABEL_DEPLOYMENT = f"{GROUP}/deployment"
LABEL_REVISION = f"{GROUP}/revision"
LABEL_BORROWED = f"{GROUP}/borrowed-by"
"""Label of an object of somebody else: the ModelDeployment that has changed fields in it."""
ORIGINAL_BACKENDS = f"{GROUP}/original-backends"
"""Annotation of such a route: the rule, and the backendRefs that its owner wants."""
ORIGINAL_REPLICAS = f"{GROUP}/original-replicas"
"""Annotation of a ModelDeployment: the replicas that each Deployment had which it has scaled down, as JSON."""
FINALIZER = f"{GROUP}/give-back"
"""Finalizer of a ModelDeployment that has changed fields in objects of others."""
LABEL_ROLE = f"{GROUP}/role"
REQUEST_ANNOTATION = f"{GROUP}/request"
RESTORED_ANNOTATION = f"{GROUP}/restored"
"""Of what runs a revision: when a rollback brought it back."""
FREEZE_ANNOTATION = "modelramp.io/freeze"
"""Of a Namespace: why no version in it gets more traffic."""


class Phase(StrEnum):
    """Where a ModelDeployment stands; the allowed moves are in core.phases."""

    PENDING = "Pending"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    HEALTHY = "Healthy"
    ROLLING_BACK = "RollingBack"
    ROLLED_BACK = "RolledBack"
    DEGRADED = "Degraded"


class ConditionType(StrEnum):
    """Conditions on the status; Reconciling and Stalled are removed when false, and never both true (kstatus)."""

    READY = "Ready"
    AVAILABLE = "Available"
    HEALTHY = "Healthy"
    ROUTED = "Routed"
    ADOPTED = "Adopted"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"


class Reason(StrEnum):
    """Every reason that may occur in a condition, an Event, a history entry or a check of the status."""

    # what a tick said
    WITHIN_LIMIT = "WithinLimit"
    ABOVE_MAXIMUM = "AboveMaximum"
    BELOW_MINIMUM = "BelowMinimum"
    PODS_UNAVAILABLE = "PodsUnavailable"
    PODS_LOST = "PodsLost"
    EMPTY_RESULT = "EmptyResult"
    METRIC_UNKNOWN = "MetricUnknown"
    NOT_A_NUMBER = "NotANumber"
    SEVERAL_SERIES = "SeveralSeries"
    TOO_FEW_SAMPLES = "TooFewSamples"
    NOT_ENOUGH_EVIDENCE = "NotEnoughEvidence"
    WARMING_UP = "WarmingUp"
    QUERY_INVALID = "QueryInvalid"
    QUERY_FAILED = "QueryFailed"
    PROMETHEUS_UNREACHABLE = "PrometheusUnreachable"
    PROMETHEUS_TIMEOUT = "PrometheusTimeout"
    CHECK_FAILED = "CheckFailed"
    PARTIAL_DATA = "PartialData"
    ANSWER_TOO_LARGE = "AnswerTooLarge"
    TOO_MANY_QUERIES = "TooManyQueries"
    ADDRESS_REFUSED = "AddressRefused"
    NOT_EVALUATED = "NotEvaluated"
    POLICY_UNRESOLVED = "PolicyUnresolved"
    # what the rollout did, in the order in which it usually happens
    FIRST_REVISION = "FirstRevision"
    ROLLOUT_STARTED = "RolloutStarted"
    WAITING_FOR_PODS = "WaitingForPods"
    WAITING_FOR_CAPACITY = "WaitingForCapacity"
    SCALED_TO_ZERO = "ScaledToZero"
    EVALUATING = "Evaluating"
    EVALUATION_PASSED = "EvaluationPassed"
    EVALUATION_FAILED = "EvaluationFailed"
    HELD_BY_EVALUATION = "HeldByEvaluation"
    STEP_ENTERED = "StepEntered"
    STEP_RUNNING = "StepRunning"
    BREACHED = "Breached"
    BREACHES_CLEARED = "BreachesCleared"
    NO_DATA = "NoData"
    HELD_BY_CHECK = "HeldByCheck"
    HELD_BY_ROUTE = "HeldByRoute"
    HELD_BY_PODS = "HeldByPods"
    HELD_BY_APPROVAL = "HeldByApproval"
    PROMOTED = "Promoted"
    THRESHOLD_REACHED = "ThresholdReached"
    PROGRESS_DEADLINE_EXCEEDED = "ProgressDeadlineExceeded"
    CAPACITY_DEADLINE_EXCEEDED = "CapacityDeadlineExceeded"
    AB_TEST_WON = "ABTestWon"
    AB_TEST_HARM = "ABTestHarm"
    AB_TEST_NO_DIFFERENCE = "ABTestNoDifference"
    AB_TEST_INCONCLUSIVE = "ABTestInconclusive"
    AB_TEST_INVALID = "ABTestInvalid"
    SUPERSEDED = "Superseded"
    REVERTED = "Reverted"
    RESTORED = "Restored"
    ROLLED_BACK = "RolledBack"
    NOTHING_TO_RESTORE = "NothingToRestore"
    RECOVERED = "Recovered"
    # what hooks of the health did
    HOOK_DUE = "HookDue"
    HOOK_COOLING_DOWN = "HookCoolingDown"
    HOOK_STARTED = "HookStarted"
    HOOK_SUCCEEDED = "HookSucceeded"
    HOOK_FAILED = "HookFailed"
    HOOK_UNKNOWN = "HookUnknown"
    POLICY_RESOLVED = "PolicyResolved"
    # what a person asked for
    PAUSED = "Paused"
    FROZEN = "Frozen"
    RESUMED = "Resumed"
    ABORTED = "Aborted"
    RETRIED = "Retried"
    ROLLED_BACK_BY_REQUEST = "RolledBackByRequest"
    PROMOTED_BY_REQUEST = "PromotedByRequest"
    REQUEST_IGNORED = "RequestIgnored"
    # what a wrong clock left behind
    CLOCK_WAS_AHEAD = "ClockWasAhead"
    # what stands in the way
    INVALID_SPEC = "InvalidSpec"
    STATUS_UNREADABLE = "StatusUnreadable"
    OBSTACLE_GONE = "ObstacleGone"
    CHILD_REFUSED = "ChildRefused"
    CHILD_REWRITTEN = "ChildRewritten"
    DRIFT_CORRECTED = "DriftCorrected"
    REVISION_LOST = "RevisionLost"
    NAME_TAKEN = "NameTaken"
    HOSTNAME_TAKEN = "HostnameTaken"
    HOSTNAME_SHARED = "HostnameShared"
    ROUTE_ACCEPTED = "RouteAccepted"
    ROUTE_NOT_ACCEPTED = "RouteNotAccepted"
    ROUTE_UNCONFIRMED = "RouteUnconfirmed"
    ROUTE_SHADOWED = "RouteShadowed"
    BACKENDS_UNRESOLVED = "BackendsUnresolved"
    GENERATION_NOT_OBSERVED = "GenerationNotObserved"
    ROUTE_REFUSED = "RouteRefused"
    ROUTE_NOT_FOUND = "RouteNotFound"
    ROUTE_RULE_NOT_FOUND = "RouteRuleNotFound"
    ROUTE_CONTESTED = "RouteContested"
    ROUTE_TAKEN_OVER = "RouteTakenOver"
    WORKLOAD_NOT_FOUND = "WorkloadNotFound"
    WORKLOAD_IN_USE = "WorkloadInUse"
    WORKLOAD_REFUSED = "WorkloadRefused"
    WORKLOAD_CONTESTED = "WorkloadContested"
    WORKLOAD_TAKEN_OVER = "WorkloadTakenOver"
    TAKEOVER_PENDING = "TakeoverPending"
    GATEWAY_NOT_FOUND = "GatewayNotFound"
    ROUTE_PENDING = "RoutePending"
    SERVING = "Serving"
    NOTHING_SERVES = "NothingServes"
    NOT_CHECKED_YET = "NotCheckedYet"
    API_SERVER_UNAVAILABLE = "ApiServerUnavailable"


UNANSWERED = frozenset(
    {
        Reason.PROMETHEUS_UNREACHABLE,
        Reason.PROMETHEUS_TIMEOUT,
        Reason.QUERY_FAILED,
        Reason.QUERY_INVALID,
        Reason.ADDRESS_REFUSED,
        Reason.PARTIAL_DATA,
        Reason.ANSWER_TOO_LARGE,
        Reason.TOO_MANY_QUERIES,
    }
)
"""Reasons for no data that do not come from the model or its traffic: the question itself got no usable answer."""
