"""The answer to a write comes after the news of a later write of somebody else: as with a process that stood still."""

from modelramp.api.kinds import MODEL_DEPLOYMENT
from tests.sim.clock import EPOCH
from tests.sim.ports import SimCluster
from tests.sim.scenarios import ROLLOUT_AT, manifest
from tests.sim.world import World


def test_a_later_status_of_another_process_outranks_the_answer_to_an_own_write(monkeypatch):
    replace_status, overtaken = SimCluster.replace_status, []

    async def overtake(self, obj):
        answer = await replace_status(self, obj)
        world = self._wire.world
        if not overtaken and answer["status"].get("lastTick", "") >= "2025-11-20T12:03:00Z":
            overtaken.append(world.loop.time())
            later = {**answer["status"], "lastTick": "2025-11-20T12:04:00Z"}  # what lies further ahead is not believed
            newer = world.api.update_status({**answer, "status": later}, "another process")
            self._wire.process.engine.observe(MODEL_DEPLOYMENT, "MODIFIED", newer)
        return answer

    monkeypatch.setattr(SimCluster, "replace_status", overtake)
    world = World(1).at(0.0, lambda world: world.apply(manifest("1.0.0")))
    world.at(ROLLOUT_AT, lambda world: world.apply(manifest("2.0.0"))).run(minutes=5.5)

    found = [
        (change.obj["status"].get("lastTick", ""), change.obj["status"].get("ticks", ""))
        for change in world.api.log
        if change.kind == "ModelDeployment" and change.at - EPOCH > overtaken[0] and change.actor == "modelramp"
    ]
    ticks, strips = [tick for tick, _ in found], dict(found)
    assert "2025-11-20T12:05:00Z" in ticks
    assert ticks == sorted(ticks)
    assert "2025-11-20T12:03:00Z" not in ticks, "an own answer that came late outranks nothing"
    assert strips.get("2025-11-20T12:04:00Z", "???+") == "???+", "no tick is evaluated twice"
