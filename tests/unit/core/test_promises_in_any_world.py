"""Promises 1 to 4 in a world that lags, forgets, repeats itself and is edited: whatever order Hypothesis finds.

Steps last a minute, so that a short history sees whole rollouts. The state goes through the status after every
decision, as if the operator were restarted each time. MODELRAMP_EXAMPLES=2000 looks further than tests have time for.
"""

import json
import os
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from modelramp.api.names import Phase, Reason
from modelramp.api.verdict import TickOutcome
from modelramp.core.decide import decide
from modelramp.core.requests import parse_request
from modelramp.core.state import Observed, Pods, RolloutInput
from modelramp.core.status.read import read_status, state_of
from modelramp.core.status.write import status_of
from tests.rules import kstatus
from tests.unit.core.ledger import BAD, GOOD, SILENT, Ledger
from tests.unit.core.story import START, check, spec

LADDERS = ((10, 50, 100), (100,), (1, 2, 3, 100), (50, 100), (20, 40, 60, 80, 100))
REVISIONS = ("v1", "v2", "v3")
MINUTE = 60


def wanted(ladder, threshold, on_breach):
    steps = [{"weight": weight} for weight in ladder]
    return spec(
        rollout={"steps": steps, "stepDuration": "1m", "progressDeadline": "5m"},
        failureThreshold=threshold,
        after={"onBreach": on_breach},
    )


# Reading a spec is slow beside a decision, and there are few.
SPECS = {
    (ladder, threshold, on_breach): wanted(ladder, threshold, on_breach)
    for ladder in LADDERS
    for threshold in (1, 2, 3)
    for on_breach in ("Rollback", "Report")
}


