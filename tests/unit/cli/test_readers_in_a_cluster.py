"""Verbs that only read: what a person sees of a rollout at night, from the objects as the API server has them."""

import json

import pytest
import yaml

from tests.unit.cli.test_verbs_in_a_cluster import CANDIDATE, HEALTHY, ROLLED_BACK, STABLE, conditions

PORT = {"name": "http", "containerPort": 8000}
SPEC = {
    "model": {"name": "digits", "version": "2.0.0"},
    "template": {"spec": {"containers": [{"name": "server", "image": "digits:2", "ports": [PORT]}]}},
    "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
    "rollout": {"steps": [{"weight": 10}, {"weight": 50, "duration": "10m"}, {"weight": 100}]},
    "health": {
        "prometheus": {"address": "http://prometheus.monitoring:9090"},
        "checks": [
            {"name": "errors", "query": 'sum(rate(errors{revision="{{revision}}"}[{{window}}]))', "max": 0.01},
            {"name": "accuracy", "query": "accuracy", "min": 0.85, "role": "hold"},
        ],
    },
}
TICK = "2026-11-29T04:19:00Z"
CHECKS = [
    {"name": "errors", "role": "rollback", "verdict": "breach", "reason": "AboveMaximum", "value": "0.031",
     "limit": "<= 0.01", "message": "3.1 % is more than 1 %", "at": TICK},
    {"name": "accuracy", "role": "hold", "verdict": "no-data", "reason": "EmptyResult", "limit": ">= 0.85",
     "message": "the query found nothing", "at": TICK},
]  # fmt: skip
IN_STEP = {
    "observedGeneration": 2,
    "phase": "Progressing",
    "reason": "StepRunning",
    "message": "step 2/3: 50 % on 2.0.0 (v2rev) since 04:12:00Z",
    "stable": {**STABLE, "pods": "2/2", "since": "2026-11-26T04:00:00Z"},
    "previous": {"revision": "v0rev", "modelVersion": "1.2.0", "pods": "0/0"},
    "candidate": {**CANDIDATE, "weight": 50, "step": 1, "shown": True, "pods": "2/2",
                  "since": "2026-11-29T04:00:00Z", "stepEntered": "2026-11-29T04:12:00Z"},
    "progress": "2/3",
    "breaches": 1,
    "ticks": "++++?+++-",
    "lastTick": TICK,
    "next": "04:20:00Z",
    "checks": CHECKS,
    "conditions": conditions(Ready=("False", "StepRunning"), Routed=("True", "RouteAccepted")),
}  # fmt: skip


class Reading:
    """One ModelDeployment as it is, and other objects by their path."""

    def __init__(self, status, spec=SPEC, others=None):
        self.others = others or {}
        self.digits = {"metadata": {"name": "digits", "namespace": "ml", "generation": 2, "uid": "u"}, "spec": spec}
        self.digits["status"] = status

    def answer(self, method, path, query, body):
        assert method == "GET", "a reader writes nothing"
        if path.endswith("/modeldeployments/digits"):
            return 200, self.digits
        found = self.others.get(path.removeprefix("/apis/"))
        return (200, found) if found is not None else (404, {"message": "not found"})


ROUTE = {
    "metadata": {"name": "digits", "namespace": "ml"},
    "spec": {
        "rules": [
            {
                "backendRefs": [
                    {"name": "digits-v1rev", "weight": 90},
                    {"name": "digits-v2rev", "weight": 10},
                ]
            }
        ]
    },
}
AT_ROUTE = "gateway.networking.k8s.io/v1/namespaces/ml/httproutes/digits"


def why(run, status, **more):
    code, text = run(Reading(status, **more), "why", "digits", "-o", "json")
    assert code == 0, text
    return json.loads(text)


def test_why_says_what_each_check_found_and_how_to_see_it(run):
    found = why(run, IN_STEP)

    errors, accuracy = found["checks"]
    assert (errors["value"], errors["limit"], errors["verdict"]) == ("0.031", "<= 0.01", "breach")
    (query,) = errors["queries"]
    assert query["query"] == 'sum(rate(errors{revision="v2rev"}[1m]))'
    assert query["time"] == TICK
    assert query["link"].startswith("http://prometheus.monitoring:9090/graph?g0.expr=sum%28rate%28errors")
    assert query["link"].endswith("end_input=2026-11-29%2004%3A19%3A00")
    assert accuracy["value"] == ""


