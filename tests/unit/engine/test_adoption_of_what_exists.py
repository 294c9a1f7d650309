"""An object that stands where a child should be: ours, left behind by its owner, or somebody else's."""

import pytest

from modelramp.api.errors import NameTaken
from modelramp.api.kinds import SERVICE
from modelramp.api.names import LABEL_DEPLOYMENT
from modelramp.desired.ownership import Owner
from modelramp.engine.store import Store
from modelramp.engine.writes import Writer

OWNER = Owner("ml", "digits", "uid-1")


class Holding:
    """A cluster that holds one object: the API server is not needed to ask whose it is."""

    def __init__(self, obj):
        self.obj = obj

    async def get(self, _ref):
        return self.obj


def found(*controllers, label="digits"):
    owners = [{"uid": uid, "controller": True} for uid in controllers]
    labels = {LABEL_DEPLOYMENT: label}
    return {"metadata": {"name": "child", "namespace": "ml", "uid": "u", "labels": labels, "ownerReferences": owners}}


async def ask(obj):
    writer = Writer(Store(), Holding(obj), None, None)
    return await writer._foreign(OWNER, SERVICE, {"metadata": {"name": "child"}})


@pytest.mark.parametrize("obj", [found("uid-1"), found()], ids=["ours", "left behind"])
async def test_what_is_ours_or_has_lost_its_owner_is_taken(obj):
    assert await ask(obj) is obj


@pytest.mark.parametrize("obj", [found("uid-2"), found(label="other")], ids=["another owner", "another label"])
async def test_what_belongs_to_somebody_else_is_left_alone_and_named(obj):
    with pytest.raises(NameTaken, match="Service ml/child exists"):
        await ask(obj)
