"""A person's command: the annotation `modelramp.io/request: <verb>/<revision>/<nonce>`.

A rollback may also say where to: `rollback/<revision>/<nonce>/<earlier revision or model version>`.

It is honoured once, and only for the revision that it names: stale clicks and re-applied manifests are harmless. Every
text that was handled is remembered for as long as the revision's ControllerRevision exists.
"""

from modelramp.api.names import Phase, Reason
from modelramp.core import transitions
from modelramp.core.events import RolloutEvent
from modelramp.core.gates import registry as gates
from modelramp.core.revisions import short_hash
from modelramp.core.state import (
    Candidate,
    Decision,
    HistoryRecord,
    Observed,
    Request,
    RequestAnswer,
    RolloutInput,
    State,
    Version,
    held_by_people,
)
from modelramp.core.steps import held_by_route, next_step
from modelramp.core.strategies.registry import strategy_of

VERBS = ("promote", "pause", "resume", "abort", "retry", "rollback")
_PARTS = 3
_LONGEST = 200
_REMEMBERED = 128
"""Texts of one revision; beyond that the oldest is forgotten."""


def parse_request(text: str) -> Request | None:
    """The command in an annotation; None when there is none. A malformed one has the verb ""."""
    if not text:
        return None
    verb, *parts = text.split("/")
    most = _PARTS + (verb == "rollback")
    if verb not in VERBS or not _PARTS <= 1 + len(parts) <= most or not all(parts):
        return Request("", "", _kept(text))
    return Request(verb, parts[0], _kept(text), to=parts[2] if len(parts) == _PARTS else "")


def follow_request(decision: Decision, target: RolloutInput, seen: Observed, now: int) -> Decision:
    """The decision after the person's command, if there is one that was not handled yet.

    promote waits until the route shows the present weight: no command can make the route skip a step.
    """
    request, state = target.request, decision.state
    if request is None or request.text == state.request:
        return decision
    mark = short_hash(request.text)
    if any(mark in marks for _, marks in state.heard):
        why = "this request was handled before; change its last word to make a new one"
        return _ignored(decision.then(request=request.text), request, why, now)
    heard = decision.then(request=request.text, heard=_remembered(state, request.revision, mark, seen))
    followed = _followed(heard, target, request, seen, now)
    if followed is None:
        return decision
    if followed.state.answer is not state.answer:
        return followed
    return followed.then(answer=RequestAnswer(now, done=True, message=f'request "{request.text}" was followed'))


def _followed(heard: Decision, target: RolloutInput, request: Request, seen: Observed, now: int) -> Decision | None:
    """The decision after a request that is new; None while it has to wait."""
    candidate = heard.state.candidate
    if request.verb == "":
        return _ignored(heard, request, f"it is not <verb>/<revision>/<nonce> with a verb of {', '.join(VERBS)}", now)
    if request.verb == "retry":
        return _retry(heard, target, request, now)
    if request.verb == "rollback":
        return _go_back(heard, request, seen, now)
    if candidate is None or candidate.version.revision != request.revision:
        return _ignored(heard, request, f"{request.revision} is not the revision in flight", now)
    if request.verb == "promote" and candidate.step >= 0 and held_by_route(target, candidate, seen):
        return None
    return _steer(heard, target, request, candidate, now)


def _remembered(state: State, revision: str, mark: str, seen: Observed) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The marks with a new one, without those of revisions that nobody can ask for any more."""
    known = {name: marks for name, marks in state.heard if not seen.kept or name in seen.kept}
    if revision in seen.kept or revision in _named(state):
        known[revision] = (*known.get(revision, ()), mark)[-_REMEMBERED:]
    return tuple(known.items())


def _named(state: State) -> set[str]:
    versions = [state.stable, state.previous, state.candidate.version if state.candidate is not None else None]
    return {version.revision for version in versions if version is not None} | state.out


def _kept(text: str) -> str:
    """The text as it is remembered: another long one is another request."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 20]}…{short_hash(text)}"


