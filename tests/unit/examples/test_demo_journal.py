import pytest

from examples.demo.journal import Journal, route_weights
from modelramp.api.status import CandidateStatus, HistoryEntry, Status, VersionStatus
from modelramp.api.times import to_text

T = 1_795_176_000
STABLE = VersionStatus(revision="aaa", model_version="1.0.0")
CANDIDATE = CandidateStatus(revision="bbb", model_version="2.0.0", weight=10, step=0)


def status(tick, strip, **fields):
    return Status(**{"stable": STABLE, "last_tick": to_text(tick), "ticks": strip, "phase": "Progressing"} | fields)


def seen(journal):
    return [(tick.tick - T, tick.revision, tick.mark) for tick in journal.ticks]


def test_a_status_that_is_written_again_without_a_new_tick_adds_none():
    journal = Journal(10)
    for message in ("one", "another"):
        journal.saw_status(T, status(T, "+", message=message))

    assert seen(journal) == [(0, "aaa", "+")]


def test_ticks_that_came_with_one_write_are_told_apart():
    journal = Journal(10)
    journal.saw_status(T, status(T, "+"))
    journal.saw_status(T + 36, status(T + 30, "+?-+"))

    assert seen(journal) == [(0, "aaa", "+"), (10, "aaa", "?"), (20, "aaa", "-"), (30, "aaa", "+")]


def test_a_tick_judges_the_candidate_once_it_has_traffic():
    journal = Journal(10)
    journal.saw_status(T, status(T, "+", candidate=CANDIDATE.model_copy(update={"step": -1})))
    journal.saw_status(T + 10, status(T + 10, "++", candidate=CANDIDATE))

    assert [tick.revision for tick in journal.ticks] == ["aaa", "bbb"]


@pytest.mark.parametrize("outcome", ["RolledBack", "Promoted"])
def test_the_tick_that_ends_a_trial_still_judges_the_revision_on_trial(outcome):
    entry = HistoryEntry(revision="bbb", model_version="2.0.0", ended_at=to_text(T + 10), outcome=outcome)
    journal = Journal(10)
    journal.saw_status(T, status(T, "-", candidate=CANDIDATE))
    journal.saw_status(T + 10, status(T + 10, "--", history=(entry,)))
    journal.saw_status(T + 20, status(T + 20, "--+", history=(entry,)))

    assert seen(journal) == [(0, "bbb", "-"), (10, "bbb", "-"), (20, "aaa", "+")]
    assert [(ending.at, ending.entry.outcome) for ending in journal.endings] == [(T + 10, outcome)]


def test_ticks_that_pass_while_traffic_goes_back_are_no_breaches():
    journal = Journal(10)
    journal.saw_status(T, status(T, "---", phase="RollingBack"))
    journal.saw_status(T + 10, status(T + 10, "---", phase="RolledBack"))

    assert seen(journal) == [(0, "aaa", "-")]


def test_the_same_route_seen_twice_is_one_route():
    journal = Journal(10)

    assert journal.saw_route(T, {"aaa": 100, "bbb": 0})
    assert not journal.saw_route(T + 1, {"aaa": 100})
    assert journal.saw_route(T + 2, {"aaa": 90, "bbb": 10})


def test_weights_are_read_from_the_route_by_revision():
    backends = [{"name": "digits-aaa", "weight": 90}, {"name": "digits-bbb", "weight": 10}, {"name": "stranger"}]

    assert route_weights({"spec": {"rules": [{"backendRefs": backends}]}}, "digits") == {
        "aaa": 90,
        "bbb": 10,
        "stranger": 1,
    }
    assert route_weights({"spec": {}}, "digits") == {}
