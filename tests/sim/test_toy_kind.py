"""A check kind that is registered from outside goes through rollouts like those that modelramp brings."""

import pytest
from pydantic import ValidationError

from modelramp.api.check import Check
from modelramp.api.crd import object_schema
from modelramp.cli.evaluate.data import read_data
from modelramp.simulation.json_input import BadData
from tests.sim.scenarios import ROLLOUT_AT, Scenario, tell
from tests.sim.toys_kind import SCHEMA, FloorKind, registered

QUERY = 'avg(sim_accuracy{revision="{{revision}}"})'
CHECK = {"name": "accuracy", "floor": {"query": QUERY, "least": "0.9"}}


@pytest.fixture(autouse=True)
def floor():
    with registered(SCHEMA, FloorKind()):
        yield


def scenario(script, **ends):
    return Scenario(**ends, scripts={"2.0.0": {"accuracy": script}}, health={"checks": [CHECK]})


def test_a_version_within_the_limit_of_the_kind_is_promoted():
    world = tell(scenario("hhbhhb?h", serves="2.0.0"), seed=1)

    assert world.serving() == {"2.0.0": 100}


def test_a_version_below_the_limit_of_the_kind_is_rolled_back():
    world = tell(scenario("hbbb", serves="1.0.0", failed="2.0.0"), seed=1)

    assert world.serving() == {"1.0.0": 100}
    assert "accuracy: 0.4, lowest so far 0.4" in world.status["history"][0]["message"]


def test_what_the_kind_remembers_survives_a_restart_of_the_operator():
    world = scenario("hbh", serves="2.0.0").world(seed=1)
    world.at(ROLLOUT_AT + 150, lambda world: world.restart())
    world.run(minutes=6)

    (check,) = world.status["checks"]
    assert check["message"] == "0.95, lowest so far 0.4"


def test_the_schema_knows_the_kind():
    checks = object_schema()["properties"]["spec"]["properties"]["health"]["properties"]["checks"]["items"]

    assert set(checks["properties"]["floor"]["properties"]) == {"query", "least"}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"query": "x"}, "set exactly one of"),
        ({"floor": {"query": QUERY}}, "least"),
        ({"max": "1"}, "take no min or max"),
        ({"samples": "x", "minSamples": 1}, "take no samples"),
    ],
)
def test_the_rules_of_checks_hold_for_the_kind(fields, words):
    with pytest.raises(ValidationError, match=words):
        Check.model_validate(CHECK | fields)


def test_numbers_given_by_hand_are_refused_for_a_kind_that_counts_nothing():
    with pytest.raises(BadData, match="a check of kind floor counts nothing; use simulate or backtest"):
        read_data('{"candidate": {"value": 0.3}}', Check.model_validate(CHECK))
