"""Who leads: the Lease that all replicas share, what a process believes of it, and the fence that follows from that.

No wall clock is trusted. A follower takes over when it has not seen the Lease change for its duration, whatever times
stand in it; a leader counts from its own last renewal, on a clock that also advances while the process or the machine
is suspended, and stops before another replica may take over.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from modelramp.api.errors import Gone, ModelrampError, NotLeading, Refused, StaleRead
from modelramp.api.kinds import LEASE, Kind, Ref
from modelramp.engine.ports import (
    Clock,
    Cluster,
    Delivered,
    Delivery,
    Object,
    Telemetry,
    WebhookCall,
    Webhooks,
)

LEASE_SECONDS = 10
"""A Lease that has not changed for so long belongs to nobody."""
GIVE_UP_SECONDS = 7.0
"""A leader writes nothing so long after it sent its last renewal that was answered."""
RENEW_SECONDS, LOOK_SECONDS, RETRY_SECONDS = 2.0, 1.0, 0.5
"""Time between two renewals of a leader, two looks of a follower, and after a call that failed."""
CALL_SECONDS = 2.5
"""Longest time that a call about the Lease may take."""
_LONGEST_SECONDS = 60
"""A Lease that says that it lasts longer than this is not believed."""
_RELEASED_SECONDS = 1
_ADVICE = "grant get, create and patch on leases (manifests/operator/rbac.yaml); until then nothing is decided"


@dataclass(frozen=True, slots=True)
class Lease:
    """The Lease as it was read, or is to be written. renewed is compared with other texts, never read as a time.

    seconds: how long it lasts. term: how often the leader has changed. version: resourceVersion; "" when it is new.
    """

    holder: str
    renewed: str
    term: int
    seconds: int = LEASE_SECONDS
    uid: str = ""
    version: str = ""

    @property
    def released(self) -> bool:
        """Whether its holder has given it up, and writes nothing any more."""
        return not self.holder and self.seconds == _RELEASED_SECONDS

    def is_other_than(self, known: "Lease | None") -> bool:
        """Whether anything was written that shows a living leader; annotations do not count."""
        return known is None or replace(self, version="") != replace(known, version="")


@dataclass(frozen=True, slots=True)
class Belief:
    """What a process believes. Times are steady seconds.

    seen: the Lease, None while there is none. changed_at: when that was first seen; None before the first look.
    renewed_at: when the last renewal that was answered had been sent; None when another process leads.
    """

    identity: str
    seen: Lease | None = None
    changed_at: float | None = None
    renewed_at: float | None = None
    term: int = 0

    def leads(self, now: float) -> bool:
        """Whether this process may write: nobody else can have taken over yet."""
        return self.renewed_at is not None and now - self.renewed_at < GIVE_UP_SECONDS

    def read(self, found: Lease | None, now: float) -> "Belief":
        """After a look at the Lease that was answered now."""
        changed = (found is None) is not (self.seen is None) or (found is not None and found.is_other_than(self.seen))
        others = found is not None and found.holder != self.identity
        return replace(
            self,
            seen=found,
            changed_at=now if changed or self.changed_at is None else self.changed_at,
            renewed_at=None if others else self.renewed_at,
        )

    def wrote(self, taken: Lease, sent_at: float, now: float) -> "Belief":
        """After a write of this process that was answered now. sent_at: before it was sent."""
        return replace(self, seen=taken, changed_at=now, renewed_at=sent_at, term=taken.term)

    def released(self) -> "Belief":
        """After the decision to write nothing any more."""
        return replace(self, renewed_at=None)

    def claim(self, now: float, stamp: str) -> Lease | None:
        """What to write: a renewal, or the Lease that nobody has. None: somebody may have it, or it was never read.

        stamp: the wall time, for people. A leader whose Lease somebody deleted makes it again; who follows waits as
        long as if it had changed, since that leader may write still.
        """
        if self.changed_at is None:
            return None
        seen = self.seen
        leads = self.leads(now)
        lasts = min(max(LEASE_SECONDS, seen.seconds), _LONGEST_SECONDS) if seen is not None else LEASE_SECONDS
        free = seen is not None and (seen.released or seen.holder == self.identity)
        if not leads and not free and now - self.changed_at < lasts:
            return None
        term = self.term if leads else max(self.term, seen.term if seen is not None else 0) + 1
        mine = Lease(self.identity, stamp, term)
        return mine if seen is None else replace(mine, uid=seen.uid, version=seen.version)


class Election:
    """Keeps the Lease, or waits for it. `run` never raises for an outside failure."""

    def __init__(
        self,
        cluster: Cluster,
        telemetry: Telemetry,
        clock: Clock,
        *,
        steady: Callable[[], float],
        namespace: str,
        name: str,
        identity: str,
    ) -> None:
        """cluster: its calls should end within CALL_SECONDS. steady: seconds that pass also while the machine sleeps.

        identity: of this process; no other one, before it or beside it, may have the same.
        """
        self._cluster = cluster
        self._telemetry = telemetry
        self._clock = clock
        self._steady = steady
        self._ref = Ref(LEASE, namespace, name)
        self._belief = Belief(identity)
        self._news = asyncio.Event()
        self._trouble = ""

    def leads(self, term: int | None = None) -> bool:
        """Whether this process may write now; in that term, if given."""
        return self._belief.leads(self._steady()) and term in {None, self._belief.term}

    async def gained(self) -> int:
        """Return the term as soon as this process leads."""
        while not self.leads():
            self._news.clear()
            await self._news.wait()
        return self._belief.term

    async def lost(self, term: int) -> None:
        """Return when this process no longer leads in that term."""
        while self.leads(term):
            self._news.clear()
            await self._news.wait()

    async def run(self) -> None:
        """Renew, or look, until cancelled."""
        while True:
            led = self.leads()
            done = await self._turn()
            if led is not self.leads():
                holder = self._belief.seen.holder if self._belief.seen is not None else ""
                said = "leading" if self.leads() else "following"
                self._telemetry.log(said, lease=str(self._ref), term=self._belief.term, holder=holder)
            self._telemetry.gauge("modelramp_leader", int(self.leads()))
            self._news.set()
            pause = RENEW_SECONDS if self.leads() else LOOK_SECONDS
            await self._clock.sleep(pause if done else RETRY_SECONDS)

    async def release(self) -> None:
        """Give the Lease up, so that another process leads at once. Nothing may be written any more."""
        leads, seen = self.leads(), self._belief.seen
        self._belief = self._belief.released()
        self._news.set()
        if leads and seen is not None:
            try:
                await self._write(replace(seen, holder="", seconds=_RELEASED_SECONDS, renewed=self._stamp()))
            except ModelrampError as error:
                self._telemetry.warn("the Lease was not given up", lease=str(self._ref), reason=str(error))

    async def _turn(self) -> bool:
        """One call; False when it should be tried again soon."""
        sent_at = self._steady()
        claim = self._belief.claim(sent_at, self._stamp())
        try:
            if claim is None:
                self._belief = self._belief.read(await self._read(), self._steady())
            else:
                self._belief = self._belief.wrote(await self._write(claim), sent_at, self._steady())
        except StaleRead:  # somebody was faster, or has deleted it
            return await self._look()
        except ModelrampError as error:
            return self._failed(error)
        self._trouble = ""
        return True

    async def _look(self) -> bool:
        try:
            self._belief = self._belief.read(await self._read(), self._steady())
        except ModelrampError as error:
            return self._failed(error)
        return not (self.leads() or self._belief.claim(self._steady(), ""))

    def _failed(self, error: ModelrampError) -> bool:
        text = str(error)
        if text != self._trouble:
            advice = {"advice": _ADVICE} if isinstance(error, Refused) else {}
            self._telemetry.warn("the Lease cannot be kept", lease=str(self._ref), reason=text, **advice)
        self._trouble = text
        return False

    async def _read(self) -> Lease | None:
        try:
            return lease_of(await self._cluster.get(self._ref))
        except Gone:
            return None

    async def _write(self, lease: Lease) -> Lease:
        obj = object_of(lease, self._ref)
        return lease_of(await (self._cluster.apply(obj) if lease.version else self._cluster.create(obj)))

    def _stamp(self) -> str:
        return datetime.fromtimestamp(self._clock.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def lease_of(obj: Object) -> Lease:
    """The Lease in an object; what somebody left out or wrote strangely is nobody's."""
    spec, metadata = obj.get("spec") or {}, obj["metadata"]
    return Lease(
        holder=str(spec.get("holderIdentity") or ""),
        renewed=str(spec.get("renewTime") or ""),
        term=_number(spec.get("leaseTransitions"), 0),
        seconds=_number(spec.get("leaseDurationSeconds"), LEASE_SECONDS),
        uid=metadata["uid"],
        version=metadata["resourceVersion"],
    )


