"""Hostile and careless tenants: what one namespace can do that must change nothing for another."""

import copy
import itertools
import math
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from modelramp.api.errors import Forbidden, PrometheusUnavailable, Refused
from modelramp.api.kinds import MODEL_DEPLOYMENT, Ref
from modelramp.api.names import FIELD_MANAGER, LABEL_DEPLOYMENT
from modelramp.engine.ports import Sample
from tests.sim.member import USER, Member
from tests.sim.prometheus import Strange
from tests.sim.scenarios import manifest
from tests.sim.streams import Key
from tests.sim.world import World

EVIL = "evil"
FOR_EVER = 1.0e9
BEGIN, END = 100.0, 800.0
"""Seconds between which most of the harm is done."""

Json = dict[str, Any]
Arrange = Callable[[World, random.Random], None]


def rollout(world: World, name: str, at: float, script: str = "h", **changes: Any) -> Member:
    """A rollout in the hostile namespace. changes: of spec.health."""
    member = world.add((EVIL, name), {"2.0.0": {"errors": script}}, checked=False)
    for version, when in (("1.0.0", 0.0), ("2.0.0", at)):
        body = manifest(version, key=member.key)
        body["spec"]["health"] |= changes
        world.later(when, lambda body=body: member.apply(body))
    return member


def asking(address: str = "", **queries: str) -> Json:
    """spec.health with these checks, asked at an address."""
    checks = [{"name": name, "query": query, "max": "0.01"} for name, query in queries.items()]
    return {"checks": checks, **({"prometheus": {"address": address}} if address else {})}


def at_address(address: str) -> Callable[[str, str], bool]:
    return lambda asked, _: asked == address


def every(world: World, seconds: float, action: Callable[[int], None], start: float = BEGIN, end: float = END) -> None:
    """Do something again and again; it is told how often it was done before."""
    for number in range(int((end - start) / seconds)):
        world.later(start + number * seconds, lambda number=number: action(number))


# addresses


def hangs(world: World, chance: random.Random) -> None:
    """One object whose Prometheus never answers."""
    world.prometheus.strange.append(Strange(at_address("http://hangs.evil"), FOR_EVER))
    rollout(world, "hangs", chance.uniform(90, 200), **asking("http://hangs.evil", errors="errors_here"))


def many_hang(world: World, chance: random.Random) -> None:
    """Two dozen objects, each with four questions to an address of its own that never answers."""
    world.prometheus.strange.append(Strange(lambda address, _: address.startswith("http://hang-"), FOR_EVER))
    for number in range(24):
        questions = {f"check-{index}": f"metric_{index}" for index in range(4)}
        rollout(world, f"hang-{number}", FOR_EVER, **asking(f"http://hang-{number}.evil", **questions))


def slow(world: World, chance: random.Random) -> None:
    """Answers come, but each needs most of the time that is given."""
    world.prometheus.strange.append(Strange(at_address("http://slow.evil"), 9.0, lambda *_: (Sample({}, 0.0),)))
    questions = {f"check-{index}": f"metric_{index}" for index in range(8)}
    rollout(world, "slow", chance.uniform(90, 200), **asking("http://slow.evil", **questions))


def slow_questions(world: World, chance: random.Random) -> None:
    """Many slow questions to the Prometheus that all share."""
    world.prometheus.strange.append(Strange(lambda _, query: "evil_slow" in query, FOR_EVER))
    for number in range(8):
        questions = {f"check-{index}": f"evil_slow_{number}_{index}" for index in range(4)}
        rollout(world, f"asks-{number}", FOR_EVER, **asking(**questions))


# answers

