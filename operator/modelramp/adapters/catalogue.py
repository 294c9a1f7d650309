"""Every metric of the operator: name, type, labels, help. Other metrics cannot be recorded."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from modelramp.api.hooks import HookState, On
from modelramp.api.kinds import EVENT, LEASE, MODEL_DEPLOYMENT, POD
from modelramp.api.names import UNANSWERED
from modelramp.api.verdict import Verdict
from modelramp.core.events import EventType
from modelramp.core.transitions import OUTCOMES, ROLLED_BACK
from modelramp.desired.kinds import owned, watched
from modelramp.desired.routers import borrowed_kinds
from modelramp.desired.routers.gateway_api import GATEWAY
from modelramp.desired.workloads.deployment import DEPLOYMENT
from modelramp.desired.workloads.reference import POD_DISRUPTION_BUDGET
from modelramp.engine.limiter import Priority
from modelramp.engine.ports import Delivery


class Type(StrEnum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. buckets: upper bounds of a histogram, in the metric's unit.

    born: the values of its labels, in order, for each series that exists from the start: what is counted later is then
    an increase. A counter whose first sample is a 1 has none.
    """

    name: str
    type: Type
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    born: tuple[tuple[str, ...], ...] = ()


_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LAG = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300, 600, 1800, 3600)
"""Beyond what an alert asks for: a quantile is never more than the last of them."""
_MINUTES = (30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)


_PRIORITIES = tuple(priority.label for priority in Priority)
_CHANNELS = ("events", "log", "metrics")


