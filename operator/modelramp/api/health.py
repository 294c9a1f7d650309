"""spec.health: the checks of a model, and the Prometheus that answers them."""

from typing import Annotated, ClassVar

from pydantic import Field

from modelramp.api.check import Check, Role, When
from modelramp.api.checks.rules import accumulates_cel
from modelramp.api.header import MOST_HEADERS, PrometheusHeader, names_differ
from modelramp.api.hooks import Hooks
from modelramp.api.policy import MOST_CHECKS, MOST_POLICIES, PolicyReference
from modelramp.api.quantity import Seconds, between, cel_duration, cel_seconds
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
    """The Prometheus that answers the checks. Defaults to the one that the operator is configured with."""

    address: Annotated[
        Address | None,
        Field(description="Base URL, such as http://prometheus.monitoring:9090. Put credentials into secretRef."),
    ] = None
    secret_ref: Annotated[
        SecretReference | None,
        Field(
            description="Secret with credentials: `token` (bearer), `username` and `password` (basic), or `tls.crt` "
            "and `tls.key` (client certificate; `ca.crt` is then the only trusted authority). Headers may use other "
            "keys of it."
        ),
    ] = None
    headers: Annotated[
        tuple[PrometheusHeader, ...],
        Field(
            max_length=MOST_HEADERS,
            description="HTTP headers of every query, such as X-Scope-OrgID for a tenant.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.secretRef) || has(self.address)",
            "secretRef needs address: credentials are only ever sent to an address that this object names",
            lambda self: self.secret_ref is None or self.address is not None,
        ),
        Rule(
            "!has(self.headers) || size(self.headers) == 0 || has(self.address)",
            "headers needs address: the operator's own Prometheus gets the operator's headers",
            lambda self: not self.headers or self.address is not None,
        ),
        Rule(
            "!has(self.headers) || has(self.secretRef) || self.headers.all(h, !has(h.secretKey))",
            "headers[].secretKey needs secretRef: it names a key of that Secret",
            lambda self: self.secret_ref is not None or all(h.secret_key is None for h in self.headers),
            field=".headers",
        ),
        Rule(
            "!has(self.headers) || self.headers.all(h, self.headers.exists_one(o, "
            "o.name.lowerAscii() == h.name.lowerAscii()))",
            "headers[].name must be unique, whatever its case",
            lambda self: names_differ(self.headers),
            field=".headers",
        ),
    )


def _window_fits(health: "Health") -> bool:
    return all(c.role is not Role.ROLLBACK or (c.window or 0) <= health.interval_of(c) for c in health.checks)


def _sums_fit(health: "Health") -> bool:
    return all((c.window or 0) <= health.interval_of(c) for c in health.checks if c.accumulates)


def _slow_ones_count_alone(health: "Health") -> bool:
    rollback = (c for c in health.checks if c.role is Role.ROLLBACK and c.failure_threshold is None)
    return all(not health.is_slow(c) for c in rollback)


_WINDOW_FITS = f"{cel_duration('c.window')} <= {cel_duration('(has(c.interval) ? c.interval : self.interval)')}"


class Health(ApiModel):
    """When a revision is healthy, and how many breaches trigger a rollback."""

    interval: Annotated[
        Seconds,
        between(5, 3600),
        Field(description="Time between two evaluations of the checks (ticks)."),
    ] = 60
    failure_threshold: Annotated[
        int, Field(ge=1, le=100, description="Number of consecutive breached ticks that trigger a rollback.")
    ] = 3
    min_score: Annotated[
        int | None,
        Field(
            ge=0,
            le=100,
            description="Minimum score of each dimension, 0 to 100; a lower score makes the tick a breach. If not set, "
            "any breach of a check does.",
        ),
    ] = None
    prometheus: Annotated[PrometheusSpec, Field(description="The Prometheus that answers the checks.")] = (
        PrometheusSpec()
    )
    checks: Annotated[
        tuple[Check, ...],
        Field(
            max_length=MOST_CHECKS,
            description="Checks to evaluate at each tick, in addition to the built-in check that pods are available.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
        ),
    ] = ()
    on_drift: Annotated[Hooks, Field(description="Hooks to run when a drift check breaches.")] = ()
    on_breach: Annotated[Hooks, Field(description="Hooks to run when a revision breaches.")] = ()
    policies: Annotated[
        tuple[PolicyReference, ...],
        Field(
            max_length=MOST_POLICIES,
            description="Health policies whose checks apply in addition to `checks`. A check in `checks` overrides "
            "one of the same name in a policy.",
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["kind", "name"]},
        ),
    ] = ()

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(self.checks) || self.checks.all(c, !has(c.interval) || "
            f"{cel_seconds('c.interval')} % [{cel_seconds('self.interval')}, 1].max() == 0)",
            "checks[].interval must be a multiple of spec.health.interval: it can be asked at ticks only",
            lambda self: all(c.interval is None or c.interval % self.interval == 0 for c in self.checks),
            field=".checks",
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, (has(c.role) && c.role != 'rollback') || !has(c.interval) || "
            f"has(c.failureThreshold) || {cel_duration('c.interval')} <= {cel_duration('self.interval')})",
            "checks[].interval longer than spec.health.interval needs failureThreshold for role rollback (the ticks in "
            "between would clear the common count); set failureThreshold, or role: hold",
            _slow_ones_count_alone,
            field=".checks",
        ),
        Rule(
            "!has(self.checks) || self.checks.all(c, (has(c.role) && c.role != 'rollback') || !has(c.window) || "
            f"{_WINDOW_FITS})",
            "checks[].window must not be longer than the check's interval for role rollback (one burst would be "
            "counted several times); shorten window, lengthen checks[].interval or set role: hold",
            _window_fits,
            field=".checks",
        ),
        Rule(
            f"!has(self.checks) || self.checks.all(c, !({accumulates_cel('c')}) || !has(c.window) || {_WINDOW_FITS})",
            "checks[].window of a sequential check or a budget must not be longer than the check's interval: its "
            "answers are added up, and some would be counted several times",
            _sums_fit,
            field=".checks",
            reads_numbers=True,
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

    def interval_of(self, check: Check) -> int:
        """Seconds between two evaluations of the check."""
        return check.interval if check.interval is not None else self.interval

    def window_of(self, check: Check) -> int:
        """The time range of the check, seconds."""
        return check.window if check.window is not None else self.interval_of(check)

    def reach_of(self, check: Check) -> int:
        """How far an evaluation looks back, seconds: its delay and its window."""
        return check.delay + self.window_of(check)

    def is_slow(self, check: Check) -> bool:
        """Whether the check skips ticks."""
        return self.interval_of(check) > self.interval

    def is_due(self, check: Check, tick: int) -> bool:
        """Whether the check is evaluated at a tick (seconds since the epoch)."""
        return not self.is_slow(check) or tick % self.interval_of(check) == 0

    def during(self, *, rolling: bool) -> "Health":
        """With only the checks that apply to a candidate (rolling), or to the stable version."""
        other = When.AFTER_PROMOTION if rolling else When.ROLLOUT
        if all(check.when is not other for check in self.checks):
            return self
        return self.model_copy(update={"checks": tuple(check for check in self.checks if check.when is not other)})
