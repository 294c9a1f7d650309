"""What people do in the simulated worlds, and when a world has come to rest as it should."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.sim.checker import seconds_of
from tests.sim.faults import Fault
from tests.sim.kubelet import GPU, Pods
from tests.sim.prometheus import Scripts
from tests.sim.streams import DIGITS, Key
from tests.sim.world import World

ROLLOUT_AT = 95.0
"""Seconds after the beginning at which the second version is applied."""


def manifest(version: str, *, key: Key = DIGITS, replicas: int = 2, **rollout: Any) -> dict[str, Any]:
    """A ModelDeployment: three steps of two minutes, a check that rolls back and one that holds."""
    namespace, name = key
    whose = "" if key == DIGITS else 'namespace="{{namespace}}",modeldeployment="{{name}}",'
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {
            "replicas": replicas,
            "model": {"name": name, "version": version},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "model",
                            "image": f"{name}:{version}",
                            "ports": [{"name": "http", "containerPort": 80}],
                        }
                    ]
                },
            },
            "service": {"port": 80, "targetPort": "http"},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": [f"{name}.example.com"]}},
            "rollout": {
                "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}],
                "stepDuration": "2m",
                "progressDeadline": "5m",
                **rollout,
            },
            "health": {
                "interval": "60s",
                "failureThreshold": 3,
                "checks": [
                    {"name": "errors", "dimension": "operational", "preset": "reference-error-rate", "max": "0.01"},
                    {
                        "name": "accuracy",
                        "role": "hold",
                        "query": f'avg(sim_accuracy{{{whose}revision="{{{{revision}}}}"}})',
                        "min": "0.9",
                    },
                ],
            },
            "afterPromotion": {"watch": "forever", "onBreach": "Rollback"},
        },
    }


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: what is applied when, what Prometheus and the pods say, and which version serves in the end.

    serves: the version with all traffic in the end. failed: the version that was rolled back, or None.
    versions: when each is applied (seconds since the beginning, at the earliest); phases: of what came before it.
    rollout: what the manifests say of it beside the usual; health: the same.
    gpus: what a pod of each version asks for; nothing where nothing is said.
    operators: how many run side by side; elected: one of them leads.
    minutes: virtual time within which a world must have come to rest, faults included.
    """

    serves: str
    failed: str | None = None
    minutes: float = 60.0
    rollout: Mapping[str, Any] = field(default_factory=dict)
    phases: tuple[str, ...] = ("", "Healthy", "Progressing")
    versions: tuple[tuple[float, str], ...] = ((0.0, "1.0.0"), (ROLLOUT_AT, "2.0.0"))
    scripts: Scripts = field(default_factory=dict)
    pods: Mapping[str, Pods] = field(default_factory=dict)
    health: Mapping[str, Any] = field(default_factory=dict)
    gpus: Mapping[str, int] = field(default_factory=dict)
    operators: int = 1
    elected: bool = False

    def world(
        self, seed: int, fault: Fault | None = None, at_call: int = 0, faults: Mapping[int, Fault] | None = None
    ) -> World:
        """A world in which this story happens."""
        interval = seconds_of(self.health.get("interval", "60s"))
        options = {"scripts": self.scripts, "pods": self.pods, "interval": interval, "elected": self.elected}
        options["operators"] = self.operators
        world = World(seed, fault=fault, at_call=at_call, faults=faults, **options)
        for index, (at, version) in enumerate(self.versions):
            wanted = _apply(version, self.rollout, self.health, self.gpus.get(version, 0))
            world.at(at, wanted, when=_in_phase(self.phases[index]) if index else _always)
        return world

    def at_rest(self, world: World) -> bool:
        """Whether the story has ended: nothing is in flight, and the right version has all traffic."""
        return not self.unrest(world)

    def unrest(self, world: World) -> str:
        """What is not yet as it should be in the end; empty when all is."""
        status, known = world.status, world.prometheus.revisions
        failed = known[status["failedRevision"]].version if status.get("failedRevision") else None
        pods = {
            obj["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]: obj["spec"]["replicas"]
            for obj in world.api.all("Deployment")
        }
        running = {version for version, replicas in pods.items() if replicas}
        conditions = {item["type"]: item["status"] for item in status.get("conditions", ())}
        facts = {
            "gateway": (world.serving(), {self.serves: 100}),
            "phase": (status.get("phase"), "RolledBack" if self.failed else "Healthy"),
            "failed": (failed, self.failed),
            "stable": ((status.get("stable") or {}).get("modelVersion"), self.serves),
            "running pods": (running, {self.serves}),
            "Available": (conditions.get("Available"), "True"),
            "generation": (status.get("observedGeneration"), world.digits.get("metadata", {}).get("generation")),
        }
        return "; ".join(
            f"{name}: {found}, wished {wished}" for name, (found, wished) in facts.items() if found != wished
        )


def _apply(version: str, rollout: Mapping[str, Any], health: Mapping[str, Any], gpus: int) -> Callable[[World], None]:
    wanted = manifest(version, **rollout)
    wanted["spec"]["health"] |= health
    if gpus:
        wanted["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {GPU: gpus}}
    return lambda world: world.apply(wanted)


def _in_phase(phase: str) -> Callable[[World], bool]:
    return lambda world: world.status.get("phase") == phase


def _always(_: World) -> bool:
    return True


ROLLOUT = Scenario(serves="2.0.0")
ROLLBACK = Scenario(serves="1.0.0", failed="2.0.0", scripts={"2.0.0": {"errors": "bhhbhbb?b"}})
AFTER_PROMOTION = Scenario(serves="1.0.0", failed="2.0.0", scripts={"2.0.0": {"errors": "h|hb"}})
SUPERSEDED = Scenario(serves="3.0.0", versions=((0.0, "1.0.0"), (ROLLOUT_AT, "2.0.0"), (ROLLOUT_AT + 200.0, "3.0.0")))
REVERTED = Scenario(serves="1.0.0", versions=((0.0, "1.0.0"), (ROLLOUT_AT, "2.0.0"), (ROLLOUT_AT + 200.0, "1.0.0")))
AB_TEST = {
    "strategy": "ABTest",
    "abTest": {
        "split": 50,
        "metric": {
            "name": "conversion",
            "good": 'sum(sim_conversions{revision="{{revision}}"})',
            "total": 'sum(sim_visits{revision="{{revision}}"})',
        },
        "minEffect": "0.02",
        "minDuration": "6m",
        "maxDuration": "15m",
    },
}
"""What a manifest says of an A/B test; it takes the place of the steps."""
TEST_WON = Scenario(serves="2.0.0", rollout=AB_TEST, scripts={"2.0.0": {"conversions": "w"}})
TEST_LOST = Scenario(serves="1.0.0", failed="2.0.0", rollout=AB_TEST, scripts={"2.0.0": {"conversions": "hhhb"}})
TEST_OPEN = Scenario(serves="1.0.0", failed="2.0.0", rollout=AB_TEST)
BLUE_GREEN = {
    "strategy": "BlueGreen",
    "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}],
    "blueGreen": {"previewHostnames": ["preview.example.com"], "previewDuration": "3m"},
}
"""What a manifest says of a blue/green rollout. Testers send requests to the preview as long as it lasts."""
SWITCHED = Scenario(serves="2.0.0", rollout=BLUE_GREEN)
SWITCHED_BACK = Scenario(serves="1.0.0", failed="2.0.0", rollout=BLUE_GREEN, scripts={"2.0.0": {"errors": "hhhhb"}})
PREVIEW_FAILED = Scenario(serves="1.0.0", failed="2.0.0", rollout=BLUE_GREEN, scripts={"2.0.0": {"errors": "hb?b"}})

REPLACE = {"strategy": "Replace", "replicas": 1, "steps": [{"weight": 10}, {"weight": 50}, {"weight": 100}]}
"""What a manifest says of a rollout with one version at a time; the server fills in the steps."""
REPLACED = Scenario(serves="2.0.0", rollout=REPLACE)
REPLACED_BACK = Scenario(serves="1.0.0", failed="2.0.0", rollout=REPLACE, scripts={"2.0.0": {"errors": "hb"}})

SCENARIOS = {
    "rollout": ROLLOUT,
    "rollback": ROLLBACK,
    "rollback after promotion": AFTER_PROMOTION,
    "superseded": SUPERSEDED,
    "reverted": REVERTED,
    "A/B test won": TEST_WON,
    "A/B test lost": TEST_LOST,
    "blue/green": SWITCHED,
    "blue/green rolled back after the switch": SWITCHED_BACK,
    "replaced": REPLACED,
    "replaced and rolled back": REPLACED_BACK,
}


def tell(scenario: Scenario, seed: int, *, fault: Fault | None = None, at_call: int = 0, **options: Any) -> World:
    """Run the story to its end and check everything: promises on the way (safety), rest in the end (liveness)."""
    world = scenario.world(seed, fault, at_call, **options).run_until(scenario.at_rest, scenario.minutes)
    world.check_promises()
    unrest = scenario.unrest(world)
    assert not unrest, f"no rest within {scenario.minutes} minutes: {unrest}\n{world.story()}"
    return world
