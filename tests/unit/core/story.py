"""One ModelDeployment, minute by minute, in a world that obeys at once unless a test says otherwise."""

import json
from dataclasses import dataclass, field, replace

from modelramp.api.names import Phase, Reason
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.core.decide import decide
from modelramp.core.events import RolloutEvent
from modelramp.core.requests import parse_request
from modelramp.core.state import Decision, Pods, RolloutInput, State, Version
from modelramp.core.status.read import read_status, state_of
from modelramp.core.status.write import status_of
from modelramp.simulation.world import obedient

START = 1_800_000_000
"""08:00:00Z, on the grid of every interval that divides a minute."""
VERDICTS = {"h": Verdict.HEALTHY, "b": Verdict.BREACH, "?": Verdict.NO_DATA}
REASONS = {"h": Reason.WITHIN_LIMIT, "b": Reason.ABOVE_MAXIMUM, "?": Reason.EMPTY_RESULT}
DETAILS = {"h": "0.001, limit 0.01", "b": "0.5, limit 0.01", "?": "the query returned an empty result"}
ERRORS = {"name": "errors", "query": "x", "max": "0.01"}


def check(name, letter):
    """A check's outcome from one letter: h healthy, b breach, ? no data."""
    return CheckOutcome(name, VERDICTS[letter], REASONS[letter], DETAILS[letter])


def spec(version="2.0.0", *, replicas=1, checks=(ERRORS,), rollout=None, after=None, **health) -> ModelDeploymentSpec:
    return parse_spec(
        {
            "replicas": replicas,
            "model": {"name": "digits", "version": version},
            "template": {"spec": {"containers": [{"name": "model", "image": "digits"}]}},
            "routing": {"gateway": {"parentRefs": [{"name": "public"}]}},
            "rollout": rollout or {},
            "health": {"checks": list(checks), **health},
            "afterPromotion": after or {},
        }
    )


def serving(revision="v1", version="1.4.0", **more) -> State:
    """A state in which one version has served for long."""
    return State(phase=Phase.HEALTHY, reason=Reason.PROMOTED, stable=Version(revision, version, 1000, 1000), **more)


def through_status(target, state, seen, now, generation=1):
    """The state as a restarted operator reads it back."""
    written = json.loads(
        json.dumps(status_of("digits", target, state, seen, generation=generation, now=now, before=read_status({})))
    )
    return state_of(read_status(written))


@dataclass
class Story:
    """What is wanted, is and is told. twice: every tick comes twice. restarts: only the status is remembered.

    forgotten: revisions whose ControllerRevision is gone.
    """

    target: RolloutInput
    state: State = field(default_factory=serving)
    now: int = START
    pods: dict[str, Pods] = field(default_factory=dict)
    served: dict[str, int] | None = None
    routed: bool | None = True
    twice: bool = False
    restarts: bool = True
    findings: list[RolloutEvent] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, revision="v2", *, state=None, restarts=True, **parts):
        return cls(RolloutInput(spec(**parts), revision), state=state or serving(), restarts=restarts)

    @property
    def interval(self):
        return self.target.spec.health.interval

    @property
    def weight(self):
        """The share of the traffic of what the spec asks for."""
        return self.state.weights.get(self.target.revision, 0)

    @property
    def reasons(self):
        return [finding.reason for finding in self.findings]

    def seen(self):
        seen = obedient(self.target, self.state)
        served = seen.served if self.served is None else self.served
        kept = {*seen.pods, *(entry.revision for entry in self.state.history)} - self.forgotten
        return replace(seen, pods=seen.pods | self.pods, served=served, routed=self.routed, kept=frozenset(kept))

    def want(self, revision=None, request=None, frozen=None, **parts):
        """Edit the spec, annotate a request, or freeze the namespace; a freeze lasts until frozen is "" again."""
        self.target = RolloutInput(
            spec(**parts) if parts else self.target.spec,
            revision or self.target.revision,
            parse_request(request or ""),
            frozen=self.target.frozen if frozen is None else frozen,
        )
        return self.look()

    def look(self, *ticks, seen=None):
        """One decision, and further ones on what it changed, as the engine does it."""
        decision = Decision(self.state)
        for _ in range(2 if self.twice else 1):
            decision = self._decide(seen or self.seen(), ticks)
        for _ in range(0 if seen is not None else 5):
            before = self.state
            decision = self._decide(self.seen(), ())
            if self.state == before:
                break
        return decision

    def _decide(self, seen, ticks):
        decision = decide(self.target, self.state, seen, ticks, self.now)
        self.findings += decision.findings
        self.state = through_status(self.target, decision.state, seen, self.now) if self.restarts else decision.state
        return decision

    def outcome(self, letter, *, tick=None, revision=None, **others):
        """What a minute said: of `errors` the letter, p for missing pods; other checks by their own letters."""
        available = {"p": False, "u": None}.get(letter, True)
        first = "h" if letter == "p" else "?" if letter == "u" else letter
        given = {"errors": first} | others
        names = [item.name for item in self.target.spec.health.checks if item.name in given]
        return TickOutcome(
            tick=self.now if tick is None else tick,
            revision=revision or self.state.subject or "",
            checks=tuple(check(name, given[name]) for name in names),
            available=available,
            pods="0/1" if available is False else "1/1",
        )

    def minute(self, letter="h", **others):
        """The next tick of the grid, with its outcome, and the look that follows."""
        self.now = self.now - self.now % self.interval + self.interval
        self.look(self.outcome(letter, **others))
        return self

    def run(self, letters, **others):
        """Minutes, one letter each; others: letters of the same length by check name."""
        for index, letter in enumerate(letters):
            self.minute(letter, **{name: row[index] for name, row in others.items()})
        return self

    def begun(self):
        """The candidate in its first step."""
        self.look()
        assert self.state.running is not None
        self.findings.clear()
        return self

    def promoted(self):
        """All steps gone through in good health."""
        self.look()
        for _ in range(200):
            if self.state.candidate is None:
                self.findings.clear()
                return self
            self.minute("h", **{item.name: "h" for item in self.target.spec.health.checks})
        raise AssertionError(f"not promoted: {self.state}")


def given(state, **changes):
    """The state with changes, for the arrangement of a test."""
    return replace(state, **changes)
