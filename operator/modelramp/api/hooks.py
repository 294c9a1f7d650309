"""What happens outside when a model drifts or breaches: spec.health.onDrift and spec.health.onBreach."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from modelramp.api.job_template import JobTemplate
from modelramp.api.quantity import Seconds, between
from modelramp.api.rules import ApiModel, Rule, matches
from modelramp.api.secret import SecretReference

MOST_HOOKS = 4
"""Hooks of each list."""
LIST_MAP: Final[Mapping[str, Any]] = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}


class On(StrEnum):
    """The list that a hook is in."""

    DRIFT = "onDrift"
    BREACH = "onBreach"


class HookState(StrEnum):
    """How far a hook is in its episode: the breaches are counted, then it is due once, runs, and ends.

    In between it may have to wait for the end of the cool-down, where a later episode may take its place.
    """

    COUNTING = "Counting"
    COOLING_DOWN = "CoolingDown"
    SKIPPED = "Skipped"
    DUE = "Due"
    RUNNING = "Running"
    DONE = "Done"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class HookJob(ApiModel):
    """A Job created from a template, such as a retraining."""

    template: Annotated[JobTemplate, Field(description="Pod template, as in a Job; restartPolicy Never if not set.")]
    backoff_limit: Annotated[int, Field(ge=0, le=100, description="Retries before the Job is marked failed.")] = 2
    active_deadline: Annotated[
        Annotated[Seconds, between(1)] | None,
        Field(description="Time limit for the Job, all pods together; no limit if not set."),
    ] = None
    ttl: Annotated[
        Seconds, between(600), Field(description="Time after which the finished Job and its pods are deleted.")
    ] = 86_400


class Webhook(ApiModel):
    """A POST request with a JSON body. It is sent at most once; only a busy receiver (429, 503) is called again."""

    url: Annotated[
        str,
        Field(
            max_length=2048,
            description="URL of the receiver. Redirects are not followed. Credentials belong in secretRef.",
        ),
        matches(
            r"https?://[^\s/?#@]+(/[^\s#@]*)?",
            "must be a URL such as https://pipelines.example.com/hooks/retrain, without credentials and without #",
        ),
    ]
    secret_ref: Annotated[
        SecretReference | None,
        Field(
            description="Secret with the key `token` (sent as bearer token), the key `hmac` (signs the body: header "
            "Modelramp-Signature), or both."
        ),
    ] = None
    timeout: Annotated[Seconds, between(1, 30), Field(description="Time in which the receiver must answer.")] = 10


class Hook(ApiModel):
    """An action that runs once per episode: from the first breach of a revision until it is healthy again."""

    name: Annotated[
        str,
        Field(max_length=20, description="Unique name in its list; appears in status, Events and the Job's name."),
        matches(
            "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
            "must consist of a-z, 0-9 and '-', and begin and end with a letter or digit, as in retrain",
        ),
    ]
    after: Annotated[
        int | None,
        Field(
            ge=1,
            le=100,
            description="Consecutive breaches that start the hook. If not set: spec.health.failureThreshold, and for "
            "onBreach also the threshold of any single check.",
        ),
    ] = None
    checks: Annotated[
        tuple[Annotated[str, Field(max_length=63)], ...],
        Field(
            max_length=32,
            description="Names of the checks that count. If not set: for onDrift all checks of kind drift, for "
            "onBreach the verdict of the tick.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    cooldown: Annotated[
        Seconds,
        between(0),
        # Not filled in by the API server (tests/unit/api/test_what_the_server_fills_in.py).
        Field(
            default_factory=lambda: 600,
            description="Least time between two starts of the hook, 10m if not set; of the episodes that wait for it, "
            "only the latest starts the hook.",
        ),
    ]
    job: Annotated[HookJob | None, Field(description="Starts a Job.")] = None
    webhook: Annotated[Webhook | None, Field(description="Calls a URL.")] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.job) != has(self.webhook)",
            "set either job or webhook: one hook does one thing; add a second hook for the other",
            lambda self: (self.job is None) != (self.webhook is None),
        ),
    )


Hooks = Annotated[
    tuple[Hook, ...],
    Field(max_length=MOST_HOOKS, json_schema_extra=dict(LIST_MAP)),
]
