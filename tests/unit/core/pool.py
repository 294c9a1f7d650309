"""A cluster with room for so many pods, second by second, around the real decisions: pods wait, start, and go."""

import random
from dataclasses import dataclass, field
from decimal import Decimal

from modelramp.api.names import Phase
from modelramp.api.verdict import TickOutcome
from modelramp.core.capacity import carried, sized, with_pods
from modelramp.core.decide import decide
from modelramp.core.state import Observed, Pods, RolloutInput, State
from modelramp.core.strategies.registry import traffic_of
from modelramp.desired.objects import replicas_by_revision
from modelramp.desired.traffic import shown_weights
from tests.unit.core.story import START, check, serving, spec

GPU = "nvidia.com/gpu"
FULL = "Unschedulable: 0/9 nodes are available: 9 Insufficient nvidia.com/gpu."


@dataclass
class Revision:
    """A Deployment: wanted pods; ready: seconds at which each pod that has a node is ready."""

    wanted: int = 0
    ready: list[float] = field(default_factory=list)


@dataclass
class Pool:
    """replicas of v1 serve; v2 is wanted. room: what the nodes carry, terminating pods included.

    gpus: what a pod of each version takes of the room; one where nothing is said.
    """

    target: RolloutInput
    room: int
    seed: int = 0
    state: State = field(default_factory=serving)
    now: int = START
    revisions: dict[str, Revision] = field(default_factory=dict)
    route: dict[str, int] = field(default_factory=lambda: {"v1": 100})
    confirmed: dict[str, int] = field(default_factory=lambda: {"v1": 100})
    confirm_at: int = 0
    ending: list[tuple[float, str]] = field(default_factory=list)
    peak: int = 0
    fewest: int = 1000
    broken: list[str] = field(default_factory=list)
    waits: set[str] = field(default_factory=set)
    gpus: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, room, *, replicas=8, seed=0, gpus=None, **capacity):
        rollout = {"capacity": capacity, "stepDuration": "60s"}
        pool = cls(RolloutInput(spec(replicas=replicas, rollout=rollout), "v2"), room, seed)
        pool.gpus = gpus or {}
        pool.revisions = {"v1": Revision(replicas, [0.0] * replicas)}
        pool.chance = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        return pool

    @property
    def placed(self):
        held = sum(len(one.ready) * self.takes(name) for name, one in self.revisions.items())
        return held + sum(self.takes(name) for _, name in self.ending)

    def takes(self, revision):
        return self.gpus.get(revision, 1)

    def is_ready(self, revision):
        one = self.revisions.get(revision)
        return sum(at <= self.now for at in one.ready) if one else 0

    def seen(self):
        pods = {}
        for name, one in self.revisions.items():
            ready = self.is_ready(name)
            lacks = len(one.ready) < one.wanted and ready == len(one.ready)
            excuse = FULL if ready < one.wanted else ""
            pods[name] = Pods(
                one.wanted,
                ready,
                ready,
                excuse=excuse,
                waits=FULL if lacks else "",
                waits_since=self.now - 1 if lacks else 0,
                made=max(one.wanted, len(one.ready)),
                kept=True,
            )
        routed = True if self.route == self.confirmed else None
        asks = {name: {GPU: Decimal(gpus)} if gpus else {} for name, gpus in self.gpus.items()}
        return Observed(pods=pods, served=self.route, routed=routed, now=self.now, asks=asks)

    def second(self, letter="h"):
        """One second: nodes first, then the operator, until it has nothing more to do."""
        self.now += 1
        self.ending = [(at, name) for at, name in self.ending if at > self.now]
        for name, one in self.revisions.items():
            while len(one.ready) < one.wanted and self.placed + self.takes(name) <= self.room:
                one.ready.append(self.now + self.chance.uniform(1, 20))
        if self.route != self.confirmed and self.now >= self.confirm_at:
            self.confirmed = dict(self.route)
        ticks = ()
        if self.now % 60 == 0:
            outcome = TickOutcome(self.now, self.state.subject or "", (check("errors", letter),), True, "")
            ticks = with_pods(self.target, self.state, self.seen(), (outcome,))
        self.operator(ticks)

    def operator(self, ticks):
        seen = self.seen()
        decision = decide(self.target, self.state, seen, ticks, self.now)
        self.state = decision.state
        self.waits.add(self.state.reason)
        target = sized(self.target, self.state)
        traffic = carried(target, self.state, seen, traffic_of(self.target, self.state).weights)
        traffic_now = traffic_of(target, self.state)
        ready = {name for name in self.revisions if self.is_ready(name)}
        stable = self.state.stable.revision
        weights, _ = shown_weights(type(traffic_now)(traffic), stable, ready, self.route)
        replicas = replicas_by_revision(target, self.state, seen, self.route, self.now)
        if weights and weights != self.route:
            self.route, self.confirm_at = dict(weights), self.now + self.chance.choice((0, 1, 2))
        for name in {*self.revisions, *replicas}:
            self.scale(name, replicas.get(name, 0))
        self.check()

    def scale(self, name, count):
        one = self.revisions.setdefault(name, Revision())
        one.wanted = count
        one.ready.sort()
        while len(one.ready) > count:  # a ReplicaSet ends first what is not ready
            one.ready.pop()
            self.ending.append((self.now + self.chance.uniform(0, 3), name))

    def lose(self, pods):
        """So many pods go with their node, which stays away."""
        self.room -= pods
        for _ in range(pods):
            name = self.chance.choice([name for name, one in self.revisions.items() for _ in one.ready])
            self.revisions[name].ready.remove(self.chance.choice(self.revisions[name].ready))

    def check(self):
        """Both bounds, and that every version on the route has ready pods for its weight."""
        replicas = self.target.spec.replicas
        bounds = self.target.spec.rollout.capacity
        wanted = sum(one.wanted * self.takes(name) for name, one in self.revisions.items())
        self.peak = max(self.peak, wanted)
        most = replicas * max(map(self.takes, ("v1", "v2")))
        allowed = bounds.max_surge_resources.get(GPU, bounds.surge(replicas))
        if wanted > most + allowed:
            self.broken.append(f"{wanted} are wanted at {self.now - START}")
        self.fewest = min(self.fewest, sum(self.is_ready(name) for name in self.route))
        declared = self.state.weights.get("v2", 0)
        share = self.route.get("v2", 0) / sum(self.route.values())
        if share * 100 > declared + 1e-9 and self.state.stable.revision == "v1":
            self.broken.append(f"v2 has {share:.1%} of {declared} % at {self.now - START}")
        least = max(1, replicas - bounds.unavailable(replicas))
        together = min(least, sum(self.is_ready(name) for name in self.route))
        for name, weight in self.route.items():
            load = weight / sum(self.route.values()) * together
            if self.is_ready(name) + 1e-9 < load and not self.excused(name):
                self.broken.append(f"{name} has {self.is_ready(name)} pods for {load:.1f} at {self.now - START}")

    def excused(self, name):
        """Stable takes what a candidate may not have, and everything on the way back."""
        return name == "v1" and (self.route.get("v2", 0) == self.state.weights.get("v2", 0))

    def run(self, minutes=60, letter="h", until=None):
        for _ in range(minutes * 60):
            self.second(letter)
            if (
                self.state.phase in (Phase.HEALTHY, Phase.ROLLED_BACK)
                and self.state.stable.revision != ""
                and (until is None or until(self))
                and self.settled()
            ):
                break
        return self

    def settled(self):
        return self.state.candidate is None and not self.state.retiring
