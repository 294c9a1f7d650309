"""What happens when: traffic begins, the second version is promoted, each of the others rolled back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from examples.demo import install, lines, watching
from examples.demo.cast import Cast, Failing
from examples.demo.crowd import Crowd
from examples.demo.errors import DemoError
from examples.demo.findings import Load
from examples.demo.journal import Journal, route_weights
from examples.demo.promises import FEWEST_ANSWERS
from examples.demo.scene import scene
from examples.demo.screen import FRAMES_PER_SECOND, Screen
from examples.demo.site import Site
from examples.load import LoadGenerator, Plan, Snapshot
from modelramp.api.names import Phase
from modelramp.core.status.read import read_status

REQUESTS_PER_SECOND = 40.0
"""At 10 % and ticks of 10 s the new version then gets 40 requests a tick; its accuracy is judged from 10 on."""
LABEL_DELAY_SECONDS = 2.0
ANSWER_SECONDS = 15.0
"""After which a request has failed."""
PHONE_SHARE = 0.35
"""Of all requests: enough that their answers can be compared with the others' at a weight of 50 %."""
LONGEST_LOAD_SECONDS = 1800.0
QUIET_SECONDS = 5.0
"""Of plain traffic before each act, so that it can be seen who serves."""
PROMOTION_SECONDS = 260
ROLLBACK_SECONDS = 200
EPILOGUE_SECONDS = 10.0
FRAME_SECONDS = 1 / FRAMES_PER_SECOND