class Rollouts(RuleBasedStateMachine):
    """One ModelDeployment, its world, and the books that are kept beside it."""

    @initialize(ladder=st.sampled_from(LADDERS), wanted=st.sampled_from(["v1", "v2", "v2", "v2"]))
    def begin(self, ladder, wanted):
        self.now = START
        self.policy = (ladder, 3, "Rollback")
        self.revision = "v1"
        self.request = ""
        self.status = {}
        self.down = set()
        self.served = {}
        self.prompt = True
        self.routed = True
        self.sent = []
        self.ledger = Ledger()
        self.nonce = 0
        self.look()
        self.revision = wanted
        self.look()

    @property
    def state(self):
        return state_of(read_status(self.status))

    @property
    def target(self):
        return RolloutInput(SPECS[self.policy], self.revision, parse_request(self.request))

    def seen(self):
        pods = {r: Pods(1, 0, 0) if r in self.down else Pods(1, 1, 1) for r in REVISIONS}
        return Observed(pods=pods, served=dict(self.served), routed=self.routed, kept=frozenset(REVISIONS))

    def decide(self, ticks):
        """One decision, checked against the books, written as a status; the route follows if it is prompt."""
        state, target, seen = self.state, self.target, self.seen()
        must = self.expected(self.without_future(state, ticks), ticks)
        decision = decide(target, state, seen, ticks, self.now)
        self.check(state, decision, ticks, must)
        again = decide(target, decision.state, seen, ticks, self.now)
        # A `promote` that waited for the route is turned down one decision after its candidate is gone.
        later = again.state
        heard = replace(decision.state, request=later.request, answer=later.answer, heard=later.heard)
        assert again.state == heard, "the same news a second time moved something"
        self.status = json.loads(
            json.dumps(
                status_of(
                    "digits",
                    target,
                    decision.state,
                    seen,
                    generation=1,
                    now=self.now,
                    before=read_status(self.status),
                )
            )
        )
        assert self.state == decision.state, "the status forgot something"
        if self.prompt:
            self.served = self.state.weights
        return decision

    def without_future(self, state, ticks):
        """After a last tick that is still to come by more than one minute, ticks and their count begin anew."""
        newest = max((tick.tick for tick in ticks), default=self.now)
        if state.last_tick <= self.now or state.last_tick <= newest + MINUTE:
            return state
        self.ledger.row = 0
        return replace(state, last_tick=newest - MINUTE)

    def look(self):
        """Decide until nothing moves: each write of the engine is news to itself."""
        for _ in range(6):
            before = self.status
            self.decide(())
            if self.status == before:
                return

    def expected(self, state, ticks):
        """Whether these ticks must roll back, by the books: None for never, else the tick."""
        subject = state.subject
        changed = self.revision not in {state.subject, state.failed} and self.revision != (
            state.candidate.version.revision if state.candidate else None
        )
        if subject is None or changed or state.phase is Phase.ROLLING_BACK:
            return None
        running = state.running
        entered = running.step_entered if running else state.stable.traffic_since
        if not entered:
            return None
        last = state.last_tick
        for tick in sorted(ticks, key=lambda item: item.tick):
            if tick.tick <= last or tick.revision != subject:
                continue
            last = tick.tick
            if self.ledger.count(subject, self.verdict(tick, entered), self.policy[1]):
                return tick.tick
        return None

    def verdict(self, tick, entered):
        if tick.available is False:
            return BAD
        letter = {"healthy": GOOD, "breach": BAD, "no-data": SILENT}[tick.checks[0].verdict]
        return letter if tick.tick - MINUTE >= entered else SILENT

    def check(self, state, decision, ticks, must):
        after, ledger = decision.state, self.ledger
        reasons = [finding.reason for finding in decision.findings]
        if Reason.RETRIED in reasons:
            ledger.banned.discard(self.revision)
        if state.stable:
            ledger.worked.add(state.stable.revision)
        ledger.traffic_moved(state.weights, after.weights, self.policy[0], first=state.stable is None)
        self.check_rollback(state, after, reasons, must)
        self.check_promotion(state, after, reasons, ticks)
        if {Reason.THRESHOLD_REACHED, Reason.ABORTED, Reason.ROLLED_BACK_BY_REQUEST} & set(reasons):
            ledger.banned |= set(state.weights) - set(after.weights)
        if after.subject != ledger.of:
            ledger.of, ledger.row = after.subject, 0
        self.check_route(state, after, reasons)

    def check_route(self, state, after, reasons):
        """Promise 1 on the route: the step before must be seen there, also when a person asks for the next one."""
        if state.stable is None or Reason.STEP_ENTERED not in reasons:
            return
        candidate = after.candidate.version.revision
        if after.candidate.weight and not state.weights.get(candidate):
            assert set(self.served) == {after.stable.revision}
        else:
            assert self.served.get(candidate) == state.weights[candidate]
        assert self.routed is True

    def check_rollback(self, state, after, reasons, must):
        """Promise 2: at the breaching tick, not earlier, not later."""
        running = state.running
        can = running is not None or (state.previous is not None and self.policy[2] == "Rollback")
        rolled = Reason.THRESHOLD_REACHED in reasons
        others = {Reason.ABORTED, Reason.PROMOTED_BY_REQUEST, Reason.ROLLED_BACK_BY_REQUEST}
        if (others | {Reason.PROGRESS_DEADLINE_EXCEEDED}) & set(reasons):
            return
        assert rolled == (must is not None and can), f"rolled back: {rolled}, breaching tick: {must}, {state.phase}"
        if rolled:
            assert after.last_tick == must
            bad = running.version.revision if running else state.stable.revision
            assert bad not in after.weights

    def check_promotion(self, state, after, reasons, ticks):
        """Promise 3: only a healthy newest tick moves traffic up, or a person."""
        running = state.running
        if running is None or Reason.PROMOTED_BY_REQUEST in reasons or Reason.SUPERSEDED in reasons:
            return
        up = after.weights.get(running.version.revision, 0) > running.weight
        promoted = after.stable is not None and after.stable.revision == running.version.revision
        if up or promoted:
            newest = max(ticks, key=lambda tick: tick.tick)
            assert self.verdict(newest, running.step_entered) == GOOD
            assert newest.tick >= running.step_entered + MINUTE
            assert self.routed is True
        if promoted:
            assert running.weight == 100

    def outcome(self, letter, tick):
        available = {"p": False, "u": None}.get(letter, True)
        return TickOutcome(
            tick, self.state.subject or "", (check("errors", letter if letter in "hb?" else "h"),), available
        )

    # what may happen

    @rule(letters=st.text("hb?p", min_size=1, max_size=6))
    def minutes_pass(self, letters):
        self.pass_minutes(letters)

    @rule(minutes=st.integers(1, 8))
    def healthy_minutes_pass(self, minutes):
        self.pass_minutes("h" * minutes)

    @rule(letters=st.text("bbb?p", min_size=1, max_size=5))
    def bad_minutes_pass(self, letters):
        self.pass_minutes(letters)

    @rule()
    def all_is_well_for_a_while(self):
        self.down, self.routed, self.prompt = set(), True, True
        self.served = self.state.weights
        self.look()
        self.pass_minutes("hhh")

    def pass_minutes(self, letters):
        for letter in letters:
            self.now = self.now - self.now % MINUTE + MINUTE + 5
            ticks = [self.outcome(letter, self.now - 5)]
            self.sent += ticks
            self.decide(ticks)
            self.look()

    @rule(letters=st.text("hhhb?u", min_size=2, max_size=15), shuffled=st.randoms(use_true_random=False))
    def the_operator_was_away(self, letters, shuffled):
        first = self.now - self.now % MINUTE + MINUTE
        ticks = [self.outcome(letter, first + MINUTE * index) for index, letter in enumerate(letters)]
        ticks += ticks[:2]
        shuffled.shuffle(ticks)
        self.now = first + MINUTE * (len(letters) - 1) + 5
        self.sent += ticks
        self.decide(ticks)
        self.look()

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def old_news_comes_again(self, data):
        before = self.state
        known = [tick for tick in self.sent if tick.tick <= before.last_tick]
        if known:
            ahead = before.last_tick > self.now  # the clock was: the count begins anew, and that is said
            self.decide([data.draw(st.sampled_from(known))])
            assert ahead or self.state.watch == before.watch
        self.look()

    @rule(revision=st.sampled_from(REVISIONS))
    def a_revision_is_wanted(self, revision):
        if revision != self.revision:
            self.ledger.spec_changed()
        self.revision = revision
        self.look()

    @rule(ladder=st.sampled_from(LADDERS))
    def the_steps_are_edited(self, ladder):
        self.policy = (ladder, *self.policy[1:])
        self.look()

    @rule(threshold=st.integers(1, 3), on_breach=st.sampled_from(["Rollback", "Rollback", "Report"]))
    def the_policy_is_edited(self, threshold, on_breach):
        self.policy = (self.policy[0], threshold, on_breach)
        self.look()

    @rule(
        verb=st.sampled_from(["promote", "promote", "pause", "resume", "abort", "retry", "retry"]),
        other=st.sampled_from([None, None, None, *REVISIONS]),
        stale=st.booleans(),
    )
    def a_person_asks(self, verb, other, stale):
        self.nonce += not stale
        self.request = f"{verb}/{other or self.revision}/{self.nonce}"
        self.look()

    @rule(to=st.sampled_from(["", "", *(f"/{revision}" for revision in REVISIONS)]))
    def a_person_goes_back(self, to):
        self.nonce += 1
        stable = self.state.stable.revision if self.state.stable else self.revision
        self.request = f"rollback/{stable}/{self.nonce}{to}"
        self.look()

    @rule(revision=st.sampled_from(REVISIONS))
    def pods_come_or_go(self, revision):
        self.down ^= {revision}
        self.look()

    @rule(routed=st.sampled_from([True, True, False, None]))
    def the_gateway_speaks(self, routed):
        self.routed = routed
        self.look()

    @rule(prompt=st.booleans())
    def the_route_lags_or_follows(self, prompt):
        self.prompt = prompt
        if prompt:
            self.served = self.state.weights
        self.look()

    @rule(seconds=st.sampled_from([-86_400, -600, -60, 7, 30, 299, 600, 86_400]))
    def the_clock_jumps(self, seconds):
        self.now += seconds
        self.look()

    # what always holds

    @invariant()
    def roles_do_not_overlap(self):
        if not self.status:
            return
        state = self.state
        stable = state.stable.revision if state.stable else None
        candidate = state.candidate.version.revision if state.candidate else None
        assert stable is None or stable != candidate
        assert state.failed is None or state.failed not in {stable, candidate}
        assert not {item.revision for item in state.retiring} & {stable, candidate}
        assert state.paused == (state.phase is Phase.PAUSED)
        assert self.revision in {stable, candidate, state.failed}
        assert state.phase is not Phase.HEALTHY or stable == self.revision
        assert state.phase is not Phase.ROLLED_BACK or state.failed == self.revision

    @invariant()
    def the_status_reads_well(self):
        if not self.status:
            return
        assert kstatus.check(self.status) == []
        assert self.status["message"]
        assert "None" not in self.status["message"]


Rollouts.TestCase.settings = settings(
    max_examples=int(os.environ.get("MODELRAMP_EXAMPLES", "60")),
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestPromisesInAnyWorld = Rollouts.TestCase
