"""The transition table: what it forbids cannot happen, what it allows does, and the page shows it."""

import itertools
from pathlib import Path

import pytest

from modelramp.api.errors import Broken
from modelramp.api.names import Phase
from modelramp.core import transitions
from modelramp.core.phases import MOVES, check_move, diagram
from modelramp.core.state import Decision, Pods, State
from tests.unit.core.story import Story

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "phases.md"


def test_every_phase_has_a_row():
    assert set(MOVES) == set(Phase)


@pytest.mark.parametrize(("old", "new"), list(itertools.product(Phase, Phase)))
def test_a_move_that_the_table_does_not_know_raises_and_changes_nothing(old, new):
    decision = Decision(State(phase=old))
    if new is old or new in MOVES[old]:
        assert transitions.enter(decision, new).state.phase is new
        return
    with pytest.raises(Broken, match=f"from {old} to {new}"):
        transitions.enter(decision, new)
    assert decision.state.phase is old


def test_no_phase_is_a_dead_end_and_every_phase_can_be_reached():
    assert all(MOVES.values())
    assert set().union(*MOVES.values()) == set(Phase)


def test_staying_is_always_allowed():
    for phase in Phase:
        check_move(phase, phase)


def first_waiting():
    story = Story.of("v1", state=State())
    story.pods["v1"] = Pods(1, 0, 0)
    story.look()
    return story


def test_promoted_out_of_a_pause():
    story = Story.of(rollout={"steps": [{"weight": 100}]}).begun()
    story.want(request="pause/v2/1")
    assert story.state.phase is Phase.PAUSED

    story.want(request="promote/v2/2")
    assert (story.state.phase, story.state.stable.revision) == (Phase.HEALTHY, "v2")


def test_a_first_revision_that_was_given_up_is_replaced():
    story = first_waiting()
    story.now += 600
    story.look()
    assert story.state.phase is Phase.DEGRADED

    story.pods["v2"] = Pods(1, 0, 0)
    story.want("v2")
    assert (story.state.phase, story.state.candidate.version.revision) == (Phase.PENDING, "v2")


def test_a_first_revision_that_breaches_before_the_route_shows_it_is_degraded():
    story = first_waiting()
    story.pods.clear()
    story.served = {}
    story.look()
    assert story.state.phase is Phase.PROMOTING

    story.run("ppp")
    assert story.state.phase is Phase.DEGRADED


def test_a_promotion_that_the_route_does_not_show_alone_is_rolled_back_like_any_other():
    story = Story.of().begun().run("h" * 14)
    story.served = {"v2": 100, "a-stranger": 5}
    story.minute("h")
    assert story.state.phase is Phase.PROMOTING

    story.run("bbb")
    assert (story.state.phase, story.state.weights) == (Phase.ROLLING_BACK, {"v1": 100})


def test_the_page_shows_the_table_as_it_is():
    drawn = f"```mermaid\n{diagram()}```\n"
    assert drawn in PAGE.read_text(encoding="utf-8"), f"put this into {PAGE.name}:\n{drawn}"