class Show:
    """The acts after the first version serves.

    clock: seconds since the epoch.
    """

    def __init__(self, site: Site, cast: Cast, screen: Screen, clock: Callable[[], float]) -> None:
        self.journal = Journal(cast.rules.interval)
        self._site = site
        self._cast = cast
        self._screen = screen
        self._clock = clock
        self._act, self._title = 1, f"{cast.versions[0]} serves"
        self._generator = LoadGenerator(
            Plan(
                url=site.gateway_url,
                host=cast.host,
                rps=REQUESTS_PER_SECOND,
                duration=LONGEST_LOAD_SECONDS,
                feedback_delay=LABEL_DELAY_SECONDS,
                timeout=ANSWER_SECONDS,
                phone_share=PHONE_SHARE,
                remote=site.remote,
            ),
            transport=Crowd(ANSWER_SECONDS),
        )

    async def run(self) -> Load:
        """Play all acts and return what the load generator counted.

        Raises DemoError when the cluster stops answering. A rollout that ends otherwise than promised is no error
        here: the acts end early, and the promises tell.
        """
        async with watching.connected(self._site.kubeconfig, self._site.context) as api:
            place = (self._cast.namespace, self._cast.name)
            await watching.look(api, watching.DEPLOYMENTS, *place, self._saw_deployment)
            began = self._clock()
            loading = asyncio.create_task(self._generator.run())
            others = [
                asyncio.create_task(watching.follow(api, watching.DEPLOYMENTS, *place, self._saw_deployment)),
                asyncio.create_task(watching.follow(api, watching.ROUTES, *place, self._saw_route)),
                asyncio.create_task(self._count()),
                asyncio.create_task(self._draw()),
            ]
            acting = asyncio.create_task(self._acts())
            try:
                done, _ = await asyncio.wait({acting, *others, loading}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                self._generator.stop()
                final = await loading
            finally:
                for task in (acting, loading, *others):
                    task.cancel()
                await asyncio.gather(acting, loading, *others, return_exceptions=True)
            return counted(final, began, self._clock())

    async def _acts(self) -> None:
        first, good = self._cast.versions[:2]
        enough = 3 * FEWEST_ANSWERS
        if not await self._until(lambda: self._generator.snapshot().answered >= enough, seconds=60):
            raise DemoError(f"{enough} requests were not answered within 60 s: {self._trouble()}")
        await asyncio.sleep(QUIET_SECONDS)
        await self._begin(1, f"{good} is better: it is promoted step by step")
        await self._until(lambda: self._settled(good), seconds=PROMOTION_SECONDS)
        if self._serving() != good:
            return
        self._title = f"{good} serves"
        for bad in self._cast.failing:
            await asyncio.sleep(QUIET_SECONDS)
            if not await self._caught(bad):
                return
            self._title = f"{bad.version} was caught; {good} serves"
        self._title = f"all bad versions were caught; {good} serves, {first} is history"
        await asyncio.sleep(EPILOGUE_SECONDS)

    async def _caught(self, bad: Failing) -> bool:
        """Try a version that must be rolled back; returns whether it was."""
        await self._begin(bad.place, f"{bad.version} {bad.what}")
        await self._until(lambda: self._settled(bad.version) or self._beyond(bad), seconds=ROLLBACK_SECONDS)
        return self._serving() == self._cast.good and self._settled(bad.version)

    async def _begin(self, act: int, title: str) -> None:
        self._act, self._title = act + 1, title
        path = self._cast.files[act]
        self._screen.say(lines.Line(self._clock(), f"act {act + 1}    {title}: kubectl apply -f {path.name}", "bold"))
        await asyncio.to_thread(install.put_on, self._site.kubectl, self._cast, act)

    async def _until(self, come_true: Callable[[], bool], seconds: float) -> bool:
        """Wait for something; False when it has not come true in time."""
        end = self._clock() + seconds
        while not come_true():
            if self._clock() > end:
                return False
            await asyncio.sleep(FRAME_SECONDS)
        return True

    def _settled(self, version: str) -> bool:
        """Whether the trial of a version has ended and its traffic is where it belongs."""
        ended = any(ending.entry.model_version == version for ending in self.journal.endings)
        return ended and self.journal.status.phase in (Phase.HEALTHY, Phase.ROLLED_BACK, Phase.DEGRADED)

    def _serving(self) -> str:
        stable = self.journal.status.stable
        return stable.model_version if stable is not None else ""

    def _beyond(self, bad: Failing) -> bool:
        """Whether a version that should have been caught went on: the demo has failed then."""
        revision, most = self.journal.revision(bad.version), self._cast.rules.steps[bad.steps - 1]
        return any(route.weights.get(revision or "", 0) > most for route in self.journal.routes)

    def _trouble(self) -> str:
        failures = self._generator.snapshot().failures
        if not failures:
            return "no answer came at all"
        last = failures[-1]
        return f"the last failure: {last.kind} {last.status or ''} {last.detail}"

    async def _count(self) -> None:
        while True:
            self._note_traffic()
            await asyncio.sleep(FRAME_SECONDS)

    async def _draw(self) -> None:
        """Draw in a thread: a terminal that is slow, or that somebody has stopped, must not hold requests up."""
        while True:
            load = self._generator.snapshot()
            picture = scene(self._act, self._title, self._cast, self.journal, load, self._clock())
            await asyncio.to_thread(self._screen.show, picture)
            await asyncio.sleep(FRAME_SECONDS)

    def _note_traffic(self) -> None:
        counts = self._generator.snapshot().versions
        self.journal.saw_traffic(self._clock(), {count.revision: count.answered for count in counts})

    def _saw_route(self, route: dict[str, Any]) -> None:
        now, weights = self._clock(), route_weights(route, self._cast.name)
        if self.journal.saw_route(now, weights):
            self._note_traffic()
            self._screen.say(lines.about_route(now, self.journal, weights))

    def _saw_deployment(self, found: dict[str, Any]) -> None:
        now, before, after = self._clock(), self.journal.status, read_status(found.get("status"))
        ticks = self.journal.saw_status(now, after)
        counts = () if self._screen.live else self._generator.snapshot().versions  # a live view shows them anyway
        shares = {count.version: count.recent_share for count in counts}
        for tick in ticks:
            self._screen.say(lines.about_tick(tick, self.journal, self._cast.rules.threshold, shares))
        line = lines.about_status(now, before, after)
        if line is not None:
            self._screen.say(line)


def counted(final: Snapshot, began: float, ended: float) -> Load:
    """The load generator's counts, with its times as seconds since the epoch."""
    return Load(
        sent=final.sent,
        failed=final.failed,
        skipped=final.skipped,
        labels_sent=final.feedback.sent + final.feedback.failed,
        labels_failed=final.feedback.failed,
        answered={count.revision: count.answered for count in final.versions},
        last_answers={count.revision: began + count.last_at for count in final.versions},
        began=began,
        ended=ended,
    )
