"""An A/B test ends with a winner, no difference, harm, or as invalid; and with the evidence for it."""

from dataclasses import replace

import pytest

from modelramp.analysis.evidence import Mean, Proportion
from modelramp.analysis.experiment import Tick, judge_tick, silent_test
from modelramp.api.abtest import ABTest, ABTestRun
from modelramp.api.errors import PrometheusUnavailable
from modelramp.api.names import Phase, Reason
from modelramp.api.times import to_clock, to_seconds
from modelramp.api.verdict import ABTestOutcome, Verdict
from modelramp.core.state import Ending
from modelramp.core.status.parts import ab_test_status
from modelramp.core.strategies.ab_test import conclude, standing
from tests.unit.core.story import ERRORS, START, Story

METRIC = {"name": "conversion", "good": "g", "total": "t"}
TEST = {"metric": METRIC, "minEffect": "0.02", "minDuration": "10m", "maxDuration": "30m"}
ROLLOUT = {"strategy": "ABTest", "abTest": TEST, "stepDuration": "2m"}
WON, LOST, SAME = (300.0, 1000.0), (100.0, 1000.0), (200.0, 1000.0)


def begun(*, restarts=True, **changes):
    more = {key: changes.pop(key) for key in ("checks", "health") if key in changes}
    rollout = ROLLOUT | {"abTest": TEST | changes}
    return Story.of(rollout=rollout, restarts=restarts, **more).begun()


def run(story):
    state, test = story.state, story.target.spec.rollout.ab_test
    memory = state.ab_test.memory if state.ab_test else ""
    return ABTestRun(test, state.candidate.weight, state.candidate.version.revision, memory=memory)


def minute(story, candidate=SAME, stable=SAME, *, letter="h", assigned=None, **others):
    """One minute of a test: events and observations of each version."""
    if not story.state.running or story.state.candidate.weight == 100:
        return story.minute(letter, **others)
    kind = Mean if story.target.spec.rollout.ab_test.metric.sum else Proportion
    split = assigned or (candidate[1], stable[1])
    found = judge_tick(run(story), Tick(kind(*candidate), kind(*stable), split))
    return told(story, found, letter, **others)


def told(story, found, letter="h", **others):
    story.now = story.now - story.now % story.interval + story.interval
    outcome = story.outcome(letter, **others)
    story.look(replace(outcome, ab_test=found))
    return story


def minutes(story, count, *arms, **others):
    for _ in range(count):
        minute(story, *arms, **others)
    return story


@pytest.mark.parametrize("restarts", [False, True])
def test_a_winner_gets_everything_after_the_least_time_and_is_promoted_after_a_step_at_100(restarts):
    story = minutes(begun(restarts=restarts), 9, WON, SAME)
    assert (story.weight, story.state.ab_test.ending) == (50, Ending.UNDECIDED)

    minute(story, WON, SAME)
    assert (story.weight, story.reasons[-2:]) == (100, [Reason.AB_TEST_WON, Reason.STEP_ENTERED])
    assert story.state.stable.revision == "v1"

    minutes(story, 2)
    assert (story.state.stable.revision, story.state.candidate) == ("v2", None)
    message = story.state.history[0].message
    assert "A/B test won: the candidate is better; conversion 30 % of 10,000 against 20 % of 10,000" in message
    assert "difference +10 points (95 % interval over all looks: +" in message
    assert message.endswith("each request was assigned by itself, and requests were compared")


@pytest.mark.parametrize("restarts", [False, True])
def test_a_test_whose_labels_come_late_lasts_as_long_and_ends_so_much_later(restarts):
    story = minutes(begun(restarts=restarts, delay="5m"), 5, LOST, SAME)
    assert (story.weight, story.state.ab_test) == (50, None), "labels of the time before the split"
    entered = story.state.candidate.step_entered

    minutes(story, 9, WON, SAME)
    assert (story.weight, story.state.ab_test.ending) == (50, Ending.UNDECIDED)
    assert story.state.ab_test.since == entered
    status = ab_test_status(story.target, story.state.ab_test)
    assert (to_seconds(status.earliest_end) - entered, to_seconds(status.latest_end) - entered) == (15 * 60, 35 * 60)
    assert standing(story.target, story.state)[0].startswith(f"no winner before {to_clock(entered + 15 * 60)}")

    minute(story, WON, SAME)
    assert (story.weight, story.reasons[-2:]) == (100, [Reason.AB_TEST_WON, Reason.STEP_ENTERED])