def test_why_says_what_has_to_happen_next_in_a_step(run):
    found = why(run, IN_STEP)

    assert found["holds"] == ["check accuracy holds: the query found nothing"]
    assert found["next"] == [
        "step 2 of 3 has to last 10m: until 2026-11-29T04:22:00Z at the earliest",
        "then the first healthy tick, with nothing that holds, gives it 100 %",
        "2 more breaches in a row take all traffic back to 1.4.0 (v1rev)",
    ]


def test_checks_right_after_a_rollback_are_those_of_the_version_that_failed(run):
    history = [{"revision": "v2rev", "modelVersion": "2.0.0", "outcome": "RolledBack"}]
    after = {**ROLLED_BACK, "history": history, "watch": {"revision": "v2rev", "breaches": 3}, "checks": CHECKS}
    found = why(run, after)

    assert (found["modelVersion"], found["revision"]) == ("2.0.0", "v2rev")
    assert 'revision="v2rev"' in found["checks"][0]["queries"][0]["query"]
    assert "CHECK OF 2.0.0" in get(run, after)
    later = {**after, "watch": {"revision": "v1rev"}}
    assert why(run, later)["modelVersion"] == "1.4.0"
    assert "CHECK OF 1.4.0" in get(run, later)


def test_why_says_of_a_step_whose_time_is_over_that_it_is(run):
    found = why(run, {**IN_STEP, "lastTick": "2026-11-29T04:22:00Z"})
    assert found["next"][0] == "step 2 of 3 has lasted its 10m"


def test_the_last_step_promotes_and_a_step_begins_with_its_traffic(run):
    last = {**IN_STEP["candidate"], "step": 2, "weight": 100, "shown": False}
    found = why(run, {**IN_STEP, "candidate": last, "breaches": 0})

    assert found["next"][0] == "the route has to show 100 % for 2.0.0 (v2rev); its step begins then"
    assert found["next"][2:] == [
        "then the first healthy tick, with nothing that holds, promotes it",
        "3 breaches in a row take all traffic back to 1.4.0 (v1rev)",
    ]


@pytest.mark.parametrize(
    ("status", "spec", "said"),
    [
        ({"paused": True}, {}, "a person has paused it: `kubectl modelramp resume digits` lets it go on"),
        ({}, {"paused": True}, "spec.rollout.paused is true: set it to false"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "reason": "Frozen", "message": "ml is frozen"}]},
            {},
            "ml is frozen: `kubectl modelramp unfreeze` ends the freeze of a namespace",
        ),
        (
            {"candidate": {**CANDIDATE, "step": -1, "capacityWait": {"since": TICK, "message": "no GPU"}}},
            {},
            f"it waits for capacity since {TICK}: no GPU",
        ),
        (
            {"reason": "HeldByApproval"},
            {},
            "it waits for a person's approval: `kubectl modelramp promote digits` gives it",
        ),
        ({"reason": "HeldByPods"}, {}, "the next step needs more available pods than there are: 2/2"),
        (
            {"checks": [{**CHECKS[0], "verdict": "no-data", "message": "no series {} of it"}]},
            {},
            "check errors has no data, without which no step ends: no series {} of it",
        ),
        (
            {"policies": [{"kind": "HealthPolicy", "name": "sre", "problem": "does not exist"}]},
            {},
            "HealthPolicy sre cannot be used: does not exist",
        ),
        (
            {"candidate": {**CANDIDATE, "step": -1, "evaluation": {"state": "NoData", "message": "the Job failed"}}},
            {},
            "the evaluation has no result: the Job failed; `kubectl modelramp retry digits` runs it again",
        ),
        (
            {"conditions": [{"type": "Routed", "status": "Unknown", "reason": "X", "message": "no answer yet"}]},
            {},
            "the route: no answer yet",
        ),
    ],
)
def test_why_names_every_hold_and_what_ends_it(run, status, spec, said):
    rollout = {**SPEC["rollout"], **spec}
    found = why(run, {**IN_STEP, "checks": [], **status}, spec={**SPEC, "rollout": rollout})
    assert found["holds"] == [said]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (HEALTHY, "nothing: 1.4.0 (v1rev) serves as the spec wants, and is watched"),
        (
            ROLLED_BACK,
            "nothing by itself: v2rev gets no traffic until the spec changes; `kubectl modelramp retry digits` tries",
        ),
        ({**HEALTHY, "observedGeneration": 1}, "the operator has not seen the last change yet"),
        (
            {**IN_STEP, "candidate": {**CANDIDATE, "step": -1, "pods": "1/2"}},
            "the pods of 2.0.0 (v2rev) have to become available: 1/2 are",
        ),
    ],
)
def test_why_says_what_is_next_in_every_phase(run, status, said):
    assert why(run, status)["next"][0].startswith(said)


