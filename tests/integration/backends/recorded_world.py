"""A simulated cluster whose metrics are real: what its versions serve is written to a back end, and asked there.

The scripts of the world say how a version fares, and the world checks its promises by them; the numbers that the engine
judges come out of PromQL.
"""

import math
from collections import defaultdict

from back_ends import BackEnd

from tests.sim.prometheus import ScriptedPrometheus, Timeline
from tests.sim.streams import Key
from tests.sim.world import World

SCRAPE = 5
REQUESTS = 100
"""Of a version with traffic in each scrape interval."""
_SHARES = {"h": 0.0, "b": 0.2}


class RecordedPrometheus(ScriptedPrometheus):
    """Writes what was served until now before each question, and asks the back end."""

    def connect(self, back_end: BackEnd, ask) -> None:
        """ask: calls a function with the operator's client and waits for its answer."""
        self.back_end, self.ask = back_end, ask
        self.questions = []
        self._written = {}
        self._counts = defaultdict(float)

    def answer(self, address, query, instants):
        """The back end's answer at each instant."""
        assert self._strange(address, query) is None, "no story of a hostile Prometheus is told here"
        self._catch_up()
        self.questions.append((query, instants))
        endpoint, step = self.back_end.endpoint, instants[1] - instants[0] if len(instants) > 1 else 0
        if not step:
            return {instants[0]: self.ask(lambda metrics: metrics.instant(endpoint, query, instants[0]))}
        return dict(self.ask(lambda metrics: metrics.range(endpoint, query, instants[0], instants[-1], step)))

    def _catch_up(self):
        series = defaultdict(list)
        for key, member in self._members.items():
            for revision, timeline in member.timelines.items():
                if timeline.traffic:
                    self._serve(key, revision, timeline, series)
        if series:
            self.back_end.write(series)

    def _serve(self, key: Key, revision: str, timeline: Timeline, series) -> None:
        known = self._written.get((key, revision), timeline.traffic[0][0] // SCRAPE * SCRAPE)
        labels = {"namespace": key[0], "modeldeployment": key[1], "revision": revision}
        for at in range(int(known), int(self._now()) + 1, SCRAPE):
            if at == known and (key, revision) in self._written:
                continue
            found = {"sim_accuracy": 0.95}
            letter = self._letter(key, timeline, at)
            if timeline.share(at - SCRAPE, at) and letter in _SHARES:
                self._counts[key, revision, "asked"] += REQUESTS
                self._counts[key, revision, "failed"] += REQUESTS * _SHARES[letter]
            found["prediction_requests_total"] = self._counts[key, revision, "asked"]
            found["model_errors_total"] = self._counts[key, revision, "failed"]
            for name, value in found.items():
                series[tuple(sorted({"__name__": name, **labels}.items()))].append((at, value))
            self._written[key, revision] = at

    def _letter(self, key: Key, timeline: Timeline, at: int) -> str:
        """How the version fares in the minute (or other interval) that ends with the next tick."""
        tick = math.ceil(at / self._interval) * self._interval
        script = self._members[key].scripts.get(timeline.version, {}).get("errors", "h")
        before, bar, after = script.partition("|")
        start = timeline.traffic[0][0]
        if bar and timeline.promoted_at is not None and tick > timeline.promoted_at:
            before, start = after, timeline.promoted_at
        return before[min(max(0, int((tick - start) // self._interval)), len(before) - 1)]


def recorded(world: World, back_end: BackEnd, ask) -> RecordedPrometheus:
    """Let the world's metrics be real."""
    world.prometheus.__class__ = RecordedPrometheus
    world.prometheus.connect(back_end, ask)
    return world.prometheus
