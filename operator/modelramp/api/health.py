"""What "healthy" means: spec.health, and where it is asked."""

from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.check import Check, Role
from modelramp.api.hooks import Hooks
from modelramp.api.policy import MOST_CHECKS, MOST_POLICIES, PolicyReference
from modelramp.api.quantity import Seconds, between, cel_duration
from modelramp.api.rules import ApiModel, Rule, matches
from modelramp.api.secret import SecretReference

Address = Annotated[
    str,
    Field(max_length=2048),
    matches(
        r"https?://[^\s/?#@]+(/[^\s?#]*)?",
        "must be a base URL such as http://prometheus.monitoring:9090, without credentials and without ? or #",
    ),
]


class PrometheusSpec(ApiModel):
    """Which Prometheus answers the checks. Empty means the one that the operator was started with."""

    address: Annotated[
        Address | None,
        Field(description="Base URL, such as http://prometheus.monitoring:9090. No credentials: use secretRef."),
    ] = None
    secret_ref: Annotated[
        SecretReference | None,
        Field(description="Secret with the key `token` (bearer) or the keys `username` and `password` (basic)."),
    ] = None

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.secretRef) || has(self.address)",
            "secretRef needs address: credentials are only ever sent to an address that this object names",
            lambda self: self.secret_ref is None or self.address is not None,
        ),
    )


def _window_fits(health: "Health") -> bool:
    return all(c.role is not Role.ROLLBACK or (c.window or 0) <= health.interval for c in health.checks)


def _adds_up(check: Check) -> bool:
    return check.sequential is not None or (check.cost is not None and check.cost.budget is not None)


def _sums_fit(health: "Health") -> bool:
    return all((c.window or 0) <= health.interval for c in health.checks if _adds_up(c))


class Health(ApiModel):
    """When a revision counts as healthy, and how many bad minutes are too many."""

    interval: Annotated[
        Seconds,
        between(5, 3600),
        Field(description="Time from tick to tick; the ticks lie on one grid for all objects."),
    ] = 60
    failure_threshold: Annotated[int, Field(ge=1, le=100, description="Consecutive breached ticks that roll back.")] = 3
    prometheus: Annotated[PrometheusSpec, Field(description="Where the checks are asked.")] = PrometheusSpec()
    checks: Annotated[
        tuple[Check, ...],
        Field(
            max_length=MOST_CHECKS,
            description="What is measured each tick, beside the built-in check that pods are available.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    on_drift: Annotated[Hooks, Field(description="What is started when the inputs or outputs drift.")] = ()
    on_breach: Annotated[Hooks, Field(description="What is started when a revision breaches.")] = ()
    policies: Annotated[
        tuple[PolicyReference, ...],
        Field(
            max_length=MOST_POLICIES,
            description="Policies whose checks count as well, before those written here; a check written here takes "
            "the place of a policy's check of the same name.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.checks) || self.checks.all(c, (has(c.role) && c.role != 'rollback') || !has(c.window) || "
            f"{cel_duration('c.window')} <= {cel_duration('self.interval')})",
            "checks[].window must not be longer than interval for role rollback (one burst would be counted several "
            "times); shorten window or set role: hold",
            _window_fits,
            field=".checks",
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, !(has(c.sequential) || (has(c.cost) && has(c.cost.budget))) || "
            f"!has(c.window) || {cel_duration('c.window')} <= {cel_duration('self.interval')})",
            "checks[].window of a sequential check or a budget must not be longer than interval: ticks are added up, "
            "and would be counted several times",
            _sums_fit,
            field=".checks",
        ),
        Rule(
            "",  # the list-map key says it to the API server
            "checks[].name must be unique",
            lambda self: len({check.name for check in self.checks}) == len(self.checks),
            field=".checks",
        ),
        Rule(
            "",  # the list-map key says it to the API server
            "the names of hooks must be unique in their list",
            lambda self: all(len({item.name for item in of}) == len(of) for of in (self.on_drift, self.on_breach)),
        ),
        Rule(
            "",  # the list-map keys say it to the API server
            "policies[] must be unique by kind and name",
            lambda self: len({(one.kind, one.name) for one in self.policies}) == len(self.policies),
            field=".policies",
        ),
    )

    def window_of(self, check: Check) -> int:
        """The check's time range in seconds."""
        return check.window if check.window is not None else self.interval