def test_why_reads_the_checks_of_policies_and_does_without(run):
    policy = {"metadata": {"name": "sre"}, "spec": {"checks": [{"name": "errors", "query": "up", "max": 1}]}}
    health = {"policies": [{"kind": "ClusterHealthPolicy", "name": "sre"}]}
    path = "modelramp.io/v1alpha1/clusterhealthpolicies/sre"

    known = why(run, IN_STEP, spec={**SPEC, "health": health}, others={path: policy})
    assert known["checks"][0]["queries"] == [{"name": "value", "time": TICK, "query": "up"}]

    unknown = why(run, IN_STEP, spec={**SPEC, "health": health})
    assert unknown["checks"][0]["queries"] == []


def test_why_reads_a_spec_that_cannot_be_accepted(run):
    invalid = conditions(Ready=("False", "InvalidSpec"), Stalled=("True", "InvalidSpec"))
    found = why(run, {**HEALTHY, "conditions": [{**invalid[0], "message": "steps must rise"}]}, spec={"steps": 1})
    assert found["next"] == ["steps must rise"]


def get(run, status, *, others=None, **more):
    code, text = run(Reading(status, others={AT_ROUTE: ROUTE} if others is None else others, **more), "get", "digits")
    assert code == 0, text
    return text


def row_of(text, word):
    return next(line.split() for line in text.splitlines() if word in line.split())


def test_get_shows_versions_with_the_traffic_that_is_wanted_and_that_is_routed(run):
    text = get(run, IN_STEP)

    assert text.splitlines()[0] == "digits   ml   Progressing   step 2/3 of 10 % 50 % 100 %"
    assert row_of(text, "v1rev")[:-1] == ["1.4.0", "v1rev", "stable", "2/2", "50", "%", "90", "%"]
    assert row_of(text, "v2rev")[:-1] == ["2.0.0", "v2rev", "candidate", "2/2", "50", "%", "10", "%"]
    assert row_of(text, "v0rev") == ["1.2.0", "v0rev", "previous", "0/0", "0", "%", "0", "%", "-"]


def test_get_shows_checks_ticks_holds_and_what_happens_next(run):
    text = get(run, {**IN_STEP, "paused": True})

    assert row_of(text, "errors")[:6] == ["errors", "rollback", "✖", "0.031", "<=", "0.01"]
    assert "EmptyResult: the query found nothing" in text
    assert "ticks ++++?+++-   breaches in a row: 1 of 3   last 04:19:00Z, next 04:20:00Z" in text
    assert "held: a person has paused it" in text
    assert text.splitlines()[-1] == IN_STEP["message"]


def test_a_route_that_may_not_be_read_is_said_to_be_unknown(run):
    assert row_of(get(run, IN_STEP, others={}), "v1rev")[4:7] == ["50", "%", "?"]


def test_a_failed_version_is_named_with_what_else_is_on_the_route(run):
    history = [{"revision": "v2rev", "modelVersion": "2.0.0", "outcome": "RolledBack"}]
    legacy = {"rules": [{"backendRefs": [{"name": "legacy", "weight": 1}, {"name": "digits-v1rev", "weight": 3}]}]}
    text = get(run, {**ROLLED_BACK, "history": history}, others={AT_ROUTE: {**ROUTE, "spec": legacy}})

    assert row_of(text, "v2rev")[:3] == ["2.0.0", "v2rev", "failed"]
    assert row_of(text, "v1rev")[4:8] == ["100", "%", "75", "%"]
    assert row_of(text, "legacy") == ["legacy", "other", "-", "0", "%", "25", "%", "-"]


