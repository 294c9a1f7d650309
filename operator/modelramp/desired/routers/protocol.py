"""What a router is: it turns a decision about traffic into objects, and says what came of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from modelramp.api.kinds import Kind, Ref
from modelramp.api.routing import Routing
from modelramp.core.events import RolloutEvent
from modelramp.core.hostnames import Scope
from modelramp.core.traffic import Preview
from modelramp.desired.ownership import FieldWrite, Owner, Write

Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Features:
    """What a router can do beside weights.

    confirms: whether its objects have a status that follows their generation. One without is believed after a delay.
    borrows: kinds of objects of others in which it changes some fields.
    """

    confirms: bool = True
    borrows: tuple[Kind, ...] = ()


@dataclass(frozen=True, slots=True)
class Backend:
    """One Service that an object sends requests to, as written. revision: None for a Service that is no child."""

    name: str
    weight: int
    port: int | None
    revision: str | None


@dataclass(frozen=True, slots=True)
class Split:
    """The requests that a router should divide.

    shares: by revision, its weight and the port of its Service. preview: hostnames that reach one revision alone, with
    the port of its Service, or None.
    """

    shares: Mapping[str, tuple[int, int]]
    preview: Preview | None = None
    preview_port: int = 0


@dataclass(frozen=True, slots=True)
class RouteStatus:
    """What is known of a route as it is now.

    taken: whether its traffic follows it; None while that is not known. finding: then, and when it is refused, why.
    undated: which Gateway does not say of which generation of the route it speaks, for people. uncarried: what does not
    carry the route in any generation, and why; empty when all do. again_at: when to look again though nothing happens.
    """

    taken: bool | None
    finding: RolloutEvent
    undated: str = ""
    uncarried: str = ""
    again_at: float = math.inf


class Router(Protocol):
    """Divides requests between the revisions of a ModelDeployment. Pure: the engine reads and writes the objects.

    `current` is always the objects of the router's kinds that belong to the ModelDeployment, as last seen. Unless a
    router says otherwise it needs no objects of others, changes none, and has no parents that could move.
    """

    @property
    def field(self) -> str:
        """Its field in spec.routing, as people write it."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of the objects that it makes; the one that has the weights first. Their specs are ours as a whole.

        None where it changes fields of objects of others.
        """
        ...

    @property
    def hosting(self) -> tuple[Kind, ...]:
        """Those of its kinds whose objects take hosts, whoever made them."""
        ...

    @property
    def features(self) -> Features:
        """What it can do beside weights."""
        ...

    def asked(self, routing: Routing) -> bool:
        """Whether a spec asks for this router."""
        ...

    def sticky(self, routing: Routing) -> bool:
        """Whether it sends one user always to the same revision."""
        ...

    def desired(
        self, owner: Owner, routing: Routing | None, split: Split, current: Sequence[Object]
    ) -> tuple[Write, ...]:
        """The objects that should exist, or the fields of objects of others, in the order in which to write them.

        routing: None when the objects keep the hosts and parents that they have and only weights move.
        """
        ...

    def refers(self, routing: Routing, namespace: str) -> tuple[Ref, ...]:
        """Objects of others in which a spec wants fields to be changed. namespace: of the ModelDeployment."""
        del routing, namespace
        return ()

    def released(self, owner: Owner, current: Sequence[Object]) -> tuple[FieldWrite, ...]:
        """What gives the objects of others back, each as its owner had it."""
        del owner, current
        return ()

    def observed(self, owner: Owner, routing: Routing | None, current: Sequence[Object], now: float) -> RouteStatus:
        """Whether the traffic follows the objects as they are now.

        routing: None while the spec cannot be read. now: seconds since the epoch.
        """
        ...

    def backends(self, owner: Owner, obj: Object) -> Iterator[Backend]:
        """The Services that one object names."""
        ...

    def asks(self, routing: Routing, namespace: str) -> Scope | None:
        """The hosts and paths that a spec asks for; None for none. namespace: of the ModelDeployment."""
        ...

    def takes(self, obj: Object, *, refused_too: bool = True) -> Scope | None:
        """The requests that an object of one of its kinds takes, whoever made it; None for none.

        refused_too: whether parents count that refuse the object, and so give it no traffic. Raises KeyError, TypeError
        or AttributeError when nobody could say.
        """
        ...

    def moves(self, routing: Routing, current: Sequence[Object]) -> bool:
        """Whether a spec asks for parents that the current objects do not name."""
        del routing, current
        return False

    def needs(self, routing: Routing, namespace: str) -> tuple[Ref, ...]:
        """Objects of others without which no request arrives, such as Gateways."""
        del routing, namespace
        return ()

    def lacks(self, routing: Routing, namespace: str, found: Mapping[Ref, Object]) -> RolloutEvent | None:
        """What is wrong with the objects that it needs; None when they are fine. found: those that exist."""
        del routing, namespace, found
        return None

    def absent(self, kind: Kind) -> str:
        """What to install when the API server does not know one of its kinds."""
        ...
