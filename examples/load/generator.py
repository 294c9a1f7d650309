"""Sending at a fixed pace, in an order that is a matter of chance, and the true labels some time after the answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from examples.load import client, traffic
from examples.load.client import Refusal
from examples.load.tally import Failure, Snapshot, Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    import httpx

    from examples.load.plan import Plan
    from examples.load.traffic import Question

# How long a wait may last before the generator looks whether it was told to stop.
NAP_SECONDS = 0.2
# A machine too busy to keep the pace stops sending this long after the plan's end; what is left counts as skipped.
LATE_SECONDS = 1.0
# Each request first waits for a random time, up to so many times the pace's distance and no longer than so many
# seconds. A gateway deals requests out in turn: with two backends of 50 % each, every question would else go to one of
# them and every label to the other, although both weights are exactly as wished.
SPREAD_REQUESTS, SPREAD_SECONDS = 4, 0.1


@dataclass(frozen=True, slots=True)
class _Label:
    due: float
    request_id: str
    label: int


class LoadGenerator:
    """One run of a plan; ``snapshot()`` may be called at any time, ``stop()`` ends the run early.

    transport: in place of the network, for tests.
    clock: seconds, monotonic.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.plan = plan
        self._clock = clock
        self._chance = random.Random(plan.seed)  # noqa: S311 - the order of requests is no secret
        self._spread = min(SPREAD_REQUESTS / plan.rps, SPREAD_SECONDS)
        self._transport = transport
        self._questions = traffic.questions(plan.seed, plan.phone_share)
        self._tally = Tally()
        self._labels: deque[_Label] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._started: float | None = None
        self._asking = 0
        self._stopped = False
        self._sending = True

    @property
    def elapsed(self) -> float:
        """Seconds since the run began; 0 before."""
        return 0.0 if self._started is None else self._clock() - self._started

    def snapshot(self, window: float = 5.0) -> Snapshot:
        """The counts so far, shares of traffic over the last ``window`` seconds (at most 60)."""
        self._tally.feedback_pending = len(self._labels)
        return self._tally.snapshot(self.elapsed, window)

    def stop(self) -> None:
        """Send nothing more; ``run`` returns once the requests that are out have been answered or timed out."""
        self._stopped = True

    async def run(self) -> Snapshot:
        """Carry the plan out: at most duration + feedback_delay + twice the time-out. May be called once."""
        if self._started is not None:
            raise RuntimeError("this generator has run already; make a new one")
        self._started = self._clock()
        async with client.open_client(self.plan, self._transport) as http:
            labels = asyncio.create_task(self._send_labels(http))
            try:
                await self._send_questions(http)
                await self._answered()
                self._sending = False
                await labels
                await self._answered()
            finally:
                labels.cancel()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(labels, *self._tasks, return_exceptions=True)
        self._tally.feedback_dropped += len(self._labels)
        self._labels.clear()
        return self.snapshot()

    async def _send_questions(self, http: httpx.AsyncClient) -> None:
        for number in range(self.plan.requests):
            if not await self._sleep_until(number / self.plan.rps):
                return
            if self.elapsed > self.plan.duration + LATE_SECONDS:
                self._tally.skipped += self.plan.requests - number
                return
            if self._asking >= self.plan.in_flight_max:
                self._tally.skipped += 1
            else:
                self._tally.sent += 1
                self._asking += 1
                self._start(self._ask(http, next(self._questions)))

    async def _send_labels(self, http: httpx.AsyncClient) -> None:
        while not self._stopped and (self._sending or self._labels):
            if not self._labels:
                await asyncio.sleep(NAP_SECONDS / 4)
            elif await self._sleep_until(self._labels[0].due):
                self._start(self._tell(http, self._labels.popleft()))

    async def _sleep_until(self, due: float) -> bool:
        """Wait for a moment of the run; False if the generator was told to stop before it."""
        while not self._stopped:
            left = due - self.elapsed
            # Also when late: sending without a pause would keep the answers from being read.
            await asyncio.sleep(min(max(left, 0), NAP_SECONDS))
            if left <= 0:
                return True
        return False

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.random() * self._spread)

    async def _answered(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, http: httpx.AsyncClient, question: Question) -> None:
        await self._pause()
        started = self.elapsed
        answer = await client.post(http, "/predict", {"instances": [question.pixels], "group": question.group})
        now = self.elapsed
        self._asking -= 1
        if isinstance(answer, Refusal):
            self._fail("predict", answer)
            return
        match answer:
            case {
                "predictions": [int(predicted)],
                "version": str(version),
                "revision": str(revision),
                "requestId": str(request_id),
            }:
                hit = predicted == question.label
                self._tally.answer(now, version, revision, seconds=now - started, hit=hit)
                if self.plan.feedback_delay is not None:
                    self._labels.append(_Label(now + self.plan.feedback_delay, request_id, question.label))
            case _:
                self._fail("predict", Refusal("answer", 200, f"fields missing: found {sorted(answer)}"))

    async def _tell(self, http: httpx.AsyncClient, label: _Label) -> None:
        await self._pause()
        answer = await client.post(http, "/feedback", {"requestId": label.request_id, "label": label.label})
        if isinstance(answer, Refusal):
            self._fail("feedback", answer)
        else:
            self._tally.feedback_answer(str(answer.get("fate")))

    def _fail(self, what: str, refusal: Refusal) -> None:
        self._tally.failure(Failure(round(self.elapsed, 3), what, refusal.kind, refusal.status, refusal.detail))