def test_get_reads_the_weights_of_other_routers(run):
    services = [{"name": "digits-v1rev", "weight": 3}, {"name": "digits-v2rev", "weight": 1}]
    path = "traefik.io/v1alpha1/namespaces/ml/traefikservices/digits"
    others = {path: {"metadata": ROUTE["metadata"], "spec": {"weighted": {"services": services}}}}
    text = get(run, IN_STEP, spec={**SPEC, "routing": {"traefik": {"hostnames": ["a.example.com"]}}}, others=others)
    assert row_of(text, "v2rev")[6:8] == ["25", "%"]


def test_get_tells_machines_the_same(run):
    _, text = run(Reading(IN_STEP, others={AT_ROUTE: ROUTE}), "get", "digits", "-o", "json")
    found = json.loads(text)

    assert [(one["role"], one["wanted"], one["routed"]) for one in found["versions"]] == [
        ("stable", 50, 90),
        ("candidate", 50, 10),
        ("previous", 0, 0),
    ]
    assert (found["exitCode"], found["breaches"]) == (4, 1)


@pytest.mark.parametrize("status", [{}, {"observedGeneration": -1}, HEALTHY, ROLLED_BACK])
def test_get_shows_whatever_there_is(run, status):
    assert get(run, status, spec={}).startswith("digits   ml   ")


PAST = {
    **HEALTHY,
    "stable": {"revision": "r1", "modelVersion": "1.0", "since": "2026-11-25T00:00:00Z"},
    "history": [
        {"revision": "r3", "modelVersion": "3.0", "startedAt": "2026-11-24T00:00:00Z", "outcome": "RolledBack",
         "endedAt": "2026-11-25T00:00:00Z", "weight": 100, "message": "3.0 was rolled back after its promotion"},
        {"revision": "r3", "modelVersion": "3.0", "startedAt": "2026-11-23T12:00:00Z", "outcome": "Promoted",
         "endedAt": "2026-11-24T00:00:00Z", "weight": 100},
        {"revision": "r2", "modelVersion": "2.0", "startedAt": "2026-11-22T00:00:00Z", "outcome": "RolledBack",
         "endedAt": "2026-11-22T01:30:00Z", "weight": 10, "message": "2.0 was rolled back at 10 %"},
        {"revision": "r1", "modelVersion": "1.0", "startedAt": "2026-11-20T00:00:00Z", "outcome": "Promoted",
         "endedAt": "2026-11-20T00:05:00Z", "weight": 100},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("at", "serves", "moving"),
    [
        ("2026-11-19T00:00:00Z", None, None),
        ("2026-11-20T00:01:00Z", None, "1.0"),
        ("2026-11-21T00:00:00Z", "1.0", None),
        ("2026-11-22T01:00:00Z", "1.0", "2.0"),
        ("2026-11-23T13:00:00Z", "1.0", "3.0"),
        ("2026-11-24T01:00:00+01:00", "3.0", None),
        ("2026-11-24T12:00", "3.0", None),
        ("2026-11-25T00:00:00Z", "1.0", None),
        ("1s", "1.0", None),
    ],
)
def test_history_says_what_served_at_a_time(run, at, serves, moving):
    found = json.loads(run(Reading(PAST), "history", "digits", "--at", at, "-o", "json")[1])
    assert (found["serves"] or {}).get("modelVersion") == serves
    assert (found["inFlight"] or {}).get("modelVersion") == moving


def test_history_does_not_guess_where_traffic_went_back_to(run):
    later = {**PAST, "stable": {"revision": "r4", "modelVersion": "4.0", "since": "2026-11-26T00:00:00Z"}}
    code, text = run(Reading(later), "history", "digits", "--at", "2026-11-25T12:00:00Z")
    assert (code, "the history does not say what" in text) == (0, True)


def test_history_lists_what_was_tried(run):
    code, text = run(Reading(PAST), "history", "digits")

    assert code == 0
    assert row_of(text, "r2")[:7] == ["2026-11-22T01:30:00Z", "1h30m", "2.0", "r2", "10", "%", "RolledBack"]
    assert "2.0 was rolled back at 10 %" in text
    assert len(json.loads(run(Reading(PAST), "history", "digits", "-o", "json")[1])) == 4


def test_history_of_nothing_and_at_no_time(run):
    assert "no rollout has ended yet" in run(Reading({}), "history", "digits")[1]
    code, text = run(Reading(PAST), "history", "digits", "--at", "yesterday")
    assert (code, "write a time as in" in text) == (2, True)


def revision(name, version, image, port=8000):
    container = {"name": "server", "image": image, "ports": [{"containerPort": port}]}
    return {
        "metadata": {"name": f"digits-{name}", "labels": {"modelramp.io/revision": name}},
        "data": {"model": {"name": "digits", "version": version}, "template": {"spec": {"containers": [container]}}},
    }


REVISIONS = [revision("v0rev", "1.2.0", "d:1"), revision("v1rev", "1.4.0", "d:14"), revision("v2rev", "2.0.0", "d:20")]
AT_REVISIONS = "apps/v1/namespaces/ml/controllerrevisions"


def difference(run, *arguments, status=IN_STEP, items=REVISIONS):
    return run(Reading(status, others={AT_REVISIONS: {"items": items}}), "diff", "digits", *arguments)


def test_diff_compares_what_is_in_flight_with_what_serves(run):
    code, text = difference(run)

    assert code == 0
    assert text.splitlines()[:2] == ["--- 1.4.0 (v1rev)", "+++ 2.0.0 (v2rev)"]
    assert [line.strip() for line in text.splitlines()[2:] if line[0] in "+-"] == [
        "-  version: 1.4.0",
        "+  version: 2.0.0",
        "-    - image: d:14",
        "+    - image: d:20",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "compared"),
    [
        ((), {"candidate": None}, ("v0rev", "v1rev")),
        ((), {"candidate": None, "failedRevision": "v2rev"}, ("v1rev", "v2rev")),
        (("previous",), {}, ("v0rev", "v2rev")),
        (("candidate",), {}, ("v2rev", "v1rev")),
        (("1.2.0", "v2"), {}, ("v0rev", "v2rev")),
        (("failed", "stable"), {"failedRevision": "v2rev"}, ("v2rev", "v1rev")),
    ],
)
def test_diff_knows_revisions_by_role_version_and_beginning(run, arguments, status, compared):
    _, text = difference(run, *arguments, "-o", "json", status={**IN_STEP, **status})
    found = json.loads(text)
    assert (found["from"]["revision"], found["to"]["revision"]) == compared


