"""Hooks in stories: busy, slow and silent receivers, Jobs that are refused or fail; no rollback waits for them."""

import copy
from itertools import repeat

import pytest

from modelramp.api.errors import Forbidden, Refused
from modelramp.engine.ports import Delivery
from tests.sim.hooked import HOOKS, SCENARIOS, hooked, hooks, jobs
from tests.sim.scenarios import ROLLBACK

NOT_SENT, BUSY, TAKEN = Delivery.NOT_SENT, Delivery.BUSY, Delivery.TAKEN


def lived(arrange=lambda world: None, scenario=SCENARIOS["rollback"]):
    """The story of a rollback after something was arranged in its world."""
    world = scenario.world(7)
    arrange(world)
    world.run_until(scenario.at_rest, scenario.minutes)
    world.check_promises()
    assert not scenario.unrest(world), scenario.unrest(world)
    return world


def rolled_back_at(world):
    """When the route was without the candidate again."""
    return [at for at, reason, _, _ in world.events if reason in {"ThresholdReached", "Restored"}]


@pytest.mark.parametrize(
    ("answers", "calls", "state"),
    [
        ([TAKEN], 1, "Done"),
        ([NOT_SENT, TAKEN], 2, "Done"),
        ([BUSY, NOT_SENT, TAKEN], 3, "Done"),
        ([NOT_SENT, NOT_SENT, NOT_SENT, TAKEN], 3, "Failed"),
        ([BUSY, BUSY, BUSY, TAKEN], 3, "Failed"),
        ([Delivery.REFUSED, TAKEN], 1, "Failed"),
        ([Delivery.UNKNOWN, TAKEN], 1, "Unknown"),
        ([BUSY, Delivery.UNKNOWN, TAKEN], 2, "Unknown"),
    ],
)
def test_a_webhook_is_called_again_only_when_it_was_surely_not_taken(answers, calls, state):
    world = lived(lambda world: setattr(world, "receiver", iter(answers)))

    assert len(world.called) == calls
    assert len({call.key for call in world.called}) == 1, "the receiver can tell a repetition by its key"
    assert hooks(world)["tell"]["state"] == state


def test_a_receiver_that_hangs_delays_no_rollback():
    plain = lived(scenario=ROLLBACK)
    hanging = lived(lambda world: setattr(world, "slow_receiver", 900.0))

    late = [after - before for before, after in zip(rolled_back_at(plain), rolled_back_at(hanging), strict=True)]
    assert len(late) == 2
    assert all(abs(seconds) < 5.0 for seconds in late)


def test_every_step_of_a_hook_is_told():
    world = lived()

    told = [reason for _, reason, message, _ in world.events if "onBreach tell" in message]
    assert told == ["HookDue", "HookStarted", "HookSucceeded"]


def refuse_jobs(world):
    create = world.api.create

    def refusing(obj, actor):
        if obj["kind"] == "Job":
            raise Refused('Job "digits-look" is invalid: spec.template.spec.containers[0].image: Required value')
        return create(obj, actor)

    world.api.create = refusing


def test_a_job_that_the_api_server_refuses_is_a_failed_hook_and_no_obstacle():
    world = lived(refuse_jobs)

    assert hooks(world)["look"]["state"] == "Failed"
    assert "image: Required value" in hooks(world)["look"]["message"]
    assert world.status["reason"] == "ThresholdReached"


def forbid_jobs(world, minutes):
    create, until = world.api.create, world.now() + 600 + minutes * 60

    def forbidding(obj, actor):
        if obj["kind"] == "Job" and world.now() < until:
            raise Forbidden("jobs.batch is forbidden: cannot create resource")
        return create(obj, actor)

    world.api.create = forbidding


def test_a_job_that_may_not_be_made_waits_for_the_right_and_is_made_once():
    seen = []
    look = lambda world: seen.append(hooks(world)["look"])  # noqa: E731
    world = lived(lambda world: (forbid_jobs(world, minutes=10), world.at(1100.0, look)))

    assert (seen[0]["state"], len(jobs(world))) == ("Due", 1)
    assert "waits until the operator has the permission: jobs.batch is forbidden" in seen[0]["message"]
    assert hooks(world)["look"]["state"] == "Done"
    assert world.status["reason"] == "ThresholdReached"


