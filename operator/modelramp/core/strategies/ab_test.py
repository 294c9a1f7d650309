"""How an A/B test ends: with a winner, no difference, harm, inconclusive or invalid; and what people read of it."""

from collections.abc import Mapping
from dataclasses import replace

from modelramp.api.abtest import ABTest, ABTestRun, Unit
from modelramp.api.names import UNANSWERED, Reason
from modelramp.api.quantity import above
from modelramp.api.rollout import Rollout
from modelramp.api.times import to_clock
from modelramp.api.verdict import ABTestOutcome, TickOutcome, Verdict
from modelramp.core.events import RolloutEvent
from modelramp.core.state import ABTestState, Candidate, Ending, Observed, RolloutInput, State
from modelramp.core.strategies.strategy import Advance, Failure, Observation, Stage, Strategy

SILENT = frozenset(
    {
        Reason.QUERY_FAILED,
        Reason.PROMETHEUS_UNREACHABLE,
        Reason.PROMETHEUS_TIMEOUT,
        Reason.PARTIAL_DATA,
        Reason.TOO_MANY_QUERIES,
        Reason.WARMING_UP,
    }
)
"""Reasons that mostly pass by themselves: a test that has evidence does not end on a tick that nobody answered for."""
_SCALE = 1.0
"""Size of what a difference of rates is reckoned from; an estimate that rounding put below minEffect is as large."""
_MESSAGE_LIMIT = 768
"""Characters: with who is tried and since when it still fits into status.message."""
_LOST = {
    Ending.HARM: Reason.AB_TEST_HARM,
    Ending.NO_DIFFERENCE: Reason.AB_TEST_NO_DIFFERENCE,
    Ending.INCONCLUSIVE: Reason.AB_TEST_INCONCLUSIVE,
    Ending.INVALID: Reason.AB_TEST_INVALID,
}
"""The endings that withdraw the candidate; the history calls them by the name of the ending."""


def under_test(target: RolloutInput, state: State) -> Candidate | None:
    """The candidate while only the test's verdict moves it on: it has the split's share (or more, if that was lowered
    under way), but not everything.
    """
    test, candidate = target.spec.rollout.ab_test, state.running
    if test is None or candidate is None or state.stable is None:
        return None
    return candidate if test.split <= candidate.weight < 100 else None


def conclude(test: ABTest, found: ABTestOutcome, since: int, tick: int) -> tuple[Ending, str]:
    """How the test stands with the evidence up to `tick`, and why. since: its beginning.

    Harm (the whole interval on the worse side) ends it at once. From minDuration on, a winner needs the whole interval
    on the better side and an estimate of at least minEffect; an interval wholly within minEffect is no difference. At
    maxDuration everything else is inconclusive: the traffic was too little for a verdict. While the split was not
    kept nothing is said of the metric.
    A test without any answer until maxDuration is invalid: waiting longer would keep the split for ever.
    """
    late = tick >= since + test.max_duration
    if late and found.reason in UNANSWERED and not found.sample_ratio and not found.samples:
        return Ending.INVALID, _UNANSWERED
    over = late and found.reason not in SILENT
    if found.mismatch:
        return (Ending.INVALID if over else Ending.UNDECIDED), _MISMATCH
    if found.verdict is not Verdict.NO_DATA and None not in (found.estimate, found.low, found.high):
        ending, why = _by_interval(test, found, early=tick < since + test.min_duration)
        if ending is not Ending.UNDECIDED:
            return ending, why
    if over:
        return Ending.INCONCLUSIVE, "no verdict within maxDuration"
    return Ending.UNDECIDED, "no verdict yet"


_UNANSWERED = "its metric was never answered within maxDuration"
_MISMATCH = "the comparison is not valid; find out why before trusting either version"


def _by_interval(test: ABTest, found: ABTestOutcome, *, early: bool) -> tuple[Ending, str]:
    estimate, low, high = found.estimate or 0.0, found.low or 0.0, found.high or 0.0
    if high < 0:
        return Ending.HARM, "the candidate is worse"
    if not early and low > 0 and not above(test.min_effect, estimate, scale=_SCALE):
        return Ending.WINNER, "the candidate is better"
    if not early and -test.min_effect <= low and high <= test.min_effect:
        return Ending.NO_DIFFERENCE, "any difference is smaller than minEffect"
    return Ending.UNDECIDED, ""


def _begun(target: RolloutInput, state: State, candidate: Candidate, start: int) -> ABTestState:
    """The test that is under way; one that begins at `start` when there is none, or when another question is asked."""
    test, known = target.spec.rollout.ab_test, state.ab_test
    question = test.question(candidate.weight) if test is not None else 0
    revision = candidate.version.revision
    if known is not None and (known.revision, known.question) == (revision, question):
        return known
    return ABTestState(revision, question, start, sticky=target.sticky)


def standing(target: RolloutInput, state: State) -> tuple[str, ...]:
    """The test under way for the status message: its times, and what it has found; () when there is none."""
    test, candidate = target.spec.rollout.ab_test, under_test(target, state)
    if test is None or candidate is None:
        return ()
    known = state.ab_test
    since = known.since if known is not None and known.revision == candidate.version.revision else None
    earliest, latest = test.ends(candidate.step_entered if since is None else since)
    ends = f"no winner before {to_clock(earliest)}, ends by {to_clock(latest)}"
    return (ends, known.message) if known is not None and since is not None and known.message else (ends,)