@pytest.mark.parametrize(
    ("arguments", "items", "said"),
    [
        (("9.9.9",), REVISIONS, "9.9.9 is no revision whose ControllerRevision exists; there are: 1.2.0 (v0rev), "),
        (("v",), REVISIONS, "v means several revisions"),
        (("failed",), REVISIONS, "there is no failed version"),
        ((), [], "stable is no revision whose ControllerRevision exists; there are: none"),
    ],
)
def test_diff_names_what_there_is_when_it_is_asked_for_something_else(run, arguments, items, said):
    code, text = difference(run, *arguments, items=items)
    assert (code, said in text) == (2, True), text


def test_diff_shows_which_tracked_configuration_differs(run):
    items = [json.loads(json.dumps(one)) for one in REVISIONS[1:]]
    for number, one in enumerate(items):
        one["data"] = {**REVISIONS[1]["data"], "config": {"ConfigMap/settings": f"hash{number}"}}
    lines = difference(run, "v1rev", "v2rev", items=items)[1].splitlines()
    assert [line for line in lines[2:] if line[0] in "+-"] == [
        "-  ConfigMap/settings: hash0",
        "+  ConfigMap/settings: hash1",
    ]


def test_diff_of_equal_revisions_says_so(run):
    assert "v1rev and v1rev are made of the same" in difference(run, "stable", "stable")[1]


def test_neither_history_nor_diff_passes_on_what_moves_a_cursor(run):
    odd = json.loads(json.dumps(PAST).replace("rolled back", r"\u001b[31mrolled\u202e back"))
    shown = run(Reading(odd), "history", "digits")[1]
    images = [revision("v1rev", "1.4.0", "d:\x1b[2J"), revision("v2rev", "2.0.0", "d:\u202e<b>")]
    shown += difference(run, items=images)[1]

    assert "<b>" in shown
    assert not {"\x1b", "\u202e"} & set(shown)