JUNK: tuple[Callable[[str, int], tuple[Sample, ...]], ...] = (
    lambda *_: (Sample({"revision": ["a", "b"], "namespace": {"x": 1}}, 1.0),),  # type: ignore[dict-item]
    lambda *_: (Sample({}, "no number"),),  # type: ignore[arg-type]
    lambda *_: (Sample({}, 1e308), Sample({}, -1e308)),
    lambda *_: (Sample({}, math.nan), Sample({}, math.inf)),
    lambda *_: tuple(Sample({"le": str(index)}, 2.0**60) for index in range(200)),
    lambda *_: (None,),  # type: ignore[return-value]
)


def says_junk(world: World, chance: random.Random) -> None:
    """A Prometheus that answers anything but what was asked."""
    for index, say in enumerate(JUNK):
        address = f"http://junk-{index}.evil"
        world.prometheus.strange.append(Strange(at_address(address), 0.0, say))
        counts = {"bad": "bad_things", "total": "things"}
        health = asking(address, plain="anything")
        health["checks"] += [
            {"name": "sums", "role": "inform", "sequential": counts},
            {"name": "drift", "role": "inform", "drift": {**counts, "measure": "performance", "reference": REFERENCE}},
        ]
        rollout(world, f"junk-{index}", chance.uniform(90, 200), **health)


REFERENCE = {"bad": "1", "total": "1000"}


