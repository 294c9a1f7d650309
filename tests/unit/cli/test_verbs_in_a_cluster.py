"""Verbs that speak with a cluster: what they write, how they wait, their sentences and exit codes.

The API server is a few lines of HTTP on loopback that plays the operator's answers: how often and when they come is
what is tested. The real ones are in tests/e2e.
"""

import json
import threading

import click
import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli import asking, cluster
from modelramp.cli.cluster import MEANINGS
from modelramp.cli.commands import status as status_verb
from modelramp.cli.main import VERBS, main
from modelramp.core.revisions import short_hash

PATH = "/apis/modelramp.io/v1alpha1/namespaces/ml/modeldeployments"
STABLE = {"revision": "v1rev", "modelVersion": "1.4.0"}
CANDIDATE = {"revision": "v2rev", "modelVersion": "2.0.0", "weight": 10, "step": 0}


def conditions(**statuses):
    return [{"type": name, "status": status, "reason": reason} for name, (status, reason) in statuses.items()]


HEALTHY = {
    "observedGeneration": 2,
    "phase": "Healthy",
    "message": "1.4.0 (v1rev) serves all traffic",
    "stable": STABLE,
    "conditions": conditions(Ready=("True", "Promoted"), Healthy=("True", "Promoted")),
}
STEPPING = {
    "observedGeneration": 2,
    "phase": "Progressing",
    "reason": "StepRunning",
    "message": "step 1/3: 10 % on 2.0.0 (v2rev)",
    "stable": STABLE,
    "candidate": CANDIDATE,
    "conditions": conditions(Ready=("False", "StepRunning")),
}
PAUSED = {**STEPPING, "phase": "Paused", "reason": "Paused", "conditions": conditions(Ready=("False", "Paused"))}
ROLLED_BACK = {
    "observedGeneration": 2,
    "phase": "RolledBack",
    "message": "2.0.0 (v2rev) was rolled back: a person asked for it",
    "stable": STABLE,
    "failedRevision": "v2rev",
    "conditions": conditions(Ready=("False", "Aborted"), Stalled=("True", "Aborted"), Healthy=("True", "Promoted")),
}


class Server:
    """One ModelDeployment, digits, whose status follows a script: one more entry is reached with each GET.

    answers: what a request leads to: Done or Ignored; "" for an operator that is silent. refuse: an HTTP status.
    """

    def __init__(self, statuses, answers="Done", refuse=0):
        self.statuses, self.answers, self.refuse = list(statuses), answers, refuse
        self.asked, self.namespace, self.generation = [], {}, 2

    def digits(self):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        if self.asked and self.answers:
            verb = f'request "{self.asked[-1]}"'
            done = self.answers == "Done"
            message = f"{verb} was followed" if done else f"{verb} was ignored: it does not fit"
            status = {**status, "request": self.asked[-1], "answer": {"outcome": self.answers, "message": message}}
        return {"metadata": {"name": "digits", "namespace": "ml", "generation": self.generation}, "status": status}

    def answer(self, method, path, query, body):
        if self.refuse:
            return self.refuse, {"message": "modeldeployments is forbidden"}
        if path.startswith("/api/v1/namespaces/"):
            self.namespace |= body["metadata"]["annotations"]
            return 200, {}
        if path == PATH:
            return 200, {"items": [self.digits()]}
        if path != f"{PATH}/digits":
            return 404, {"message": "not found"}
        if method == "PATCH":
            assert "fieldManager=modelramp-cli" in query
            self.asked.append(body["metadata"]["annotations"]["modelramp.io/request"])
            return 200, {**self.digits(), "status": self.statuses[0]}
        return 200, self.digits()


class LateServer(Server):
    """Answers requests only after so many looks."""

    def __init__(self, statuses, after):
        super().__init__(statuses, answers="")
        self.after = after

    def digits(self):
        self.after -= 1
        self.answers = "Done" if self.after < 0 else ""
        return super().digits()


