"""Stories with hooks: they have ended when the hooks have ended as well."""

from dataclasses import fields

from tests.sim.scenarios import AFTER_PROMOTION, ROLLBACK, Scenario

POD = {"spec": {"containers": [{"name": "look", "image": "look:1"}]}}
HOOKS = {
    "onBreach": [
        {"name": "tell", "webhook": {"url": "https://pipelines.example.com/"}},
        {"name": "look", "job": {"template": POD}},
    ]
}
ENDED = {"Done", "Failed", "Unknown"}


class Hooked(Scenario):
    """A story that has ended when its hooks have ended as well."""

    def unrest(self, world):
        left = [hook["name"] for hook in hooks(world).values() if hook["state"] not in ENDED]
        return super().unrest(world) or ", ".join(left)


def hooked(scenario, health=None):
    return Hooked(
        **{item.name: getattr(scenario, item.name) for item in fields(scenario)}
        | {"health": health or dict(scenario.health) | HOOKS}
    )


SCENARIOS = {"rollback": hooked(ROLLBACK), "rollback after promotion": hooked(AFTER_PROMOTION)}


def hooks(world):
    return {hook["name"]: hook for hook in world.status.get("hooks", ()) if hook["state"] != "Counting"}


def jobs(world):
    return [change.obj for change in world.api.log if change.kind == "Job" and change.type == "ADDED"]
