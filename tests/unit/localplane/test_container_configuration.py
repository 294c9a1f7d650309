"""What a container runs, and with which variables, follows Kubernetes' rules."""

import asyncio
from pathlib import Path

import pytest

from localplane.node.environment import ConfigError, expand, field, variables
from localplane.node.images import BUILT_IN, find_image
from localplane.node.probes import Score, Timing, port_number

POD = {
    "metadata": {"name": "p", "namespace": "ml", "uid": "u1", "labels": {"a/b": "c"}},
    "spec": {"nodeName": "process-node", "containers": []},
}
ENTRIES = {("ConfigMap", "settings"): {"COLOUR": b"red"}, ("Secret", "keys"): {"password": b"hush"}}


async def source(kind, name):
    return ENTRIES.get((kind, name))


def environment(**container):
    return asyncio.run(variables(POD, container, "10.244.1.1", source))


def test_an_own_variable_wins_over_one_from_a_config_map_and_may_refer_to_it():
    found = environment(
        envFrom=[{"configMapRef": {"name": "settings"}, "prefix": "MY_"}],
        env=[{"name": "BOTH", "value": "$(MY_COLOUR)-$(UNKNOWN)-$$(MY_COLOUR)"}],
    )
    assert found == {"MY_COLOUR": "red", "BOTH": "red-$(UNKNOWN)-$(MY_COLOUR)"}


MISSING = {
    "a config map": ({"configMapKeyRef": {"name": "none", "key": "k"}}, 'configmap "none" not found'),
    "a key": ({"secretKeyRef": {"name": "keys", "key": "user"}}, "couldn't find key user in Secret keys"),
    "a field": ({"fieldRef": {"fieldPath": "spec.colour"}}, "fieldRef 'spec.colour' is not known"),
}


@pytest.mark.parametrize(("origin", "message"), MISSING.values(), ids=MISSING)
def test_what_is_missing_is_named(origin, message):
    with pytest.raises(ConfigError, match=message):
        environment(env=[{"name": "X", "valueFrom": origin}])


def test_what_is_optional_may_be_missing():
    origin = {"secretKeyRef": {"name": "none", "key": "k", "optional": True}}
    envs = [{"configMapRef": {"name": "none", "optional": True}}]
    assert environment(envFrom=envs, env=[{"name": "X", "valueFrom": origin}]) == {}


def test_the_downward_api_knows_labels_by_their_whole_key():
    assert field(POD, "metadata.labels['a/b']", "10.244.1.1") == "c"
    assert field(POD, "status.podIP", "10.244.1.1") == "10.244.1.1"


def test_expansion_is_done_once():
    assert expand("$(A)", {"A": "$(B)", "B": "x"}) == "$(B)"


# container -> command line, for an image with entrypoint `sh -c` and argument `true`
COMMANDS = {
    "the image's own": ({}, ["sh", "-c", "true"]),
    "args replace the image's arguments": ({"args": ["echo"]}, ["sh", "-c", "echo"]),
    "a command drops the image's arguments": ({"command": ["ls"]}, ["ls"]),
    "both": ({"command": ["ls"], "args": ["-l"]}, ["ls", "-l"]),
}


@pytest.mark.parametrize(("container", "wished"), COMMANDS.values(), ids=COMMANDS)
def test_command_and_args_replace_what_docker_calls_entrypoint_and_cmd(container, wished):
    assert find_image("localplane/shell:1", [BUILT_IN]).command(container) == wished


def test_an_image_of_the_users_catalogue_wins_and_an_unknown_one_is_none(tmp_path: Path):
    mine = tmp_path / "images.yaml"
    mine.write_text("images: [{image: 'localplane/shell:*', entrypoint: [mine, '{tag}']}]")
    assert find_image("localplane/shell:7", [mine, BUILT_IN]).entrypoint == ("mine", "7")
    assert find_image("localplane/shell", [mine, BUILT_IN]).entrypoint == ("mine", "latest")
    assert find_image("nobody/has-this:1", [mine, BUILT_IN]) is None


def test_a_probe_counts_only_answers_in_a_row():
    score = Score(Timing(0, 1, 1, successes=2, failures=3))
    assert [score.count(letter == "y") for letter in "nnynnnnyy"] == [False] * 5 + [True, False, False, True]


def test_a_probes_port_may_be_a_name():
    container = {"ports": [{"name": "http", "containerPort": 8080}]}
    assert (port_number("http", container), port_number("81", container), port_number(82, container)) == (8080, 81, 82)
    with pytest.raises(ValueError, match="no port named 'metrics'"):
        port_number("metrics", container)