class Clock:
    """Time that passes only where a command waits."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now

    def time_ns(self):
        return 1

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    found = Clock()
    for module in (asking, status_verb):
        monkeypatch.setattr(module, "time", found)
    return found


@pytest.mark.parametrize(
    ("verb", "before", "revision"),
    [
        ("promote", STEPPING, "v2rev"),
        ("pause", STEPPING, "v2rev"),
        ("resume", PAUSED, "v2rev"),
        ("abort", STEPPING, "v2rev"),
        ("retry", ROLLED_BACK, "v2rev"),
        ("retry", {**HEALTHY, "deferred": {"revision": "v2rev", "until": "2026-11-29T05:00:00Z"}}, "v2rev"),
        ("rollback", HEALTHY, "v1rev"),
    ],
)
def test_a_verb_names_the_revision_itself_and_prints_the_status(run, verb, before, revision):
    server = Server([before, before, ROLLED_BACK])
    code, text = run(server, verb, "digits", "--reason", "p95 is odd / since 2 am!")

    assert code == 0, text
    (asked,) = server.asked
    assert asked.startswith(f"{verb}/{revision}/p95-is-odd-since-2-am-")
    assert ROLLED_BACK["message"] in text


def test_rollback_says_where_to(run):
    server = Server([HEALTHY, ROLLED_BACK])
    run(server, "rollback", "digits", "--to", "1.2.0")
    assert server.asked[0].split("/")[0::3] == ["rollback", "1.2.0"]

    code, _ = run(Server([HEALTHY]), "rollback", "digits", "--to", "a/b")
    assert code == 2


def test_an_ignored_request_fails_and_says_why(run):
    code, text = run(Server([STEPPING], answers="Ignored"), "resume", "digits")

    assert code == 1
    assert "was ignored: it does not fit" in text


class Overtaken(Server):
    """Somebody else's request comes right after the first one; seen: whether the operator handled that first."""

    OTHER = "promote/v2rev/theirs"

    def __init__(self, *, seen):
        super().__init__([STEPPING])
        self.seen = seen

    def digits(self):
        found = super().digits()
        if self.asked:
            heard = {"v2rev": [short_hash(self.asked[0])]} if self.seen else {}
            found["metadata"]["annotations"] = {"modelramp.io/request": self.OTHER}
            found["status"] = {**found["status"], "request": self.OTHER, "heard": heard}
        return found


@pytest.mark.parametrize(
    ("seen", "code", "said"), [(False, 1, "was not seen by the operator, since"), (True, 5, "was handled, but")]
)
def test_a_request_that_another_one_overtakes_says_so(run, clock, seen, code, said):
    found, text = run(Overtaken(seen=seen), "abort", "digits")

    assert found == code
    assert f'{said} request "promote/v2rev/theirs" came after it' in text


def test_a_verb_waits_through_a_lost_connection_and_says_so_once(run, clock):
    class Away(Server):
        gets = 0

        def answer(self, method, path, query, body):
            self.gets += method == "GET"
            away = method == "GET" and 2 <= self.gets <= 8
            return (503, {"message": "etcd leader changed"}) if away else super().answer(method, path, query, body)

    code, text = run(Away([STEPPING, STEPPING, ROLLED_BACK]), "abort", "digits")

    assert code == 0, text
    assert text.count("etcd leader changed") == 1


def test_promote_full_takes_every_step_and_ends_with_the_promotion(run, clock):
    later = [{**STEPPING, "message": f"step {number}/3"} for number in (1, 1, 2, 2, 3, 3)]
    server = Server([*later, HEALTHY])
    code, text = run(server, "promote", "digits", "--full", "--reason", "INC-1")

    assert code == 0
    assert len(server.asked) > 1
    assert {asked.split("/")[1] for asked in server.asked} == {"v2rev"}
    assert text.splitlines()[-1] == "digits: 1.4.0 (v1rev) serves all traffic"


def test_promote_full_stops_at_the_first_request_that_is_ignored(run, clock):
    server = Server([STEPPING], answers="Ignored")
    code, text = run(server, "promote", "digits", "--full", "-o", "json")

    assert (code, len(server.asked)) == (1, 1)
    assert json.loads(text)["outcome"] == "Ignored"


@pytest.mark.parametrize(("verb", "said"), [("abort", "no rollout is in flight"), ("retry", "nothing has failed")])
def test_where_there_is_nothing_to_do_nothing_is_written(run, verb, said):
    server = Server([HEALTHY])
    code, text = run(server, verb, "digits")

    assert (code, server.asked) == (1, [])
    assert said in text


