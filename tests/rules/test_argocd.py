"""What Argo CD makes of every status that the operator writes, by Lua as it runs there, beside the kstatus library."""

import itertools
import json
import re
import subprocess

import pytest
import yaml

from localplane import binaries
from localplane.plane import say
from modelramp.api.names import REQUEST_ANNOTATION, Phase, Reason
from modelramp.core.conditions import OBSTACLES, unreadable
from modelramp.core.events import RolloutEvent
from modelramp.core.gates.registry import GATES
from modelramp.core.requests import VERBS
from modelramp.core.state import Pods, RolloutInput, State
from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.rules import kstatus
from tests.rules.tree import ROOT
from tests.unit.core import test_ab_tests_end as ab_tests
from tests.unit.core import test_waiting_for_capacity as capacity
from tests.unit.core.story import Story, serving, spec
from tests.unit.core.test_conditions_follow_kstatus import TABLE
from tests.unit.core.test_evaluation_before_traffic import BAD, gated

ARGOCD = ROOT / "integrations/argocd"
WORDS = {"Healthy": {"Current"}, "Degraded": {"Failed"}, "Progressing": {"InProgress"}, "Suspended": {"InProgress"}}
"""Argo CD's words, each with those of kstatus that mean the same."""


_PLURALS = {"HealthPolicy": "healthpolicies", "ClusterHealthPolicy": "clusterhealthpolicies"}


def script(name):
    return (ARGOCD / name).read_text("utf-8")


def actions():
    return {path.parent.name: path.read_text("utf-8") for path in sorted(ARGOCD.glob("actions/*/action.lua"))}