_ASSIGNED = {
    (Unit.REQUEST, False): "each request was assigned by itself, and requests were compared",
    (Unit.REQUEST, True): "users were assigned, but requests were compared: they depend on each other, so do not trust "
    "the interval; set unit: User",
    (Unit.USER, True): "users were assigned, and users were compared",
    (Unit.USER, False): "users were compared, but the router assigns requests: one user may have met both versions",
}
"""What was compared, by the unit of the test and whether the router keeps users at one version."""


def _sentence(ending: Ending, why: str, found: ABTestOutcome, begun: ABTestState, unit: Unit) -> str:
    title = {
        Ending.UNDECIDED: "A/B test",
        Ending.WINNER: "A/B test won",
        Ending.NO_DIFFERENCE: "A/B test: no difference",
        Ending.INCONCLUSIVE: "A/B test: inconclusive",
        Ending.HARM: "A/B test: harm",
        Ending.INVALID: "A/B test invalid",
    }[ending]
    aside = ending in (Ending.NO_DIFFERENCE, Ending.INCONCLUSIVE)
    parts = [f"{title} ({why})" if aside else f"{title}: {why}"]
    ratio = f"sample ratio {found.sample_ratio}" if found.sample_ratio else ""
    if found.mismatch:
        parts = [f"{title}: {ratio}: {why}" if ratio else parts[0], found.detail]
    else:
        parts += [found.detail, ratio]
    parts.append(_ASSIGNED[unit, begun.sticky])
    return "; ".join(part for part in parts if part)


class ABTestStrategy(Strategy):
    """Both versions serve side by side until the evidence on one metric says which is better."""

    outcomes = tuple(ending.value for ending in _LOST)

    def stages(self, rollout: Rollout) -> tuple[Stage, ...]:
        """The test's split, and then everything."""
        test = _test_of(rollout)
        return Stage(test.split, test.min_duration), Stage(100, rollout.step_duration)

    def ends(self, target: RolloutInput, candidate: Candidate) -> int:
        """As for every stage; a test whose split was raised under way lasts from the new weight on.

        Below the new split the candidate only passes through.
        """
        rollout = target.spec.rollout
        if candidate.weight < _test_of(rollout).split:
            return candidate.step_entered + rollout.step_duration
        return super().ends(target, candidate)

    def comparison(self, target: RolloutInput, state: State) -> ABTestRun | None:
        """The test under way, with what was counted of it so far."""
        candidate = under_test(target, state)
        if candidate is None:
            return None
        memory = state.ab_test.memory if state.ab_test is not None else ""
        test = _test_of(target.spec.rollout)
        return ABTestRun(test, candidate.weight, candidate.version.revision, candidate.step_entered, memory)

    def observe(
        self, target: RolloutInput, state: State, seen: Observed, outcome: TickOutcome, *, newest: bool
    ) -> Observation:
        """What this tick says of the test; the candidate is withdrawn when the test is lost.

        A tick whose window reaches back before the route showed the split is no evidence. A test that is paused goes on
        measuring, but does not end.
        """
        candidate, found = under_test(target, state), outcome.ab_test
        if candidate is None or (newest and self.held_by_route(target, candidate, seen)):
            return Observation()
        test = _test_of(target.spec.rollout)
        end = outcome.tick - test.delay
        start = end - target.spec.health.interval
        if found is None or start < candidate.step_entered:
            return Observation()
        begun = _begun(target, state, candidate, start)
        ending, why = conclude(test, found, begun.since, end)
        known = replace(
            begun,
            ending=ending,
            message=_sentence(ending, why, found, begun, test.unit)[:_MESSAGE_LIMIT],
            memory=found.memory,
            metric=test.metric.name,
            candidate=found.candidate,
            stable=found.stable,
            difference=found.difference,
            interval=found.interval,
            sample_ratio=found.sample_ratio,
        )
        failure = None
        if ending in _LOST and not state.paused:
            failure = Failure(_LOST[ending], known.message, ending.value)
        return Observation({"ab_test": known}, failure)

    def advance(self, target: RolloutInput, state: State, tick: int) -> Advance:
        """Only a winner moves the candidate on while it is under test."""
        if under_test(target, state) is None:
            return super().advance(target, state, tick)
        known = state.ab_test
        if known is None or known.ending is not Ending.WINNER:
            return Advance(False, standing(target, state)[-1])
        return Advance(True, findings=(RolloutEvent(Reason.AB_TEST_WON, known.message),))

    def time_of(self, target: RolloutInput, state: State) -> str:
        """The ends of the test under way, and what it has found."""
        return "; ".join(standing(target, state)) or super().time_of(target, state)

    def cut_short(self, target: RolloutInput, state: State, asked: str) -> tuple[str, Mapping[str, object]]:
        """A person goes on in favour of the candidate: a test under way ends without a verdict."""
        if under_test(target, state) is None:
            return asked, {}
        text = "the A/B test was ended by a person, without evidence"
        known = state.ab_test
        if known is None:
            return f"{text}: nothing was measured yet", {}
        message = f"{text}; until then: {known.message}"
        return message, {"ab_test": replace(known, ending=Ending.CUT_SHORT, message=message)}

    def conclusion(self, state: State) -> str:
        """What the test has found of the candidate."""
        known, candidate = state.ab_test, state.candidate
        if known is None or candidate is None or known.revision != candidate.version.revision:
            return ""
        return known.message


def _test_of(rollout: Rollout) -> ABTest:
    """What the strategy has to be given: a rule of the spec asks for it."""
    if rollout.ab_test is None:
        raise AssertionError("strategy ABTest without abTest")
    return rollout.ab_test
