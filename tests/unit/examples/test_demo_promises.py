import pytest
from demo_story import CAST, Story

from examples.demo.promises import findings


def broken(story: Story) -> list[str]:
    return [found.promise for found in findings(CAST, *story.played()) if not found.kept]


def test_a_demo_that_goes_as_promised_breaks_no_promise():
    assert broken(Story()) == []


# What goes wrong, and a word of the only promises that may be reported as broken.
FAULTS = {
    "a step is skipped": (Story(weights=(10, 100)), {"the route", "every step"}),
    "a step that nobody asked for": (Story(weights=(10, 30, 50, 100)), {"the route"}),
    "the weight falls on the way": (Story(weights=(50, 10, 100)), {"the route"}),
    "steps are too short": (Story(step=20), {"every step"}),
    "the route is right and the traffic is not": (Story(share_error=0.07), {"really get"}),
    "rolled back after two breaches": (Story(marks="?--"), {"third breach"}),
    "rolled back after four breaches": (Story(marks="?----"), {"third breach"}),
    "two breaches, a healthy tick, one more": (Story(marks="--+-"), {"third breach"}),
    "the third breach was followed by a healthy tick": (Story(marks="---+"), {"third breach", "within"}),
    "another check did it": (Story(guilty=("error-rate",)), {"accuracy alone"}),
    "two checks did it": (Story(guilty=("accuracy", "error-rate")), {"accuracy alone"}),
    "accuracy saw the drift": (Story(odd="4.0.0", guilty=("accuracy",)), {"confidence alone"}),
    "accuracy saw the drift, too": (Story(odd="4.0.0", guilty=("accuracy", "confidence")), {"confidence alone"}),
    "drift is noticed late": (Story(odd="4.0.0", marks="?----"), {"third breach"}),
    "the unfair version drifts": (Story(odd="5.0.0", guilty=("confidence", "fairness")), {"fairness alone"}),
    "another check breached at the tick that counts": (
        Story(odd="5.0.0", stray="confidence", stray_at=(-1,), alone=True),
        {"fairness alone"},
    ),
    "another check breached as often": (
        Story(odd="4.0.0", stray="fairness", stray_at=(-3, -2, -1)),
        {"confidence alone"},
    ),
    "nobody could have seen drift": (Story(odd="5.0.0", silent="confidence"), {"fairness alone"}),
    "the unfair version skips a step": (Story(climb=(10, 100)), {"the route"}),
    "traffic comes back late": (Story(back=12.0), {"within"}),
    "the unfair version's traffic comes back late": (Story(odd="5.0.0", back=12.0), {"within"}),
    "the failed version still answers": (Story(straggler=4.0), {"answer nobody"}),
    "the drifting version still answers": (Story(odd="4.0.0", straggler=4.0), {"answer nobody"}),
    "one request fails": (Story(failed=1), {"no request fails"}),
    "one label is lost": (Story(labels_failed=1), {"no request fails"}),
    "it takes too long": (Story(length=481), {"minutes"}),
}


@pytest.mark.parametrize(("story", "words"), FAULTS.values(), ids=FAULTS)
def test_whatever_differs_from_the_promises_is_found_and_nothing_else_is_blamed(story, words):
    found = broken(story)

    assert all(any(word in promise for promise in found) for word in words), found
    assert all(any(word in promise for word in words) for promise in found), found


def test_ticks_without_data_neither_count_nor_clear():
    assert broken(Story(marks="?-?--")) == []


@pytest.mark.parametrize("at", [(-1,), (-3, -2), ()])
def test_another_check_may_breach_beside_by_chance(at):
    assert broken(Story(odd="4.0.0", stray="fairness", stray_at=at)) == []
    assert broken(Story(odd="5.0.0", stray="confidence", stray_at=at[:1])) == []


@pytest.mark.parametrize("climb", [(10,), (10, 50), (10, 50, 100)])
def test_the_unfair_version_may_be_caught_at_any_step(climb):
    assert broken(Story(climb=climb)) == []


@pytest.mark.parametrize("bad", CAST.failing, ids=lambda bad: bad.version)
def test_a_bad_version_that_is_promoted_breaks_the_promises_about_its_rollback(bad):
    found = broken(Story(odd=bad.version, marks="++++", outcome="Promoted"))

    assert any("third breach" in promise for promise in found)
    assert any(f"{bad.check} alone" in promise for promise in found)
    assert any("within" in promise for promise in found)


def test_a_demo_in_which_nothing_happened_keeps_no_promise_about_the_rollouts():
    story = Story()
    _, load = story.played()

    kept = [found.promise for found in findings(CAST, type(story.journal)(10), load) if found.kept]
    assert kept == ["no request fails", "all this takes less than 8 minutes"]


def test_requests_that_a_busy_machine_could_not_send_are_told_and_blame_nobody():
    story = Story(skipped=7)
    (found,) = [one for one in findings(CAST, *story.played()) if one.promise == "no request fails"]

    assert found.kept
    assert "7 were not sent" in found.seen
