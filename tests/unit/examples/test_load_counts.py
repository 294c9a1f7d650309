import pytest

from examples.load import Plan, WrongPlanError, report
from examples.load.tally import FAILURES_KEPT, Failure, Tally

REFUSED = {
    "another machine": ({"url": "http://example.com"}, "example.com is not this machine; say --remote"),
    "another address": ({"url": "http://192.0.2.1:80"}, "192.0.2.1 is not this machine"),
    "a path": ({"url": "http://127.0.0.1/predict"}, "is not a bare http"),
    "no scheme": ({"url": "127.0.0.1:8080"}, "is not a bare http"),
    "no pace": ({"rps": 0}, "rps: 0 is not between 0.01 and 2000"),
    "no number": ({"rps": float("nan")}, "rps: nan is not between"),
    "no end": ({"duration": float("inf")}, "duration: inf is not between"),
    "too much": ({"rps": 2000, "duration": 2000}, "rps x duration: 4,000,000 requests are above 2,000,000"),
    "labels from the past": ({"feedback_delay": -1}, "feedback_delay: -1 is not between"),
    "a share above all": ({"phone_share": 1.5}, "phone_share: 1.5 is not between 0 and 1"),
}


@pytest.mark.parametrize(("fields", "message"), REFUSED.values(), ids=REFUSED)
def test_a_plan_without_bounds_is_refused(fields, message):
    with pytest.raises(WrongPlanError) as refused:
        Plan(**{"url": "http://127.0.0.1:8080", **fields})

    assert message in str(refused.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://localhost", "http://[::1]:80", "https://127.9.9.9/"])
def test_this_machine_needs_no_permission(url):
    assert Plan(url=url).remote is False


def test_another_machine_may_be_named_on_purpose():
    assert Plan(url="http://example.com", remote=True).requests == 1200


def counted():
    tally = Tally(sent=8)
    for at in (1.0, 2.0, 3.0, 21.0):
        tally.answer(at, "1.0.0", "aaa", seconds=0.010, hit=True)
    tally.answer(21.5, "2.0.0", "bbb", seconds=0.5, hit=False)
    tally.failure(Failure(22.0, "predict", "status", 502, "Bad Gateway"))
    tally.failure(Failure(22.5, "predict", "timeout", None, ""))
    tally.failure(Failure(23.0, "feedback", "status", 503, ""))
    return tally


def test_answers_are_counted_by_revision_and_failures_by_kind():
    seen = counted().snapshot(24.0, window=5.0)
    v1, v2 = seen.versions

    assert (v1.version, v1.revision, v1.answered, v1.correct, v1.accuracy) == ("1.0.0", "aaa", 4, 4, 1.0)
    assert (v2.answered, v2.correct, v2.latency_p95, v2.first_at, v2.last_at) == (1, 0, 0.5, 21.5, 21.5)
    assert (seen.sent, seen.answered, seen.failed, seen.in_flight) == (8, 5, 2, 1)
    assert seen.statuses == {"200": 5, "502": 1, "timeout": 1}
    assert (seen.feedback.failed, seen.all_failed) == (1, 3)
    assert [f.at for f in seen.failures] == [22.0, 22.5, 23.0]


def test_shares_are_those_of_the_window_alone():
    seen = counted().snapshot(24.0, window=5.0)

    assert [v.recent_share for v in seen.versions] == [0.5, 0.5]
    assert seen.recent_rps == 0.4


def test_an_empty_window_has_no_shares():
    assert [v.recent_share for v in counted().snapshot(90.0, window=5.0).versions] == [0.0, 0.0]


def test_nothing_sent_is_nothing_counted():
    seen = Tally().snapshot(0.0, window=5.0)

    assert (seen.sent, seen.versions, seen.recent_rps) == (0, (), 0.0)


def test_a_long_outage_keeps_the_count_but_not_every_failure():
    tally = Tally()
    for at in range(FAILURES_KEPT + 10):
        tally.failure(Failure(float(at), "predict", "connect", None, ""))

    assert tally.failed == FAILURES_KEPT + 10
    assert len(tally.snapshot(1.0, 5.0).failures) == FAILURES_KEPT


def test_a_person_reads_pace_shares_and_failures_in_one_line():
    line = report.live_line(counted().snapshot(24.0, window=5.0))

    assert line == "   24 s    0.4/s  1.0.0 (aaa)  50%, 100.0% right  2.0.0 (bbb)  50%, 0.0% right  failed 3"
