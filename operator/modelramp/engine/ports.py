"""What the engine asks of the world. Adapters fulfil these Protocols; so does the simulated world of tests/sim."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from modelramp.analysis.stats.native_histograms import Native
from modelramp.api.kinds import Kind, Ref
from modelramp.core.events import RolloutEvent

Object = Mapping[str, Any]
"""A Kubernetes object as JSON."""


TOO_DEEP = "nests more than 100 levels deep, which nobody can read; flatten it"
"""Stands in an object from the Cluster in the place of a member that could not be decoded."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A Prometheus as somebody may ask it: two with different credentials or tenants never share an answer.

    address: its base URL. secret: the Secret with the credentials, if the object names one (namespace, name).
    headers: names and values. secret_headers: names, and the keys of the Secret that have their values.
    """

    address: str
    secret: tuple[str, str] | None = None
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secret_headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom Prometheus is queried.

    namespace: of the objects that need the answer; "" when objects of several namespaces share the query.
    objects: how many need it; the answer to a shared query may grow with them.
    """

    namespace: str = ""
    objects: int = 1


SHARED = Asker()
"""A query that counts for no single namespace."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One series at one instant. The value may be NaN or infinite: the judge decides, not the transport.

    histogram: set when the series is a native histogram, which has no value (NaN).
    """

    labels: Mapping[str, str]
    value: float
    histogram: Native | None = None


@dataclass(frozen=True, slots=True)
class WebhookCall:
    """One POST: to a URL, with the Secret that holds its credentials (namespace, name), if any.

    namespace: of the object that asks for it. timeout: seconds for all of it. key: the same whenever the same event is
    told, globally unique.
    """

    namespace: str
    url: str
    secret: tuple[str, str] | None
    timeout: int
    key: str
    body: Mapping[str, Any]


class Delivery(StrEnum):
    """How a webhook call or a notification ended: with NOT_SENT and BUSY the receiver surely has not acted on it."""

    TAKEN = "taken"
    REFUSED = "refused"
    NOT_SENT = "not-sent"
    BUSY = "busy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The end of a call, with a sentence for people that holds no secret and nothing of the answer's body."""

    delivery: Delivery
    detail: str


class Clock(Protocol):
    """Wall time, injected."""

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        ...


class Cluster(Protocol):
    """The API server. Every call has a time-out inside.

    All methods raise ApiServerUnavailable when there is no usable answer (whether a write took effect is then unknown),
    Conflict on 409, Gone on 404, and Refused (with the server's words, at most 256 characters) on 400 and 422,
    Forbidden on 403.
    """

    async def get(self, ref: Ref) -> Object:
        """The object as it is now."""
        ...

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", *, fields: str = "", most: int | None = None
    ) -> tuple[Object, ...]:
        """All objects of a kind, in one namespace or in all; label and field selector as in kubectl.

        most: the first so many by name; all if not given.
        """
        ...

    def pages(self, kind: Kind, namespace: str | None = None, selector: str = "") -> AsyncIterator[tuple[Object, ...]]:
        """The same in pages of bounded size. Objects may come twice, and in the state of different moments.

        An object that could not be decoded has no name; a member that nests too deeply is TOO_DEEP.
        """
        ...

    async def list_versions(self, kind: Kind, namespace: str, selector: str = "") -> Mapping[str, str]:
        """The resourceVersions of the objects of a kind in a namespace, by name: nothing else of them is sent."""
        ...

    async def create(self, obj: Object) -> Object:
        """Make a new object; Conflict when the name exists."""
        ...

    async def apply(self, obj: Object) -> Object:
        """Server-side apply with force by field manager `modelramp`.

        With metadata.resourceVersion in `obj` the write only takes effect if that is still current (else Conflict).
        """
        ...

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Object:
        """A JSON patch (RFC 6902) by field manager `modelramp`, for fields of another owner's object.

        One that sets metadata.resourceVersion only takes effect if that is still current (else Conflict).
        """
        ...

    async def replace_status(self, obj: Object) -> Object:
        """PUT the status subresource: a compare-and-swap on metadata.resourceVersion of `obj`."""
        ...

    async def delete(self, ref: Ref, uid: str, resource_version: str | None = None) -> None:
        """Delete in the background, only the object with that uid (and version). Gone objects are no error."""
        ...


class Metrics(Protocol):
    """Prometheus. Both methods raise PrometheusUnavailable with a reason code when there is no usable answer."""

    async def instant(self, endpoint: Endpoint, query: str, at: int, asker: Asker = SHARED) -> tuple[Sample, ...]:
        """The query's value at the instant `at`; a scalar comes as one sample without labels."""
        ...

    async def range(
        self, endpoint: Endpoint, query: str, start: int, end: int, step: int, asker: Asker = SHARED
    ) -> Mapping[int, tuple[Sample, ...]]:
        """The query's value at start, start+step, ... end; instants without any sample may be missing."""
        ...


class Channel(Protocol):
    """Where people hear of a rollout: Kubernetes Events, the log, metrics. One channel's failure is its own.

    name: for metrics and log lines.
    """

    @property
    def name(self) -> str:
        """A word that tells it from other channels."""
        ...

    async def deliver(self, event: RolloutEvent) -> Delivery:
        """Tell people of one event; events come in the order in which they happened, one at a time.

        TAKEN and REFUSED are final. NOT_SENT, BUSY and UNKNOWN say whether it can be sent once more without being
        heard twice: `event.id` is the key by which a receiver knows it again. Whoever takes long queues by itself.
        """
        ...


class Webhooks(Protocol):
    """Receivers outside of the cluster. Never raises: an end that nobody knows is UNKNOWN."""

    async def call(self, call: WebhookCall) -> Delivered:
        """Send once; redirects are not followed."""
        ...


class Telemetry(Protocol):
    """Metrics and log lines of the operator itself: synchronous, in memory, never raises."""

    def log(self, event: str, **fields: Any) -> None:
        """One structured line."""
        ...

    def warn(self, event: str, **fields: Any) -> None:
        """One structured line that an SRE should see."""
        ...

    def count(self, metric: str, **labels: str) -> None:
        """Add one to a counter."""
        ...

    def observe(self, metric: str, value: float, **labels: str) -> None:
        """Put a value into a histogram."""
        ...

    def gauge(self, metric: str, value: float | None, **labels: str) -> None:
        """Set a gauge; None removes the series."""
        ...
