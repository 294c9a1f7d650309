"""Decides which query is sent next: slots per address, shared fairly between namespaces.

An address has a few places. Beside others a namespace holds at most SHARE of them, so that neither many nor slow
queries of one keep the places of all; a query that was slow lately waits in a queue of its own, and all of these
together hold at most half of the places. Queries that several namespaces share have an account of their own, and those
that most objects wait for come first. Over all addresses the same holds with larger numbers.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Reason
from modelramp.engine.ports import Asker

FAILURES_THAT_OPEN = 3
"""Consecutive unanswered queries after which the remaining queries of the tick are not sent."""


@dataclass(slots=True)
class Circuit:
    """Opens for one tick at a time: the next tick asks again, and a single failure is then enough to give up on it.

    No clock is needed: questions carry the instant that they are about.
    """

    failures: int = 0
    open_for: int | None = None

    def refuses(self, tick: int) -> bool:
        """Whether queries about that tick are not worth sending."""
        return self.open_for == tick

    def failed(self, tick: int) -> None:
        """Record a failed connection or a time-out."""
        self.failures += 1
        if self.failures >= FAILURES_THAT_OPEN:
            self.open_for = tick

    def answered(self) -> None:
        """Record an answer, even if it is an error."""
        self.failures = 0
        self.open_for = None


SLOTS: Final = 8
"""Concurrent queries to one address."""
SHARE: Final = 3
"""Of them, queries of one namespace while several ask."""
ALONE: Final = SLOTS - 1
"""Queries of one namespace while it asks alone, so that the next namespace finds a free slot."""
SHARED: Final = SLOTS // 2
"""Queries that several namespaces share."""
SLOW: Final = SLOTS // 2
"""Queries that were slow lately, all together; one per namespace."""

OPEN: Final = 512
"""Concurrent queries to all addresses."""
OPEN_OF_ONE: Final = 32
"""Of them, queries of one namespace."""
OPEN_SLOW: Final = OPEN // 2

WAITING_OF_ONE: Final = 2048
"""Queries of one namespace that may wait."""
WAITING: Final = 16_384
"""Queries that may wait; beyond, a namespace may still have some."""
STILL_WAITING: Final = 64

_ADDRESSES: Final = 1024
_REMEMBERED: Final = 512
_NAMESPACES: Final = 64


@dataclass(frozen=True, slots=True)
class _Account:
    """The account that a slot is charged to. slow: the account of queries that were slow."""

    namespace: str
    slow: bool = False


@dataclass(slots=True, eq=False)
class _Ticket:
    account: _Account
    weight: int
    called: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class Lane:
    """One address. circuit: whether it is worth connecting to."""

    circuit: Circuit = field(default_factory=Circuit)
    running: Counter[_Account] = field(default_factory=Counter)
    waiting: OrderedDict[_Account, dict[int, OrderedDict[_Ticket, None]]] = field(default_factory=OrderedDict)
    namespaces: OrderedDict[str, None] = field(default_factory=OrderedDict)
    slow: OrderedDict[int, None] = field(default_factory=OrderedDict)

    def note(self, namespace: str, query: str, *, slow: bool) -> None:
        """Remember whether the query was slow this time."""
        if slow:
            self.slow[hash((namespace, query))] = None
            _trim(self.slow, _REMEMBERED)
        else:
            self.slow.pop(hash((namespace, query)), None)

    def was_slow(self, namespace: str, query: str) -> bool:
        """Whether the query was slow the last time. Texts are long, so that only their hashes are kept."""
        return hash((namespace, query)) in self.slow

    def has_room(self, account: _Account) -> bool:
        """Whether one more query of the account may be put to this address."""
        held = self.running[account]
        if self.running.total() >= SLOTS:
            return False
        if account.slow:
            return held < 1 and sum(count for each, count in self.running.items() if each.slow) < SLOW
        if not account.namespace:
            return held < SHARED
        return held < (SHARE if len(self.namespaces) > 1 else ALONE)

    def order(self) -> list[_Account]:
        """The waiting accounts in order: shared queries first, then those that have waited longest."""
        first = _Account("")
        rest = [account for account in self.waiting if account != first]
        return [first, *rest] if first in self.waiting else rest

    @property
    def idle(self) -> bool:
        """Whether no query runs or waits."""
        return not self.waiting and not self.running.total()


class Lanes:
    """Hands out slots. Belongs to one event loop."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, Lane] = OrderedDict()
        self._open: Counter[str] = Counter()
        self._open_slow = 0
        self._waiting: Counter[str] = Counter()
        self._held_back: OrderedDict[Lane, None] = OrderedDict()

    def lane(self, address: str) -> Lane:
        """What is known about an address."""
        lane = self._lanes.setdefault(address, Lane())
        self._lanes.move_to_end(address)
        if len(self._lanes) > _ADDRESSES:
            oldest = next(iter(self._lanes))
            if self._lanes[oldest].idle:
                del self._lanes[oldest]
            else:
                self._lanes.move_to_end(oldest)
        return lane

    @asynccontextmanager
    async def place(self, lane: Lane, asker: Asker, query: str) -> AsyncIterator[None]:
        """Wait for a slot on an address and hold it. Raises PrometheusUnavailable when too many already wait."""
        lane.namespaces[asker.namespace] = None
        _trim(lane.namespaces, _NAMESPACES)
        account = _Account(asker.namespace, lane.was_slow(asker.namespace, query))
        ticket = _Ticket(account, 0 if asker.namespace else asker.objects, asyncio.get_running_loop().create_future())
        self._queue(lane, ticket)
        self._call(lane)
        try:
            await ticket.called
        except asyncio.CancelledError:
            if ticket.called.done() and not ticket.called.cancelled():
                self._leave(lane, account)
            else:
                self._withdraw(lane, ticket)
            raise
        try:
            yield
        finally:
            self._leave(lane, account)

    def _queue(self, lane: Lane, ticket: _Ticket) -> None:
        namespace = ticket.account.namespace
        most = WAITING_OF_ONE if self._waiting.total() < WAITING else STILL_WAITING
        if self._waiting[namespace] >= most:
            whose = f"of namespace {namespace}" if namespace else "that namespaces share"
            raise PrometheusUnavailable(
                Reason.TOO_MANY_QUERIES,
                f"{most} queries {whose} wait for an answer already; fewer checks, or faster ones",
            )
        self._waiting[namespace] += 1
        lane.waiting.setdefault(ticket.account, {}).setdefault(ticket.weight, OrderedDict())[ticket] = None

    def _withdraw(self, lane: Lane, ticket: _Ticket) -> None:
        queues = lane.waiting.get(ticket.account, {})
        if ticket not in queues.get(ticket.weight, ()):
            return
        del queues[ticket.weight][ticket]
        if not queues[ticket.weight]:
            del queues[ticket.weight]
        if not queues:
            del lane.waiting[ticket.account]
        self._count_down(self._waiting, ticket.account.namespace)

    def _call(self, lane: Lane) -> bool:
        """Hand out the places of an address that are free, in rounds; says whether any was."""
        started = 0
        while found := self._round(lane):
            started += found
        return started > 0

    def _round(self, lane: Lane) -> int:
        """One query of each namespace, and all shared ones that may; says how many were started."""
        started, held_back = 0, False
        for account in lane.order():
            while account in lane.waiting and lane.has_room(account):
                if not self._may_open(account):
                    held_back = True
                    break
                started += self._start(lane, account)
                if account.namespace:
                    break
        if held_back:
            self._held_back[lane] = None
        else:
            self._held_back.pop(lane, None)
        return started

    def _may_open(self, account: _Account) -> bool:
        return (
            self._open.total() < OPEN
            and self._open[account.namespace] < (OPEN // 2 if not account.namespace else OPEN_OF_ONE)
            and not (account.slow and self._open_slow >= OPEN_SLOW)
        )

    def _start(self, lane: Lane, account: _Account) -> int:
        queues = lane.waiting[account]
        ticket = next(iter(queues[max(queues)]))
        self._withdraw(lane, ticket)
        if account in lane.waiting:
            lane.waiting.move_to_end(account)
        if ticket.called.done():
            return 0  # it was cancelled, and has not run since
        lane.running[account] += 1
        self._open[account.namespace] += 1
        self._open_slow += account.slow
        ticket.called.set_result(None)
        return 1

    def _leave(self, lane: Lane, account: _Account) -> None:
        was_tight = not self._may_open(account)
        self._count_down(lane.running, account)
        self._count_down(self._open, account.namespace)
        self._open_slow -= account.slow
        self._call(lane)
        if was_tight:
            for other in tuple(self._held_back):
                self._held_back.move_to_end(other)
                if self._call(other):
                    break

    @staticmethod
    def _count_down(counts: "Counter[str] | Counter[_Account]", key: "str | _Account") -> None:
        counts[key] -= 1  # type: ignore[index]
        if counts[key] <= 0:  # type: ignore[index]
            del counts[key]


def _trim(known: "OrderedDict[int, None] | OrderedDict[str, None]", most: int) -> None:
    if len(known) > most:
        known.popitem(last=False)
