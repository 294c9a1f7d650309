"""A person's command: the annotation `modelramp.io/request: <verb>/<revision>/<nonce>`.

It is honoured once, and only for the revision that it names: stale clicks and re-applied manifests are harmless.
"""

from dataclasses import replace

from modelramp.api.names import Phase, Reason
from modelramp.core import gate, moves
from modelramp.core.experiment import cut_short
from modelramp.core.state import Candidate, Decision, Finding, Request, Seen, Target
from modelramp.core.steps import held_by_route, next_step

VERBS = ("promote", "pause", "resume", "abort", "retry")
_PARTS = 3


def parse_request(text: str) -> Request | None:
    """The command in an annotation; None when there is none. A malformed one has the verb ""."""
    if not text:
        return None
    parts = text.split("/")
    if len(parts) != _PARTS or parts[0] not in VERBS or not all(parts):
        return Request("", "", text[:200])
    return Request(parts[0], parts[1], text[:200])


def follow_request(decision: Decision, target: Target, seen: Seen, now: int) -> Decision:
    """The decision after the person's command, if there is one that was not handled yet.

    promote waits until the route shows the present weight: no command can make the route skip a step.
    """
    request = target.request
    if request is None or request.text == decision.state.request:
        return decision
    heard = decision.then(request=request.text)
    candidate = decision.state.candidate
    if request.verb == "":
        return _ignored(heard, request, f"it is not <verb>/<revision>/<nonce> with a verb of {', '.join(VERBS)}")
    if request.verb == "retry":
        return _retry(heard, target, request, now)
    if candidate is None or candidate.version.revision != request.revision:
        return _ignored(heard, request, f"{request.revision} is not the revision in flight")
    if request.verb == "promote" and candidate.step >= 0 and held_by_route(candidate, seen):
        return decision
    return _steer(heard, target, request, candidate, now)


def _steer(decision: Decision, target: Target, request: Request, candidate: Candidate, now: int) -> Decision:
    state = decision.state
    name = moves.label(candidate.version)
    if request.verb == "abort" and state.stable is not None:
        return moves.withdraw(decision, Reason.ABORTED, "a person asked for it", now)
    if request.verb == "pause" and state.phase is Phase.PROGRESSING:
        finding = Finding(Reason.PAUSED, f"{name} is paused at {candidate.weight} %; checks go on and can roll it back")
        return moves.enter(decision, Phase.PAUSED, finding, paused=True)
    if request.verb == "resume" and state.paused:
        since = now if candidate.step < 0 else candidate.version.since  # the pods' deadline starts again
        again = replace(candidate, version=replace(candidate.version, since=since))
        finding = Finding(Reason.RESUMED, f"{name} goes on")
        return moves.enter(decision, Phase.PROGRESSING, finding, paused=False, candidate=again)
    if request.verb == "promote" and candidate.step >= 0:
        asked = cut_short(decision, target, f"{name}: a person asked for the next step")
        following = next_step(target, candidate)
        return moves.promote(asked, now) if following is None else moves.enter_step(asked, target, following, now)
    return _ignored(decision, request, f"{request.verb} does not fit the phase {state.phase}")


def _retry(decision: Decision, target: Target, request: Request, now: int) -> Decision:
    state = decision.state
    if gate.can_run_again(state, request):
        return gate.run_again(decision, now)
    if state.failed != request.revision:
        return _ignored(decision, request, f"{request.revision} is not the revision that failed and is still wanted")
    return moves.begin(decision.then(Finding(Reason.RETRIED, f"{request.revision} is tried again")), target, now)


def _ignored(decision: Decision, request: Request, why: str) -> Decision:
    return decision.then(Finding(Reason.REQUEST_IGNORED, f'request "{request.text}" was ignored: {why}', warning=True))
