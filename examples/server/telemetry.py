"""What the server measures. The label sets are described in docs/how-to/reference-server.md; presets depend on them.

No metric has a label ``namespace``, ``pod``, ``modeldeployment`` or ``revision``: Prometheus adds those from the pod.
Every series that this server can foresee exists from the start at 0, since ``increase()`` does not see the first step
of a series that is born with a value above 0, and a ratio over a missing series is no data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from examples.digits import CLASSES
from examples.server.feedback import Fate, Judgement

if TYPE_CHECKING:
    from examples.models import Answers

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 7.5, 10.0)
CONFIDENCE_BUCKETS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

# A client chooses the group's name, so their number is bounded; later ones share one name.
GROUPS_MAX = 20
OTHER_GROUP = "other"


class Telemetry:
    """The server's metrics in a registry of their own."""

    def __init__(self, revision: str, version: str) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        self.requests = Counter("prediction_requests", "Valid requests for a prediction.", registry=registry)
        self.errors = Counter("model_errors", "Valid requests that the model failed to answer.", registry=registry)
        self.refused = Counter(
            "prediction_refused", "Requests refused before the model saw them.", ["reason"], registry=registry
        )
        self.latency = Histogram(
            "prediction_latency_seconds",
            "Time from a valid request to its answer or failure.",
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.confidence = Histogram(
            "prediction_confidence",
            "How sure the model was of each class it answered, 0 to 1.",
            buckets=CONFIDENCE_BUCKETS,
            registry=registry,
        )
        self.classes = Counter("prediction_class", "Answers by class.", ["class"], registry=registry)
        self.feedback = Counter(
            "model_feedback", "Answers whose true label arrived.", ["answered_by"], registry=registry
        )
        self.correct = Counter(
            "model_feedback_correct", "Answers that the true label confirmed.", ["answered_by"], registry=registry
        )
        self.groups = Counter(
            "prediction_group",
            "Answers whose true label arrived, by the group that the request named: correct or wrong.",
            ["group", "outcome", "answered_by"],
            registry=registry,
        )
        self.fates = Counter("model_feedback_received", "Feedback by what became of it.", ["fate"], registry=registry)
        self.info = Gauge("model_info", "1, with the model's version.", ["version"], registry=registry)
        self._known_groups: set[str] = set()
        self._foresee(revision, version)

    def _foresee(self, revision: str, version: str) -> None:
        for label in range(CLASSES):
            self.classes.labels(str(label))
        for fate in Fate:
            self.fates.labels(fate.value)
        for reason in ("invalid", "too-large", "not-ready"):
            self.refused.labels(reason)
        self.feedback.labels(revision)
        self.correct.labels(revision)
        self.info.labels(version).set(1)

    def answered(self, answers: Answers, seconds: float) -> None:
        """Count a request that the model answered."""
        self.requests.inc()
        self.latency.observe(seconds)
        for label, confidence in zip(answers.classes, answers.confidences, strict=True):
            self.classes.labels(str(label)).inc()
            self.confidence.observe(confidence)

    def failed(self, seconds: float) -> None:
        """Count a request on which the model raised."""
        self.requests.inc()
        self.errors.inc()
        self.latency.observe(seconds)

    def judged(self, judgement: Judgement) -> None:
        """Count a piece of feedback under the revision that answered, whichever pod it reached."""
        self.fates.labels(judgement.fate.value).inc()
        if judgement.answered is None:
            return
        revision, hits = judgement.answered.revision, judgement.hits
        # Both series are born together, so that a version that is always wrong has an accuracy of 0, not none.
        self.feedback.labels(revision).inc(len(hits))
        self.correct.labels(revision).inc(sum(hits))
        if judgement.answered.group:
            group = self._bounded(judgement.answered.group)
            self.groups.labels(group, "correct", revision).inc(sum(hits))
            self.groups.labels(group, "wrong", revision).inc(len(hits) - sum(hits))

    def _bounded(self, group: str) -> str:
        if group not in self._known_groups and len(self._known_groups) >= GROUPS_MAX:
            return OTHER_GROUP
        self._known_groups.add(group)
        return group

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self.registry)