def test_the_last_labels_are_waited_for_before_a_test_ends_without_a_winner():
    story = minutes(begun(delay="5m"), 34, (2.0, 10.0), (2.0, 10.0))
    assert story.weight == 50
    minute(story, (2.0, 10.0), (2.0, 10.0))
    assert (story.weight, story.state.reason) == (0, Reason.AB_TEST_INCONCLUSIVE)


def test_another_delay_is_another_test_and_none_is_what_it_was():
    plain, late = (ABTest.model_validate(TEST | {"delay": delay}) for delay in ("0s", "5m"))
    assert plain.question(50) == ABTest.model_validate(TEST).question(50) == 4235388339
    assert late.question(50) != plain.question(50)


def test_harm_ends_a_test_at_once_and_the_version_is_not_tried_again():
    story = minute(begun(), LOST, SAME)

    assert (story.weight, story.state.failed, story.state.reason) == (0, "v2", Reason.AB_TEST_HARM)
    ended = story.state.history[0]
    assert (ended.outcome, ended.weight) == ("Harm", 50)
    assert "the candidate is worse; conversion 10 % of 1,000 against 20 % of 1,000" in ended.message
    assert story.run("h" * 40).weight == 0

    story.want(request="retry/v2/again")
    assert story.state.candidate.version.revision == "v2"
    assert story.state.ab_test is None


def test_a_difference_within_the_least_effect_is_none():
    story = minutes(begun(minEffect="0.1"), 9)
    assert story.weight == 50

    minute(story)
    assert (story.weight, story.state.history[0].outcome) == (0, "NoDifference")
    assert (story.state.failed, story.state.phase) == ("v2", Phase.ROLLED_BACK)


def test_what_is_undecided_at_the_longest_time_is_inconclusive():
    story = minutes(begun(), 29, (20.0, 100.0), (20.0, 100.0))
    assert story.weight == 50

    minute(story, (20.0, 100.0), (20.0, 100.0))
    assert (story.weight, story.state.reason) == (0, Reason.AB_TEST_INCONCLUSIVE)
    assert story.state.history[0].outcome == "Inconclusive"
    assert "A/B test: inconclusive (no verdict within maxDuration)" in story.state.history[0].message


def test_a_winner_that_is_better_by_less_than_the_least_effect_is_none():
    story = minutes(begun(minEffect="0.2"), 10, WON, SAME)

    assert story.state.history[0].outcome == "NoDifference"


def test_a_sample_ratio_mismatch_forbids_every_verdict_on_the_metric():
    story = minutes(begun(), 29, WON, SAME, assigned=(540.0, 460.0))
    assert (story.weight, story.state.ab_test.ending) == (50, Ending.UNDECIDED)
    assert (
        "sample ratio 15,660 : 13,340 against 50 : 50, chi-square 185.6, p < 0.0001: the comparison is not valid"
        in (story.state.ab_test.message)
    )

    minute(story, WON, SAME, assigned=(540.0, 460.0))
    assert (story.weight, story.state.history[0].outcome) == (0, "Invalid")
    assert story.state.reason is Reason.AB_TEST_INVALID


def test_a_mismatch_that_was_seen_once_is_not_forgotten():
    story = minutes(begun(), 2, WON, SAME, assigned=(1000.0, 500.0))
    minutes(story, 20, WON, SAME, assigned=(1000.0, 1000.0))

    assert (story.weight, story.state.ab_test.ending) == (50, Ending.UNDECIDED)


def test_harm_is_not_called_from_an_invalid_comparison_but_guardrails_roll_back():
    story = minutes(begun(), 5, LOST, SAME, assigned=(900.0, 100.0))
    assert story.weight == 50

    minutes(story, 3, LOST, SAME, assigned=(900.0, 100.0), letter="b")
    assert (story.weight, story.state.reason) == (0, Reason.THRESHOLD_REACHED)