def asked(objects):
    """What kstatus and Argo CD's scripts make of each object."""
    question = {
        "objects": list(objects),
        "health": script("health.lua"),
        "discovery": script("actions/discovery.lua"),
        "actions": actions(),
    }
    command = [binaries.gitops(say)]
    done = subprocess.run(command, input=json.dumps(question), capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def model(status, *, generation=7, **metadata):
    found = {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": "digits", "namespace": "ml", "generation": generation, **metadata},
        # Lua has one kind of empty table; an action must not turn these into lists.
        "spec": {"rollout": {}, "template": {"spec": {"volumes": [{"name": "models", "emptyDir": {}}]}}},
    }
    return found if status is None else found | {"status": status}


def written(story, *, obstacle=None, target=True):
    status = status_of(
        "digits",
        story.target if target else None,
        story.state,
        story.seen(),
        generation=7,
        now=story.now,
        before=read_status({}),
        obstacle=obstacle,
    )
    return json.loads(json.dumps(status))


def frozen():
    story = Story.of().begun()
    story.want(frozen="namespace ml is frozen: a sale")
    return story


def paused(story):
    story.want(request="pause/v2/1")
    return story


def paused_by_the_spec():
    story = Story.of().begun()
    story.want(rollout={"paused": True})
    return story


def without_result():
    story = gated()
    story.ends(problem="the Job failed")
    return story


def failed_its_evaluation():
    story = gated(state=State())
    story.ends(BAD)
    return story


def no_replicas(story):
    story.want(replicas=0)
    return story


def without_a_policy():
    story = Story.of().begun()
    story.target = RolloutInput(spec(), "v2", missing="HealthPolicy defaults")
    return story.run("h")


def back_by_request():
    story = Story.of().promoted()
    story.want(request="rollback/v2/1")
    return story


def a_third_version(*, pods=True):
    story = Story.of().promoted()
    if not pods:
        story.pods["v3"] = Pods(1, 0, 0)
    story.want("v3", version="3.0.0")
    return story


def taken_back():
    story = Story.of().begun().run("bbb")
    story.want("v1", version="1.4.0")
    return story


def without_a_gateway():
    story = Story.of().begun()
    story.routed = False
    return story.run("h")


STORIES = {name: make for name, (make, *_) in TABLE.items()} | {
    "frozen": frozen,
    "paused with its pods on their way": lambda: paused(TABLE["waiting for pods"][0]()),
    "paused by the spec": paused_by_the_spec,
    "no data in a step": lambda: Story.of().begun().run("h?????"),
    "late in a step, still in breach": lambda: Story.of().begun().run("hhbb"),
    "being evaluated": gated,
    "evaluation without a result": without_result,
    "first version failed its evaluation": failed_its_evaluation,
    "evaluation failed": lambda: (story := gated(), story.ends(BAD))[0],
    "A/B test": ab_tests.begun,
    "A/B test after five minutes": lambda: ab_tests.minutes(ab_tests.begun(), 5),
    "A/B test won": lambda: ab_tests.minutes(ab_tests.begun(), 12, ab_tests.WON, ab_tests.SAME),
    "A/B test lost": lambda: ab_tests.minutes(ab_tests.begun(), 12, ab_tests.LOST, ab_tests.SAME),
    "no replicas": lambda: no_replicas(Story.of().promoted()),
    "no replicas in a rollout": lambda: no_replicas(Story.of().begun()),
    "policy missing": without_a_policy,
    "rolled back by a person": back_by_request,
    "aborted": lambda: (story := Story.of().begun(), story.want(request="abort/v2/1"))[0],
    "failed, and the spec went back": taken_back,
    "a third version": a_third_version,
    "a third version without pods": lambda: a_third_version(pods=False),
    "waits for capacity": capacity.waiting,
    "withdrawn for lack of capacity": capacity.withdrawn,
    "no gateway": without_a_gateway,
}
WANTED = {
    "just created": "Progressing",
    "waiting for pods": "Progressing",
    "stepping": "Progressing",
    "paused": "Suspended",
    "paused by the spec": "Suspended",
    "frozen": "Suspended",
    "evaluation without a result": "Suspended",
    "promoted": "Healthy",
    "promoted, two breaches": "Healthy",
    "no replicas": "Healthy",
    "no replicas in a rollout": "Progressing",
    "rolling back": "Progressing",
    "rolled back": "Degraded",
    "rolled back by a person": "Degraded",
    "aborted": "Degraded",
    "degraded": "Degraded",
    "pods never came": "Degraded",
    "recovered": "Healthy",
    "waits for capacity": "Progressing",
    "withdrawn for lack of capacity": "Degraded",
    "A/B test": "Progressing",
    "A/B test won": "Healthy",
    "A/B test lost": "Degraded",
    "failed, and the spec went back": "Healthy",
}


@pytest.fixture(scope="module")
def stories():
    return {name: make() for name, make in STORIES.items()}


@pytest.fixture(scope="module")
def answers(stories):
    return dict(zip(stories, asked(model(written(story)) for story in stories.values()), strict=True))


@pytest.mark.timeout(600)
def test_health_says_what_is_so_in_the_words_of_the_status(stories, answers):
    found = {name: answer["health"]["status"] for name, answer in answers.items()}

    assert {name: found[name] for name in WANTED} == WANTED
    assert set(found.values()) == set(WORDS)
    for name, answer in answers.items():
        assert answer["health"]["message"] == written(stories[name])["message"] != "", name


def test_health_and_kstatus_agree_about_every_status(stories, answers):
    for name, answer in answers.items():
        assert answer["errors"].get("health") is None, name
        assert answer["kstatus"] in WORDS[answer["health"]["status"]], name
        assert answer["kstatus"] == kstatus.verdict(written(stories[name]), 7), name


def test_health_and_kstatus_agree_about_every_phase_with_every_obstacle():
    statuses = []
    for phase, obstacle, routed in itertools.product(Phase, [None, *sorted(OBSTACLES)], [True, False, None]):
        story = Story.of(state=State(phase=phase, stable=serving().stable, failed="v2"))
        story.routed = routed
        event = RolloutEvent(obstacle, "it is in the way") if obstacle else None
        statuses += [written(story, obstacle=event), written(story, obstacle=event, target=False)]
    statuses.append(unreadable(statuses[0], "lastTick: no time", generation=7, now=1_800_000_000))

    for status, answer in zip(statuses, asked(map(model, statuses)), strict=True):
        assert answer["errors"].keys() <= set(VERBS)
        assert answer["kstatus"] in WORDS[answer["health"]["status"]]
        assert answer["kstatus"] == kstatus.verdict(status, 7)


def test_a_status_of_an_older_generation_says_nothing_about_the_new_one(stories):
    old = [model(written(story), generation=8) for story in stories.values()]
    # The schema gives every new object a generation that nobody has observed.
    new = [model({"observedGeneration": -1}, generation=1), model({"observedGeneration": 7})]

    for answer in asked([*old, *new]):
        assert (answer["health"]["status"], answer["health"]["message"] != "") == ("Progressing", True)
    assert {answer["kstatus"] for answer in asked([*old, new[0]])} == {"InProgress"}


@pytest.mark.parametrize("kind", ["HealthPolicy", "ClusterHealthPolicy"])
def test_a_policy_is_current_at_once_since_nobody_writes_a_status_of_it(kind):
    """Its schema therefore has no status.observedGeneration of -1, with which it would be in progress for ever."""
    policy = {"apiVersion": "modelramp.io/v1alpha1", "kind": kind, "metadata": {"name": "sre", "generation": 1}}
    found = asked([policy, policy | {"status": {"observedGeneration": -1}}])

    assert [answer["kstatus"] for answer in found] == ["Current", "InProgress"]
    (definition,) = yaml.safe_load_all((ROOT / "crds" / f"modelramp.io_{_PLURALS[kind]}.yaml").read_text("utf-8"))
    (version,) = definition["spec"]["versions"]
    assert "subresources" not in version
    assert "status" not in version["schema"]["openAPIV3Schema"]["properties"]


def test_without_a_status_nothing_is_ready_and_no_action_is_possible():
    (answer,) = asked([model(None)])

    assert answer["health"] == {"status": "Progressing", "message": "the operator has not seen this generation yet"}
    assert {name for name, found in answer["discovery"].items() if not found["disabled"]} == set()
    assert sorted(answer["errors"]) == sorted(VERBS)


def test_who_waits_for_a_person_is_suspended():
    (row,) = re.findall(r"waits_for_a_person = \{(.+)\}", script("health.lua"))
    gates = {reason for gate in GATES for reason in gate.holds}
    assert {name.split(" = ")[0] for name in row.split(", ")} == {Reason.PAUSED, Reason.FROZEN, *gates}


def test_an_action_writes_its_request_and_nothing_else(answers):
    pattern = r"(promote|pause|resume|abort|retry|rollback)/v[123]/argocd-\d{10}"
    seen = set()
    for name, answer in answers.items():
        for verb, patch in answer["patches"].items():
            if patch is not None:
                assert list(patch) == ["metadata"], name
                assert list(patch["metadata"]) == ["annotations"], name
                ((key, text),) = patch["metadata"]["annotations"].items()
                assert key == REQUEST_ANNOTATION
                assert re.fullmatch(pattern, text)
                assert text.startswith(f"{verb}/")
                seen.add(verb)
    assert seen == set(VERBS)


def test_an_action_leaves_other_annotations_alone():
    story = Story.of().begun()
    (answer,) = asked([model(written(story), annotations={"team": "vision", REQUEST_ANNOTATION: "pause/v2/1"})])

    ((key, text),) = answer["patches"]["abort"]["metadata"]["annotations"].items()
    assert (key, text.startswith("abort/v2/argocd-")) == (REQUEST_ANNOTATION, True)


@pytest.mark.parametrize("name", STORIES)
def test_an_action_is_offered_exactly_when_the_operator_follows_it(name, answers):
    offered = {verb: not found["disabled"] for verb, found in answers[name]["discovery"].items()}
    assert sorted(offered) == sorted(VERBS)
    for verb, patch in answers[name]["patches"].items():
        story = STORIES[name]()
        if patch is None:
            assert not offered[verb], f"{verb}: {answers[name]['errors'][verb]}"
            continue
        story.want(request=patch["metadata"]["annotations"][REQUEST_ANNOTATION])
        # Without an answer it waits: promote for the route to show the present weight.
        ignored = story.state.answer is not None and not story.state.answer.done
        assert ignored != offered[verb], f"{verb}: {story.state.answer and story.state.answer.message}"


def test_the_config_map_has_the_scripts_as_they_are():
    found = yaml.safe_load(script("argocd-cm.yaml"))["data"]
    kind = "modelramp.io_ModelDeployment"
    given = yaml.safe_load(found[f"resource.customizations.actions.{kind}"])

    assert found[f"resource.customizations.health.{kind}"] == script("health.lua")
    assert given["discovery.lua"] == script("actions/discovery.lua")
    assert {one["name"]: one["action.lua"] for one in given["definitions"]} == actions()
    assert set(actions()) == set(VERBS)
    ignored = yaml.safe_load(found[f"resource.customizations.ignoreDifferences.{kind}"])
    assert ignored == {"managedFieldsManagers": ["kube-controller-manager"]}