def object_of(lease: Lease, ref: Ref) -> dict[str, Any]:
    """The object for a write: a compare-and-swap, unless it is new."""
    known = {"uid": lease.uid, "resourceVersion": lease.version} if lease.version else {}
    return {
        "apiVersion": ref.kind.api_version,
        "kind": ref.kind.kind,
        "metadata": {"namespace": ref.namespace, "name": ref.name, **known},
        "spec": {
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": lease.seconds,
            "leaseTransitions": lease.term,
            "renewTime": lease.renewed,
        },
    }


def _number(found: object, default: int) -> int:
    return found if isinstance(found, int) and not isinstance(found, bool) else default


@dataclass(frozen=True, slots=True)
class Fenced:
    """A Cluster that writes only while `leads` says so: every write of the engine passes here. Reads pass freely."""

    cluster: Cluster
    leads: Callable[[], bool]

    async def get(self, ref: Ref) -> Object:
        """As the Cluster does."""
        return await self.cluster.get(ref)

    async def list(
        self, kind: Kind, namespace: str | None = None, selector: str = "", *, fields: str = "", most: int | None = None
    ) -> tuple[Object, ...]:
        """As the Cluster does."""
        return await self.cluster.list(kind, namespace, selector, fields=fields, most=most)

    def pages(self, kind: Kind, namespace: str | None = None, selector: str = "") -> AsyncIterator[tuple[Object, ...]]:
        """As the Cluster does."""
        return self.cluster.pages(kind, namespace, selector)

    async def list_versions(self, kind: Kind, namespace: str, selector: str = "") -> Mapping[str, str]:
        """As the Cluster does."""
        return await self.cluster.list_versions(kind, namespace, selector)

    async def create(self, obj: Object) -> Object:
        """As the Cluster does. Raises NotLeading instead when another process may lead."""
        self._check()
        return await self.cluster.create(obj)

    async def apply(self, obj: Object) -> Object:
        """As the Cluster does. Raises NotLeading instead when another process may lead."""
        self._check()
        return await self.cluster.apply(obj)

    async def patch(self, ref: Ref, operations: Sequence[Mapping[str, Any]]) -> Object:
        """As the Cluster does. Raises NotLeading instead when another process may lead."""
        self._check()
        return await self.cluster.patch(ref, operations)

    async def replace_status(self, obj: Object) -> Object:
        """As the Cluster does. Raises NotLeading instead when another process may lead."""
        self._check()
        return await self.cluster.replace_status(obj)

    async def delete(self, ref: Ref, uid: str, resource_version: str | None = None) -> None:
        """As the Cluster does. Raises NotLeading instead when another process may lead."""
        self._check()
        await self.cluster.delete(ref, uid, resource_version)

    def _check(self) -> None:
        if not self.leads():
            raise NotLeading("another replica of the operator may lead")


@dataclass(frozen=True, slots=True)
class FencedWebhooks:
    """Webhooks that are called only while `leads` says so."""

    webhooks: Webhooks
    leads: Callable[[], bool]

    async def call(self, call: WebhookCall) -> Delivered:
        """As the Webhooks do; NOT_SENT when another process may lead."""
        if not self.leads():
            return Delivered(Delivery.NOT_SENT, "not called: another replica of the operator may lead")
        return await self.webhooks.call(call)