@pytest.mark.parametrize("letters", ["b", "?", "p"])
def test_a_winner_waits_for_a_healthy_tick(letters):
    story = minutes(begun(), 9, WON, SAME)

    minute(story, WON, SAME, letter=letters)
    assert story.weight == 50
    assert minute(story, WON, SAME).weight == 100


def test_a_hold_check_holds_the_winner_back():
    held = {"name": "accuracy", "query": "z", "min": "0.85", "role": "hold"}
    story = minutes(begun(checks=(ERRORS, held)), 12, WON, SAME, accuracy="b")
    assert (story.weight, story.state.reason) == (50, Reason.HELD_BY_CHECK)

    assert minute(story, WON, SAME, accuracy="h").weight == 100


def test_a_paused_test_does_not_end_whatever_it_finds():
    story = minute(begun())
    story.want(request="pause/v2/1")
    minutes(story, 40, LOST, SAME)
    assert (story.weight, story.state.ab_test.ending) == (50, Ending.HARM)

    story.want(request="resume/v2/2")
    assert minute(story, LOST, SAME).weight == 0


def test_a_person_ends_a_test_early_without_evidence():
    story = minutes(begun(), 3)
    story.want(request="promote/v2/now")

    assert (story.weight, story.state.ab_test.ending) == (100, Ending.CUT_SHORT)
    assert "ended by a person, without evidence; until then: A/B test: no verdict yet" in story.findings[-2].message
    assert story.run("hh").state.stable.revision == "v2"
    assert "without evidence" in story.state.history[0].message


def test_a_tick_without_the_split_on_the_route_is_no_evidence_and_the_test_goes_on_afterwards():
    story = minutes(begun(), 5, WON, SAME)
    before = story.state.ab_test
    story.routed = False
    minute(story, LOST, SAME)
    story.routed = True

    assert story.state.ab_test == before
    minutes(story, 5, WON, SAME)
    assert story.state.ab_test.since == before.since


def test_the_first_version_is_not_tested():
    story = Story.of("v1", state=None, rollout=ROLLOUT)
    story.state = type(story.state)()
    story.look()

    assert (story.weight, story.state.ab_test) == (100, None)


def test_another_question_begins_another_test_and_other_durations_do_not():
    story = minutes(begun(), 5, WON, SAME)
    since = story.state.ab_test.since
    story.want(rollout=ROLLOUT | {"abTest": TEST | {"maxDuration": "40m"}})
    minute(story, WON, SAME)
    assert story.state.ab_test.since == since
    assert "of 6,000" in story.state.ab_test.candidate

    story.want(rollout=ROLLOUT | {"abTest": TEST | {"minEffect": "0.03"}})
    minute(story, WON, SAME)
    assert story.state.ab_test.since == START + 6 * 60
    assert "of 1,000" in story.state.ab_test.candidate


def test_a_split_that_is_raised_under_way_is_reached_and_begins_another_test():
    story = minutes(begun(), 3)
    story.want(rollout=ROLLOUT | {"abTest": TEST | {"split": 80}})
    minute(story)
    assert (story.weight, story.state.candidate.step) == (80, 0)

    minute(story, (200.0, 1000.0), (50.0, 250.0))
    assert "against 80 : 20" in story.state.ab_test.sample_ratio


def test_a_prometheus_that_is_silent_at_the_end_delays_it():
    story = minutes(begun(), 29, (20.0, 100.0), (20.0, 100.0))
    silent = silent_test(run(story), PrometheusUnavailable("PrometheusTimeout", "no answer"))
    told(story, silent)
    assert story.weight == 50

    assert minute(story).weight == 0


NEVER = ("QueryFailed", "QueryInvalid", "PrometheusUnreachable", "PrometheusTimeout", "PartialData")


def unanswered(story, reason, count):
    for _ in range(count):
        told(story, silent_test(run(story), PrometheusUnavailable(reason, "Prometheus: why")))
    return story


@pytest.mark.parametrize("reason", NEVER)
def test_a_test_whose_metric_was_never_answered_is_invalid_at_the_longest_time(reason):
    story = unanswered(begun(), reason, 29)
    assert story.weight == 50

    unanswered(story, reason, 1)
    assert (story.weight, story.state.reason) == (0, Reason.AB_TEST_INVALID)
    ended = story.state.history[0]
    assert ended.outcome == "Invalid"
    assert "its metric was never answered within maxDuration; Prometheus: why" in ended.message