def test_a_silent_operator_is_said_to_be_silent_within_two_seconds(run, clock):
    server = Server([STEPPING], answers="")
    code, text = run(server, "abort", "digits", "--timeout", "1m")

    assert code == 5
    early, late = text.splitlines()
    assert early == "digits: no answer of the operator for 2 s; waiting 60 s in all"
    assert "the operator has not answered within 60 s" in late


def test_an_operator_that_answers_late_is_waited_for(run, clock):
    code, text = run(LateServer([STEPPING], after=10), "abort", "digits")

    assert code == 0
    assert text.count("no answer of the operator") == 1


def test_an_operator_that_works_but_does_not_come_to_it_is_a_timeout(run):
    steps = [STEPPING, STEPPING, STEPPING, {**STEPPING, "message": "the route is not there yet"}]
    code, text = run(Server(steps, answers=""), "promote", "digits", "--timeout", "1s")

    assert code == 4
    assert "the route is not there yet" in text


def test_without_waiting_the_request_is_only_sent(run):
    server = Server([STEPPING], answers="")
    code, text = run(server, "abort", "digits", "--timeout", "0s", "-o", "json")

    assert code == 0
    assert json.loads(text)["outcome"] == "Sent"
    assert json.loads(text)["request"] == server.asked[0]


@pytest.mark.parametrize(("refuse", "code", "said"), [(403, 5, "you have no right"), (401, 5, "credentials")])
def test_missing_rights_are_told(run, refuse, code, said):
    found, text = run(Server([HEALTHY], refuse=refuse), "status", "digits")

    assert found == code
    assert said in text


def test_an_api_server_that_is_slow_is_said_to_be_slow_and_waited_for(run, monkeypatch):
    said = threading.Event()

    class Slow(Server):
        def answer(self, method, path, query, body):
            assert said.wait(10)
            return super().answer(method, path, query, body)

    def echo(*arguments, say=click.echo, **options):
        say(*arguments, **options)
        said.set()

    monkeypatch.setattr(cluster, "_SAID_SECONDS", 0.01)
    monkeypatch.setattr(cluster.click, "echo", echo)
    code, text = run(Slow([HEALTHY]), "status", "digits")

    assert code == 0
    assert text.startswith("no answer of the API server for 0.01 s; waiting 10 s in all\ndigits: Healthy")


def test_an_unknown_name_is_wrong_usage(run):
    code, text = run(Server([HEALTHY]), "abort", "digit")

    assert code == 2
    assert "ModelDeployment ml/digit does not exist here" in text


def test_no_cluster_at_all_is_said(monkeypatch, tmp_path):
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    result = CliRunner().invoke(main, ["status", "digits"])

    assert result.exit_code == 5
    assert "no cluster" in result.output


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (HEALTHY, 0),
        (ROLLED_BACK, 1),
        (PAUSED, 3),
        (STEPPING, 4),
        ({**STEPPING, "reason": "HeldByCheck"}, 3),
        ({**STEPPING, "ticks": "+++??"}, 3),
        ({**STEPPING, "ticks": "+++?"}, 4),
        ({**STEPPING, "conditions": conditions(Ready=("False", "GatewayNotFound"))}, 3),
        ({**HEALTHY, "observedGeneration": 1}, 5),
        ({}, 5),
    ],
)
def test_status_has_one_exit_code_for_each_outcome(run, clock, status, code):
    found, text = run(Server([status]), "status", "digits")

    assert found == code
    assert text.startswith("digits: ")


def test_status_waits_for_the_end_and_prints_each_new_sentence(run):
    code, text = run(
        Server([STEPPING, STEPPING, {**STEPPING, "message": "step 2/3"}, HEALTHY]), "status", "digits", "--wait"
    )

    assert code == 0
    assert [line.partition(": ")[2] for line in text.splitlines()] == [
        "Progressing: step 1/3: 10 % on 2.0.0 (v2rev)",
        "Progressing: step 2/3",
        "Healthy: 1.4.0 (v1rev) serves all traffic",
    ]


