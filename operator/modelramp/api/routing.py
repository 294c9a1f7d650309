"""Routers that a ModelDeployment may ask for: what splits its traffic, and for which hosts and paths."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from modelramp.api.hostname import Hostname
from modelramp.api.quantity import Seconds, between
from modelramp.api.rules import ApiModel, Rule, matches

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
Namespace = Annotated[
    str,
    Field(max_length=63),
    matches(_LABEL, "must be a namespace's name: a-z, 0-9 and '-', beginning and ending with a letter or digit"),
]


class ParentReference(ApiModel):
    """A Gateway that should carry the traffic."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the Gateway.")]
    namespace: Annotated[Namespace | None, Field(description="Its namespace; that of this object if not set.")] = None
    section_name: Annotated[str | None, Field(max_length=253, description="One listener of the Gateway.")] = None
    port: Annotated[int | None, Field(ge=1, le=65535, description="One port of the Gateway.")] = None


class RouteReference(ApiModel):
    """A route that belongs to somebody else: modelramp changes the backendRefs of one rule and nothing else."""

    kind: Annotated[Literal["HTTPRoute", "GRPCRoute"], Field(description="Kind of the route.")] = "HTTPRoute"
    name: Annotated[str, Field(min_length=1, max_length=253, description="Name of the route, in this namespace.")]
    rule: Annotated[
        str | None,
        Field(min_length=1, max_length=253, description="Name of the rule; not needed where the route has one rule."),
    ] = None


def _asks_once(self: "GatewayRouting") -> bool:
    return bool(self.parent_refs) != (self.route_ref is not None)


def _leaves_hosts_to_the_route(self: "GatewayRouting") -> bool:
    return self.route_ref is None or (not self.hostnames and self.path == "/")


class GatewayRouting(ApiModel):
    """A route of the Gateway API: an HTTPRoute that belongs to the operator, or one rule of an existing route."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.routeRef) != (has(self.parentRefs) && size(self.parentRefs) > 0)",
            "needs either parentRefs, for a route that modelramp makes, or routeRef, for one that exists",
            _asks_once,
        ),
        Rule(
            "!has(self.routeRef) || ((!has(self.hostnames) || size(self.hostnames) == 0) && "
            "(!has(self.path) || self.path == '/'))",
            "hostnames and path are those of the route that routeRef names; leave them out",
            _leaves_hosts_to_the_route,
            field=".hostnames",
        ),
    )

    parent_refs: Annotated[
        tuple[ParentReference, ...],
        Field(max_length=8, description="Gateways.", json_schema_extra={"x-kubernetes-list-type": "atomic"}),
    ] = ()
    route_ref: Annotated[
        RouteReference | None,
        Field(description="A route that exists: only the backendRefs of one of its rules are changed."),
    ] = None
    hostnames: Annotated[
        tuple[Hostname, ...],
        Field(
            max_length=16,
            description="Host names; all that the listener takes if empty.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    path: Annotated[
        str,
        Field(max_length=1024, description="Path prefix under which the model answers."),
        matches(r"/[^\s?#]*", "must begin with / and hold no space, ? or #, as in /v1/models"),
    ] = "/"


class Cookie(ApiModel):
    """The cookie by which a router knows its users again."""

    name: Annotated[
        str,
        Field(min_length=1, max_length=64, description="Name of the cookie."),
        matches("[-A-Za-z0-9_]+", "must be made of A-Z, a-z, 0-9, '-' and '_', as in model_version"),
    ]
    secure: Annotated[bool, Field(description="Whether browsers send it over HTTPS only.")] = False


class TraefikRouting(ApiModel):
    """A weighted TraefikService that belongs to the operator, and an IngressRoute if hostnames are given."""

    hostnames: Annotated[
        tuple[
            Annotated[
                str,
                Field(max_length=253, description="Host name."),
                matches(
                    rf"{_LABEL}(\.{_LABEL})*",
                    "must be a host name in small letters without scheme, port or wildcard, as in digits.example.com",
                ),
            ],
            ...,
        ],
        Field(
            max_length=16,
            description="Host names of the IngressRoute; without any, refer to the TraefikService in your own one.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    entry_points: Annotated[
        tuple[
            Annotated[
                str,
                Field(max_length=63, description="Name of an entry point."),
                matches("[-A-Za-z0-9_]+", "must be made of A-Z, a-z, 0-9, '-' and '_', as in websecure"),
            ],
            ...,
        ],
        Field(
            max_length=8,
            description="Entry points of the IngressRoute; Traefik's default ones if empty.",
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = ()
    path: Annotated[
        str,
        Field(max_length=1024, description="Path prefix under which the model answers."),
        matches("/[-A-Za-z0-9._~/]*", "must begin with / and be made of A-Z, a-z, 0-9 and -._~/, as in /v1/models"),
    ] = "/"
    sticky: Annotated[
        Cookie | None, Field(description="Keeps each user at the version that the cookie names while it has traffic.")
    ] = None
    settle_time: Annotated[
        Seconds,
        between(1, 300),
        Field(
            description="Time after which Traefik follows a change; it does not say so itself. "
            "At least twice its providersThrottleDuration."
        ),
    ] = 5


class Routing(ApiModel):
    """Which router splits the traffic; exactly one."""

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "[has(self.gateway), has(self.traefik)].filter(asked, asked).size() == 1",
            "needs exactly one router: gateway or traefik",
            lambda self: (self.gateway is None) != (self.traefik is None),
        ),
    )

    gateway: Annotated[GatewayRouting | None, Field(description="Gateway API.")] = None
    traefik: Annotated[TraefikRouting | None, Field(description="Traefik's own resources.")] = None