def test_one_answer_is_enough_to_wait_for_the_next_one():
    story = minute(unanswered(begun(), "QueryFailed", 28))
    unanswered(story, "QueryFailed", 5)
    assert story.weight == 50

    assert minute(story).weight == 0
    assert story.state.reason is Reason.AB_TEST_INCONCLUSIVE


def test_a_smaller_mean_wins_when_it_should_fall():
    metric = {"name": "tokens", "sum": "s", "count": "c", "goal": "Decrease"}
    story = begun(metric=metric, minEffect="5", maxDuration="1h")
    for index in range(30):
        minute(story, (90.0 * 500 + index, 500.0), (100.0 * 500 - 7 * index, 500.0))

    assert story.weight == 100
    assert story.state.ab_test.difference == "-9.768"


def outcome(estimate, low, high, *, mismatch=False, verdict=Verdict.HEALTHY, reason=Reason.WITHIN_LIMIT):
    return ABTestOutcome(verdict, reason, "", estimate=estimate, low=low, high=high, mismatch=mismatch)


MIN, MAX = 10, 30
REVENUE = {"name": "revenue", "sum": "s", "count": "c", "goal": "Increase"}
# name: estimate, low, high, minutes, mismatch -> ending, with minEffect 2
TABLE = {
    "harm before the least time": (-3, -5, -0.1, 1, False, Ending.HARM),
    "an interval that touches zero is no harm": (-3, -6, 0, 1, False, Ending.UNDECIDED),
    "no winner before the least time": (3, 1, 5, MIN - 1, False, Ending.UNDECIDED),
    "winner at the least time": (3, 1, 5, MIN, False, Ending.WINNER),
    "winner with exactly the least effect": (2, 1, 5, MIN, False, Ending.WINNER),
    "better, but by too little so far": (1.9, 1, 5, MIN, False, Ending.UNDECIDED),
    "better, but by too little at the end": (1.9, 1, 5, MAX, False, Ending.INCONCLUSIVE),
    "winner at the longest time": (3, 1, 5, MAX, False, Ending.WINNER),
    "within the least effect": (0, -2, 2, MIN, False, Ending.NO_DIFFERENCE),
    "within the least effect, too early": (0, -2, 2, MIN - 1, False, Ending.UNDECIDED),
    "nearly within the least effect": (0, -2.1, 2, MIN, False, Ending.UNDECIDED),
    "surely better, and surely by too little": (1, 0.5, 1.5, MIN, False, Ending.NO_DIFFERENCE),
    "open at the longest time": (0, -9, 9, MAX, False, Ending.INCONCLUSIVE),
    "nothing measured yet": (None, None, None, MIN, False, Ending.UNDECIDED),
    "nothing measured at all": (None, None, None, MAX, False, Ending.INCONCLUSIVE),
    "a mismatch forbids a winner": (3, 1, 5, MIN, True, Ending.UNDECIDED),
    "a mismatch forbids harm": (-3, -5, -1, MIN, True, Ending.UNDECIDED),
    "a mismatch at the longest time": (3, 1, 5, MAX, True, Ending.INVALID),
}


@pytest.mark.parametrize(("estimate", "low", "high", "after", "mismatch", "ending"), TABLE.values(), ids=TABLE)
def test_the_table_of_endings(estimate, low, high, after, mismatch, ending):
    test = ABTest.model_validate(TEST | {"metric": REVENUE, "minEffect": 2})
    found = outcome(estimate, low, high, mismatch=mismatch)

    assert conclude(test, found, START, START + after * 60)[0] is ending


def test_a_tick_without_data_calls_nothing_before_the_longest_time():
    test = ABTest.model_validate(TEST | {"metric": REVENUE, "minEffect": 2})
    found = outcome(-3, -5, -1, verdict=Verdict.NO_DATA, reason=Reason.EMPTY_RESULT)

    assert conclude(test, found, START, START + MIN * 60)[0] is Ending.UNDECIDED