def partial(world: World, chance: random.Random) -> None:
    """Answers that are known to be incomplete, and failures of every name."""

    def say(query: str, tick: int) -> tuple[Sample, ...]:
        reasons = ("PartialData", "QueryFailed", "AnswerTooLarge", "PrometheusUnreachable")
        raise PrometheusUnavailable(reasons[tick // 60 % len(reasons)], "so it is")

    world.prometheus.strange.append(Strange(at_address("http://partial.evil"), 0.0, say))
    rollout(world, "partial", chance.uniform(90, 200), **asking("http://partial.evil", errors="errors_here"))


def breaks(world: World, chance: random.Random) -> None:
    """An error that nobody foresaw, in the client itself."""

    def say(query: str, tick: int) -> tuple[Sample, ...]:
        raise RecursionError("maximum recursion depth exceeded while decoding a JSON array")

    world.prometheus.strange.append(Strange(at_address("http://breaks.evil"), 0.0, say))
    rollout(world, "breaks", chance.uniform(90, 200), **asking("http://breaks.evil", errors="errors_here"))


def odd_labels(world: World, chance: random.Random) -> None:
    """Odd series under the labels that grouped questions ask for."""

    def series(query: str, tick: int) -> tuple[Sample, ...]:
        names = ({"modeldeployment": "junk", "revision": f"r{index}"} for index in range(50))
        labels = [{"namespace": EVIL, **name} for name in names]
        return (
            *(Sample(label, math.nan if index % 2 else 1e308) for index, label in enumerate(labels)),
            Sample({"namespace": EVIL}, 5.0),
            Sample({"namespace": EVIL, "modeldeployment": ["junk"], "revision": "r"}, 1.0),  # type: ignore[dict-item]
        )

    world.prometheus.alien.append(series)
    rollout(world, "junk", chance.uniform(90, 200))


def overgrown(world: World, chance: random.Random) -> None:
    """So many series under the common labels that no answer with them can be had."""
    world.later(BEGIN, lambda: world.prometheus.overgrown.add(EVIL))
    rollout(world, "many", chance.uniform(90, 200))


def flapping(world: World, chance: random.Random) -> None:
    """Metrics that say something else at every tick, with hooks at each breach."""
    hook = {"name": "look", "job": {"template": {"spec": {"containers": [{"name": "look", "image": "look:1"}]}}}}
    for number in range(10):
        script = "".join(chance.choices("hb?", k=14)) + "h"
        rollout(world, f"flaps-{number}", chance.uniform(90, 200), script, onBreach=[hook])


# objects


def raw(name: str, **parts: Any) -> Json:
    """A ModelDeployment as it may stand in an API server that had another schema."""
    body = manifest("1.0.0", key=(EVIL, name))
    return {**body, **parts}


def unreadable_specs(world: World, chance: random.Random) -> None:
    """Specs that this operator cannot read."""
    specs: tuple[Any, ...] = (
        {},
        {"replicas": "many"},
        {"spec": [1, 2]},
        {**raw("x")["spec"], "health": {"interval": []}},
    )
    for number, spec in enumerate(specs):
        body = raw(f"odd-{number}", spec=spec)
        world.later(chance.uniform(0, 200), lambda b=body: world.api.create(b, USER))


STATUSES: tuple[Json, ...] = (
    {"lastTick": "0000-01-01T00:00:00Z"},
    {"phase": "Healthy", "checks": [{"name": "errors", "value": "abc", "verdict": "Healthy"}]},
    {"phase": "Singing"},
    {"candidate": {"revision": "x", "step": 99, "weight": -5}},
    {"stable": {"revision": "x", "since": "9999-12-31T23:59:59Z"}},
    {"evaluation": {"results": {"a": "x"}}, "history": [{"revision": "x"}]},
    {"watch": {"revision": "x", "since": "soon", "breaches": "two"}},
    {"conditions": "none", "hooks": {"a": 1}},
)


def unreadable_statuses(world: World, chance: random.Random) -> None:
    """Statuses that were restored from somewhere else, or forged."""
    for number, status in enumerate(STATUSES):
        member = rollout(world, f"forged-{number}", chance.uniform(90, 200))
        world.later(chance.uniform(20, 280), lambda m=member, s=status: forge(world, m.key, s))


def forge(world: World, key: Key, status: Json) -> None:
    """Somebody writes the status of an object."""
    found = world.api.find(MODEL_DEPLOYMENT.kind, *key)
    if found:
        world.api.update_status({**found, "status": {**found.get("status", {}), **copy.deepcopy(status)}}, "tenant")


def refuse(world: World, admits: Callable[[str, Json], bool], error: Callable[[], Exception]) -> None:
    """Admission refuses what the operator writes in the hostile namespace."""

    def admit(verb: str, obj: Json, actor: str) -> None:
        inside = actor == FIELD_MANAGER and obj["metadata"].get("namespace") == EVIL
        if inside and BEGIN <= world.loop.time() < END and not admits(verb, obj):
            raise error()

    world.api.admission.append(admit)


def refused_children(world: World, chance: random.Random) -> None:
    """A quota and a policy, while rollbacks are due."""
    refuse(world, lambda _, obj: obj["kind"] == "ModelDeployment", lambda: Forbidden("exceeded quota: pods"))
    for number in range(6):
        rollout(world, f"poor-{number}", chance.uniform(60, 90), "hbbb")


def refused_statuses(world: World, chance: random.Random) -> None:
    """Status writes that a webhook refuses."""
    refuse(world, lambda verb, _: verb != "update_status", lambda: Refused("request entity too large"))
    for number in range(6):
        rollout(world, f"mute-{number}", chance.uniform(60, 90), "hbbb")


def slow_writes(world: World, chance: random.Random) -> None:
    """Every write in the namespace takes 15 seconds, as behind a webhook that hangs."""
    world.later(BEGIN, lambda: world.slow_writes.update({EVIL: 15.0}))
    for number in range(16):
        rollout(world, f"slow-{number}", chance.uniform(60, 200), "hbbhbbb")


def churn(world: World, chance: random.Random) -> None:
    """A hundred objects are made and deleted each minute."""

    def make(number: int) -> None:
        world.api.create(raw(f"brief-{number}"), USER)
        world.later(6.0, lambda: world.api.delete(Ref(MODEL_DEPLOYMENT, EVIL, f"brief-{number}"), USER))

    every(world, 0.6, make, start=180.0, end=300.0)


def edits(world: World, chance: random.Random) -> None:
    """Objects whose spec is changed every second."""
    names = ["edited-0", "edited-1"]

    def edit(number: int) -> None:
        for name in names:
            world.api.apply(manifest(f"1.{number}.0", key=(EVIL, name)), USER)

    every(world, 1.0, edit, start=180.0, end=215.0)


def policies(world: World, chance: random.Random) -> None:
    """A policy with many users is patched every second."""

    def patch(number: int) -> None:
        check = {"name": "errors", "preset": "reference-error-rate", "max": f"0.0{number % 9 + 1}"}
        metadata = {"namespace": EVIL, "name": "web"}
        world.api.apply({"kind": "HealthPolicy", "metadata": metadata, "spec": {"checks": [check]}}, USER)

    for number in range(6):
        rollout(world, f"user-{number}", FOR_EVER, checks=[], policies=[{"name": "web"}])
    every(world, 1.0, patch, start=100.0, end=250.0)


def hanging_webhooks(world: World, chance: random.Random) -> None:
    """Receivers of webhooks that never answer."""
    for number in range(12):
        url = f"https://hangs-{number}.example.com/"
        world.slow_receivers[url] = FOR_EVER
        hooks = [{"name": f"tell-{index}", "webhook": {"url": url}} for index in range(2)]
        rollout(world, f"calls-{number}", chance.uniform(60, 90), "bbb", onBreach=hooks)


# what belongs to others


def claims(world: World, chance: random.Random) -> None:
    """Older objects take over the hostnames of others, once these serve; some only a part of them."""
    victims = [member for member in world.members.values() if member.promises is not None and member.namespace != "ml"]
    for number, victim in enumerate(victims):
        key = (EVIL, f"claims-{number}")
        member = world.add(key, checked=False)
        world.later(0.0, lambda m=member: m.apply(manifest("1.0.0", key=m.key)))
        for at, hostname, path in ((chance.uniform(60, 300), f"{victim.name}.example.com", "/"),):
            body = manifest("1.0.0", key=key)
            parents = [{"name": "public"}]
            body["spec"]["routing"]["gateway"] = {"parentRefs": parents, "hostnames": [hostname], "path": path}
            world.later(at, lambda m=member, b=body: m.apply(b))


def copies(world: World, chance: random.Random) -> None:
    """Copies of others' routes and Deployments, labels and all: in the hostile namespace, and beside the originals."""

    def copy_all(_: int) -> None:
        for kind in ("HTTPRoute", "Deployment", "Service", "ControllerRevision"):
            for obj in list(world.api.all(kind, selector=LABEL_DEPLOYMENT)):
                if obj["metadata"]["namespace"] != EVIL and not obj["metadata"]["name"].startswith(
                    ("a-copy", "z-copy")
                ):
                    for namespace, name in itertools.product(
                        (EVIL, obj["metadata"]["namespace"]), ("a-copy", "z-copy")
                    ):
                        world.api.apply(_copied(obj, namespace, f"{name}-{obj['metadata']['name']}"), USER)

    every(world, 60.0, copy_all, start=80.0, end=500.0)


def _copied(obj: Json, namespace: str, name: str) -> Json:
    kept = copy.deepcopy({part: value for part, value in obj.items() if part != "status"})
    kept["metadata"] = {"namespace": namespace, "name": name, "labels": kept["metadata"]["labels"]}
    if kept["kind"] == "Deployment":
        kept["spec"]["replicas"] = 0
    return kept


HOSTILE: Mapping[str, Arrange] = {
    arrange.__name__: arrange
    for arrange in (
        hangs,
        many_hang,
        slow,
        slow_questions,
        says_junk,
        partial,
        breaks,
        odd_labels,
        overgrown,
        flapping,
        unreadable_specs,
        unreadable_statuses,
        refused_children,
        refused_statuses,
        slow_writes,
        churn,
        edits,
        policies,
        hanging_webhooks,
        claims,
        copies,
    )
}
"""By name: what a hostile tenant does."""


def some(chance: random.Random, number: int) -> Iterator[str]:
    """So many different kinds of harm."""
    return iter(chance.sample(sorted(HOSTILE), number))