def test_status_waits_for_an_operator_that_restarts_and_says_so_at_once(run, clock):
    unseen = {**HEALTHY, "observedGeneration": 1}
    code, text = run(Server([*[unseen] * 15, STEPPING, HEALTHY]), "status", "digits", "--wait")

    assert code == 0
    assert [line.partition(": ")[2].split(":")[0] for line in text.splitlines()] == [
        "the operator has not seen the last change yet",
        "Progressing",
        "Healthy",
    ]


def test_status_that_never_speaks_of_the_last_change_cannot_tell(run, clock):
    code, text = run(Server([{**HEALTHY, "observedGeneration": 1}]), "status", "digits", "--wait", "--timeout", "20s")

    assert (code, clock.now >= 20) == (5, True)
    assert "the operator has not seen the last change yet" in text


def test_a_pipeline_stops_at_a_rollback_at_once(run, clock):
    code, text = run(Server([STEPPING, STEPPING, ROLLED_BACK]), "status", "digits", "--wait", "-o", "yaml")

    assert (code, clock.now) == (1, 2.0)
    assert yaml.safe_load(text)["status"]["phase"] == "RolledBack"


def test_a_hold_that_ends_in_time_is_no_failure(run, clock):
    holds = [{**STEPPING, "reason": "HeldByCheck"}] * 20
    assert run(Server([*holds, STEPPING, *holds, HEALTHY]), "status", "digits", "--wait", "--held", "30s")[0] == 0
    assert run(Server([*holds, *holds, HEALTHY]), "status", "digits", "--wait", "--held", "30s")[0] == 3


def test_a_spec_that_changes_while_it_is_waited_for_is_said(run, clock):
    server = Server([STEPPING, {**HEALTHY, "observedGeneration": 3}])
    digits = server.digits

    def changing():
        found = digits()
        server.generation = 3
        return found

    server.digits = changing
    code, text = run(server, "status", "digits", "--wait")

    assert code == 0
    assert "the spec has changed; waiting for generation 3" in text


@pytest.mark.parametrize(("refuse", "code"), [(422, 1), (409, 1), (500, 5), (429, 5)])
def test_a_refusal_is_an_answer_and_a_fault_is_none(run, refuse, code):
    assert run(Server([STEPPING], refuse=refuse), "freeze")[0] == code


OFFLINE = {"lint", "simulate", "presets", "evaluate", "backtest", "suggest", "plan", "completion"}


@pytest.mark.parametrize("verb", [*sorted(VERBS.keys() - OFFLINE), ""])
def test_every_verb_that_asks_a_cluster_says_its_exit_codes(verb):
    text = CliRunner().invoke(main, [*filter(None, [verb]), "--help"]).output
    assert all(f"{code.value}  {meaning}" in text for code, meaning in MEANINGS.items())


def test_an_interrupted_command_has_not_failed(run, monkeypatch):
    def interrupted(seconds):
        raise KeyboardInterrupt

    monkeypatch.setattr(status_verb.time, "sleep", interrupted)
    assert run(Server([STEPPING]), "status", "digits", "--wait")[0] == 130


def test_status_gives_up_on_a_hold_and_at_the_end_of_its_time(run):
    assert run(Server([PAUSED]), "status", "digits", "--wait", "--held", "0s")[0] == 3
    assert run(Server([STEPPING]), "status", "digits", "--wait", "--timeout", "0s")[0] == 4


def test_list_shows_all_or_only_trouble(run):
    code, text = run(Server([STEPPING]), "list")
    assert code == 0
    assert "2.0.0 10%" in text
    assert "1.4.0" in text

    assert "no model is in trouble" in run(Server([HEALTHY]), "list", "--trouble")[1]
    rows = json.loads(run(Server([ROLLED_BACK]), "list", "--trouble", "-o", "json")[1])
    assert [row["phase"] for row in rows] == ["RolledBack"]


def test_a_namespace_is_frozen_and_thawed(run):
    server = Server([HEALTHY])
    assert run(server, "freeze", "--reason", "year-end")[0] == 0
    assert server.namespace == {"modelramp.io/freeze": "year-end"}
    assert run(server, "unfreeze")[0] == 0
    assert server.namespace == {"modelramp.io/freeze": None}