def test_a_job_that_may_never_be_made_is_given_up_when_its_time_is_over():
    health = copy.deepcopy(HOOKS)
    health["onBreach"][1]["job"]["ttl"] = "10m"
    world = lived(lambda world: forbid_jobs(world, minutes=600), hooked(ROLLBACK, health))

    assert (hooks(world)["look"]["state"], jobs(world)) == ("Unknown", [])


def test_a_template_of_a_strange_form_is_a_failed_hook_and_no_obstacle():
    strange = copy.deepcopy(HOOKS)
    strange["onBreach"][1]["job"]["template"]["spec"]["initContainers"] = "none"
    world = lived(scenario=hooked(ROLLBACK, strange))

    assert hooks(world)["look"]["state"] == "Failed"
    assert jobs(world) == []


def test_a_job_of_that_name_that_is_somebody_else_s_is_left_alone():
    name = jobs(lived())[0]["metadata"]["name"]
    foreign = {"kind": "Job", "metadata": {"namespace": "ml", "name": name}, "spec": {"template": {}}}
    world = lived(lambda world: world.api.create(foreign, "somebody"))

    assert hooks(world)["look"]["state"] == "Failed"
    assert "belongs to somebody else" in hooks(world)["look"]["message"]


def test_a_job_that_fails_says_why_in_the_words_of_its_pod():
    world = lived(lambda world: setattr(world.jobs, "exit_code", 3))

    hook = hooks(world)["look"]
    assert hook["state"] == "Failed"
    assert "BackoffLimitExceeded" in hook["message"]
    assert "container look Error, exit code 3: no labels of last month" in hook["message"]


def test_a_job_that_a_person_deletes_is_not_made_again():
    def delete(world):
        (job,) = jobs(world)
        world.api.delete(world.ref(job), "kubectl")

    def arrange(world):
        world.jobs.exit_code = None
        world.at(
            0.0,
            delete,
            when=lambda world: any(
                hook["state"] == "Running" for hook in hooks(world).values() if hook["name"] == "look"
            ),
        )

    world = lived(arrange)

    assert len(jobs(world)) == 1
    assert hooks(world)["look"]["state"] == "Unknown"


def test_the_job_knows_what_it_was_started_for():
    (job,) = jobs(lived())

    env = {entry["name"]: entry["value"] for entry in job["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert (env["MODELRAMP_NAMESPACE"], env["MODELRAMP_NAME"], env["MODELRAMP_HOOK"]) == ("ml", "digits", "look")
    assert (env["MODELRAMP_MODEL_NAME"], env["MODELRAMP_MODEL_VERSION"]) == ("digits", "2.0.0")
    assert env["MODELRAMP_REVISION"] == job["metadata"]["labels"]["modelramp.io/revision"]
    assert env["MODELRAMP_CHECKS"] == "errors"
    assert "limit" in env["MODELRAMP_REASON"] or "errors" in env["MODELRAMP_REASON"]


def test_counters_of_the_operator_tell_what_hooks_did():
    world = lived(lambda world: setattr(world, "receiver", repeat(BUSY)))

    counters = world.processes[0].telemetry.counters
    assert counters["modelramp_webhook_calls_total", (("result", "busy"),)] == 3
    assert counters["modelramp_hooks_total", (("on", "onBreach"), ("state", "Due"))] == 2
    assert counters["modelramp_hooks_total", (("on", "onBreach"), ("state", "Failed"))] == 1
    assert counters["modelramp_hooks_total", (("on", "onBreach"), ("state", "Done"))] == 1


@pytest.mark.parametrize("receiver", [TAKEN, Delivery.REFUSED, BUSY])
def test_a_token_in_the_url_is_called_and_never_told(receiver):
    health = copy.deepcopy(HOOKS)
    health["onBreach"][0]["webhook"]["url"] = "https://pipelines.example.com/T0001/s3cret?token=t0ken"
    world = lived(lambda world: setattr(world, "receiver", repeat(receiver)), hooked(ROLLBACK, health))

    assert world.called[0].url.endswith("/T0001/s3cret?token=t0ken")
    told = [*(message for _, _, message, _ in world.events), str(world.status)]
    told += [line for line in world.history if " log: " in line or " WARN: " in line]
    assert any("POST https://pipelines.example.com" in text for text in told)
    assert not [text for text in told if "s3cret" in text or "t0ken" in text]
