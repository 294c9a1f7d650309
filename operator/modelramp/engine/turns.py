"""Slots for work beside the engine, fair by namespace: one whose receivers hang delays only itself."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

from modelramp.engine.ports import Clock
from modelramp.engine.store import Key

Name = tuple[Key, str]
"""What wants a slot: the ModelDeployment, and which of its works."""

CLAIM_SECONDS = 60
"""A slot that was given and is not in use by then goes to somebody else."""


@dataclass(slots=True)
class Turns:
    """`most` slots, of which one namespace holds at most `share`.

    A free slot goes to the waiting namespace that holds fewest, of those to the one whose last turn is longest ago;
    within a namespace in the order of asking, second tries first. given: called when one that waits has got its slot.
    """

    most: int
    share: int
    clock: Clock
    given: Callable[[Name], None]
    _held: set[Name] = field(default_factory=set)
    _holds: Counter[str] = field(default_factory=Counter)
    _claimed: dict[Name, float] = field(default_factory=dict)
    _waiting: dict[str, dict[Name, int]] = field(default_factory=dict)
    _again: dict[Name, asyncio.Future[None]] = field(default_factory=dict)
    _turns: dict[str, int] = field(default_factory=dict)
    _numbers: Iterator[int] = field(default_factory=count)

    def holds(self, name: Name) -> bool:
        """Whether it has a slot."""
        return name in self._held

    def ask(self, name: Name) -> bool:
        """Whether it has a slot now; if not it waits for one, unless it is released meanwhile."""
        if name not in self._held:
            self._waiting.setdefault(_namespace(name), {}).setdefault(name, next(self._numbers))
            self._serve(asking=name)
        return name in self._held

    def use(self, name: Name) -> None:
        """It works from now on, and keeps its slot until it is released."""
        self._claimed.pop(name, None)
        if name not in self._held:
            self._hold(name)

    def release(self, name: Name) -> None:
        """It needs no slot any more, or not for a while."""
        self._stop_waiting(name)
        self._claimed.pop(name, None)
        if name in self._held:
            self._let_go(name)
        self._serve()

    def drop(self, name: Name) -> None:
        """Nobody wants it any more; a slot that is in use is kept until it is released."""
        self._stop_waiting(name)
        if name in self._claimed:
            self.release(name)

    async def again(self, name: Name, seconds: float) -> bool:
        """Wait for a slot once more, at most so many seconds, and use it; False when none came."""
        waiting = asyncio.get_running_loop().create_future()
        self._again[name] = waiting
        try:
            if not self.ask(name):
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await waiting
        finally:
            del self._again[name]
            if name in self._held:
                self.use(name)
            else:
                self._stop_waiting(name)
        return name in self._held

    def _serve(self, asking: Name | None = None) -> None:
        """Give the free slots away."""
        self._reclaim()
        while len(self._held) < self.most and (name := self._next()) is not None:
            self._stop_waiting(name)
            self._hold(name)
            self._claimed[name] = self.clock.now()
            self._turns[_namespace(name)] = next(self._numbers)
            waiting = self._again.get(name)
            if waiting is not None:
                if not waiting.done():
                    waiting.set_result(None)
            elif name != asking:
                self.given(name)

    def _next(self) -> Name | None:
        open_ones = [namespace for namespace in self._waiting if self._holds[namespace] < self.share]
        if not open_ones:
            return None
        waiting = self._waiting[min(open_ones, key=self._rank)]
        return next((name for name in self._again if name in waiting), next(iter(waiting)))

    def _rank(self, namespace: str) -> tuple[int, int, int]:
        first = next(iter(self._waiting[namespace].values()))
        return self._holds[namespace], self._turns.get(namespace, -1), first

    def _reclaim(self) -> None:
        now = self.clock.now()
        for name in [name for name, since in self._claimed.items() if not since <= now < since + CLAIM_SECONDS]:
            del self._claimed[name]
            self._let_go(name)

    def _hold(self, name: Name) -> None:
        self._held.add(name)
        self._holds[_namespace(name)] += 1

    def _let_go(self, name: Name) -> None:
        namespace = _namespace(name)
        self._held.discard(name)
        self._holds[namespace] -= 1
        if not self._holds[namespace]:
            del self._holds[namespace]
            self._forget(namespace)

    def _stop_waiting(self, name: Name) -> None:
        namespace = _namespace(name)
        waiting = self._waiting.get(namespace, {})
        waiting.pop(name, None)
        if not waiting:
            self._waiting.pop(namespace, None)
            self._forget(namespace)

    def _forget(self, namespace: str) -> None:
        if namespace not in self._waiting and namespace not in self._holds:
            self._turns.pop(namespace, None)


def _namespace(name: Name) -> str:
    return name[0][0]
