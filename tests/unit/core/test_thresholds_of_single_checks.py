"""A check with a failureThreshold of its own has a count of its own and stays out of the common one."""

import pytest

from modelramp.api.names import Phase
from modelramp.core.breaches import tally
from tests.unit.core.story import ERRORS, Story, spec

AT_ONCE = {"name": "crash", "query": "y", "max": 0, "failureThreshold": 1}
PATIENT = {"name": "cost", "query": "c", "max": 1, "failureThreshold": 5}

# letters of `errors` (common count of 3) and of the other check                 rolled back in minute
TABLE = {
    "a threshold of 1 rolls back at once": (AT_ONCE, "hhh", "hhb", 3),
    "a patient check waits for its own five": (PATIENT, "hhhhhhh", "bbbbbhh", 5),
    "its breaches do not feed the common count": (PATIENT, "hhhhhhh", "bbbbhbb", None),
    "both counts run beside each other": (PATIENT, "hhbbbhh", "bbbbhhh", 5),
    "a minute that only the patient check breached ends the common row": (PATIENT, "bbhbbhh", "hhbhhhh", None),
    "silence of the patient check keeps the common count": (PATIENT, "bbhbhhh", "hh?hhhh", 4),
    "silence of the common check keeps both": (PATIENT, "bb?bhhh", "hhhhhhh", 4),
    "a healthy minute of its own clears its own count": (PATIENT, "hhhhhhh", "bbbbhbb", None),
    "silence keeps its own count": (PATIENT, "hhhhhhh", "bb??bbb", 7),
}


@pytest.mark.parametrize(("own", "errors", "others", "minute"), TABLE.values(), ids=TABLE)
def test_each_count_reaches_its_own_threshold(own, errors, others, minute):
    story = Story.of(checks=(ERRORS, own)).begun()

    for number, letters in enumerate(zip(errors, others, strict=True), start=1):
        story.minute(letters[0], **{own["name"]: letters[1]})
        if story.state.phase is Phase.ROLLED_BACK:
            assert number == minute
            return
    assert minute is None


def test_the_message_names_the_check_whose_own_threshold_was_reached():
    story = Story.of(checks=(ERRORS, PATIENT)).begun().run("hhhhh", cost="bbbbb")

    assert "cost breached 5 times in a row" in story.state.detail


def test_missing_pods_do_not_count_against_a_single_check():
    story = Story.of(checks=(ERRORS, AT_ONCE)).begun().run("pp", crash="hh")

    assert story.state.failed is None
    assert story.state.watch.checks == ()


def test_a_lowered_threshold_takes_effect_at_the_next_breach_and_not_in_silence():
    story = Story.of(failureThreshold=5).begun().run("bbb")

    story.want(failureThreshold=3)
    assert story.state.failed is None
    story.run("??")
    assert story.state.failed is None
    story.run("b")
    assert story.state.failed == "v2"


def test_a_lowered_threshold_of_a_single_check_waits_for_its_next_breach_too():
    story = Story.of(checks=(ERRORS, PATIENT)).begun().run("hhh", cost="bbb")

    story.want(checks=(ERRORS, {**PATIENT, "failureThreshold": 2}))
    story.run("h?b", cost="???")
    assert story.state.failed is None
    story.run("h", cost="b")
    assert story.state.failed == "v2"


def test_a_raised_threshold_keeps_the_count_and_waits_for_more():
    story = Story.of().begun().run("bb")

    story.want(failureThreshold=4)
    story.run("b")
    assert story.state.failed is None
    story.run("b")
    assert story.state.failed == "v2"


def test_a_removed_check_leaves_no_count_behind():
    story = Story.of(checks=(ERRORS, PATIENT)).begun().run("hhhh", cost="bbbb")

    story.want(checks=(ERRORS,))
    story.minute("h")
    assert story.state.watch.checks == ()


def test_the_tally_says_every_count_against_its_threshold():
    story = Story.of(checks=(ERRORS, PATIENT)).begun().run("bb", cost="bb")

    assert tally(story.state.watch, spec(checks=(ERRORS, PATIENT)).health) == "breach 2 of 3, cost: breach 2 of 5"
