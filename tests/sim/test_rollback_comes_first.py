"""When the stable version is ready, nothing that is refused keeps the bad version on the route."""

import pytest

from modelramp.api.errors import Forbidden, Refused
from tests.sim.clock import EPOCH
from tests.sim.scenarios import ROLLBACK, ROLLOUT_AT

THIRD_BREACH = EPOCH + 10 * 60
"""The tick of the third consecutive breach of that story."""


def refuse(world, kinds, error=Refused):
    """Admission refuses the operator's writes of these kinds, from the middle of the rollout on."""
    apply = world.api.apply

    def refusing(obj, actor):
        if obj["kind"] in kinds and actor == "modelramp" and world.loop.time() > ROLLOUT_AT + 240:
            raise error(f"admission refuses this {obj['kind']}")
        return apply(obj, actor)

    world.api.apply = refusing


def grown(world):
    """The spec asks for more pods than a policy allows: from now on each look at the children is refused."""
    digits = world.digits
    world.api.update({**digits, "spec": {**digits["spec"], "replicas": 3}}, "kubectl")


def back(world):
    """When the candidate lost its traffic at the gateway, seconds after the third breach."""
    return next(served.at for served in world.gateway.history if served.at > THIRD_BREACH) - THIRD_BREACH


@pytest.mark.parametrize("error", [Refused, Forbidden])
@pytest.mark.parametrize("kinds", [{"Deployment"}, {"Service"}, {"ControllerRevision"}, {"Deployment", "Service"}])
def test_a_refused_child_does_not_keep_the_bad_version_on_the_route(kinds, error):
    world = ROLLBACK.world(seed=1)
    refuse(world, kinds, error)
    world.at(ROLLOUT_AT + 250, grown).run(minutes=12)
    world.check_promises()

    assert world.serving() == {"1.0.0": 100}
    assert back(world) < 5 + 6
