"""Slots that namespaces share: one that waits for something slow delays only itself."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """`total` slots, of which one namespace holds at most `share`; namespaces that wait take turns."""

    def __init__(self, total: int, share: int) -> None:
        self._total = total
        self._share = share
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._turns: dict[str, int] = {}
        self._count = 0

    @asynccontextmanager
    async def slot(self, namespace: str) -> AsyncIterator[None]:
        """Hold a slot for a namespace while the context lasts."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(namespace, deque()).append(turn)
        self._serve()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release(namespace)
            else:
                self._leave(namespace, turn)
            raise
        try:
            yield
        finally:
            self._release(namespace)

    def _serve(self) -> None:
        while self._held.total() < self._total:
            waiting = [namespace for namespace in self._waiting if self._held[namespace] < self._share]
            if not waiting:
                return
            namespace = min(waiting, key=lambda name: self._turns.get(name, 0))
            turn = self._waiting[namespace].popleft()
            if not self._waiting[namespace]:
                del self._waiting[namespace]
            if not turn.cancelled():
                self._count += 1
                self._turns[namespace] = self._count
                self._held[namespace] += 1
                turn.set_result(None)

    def _release(self, namespace: str) -> None:
        self._held[namespace] -= 1
        self._serve()
        self._forget(namespace)

    def _leave(self, namespace: str, turn: "asyncio.Future[None]") -> None:
        waiting = self._waiting.get(namespace)
        if waiting is not None and turn in waiting:
            waiting.remove(turn)
            if not waiting:
                del self._waiting[namespace]
                self._forget(namespace)

    def _forget(self, namespace: str) -> None:
        if not self._held[namespace] and namespace not in self._waiting:
            self._turns.pop(namespace, None)
            del self._held[namespace]