def _each(*values: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """A series for each combination of one value of each label."""
    return tuple(product(*values))


_RESULTS = ("ok", "ApiServerUnavailable", "Conflict", "Forbidden", "Gone", "Refused")
_REQUESTS = (
    *_each(
        ("list",),
        (kind.kind for kind in (*watched(), GATEWAY, POD, POD_DISRUPTION_BUDGET, EVENT)),
        (*_RESULTS, "expired"),
    ),
    *_each(("get",), (kind.kind for kind in (MODEL_DEPLOYMENT, *owned(), GATEWAY)), _RESULTS),
    *_each(("create", "apply", "delete"), (kind.kind for kind in owned()), _RESULTS),
    *_each(("update",), (MODEL_DEPLOYMENT.kind,), _RESULTS),
    *_each(("get", "list"), (kind.kind for kind in borrowed_kinds() if kind not in owned()), _RESULTS),
    *_each(("patch",), (kind.kind for kind in (MODEL_DEPLOYMENT, DEPLOYMENT, *borrowed_kinds())), _RESULTS),
    *_each(("apply",), (EVENT.kind,), _RESULTS),
    *_each(("get", "create", "apply"), (LEASE.kind,), _RESULTS),
    *_each(("get",), ("version",), _RESULTS),
)
_WRITES = (
    ("status", "ok"),
    ("status", "refused"),
    *_each(dict.fromkeys(kind.kind for kind in (MODEL_DEPLOYMENT, *owned(), *borrowed_kinds())), ("ok",)),
)

_ALL = (
    Metric(
        "modelramp_ticks_total",
        Type.COUNTER,
        "Ticks evaluated, by verdict of the tick.",
        ("verdict",),
        born=_each(Verdict),
    ),
    Metric(
        "modelramp_tick_lag_seconds",
        Type.HISTOGRAM,
        "Time from when a tick could be evaluated to when an object's answers were there, or its deadline had passed.",
        buckets=_LAG,
    ),
    Metric(
        "modelramp_tick_write_lag_seconds",
        Type.HISTOGRAM,
        "The same to when the API server has acknowledged the status that a tick led to, by priority of the write.",
        ("priority",),
        buckets=_LAG,
        born=_each(_PRIORITIES),
    ),
    Metric(
        "modelramp_last_tick_timestamp_seconds",
        Type.GAUGE,
        "When the engine last went round, epoch seconds, ticks or none; it stands still when the engine is stuck.",
    ),
    Metric(
        "modelramp_failing_checks",
        Type.GAUGE,
        "Checks of an object whose evaluation raises an error; no series without any.",
        ("namespace", "name"),
    ),
    Metric(
        "modelramp_queries_total",
        Type.COUNTER,
        "Questions to Prometheus, by `ok` or the reason why there was no usable answer.",
        ("result",),
        born=_each(("ok", *sorted(UNANSWERED))),
    ),
    Metric(
        "modelramp_query_seconds",
        Type.HISTOGRAM,
        "Duration of questions to Prometheus, failed ones too, without the wait for a free worker.",
        buckets=_SECONDS,
    ),
    Metric(
        "modelramp_prometheus_up",
        Type.GAUGE,
        "Whether the Prometheus of the operator answered when last asked, every 30 s: 1 or 0; NaN in one that follows.",
    ),
    Metric(
        "modelramp_last_api_answer_timestamp_seconds",
        Type.GAUGE,
        "When the API server last answered, epoch seconds; it is asked once a minute at least. At first: the start.",
    ),
    Metric(
        "modelramp_api_requests_total",
        Type.COUNTER,
        "Requests to the API server, by verb, kind and `ok` or the kind of failure.",
        ("verb", "kind", "result"),
        born=_REQUESTS,
    ),
    Metric(
        "modelramp_writes_total",
        Type.COUNTER,
        "Writes of the engine that took effect, by kind of object (`status` for the status subresource).",
        ("kind", "result"),
        born=_WRITES,
    ),
    Metric(
        "modelramp_write_queue_depth",
        Type.GAUGE,
        f"Objects that wait to be written, by priority: {', '.join(_PRIORITIES)}.",
        ("priority",),
    ),
    Metric(
        "modelramp_route_refused",
        Type.GAUGE,
        "1 while the API server refuses an object's route, so that traffic stays as it is; no series otherwise.",
        ("namespace", "name"),
    ),
    Metric("modelramp_conflicts_total", Type.COUNTER, "Decisions taken again because somebody else wrote first."),
    Metric(
        "modelramp_foreign_routes_readable",
        Type.GAUGE,
        "1 while all HTTPRoutes that belong to no ModelDeployment may be listed; 0: hosts of some do not count.",
    ),
    Metric("modelramp_objects", Type.GAUGE, "ModelDeployments, by phase; 0 for a phase without any.", ("phase",)),
    Metric("modelramp_object_phase", Type.GAUGE, "1 for the phase of each object.", ("namespace", "name", "phase")),
    Metric(
        "modelramp_unavailable",
        Type.GAUGE,
        "1 while an object's condition Available is False for another reason than ScaledToZero; no series otherwise.",
        ("namespace", "name"),
    ),
    Metric(
        "modelramp_held_since_timestamp_seconds",
        Type.GAUGE,
        "Since when an object does not go on, and why: a rollout whose step is over, or whatever is in the way.",
        ("namespace", "name", "reason"),
    ),
    Metric(
        "modelramp_unanswered_since_timestamp_seconds",
        Type.GAUGE,
        "Since which tick the questions of an object have had no usable answer; from the second one in a row on.",
        ("namespace", "name", "reason"),
    ),
    Metric(
        "modelramp_last_rollback_timestamp_seconds",
        Type.GAUGE,
        "When a version of an object was last rolled back: the version, and why.",
        ("namespace", "name", "revision", "reason"),
    ),
    Metric(
        "modelramp_last_promotion_timestamp_seconds",
        Type.GAUGE,
        "When a version of an object was last promoted.",
        ("namespace", "name", "revision"),
    ),
    Metric(
        "modelramp_unreadable_objects",
        Type.GAUGE,
        "1 for each object that cannot be read and is left as it is; without a name when not even that can be read.",
        ("kind", "namespace", "name"),
    ),
    Metric(
        "modelramp_rollbacks_total", Type.COUNTER, "Rollbacks, by reason.", ("reason",), born=_each(sorted(ROLLED_BACK))
    ),
    Metric("modelramp_promotions_total", Type.COUNTER, "Versions promoted."),
    Metric(
        "modelramp_rollout_seconds",
        Type.HISTOGRAM,
        "Time from the start of a rollout to its end, by how it ended.",
        ("outcome",),
        _MINUTES,
        born=_each(OUTCOMES),
    ),
    Metric(
        "modelramp_weight_percent",
        Type.GAUGE,
        "Share of the traffic of each revision; only while a rollout is in flight.",
        ("namespace", "name", "revision"),
    ),
    Metric(
        "modelramp_breaches",
        Type.GAUGE,
        "Consecutive breached ticks; only while a rollout is in flight.",
        ("namespace", "name"),
    ),
    Metric(
        "modelramp_check_value",
        Type.GAUGE,
        "What a check last measured of the version that is rolled out, in the query's own unit; only meanwhile.",
        ("namespace", "name", "revision", "check"),
    ),
    Metric(
        "modelramp_check_verdict",
        Type.GAUGE,
        "1 for what a check last said of the version that is rolled out: healthy, breach or no-data; only meanwhile.",
        ("namespace", "name", "revision", "check", "verdict"),
    ),
    Metric(
        "modelramp_hooks_total",
        Type.COUNTER,
        "Episodes of onDrift and onBreach hooks, by the state that they reached: CoolingDown, Skipped, Due, Running, "
        "Done, Failed or Unknown.",
        ("on", "state"),
        born=_each(On, (state for state in HookState if state is not HookState.COUNTING)),
    ),
    Metric(
        "modelramp_webhook_calls_total",
        Type.COUNTER,
        "Calls of webhooks, each try by itself: taken, refused, not-sent, busy or unknown.",
        ("result",),
        born=_each(Delivery),
    ),
    Metric(
        "modelramp_watch_events_total",
        Type.COUNTER,
        "What the watches reported.",
        ("kind", "type"),
        born=_each((kind.kind for kind in watched()), ("ADDED", "MODIFIED", "DELETED", "LISTED")),
    ),
    Metric(
        "modelramp_events_dropped_total",
        Type.COUNTER,
        "Kubernetes Events that nobody will see, by reason: `full` queue, or the API server's failure.",
        ("reason",),
        born=_each(("full", *_RESULTS[1:])),
    ),
    Metric(
        "modelramp_rollout_events_total",
        Type.COUNTER,
        "What happened to rollouts, by type.",
        ("type",),
        born=_each([kind.value for kind in EventType]),
    ),
    Metric(
        "modelramp_notifications_total",
        Type.COUNTER,
        "Events handed to a channel, by how that ended; `dropped` when too many waited for it.",
        ("channel", "result"),
        born=_each(_CHANNELS, (*(end.value for end in Delivery), "dropped")),
    ),
    Metric(
        "modelramp_clock_steps_total",
        Type.COUNTER,
        "Times that the clock of the operator's machine was set, forwards or back.",
    ),
    Metric(
        "modelramp_clock_offset_seconds",
        Type.GAUGE,
        "How far the clock of the operator's machine is ahead of the API server's; 0 while they agree to the second.",
    ),
    Metric(
        "modelramp_leader",
        Type.GAUGE,
        "1 while this replica holds the Lease and decides, 0 while it follows; without a Lease it is 1.",
    ),
    Metric("modelramp_build_info", Type.GAUGE, "Always 1; the version stands in the label.", ("version",)),
)

CATALOGUE = {metric.name: metric for metric in _ALL}


def reference() -> str:
    """The catalogue as Markdown: docs/reference/metrics.md.

    Written by `python -m modelramp.adapters.catalogue > docs/reference/metrics.md`.
    """
    rows = (
        f"| `{metric.name}` | {metric.type} | {', '.join(f'`{label}`' for label in metric.labels)} | {metric.help} |"
        for metric in _ALL
    )
    return "\n".join((_HEAD, *rows, _TAIL))


_HEAD = """# Metrics of the operator

Served at `/metrics` on the operator's web port, beside the usual `process_*` and `python_*` metrics.
Generated from `modelramp.adapters.catalogue`; a test keeps them equal.

| Name | Type | Labels | Meaning |
|---|---|---|---|"""

_TAIL = """
What to alert on is in [alerts](alerts.md)."""

if __name__ == "__main__":
    print(reference())  # noqa: T201 - the document goes to stdout