def _steer(decision: Decision, target: RolloutInput, request: Request, candidate: Candidate, now: int) -> Decision:
    state = decision.state
    name = transitions.label(candidate.version)
    if request.verb == "abort" and state.stable is not None:
        return transitions.roll_back(decision, Reason.ABORTED, "a person asked for it", now)
    if request.verb == "pause" and state.phase in {Phase.PROGRESSING, Phase.PAUSED} and not state.paused:
        return transitions.pause(decision, Reason.PAUSED, paused=True)
    if request.verb == "resume" and state.paused:
        return _resume(decision.then(paused=False), target, now)
    if request.verb == "promote" and target.frozen:
        return _ignored(decision, request, target.frozen, now)
    if request.verb == "promote" and candidate.step >= 0:
        strategy = strategy_of(target.spec.rollout)
        text, changes = strategy.cut_short(target, state, f"{name}: a person asked for the next step")
        asked = decision.then(RolloutEvent(Reason.PROMOTED_BY_REQUEST, text), **changes)
        following = next_step(target, candidate)
        return (
            transitions.promote(asked, target, now)
            if following is None
            else transitions.enter_step(asked, target, following, now)
        )
    if request.verb == "resume" and target.spec.rollout.paused:
        return _ignored(decision, request, "spec.rollout.paused is true; set it to false", now)
    return _ignored(decision, request, f"{request.verb} is not possible in phase {state.phase}", now)


def _resume(decision: Decision, target: RolloutInput, now: int) -> Decision:
    held = held_by_people(target, decision.state)
    if not held:
        return transitions.go_on(decision, now)
    text = f"the pause by a person has ended; the rollout is still held: {held[0].message}"
    return decision.then(RolloutEvent(Reason.RESUMED, text))


def _retry(decision: Decision, target: RolloutInput, request: Request, now: int) -> Decision:
    state = decision.state
    again = gates.run_again(decision, request, now)
    if again is not None:
        return again
    if request.revision not in state.out or request.revision != target.revision:
        why = f"{request.revision} is not the revision that failed and is still wanted"
        return _ignored(decision, request, why, now)
    return transitions.begin(
        decision.then(RolloutEvent(Reason.RETRIED, f"{request.revision} is tried again")), target, now
    )


def _go_back(decision: Decision, request: Request, seen: Observed, now: int) -> Decision:
    """Bring back a version that worked, pods first and then all traffic at once."""
    state = decision.state
    if state.stable is None or state.stable.revision != request.revision:
        return _ignored(decision, request, f"{request.revision} is not the stable version", now)
    if state.running is not None:
        name = transitions.label(state.running.version)
        return _ignored(decision, request, f"{name} is in flight; abort it first", now)
    earlier = _worked_before(state, request.to)
    if earlier is None:
        why = f"{request.to} is not known to have served before" if request.to else "no earlier version is at hand"
        return _ignored(decision, request, why, now)
    if earlier.revision not in seen.kept:
        why = f"the ControllerRevision of {transitions.label(earlier)} is gone; apply the spec of that version"
        return _ignored(decision, request, why, now)
    return transitions.roll_back_to(decision, earlier, Reason.ROLLED_BACK_BY_REQUEST, "a person asked for it", now)


def _worked_before(state: State, to: str) -> Version | None:
    """The version to go back to; one that was rolled back last time it was tried is none.

    to: its revision or model version; empty for the one before the stable version.
    """
    if not to:
        return state.previous
    known = [] if state.previous is None else [state.previous]
    last: dict[str, HistoryRecord] = {}
    for entry in state.history:
        last.setdefault(entry.revision, entry)
    known += [Version(e.revision, e.model_version) for e in last.values() if e.outcome == "Promoted"]
    serving = state.stable.revision if state.stable is not None else None
    return next((v for v in known if to in (v.revision, v.model_version) and v.revision != serving), None)


def _ignored(decision: Decision, request: Request, why: str, now: int) -> Decision:
    text = f'request "{request.text}" was ignored: {why}'
    return decision.then(
        RolloutEvent(Reason.REQUEST_IGNORED, text, warning=True), answer=RequestAnswer(now, done=False, message=text)
    )