class Watched(Reading):
    """Answers the watches one after the other: with the statuses of one, or an HTTP status; then the object is gone."""

    def __init__(self, *watches):
        super().__init__(IN_STEP, others={AT_ROUTE: ROUTE})
        self.watches, self.queries = list(watches), []

    def answer(self, method, path, query, body):
        if "watch=true" not in query:
            return super().answer(method, path, query, body) if self.watches else (404, {"message": "not found"})
        self.queries.append(query)
        watch = self.watches.pop(0)
        if isinstance(watch, int):
            return watch, {"message": "try again"}
        events = []
        for message in watch:
            kind = "MODIFIED" if message else "DELETED"
            events.append({"type": kind, "object": {**self.digits, "status": {**IN_STEP, "message": message}}})
        return 200, "\n".join(map(json.dumps, events))


def test_a_watch_draws_every_change_and_survives_lost_connections(run, monkeypatch):
    monkeypatch.setattr("modelramp.cli.commands.get.time.sleep", lambda seconds: None)
    server = Watched(["one", "two"], 500, 500, ["three", ""])
    code, text = run(server, "get", "digits", "-w")

    drawn = [line for line in text.splitlines() if line in {"one", "two", "three", IN_STEP["message"]}]
    again = IN_STEP["message"]
    assert drawn == [again, "one", "two", again, again, again, "three"]
    assert text.count("warning: ") == 1, "an outage is said once"
    assert (code, "does not exist here" in text) == (2, True), "it ends when the object is deleted"
    assert all("timeoutSeconds=10" in query and "metadata.name%3Ddigits" in query for query in server.queries)


def test_a_watch_for_machines_has_a_line_for_each_change(run):
    _, text = run(Watched(["one", "two"]), "get", "digits", "-w", "-o", "json")
    assert [json.loads(line)["message"] for line in text.splitlines()[:3]] == [IN_STEP["message"], "one", "two"]


def test_no_reader_passes_on_what_moves_a_cursor(run):
    status = json.loads(json.dumps(IN_STEP).replace("2.0.0", r"2\u001b[2J<b>").replace("found nothing", r"\u202exe"))
    readers = ["why", "digits"], ["why", "digits", "-o", "yaml"], ["get", "digits"], ["status", "digits"]
    for arguments in readers:
        _, text = run(Reading(status), *arguments)
        assert "<b>" in text
        assert not {"\x1b", "\u202e"} & set(text), arguments


def test_why_is_the_same_for_machines_and_people(run):
    _, text = run(Reading(IN_STEP), "why", "digits", "-o", "yaml")
    found = yaml.safe_load(text)
    _, shown = run(Reading(IN_STEP), "why", "digits", "--queries")

    assert "\nChecks of 2.0.0 (v2rev), the last ticks ++++?+++-:\n" in shown
    assert all(sentence in shown for sentence in (*found["next"], *found["holds"], found["message"]))
    for check in found["checks"]:
        assert check["queries"][0]["query"] in shown
        assert check["queries"][0]["link"] in shown


def test_why_shows_people_only_queries_of_checks_that_are_not_healthy(run):
    healthy = {**IN_STEP, "checks": [CHECKS[0], {**CHECKS[1], "verdict": "healthy"}]}
    _, shown = run(Reading(healthy), "why", "digits")

    assert f"at {TICK}: sum(rate(errors" in shown
    assert f"at {TICK}: accuracy" not in shown
    assert "graph?" not in shown


@pytest.mark.parametrize(
    "status",
    [
        {"checks": [{**check, "reason": "WarmingUp", "verdict": "no-data"} for check in CHECKS]},
        {"candidate": {**CANDIDATE, "step": -1}, "checks": CHECKS},
        {"checks": [], "conditions": conditions(Routed=("Unknown", "RouteUnconfirmed"))},
    ],
)
def test_what_passes_by_itself_is_no_hold(run, status):
    assert why(run, {**IN_STEP, **status})["holds"] == []
