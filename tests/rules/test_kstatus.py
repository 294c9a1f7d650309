import pytest

from modelramp.core.status.read import read_status
from modelramp.core.status.write import status_of
from tests.rules import kstatus
from tests.unit.core.story import ERRORS, Story


def condition(kind, status="True", **more):
    return {
        "type": kind,
        "status": status,
        "reason": "Promoted",
        "message": "2.0.0 serves all traffic",
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-20T12:04:00Z",
    } | more


def status(*conditions, **more):
    return {"observedGeneration": 3, "stable": {"modelVersion": "2.0.0"}, "conditions": list(conditions)} | more


GOOD = {
    "promoted": status(condition("Ready"), condition("Healthy", "Unknown")),
    "moving": status(condition("Ready", "False"), condition("Reconciling")),
    "rolled back": status(condition("Ready", "False"), condition("Stalled")),
}
BROKEN = {
    "1": status(condition("Available")),
    "2": status(condition("Ready", "False"), condition("Reconciling"), condition("Stalled")),
    "3": status(condition("Ready"), condition("Stalled", "False")),
    "4": status(condition("Ready"), condition("Reconciling")),
    "5": status(condition("Ready", "False")),
    "6": status(condition("Ready", observedGeneration=2)),
    "7": status(condition("Ready"), condition("Ready")),
    "8": status(condition("Ready", lastTransitionTime="yesterday")),
    "9": status(condition("Ready"), condition("Healthy", "False", message="p95-latency 6.2 s, limit 5 s")),
}


@pytest.mark.parametrize("good", GOOD.values(), ids=GOOD)
def test_a_status_that_programs_can_trust_breaks_no_rule(good):
    assert kstatus.check(good) == []


@pytest.mark.parametrize(("number", "broken"), BROKEN.items())
def test_each_rule_can_be_broken(number, broken):
    assert {found[0] for found in kstatus.check(broken)} >= {number}


def test_the_verdict_is_that_of_kstatus():
    assert [kstatus.verdict(one, 3) for one in GOOD.values()] == ["Current", "InProgress", "Failed"]
    assert kstatus.verdict(GOOD["promoted"], 4) == "InProgress"


# A letter a minute: h healthy, b breach, ? no data.
LIVES = {"promoted": "h" * 20, "rolled back": "hbbb" + "h" * 4, "no data": "?" * 8, "late": "h" * 20 + "bbb" + "bbbb"}


@pytest.mark.parametrize("minutes", LIVES.values(), ids=LIVES)
def test_every_status_of_a_life_breaks_no_rule(minutes):
    story = Story.of(checks=(ERRORS,))
    for minute in ("", *minutes):
        if minute:
            story.minute(minute)
        else:
            story.look()
        written = status_of(
            "digits", story.target, story.state, story.seen(), generation=1, now=story.now, before=read_status({})
        )
        assert kstatus.check(written) == [], written["phase"]
