"""Routers: what divides the requests between revisions, one module for each, and the list of them."""

from modelramp.api.kinds import Kind
from modelramp.api.routing import Routing
from modelramp.desired.routers.gateway_api import GatewayApi
from modelramp.desired.routers.protocol import Router
from modelramp.desired.routers.route_ref import RouteRef
from modelramp.desired.routers.traefik import TraefikService

ROUTERS: list[Router] = [GatewayApi(), TraefikService(), RouteRef()]
"""The first that a spec asks for divides its traffic."""


def router_of(routing: Routing) -> Router:
    """The router that a spec asks for."""
    return next(router for router in ROUTERS if router.asked(routing))


def maker_of(kind: str) -> Router | None:
    """The router that makes objects of a kind, by its name; None when none does."""
    return next((router for router in ROUTERS if any(made.kind == kind for made in router.kinds)), None)


def route_kinds() -> tuple[Kind, ...]:
    """Kinds of the objects that routers make."""
    return tuple(kind for router in ROUTERS for kind in router.kinds)


def borrowed_kinds() -> tuple[Kind, ...]:
    """Kinds of the objects of others in which routers change fields."""
    return tuple(kind for router in ROUTERS for kind in router.features.borrows)


def divides(kind: str) -> bool:
    """Whether routers change fields in objects of that kind which others have made."""
    return any(kind == borrowed.kind for borrowed in borrowed_kinds())


def hosting_kinds() -> tuple[Kind, ...]:
    """Kinds of the objects that take hosts."""
    return tuple(kind for router in ROUTERS for kind in router.hosting)
