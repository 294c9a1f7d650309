"""A state as Kubernetes conditions, by the rules of kstatus: the table by state is in docs/concepts/status.md."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from modelramp.api.names import ConditionType, Phase, Reason
from modelramp.api.status import Condition, Status
from modelramp.api.text import cut, visible
from modelramp.api.times import to_text
from modelramp.core.capacity import mostly_unanswered, unanswered
from modelramp.core.events import RolloutEvent
from modelramp.core.gates import registry as gates
from modelramp.core.phases import IN_FLIGHT
from modelramp.core.state import Adopted, Observed, RolloutInput, ScaledToZero, State, held_by_people
from modelramp.core.transitions import label, name_of

_ORDER = tuple(ConditionType)
_MESSAGE_LIMIT = 1024
"""Bytes of a message; what is too long loses its middle, since its end says who serves and what to do."""
OBSTACLES = frozenset(
    {
        Reason.INVALID_SPEC,
        Reason.STATUS_UNREADABLE,
        Reason.CHILD_REFUSED,
        Reason.NAME_TAKEN,
        Reason.HOSTNAME_TAKEN,
        Reason.ROUTE_REFUSED,
        Reason.WORKLOAD_NOT_FOUND,
        Reason.WORKLOAD_IN_USE,
        Reason.WORKLOAD_REFUSED,
        Reason.CONFIG_UNAVAILABLE,
        Reason.API_SERVER_UNAVAILABLE,
    }
)
"""What can keep the operator from doing what the state wants."""
HINDRANCES = frozenset({Reason.CHILD_REFUSED, Reason.NAME_TAKEN, Reason.ROUTE_REFUSED})
"""Obstacles that the API server names when children are made."""
TRANSIENT = frozenset({Reason.API_SERVER_UNAVAILABLE})
"""Obstacles that may pass by themselves: Reconciling, not Stalled."""


def conditions(
    target: RolloutInput | None,
    state: State,
    seen: Observed,
    obstacle: RolloutEvent | None,
    *,
    generation: int,
    now: int,
) -> tuple[Condition, ...]:
    """All conditions that hold, with `now` as their transition; `carry` puts older transitions back.

    target: None when the spec cannot be read. obstacle: what keeps the operator from doing what the state wants.
    Messages carry no measured numbers: they would change every minute.
    """
    ready, reason, message = _ready(target, state, seen, obstacle)
    found = [
        (ConditionType.READY, _truth(ready), reason, message),
        (ConditionType.AVAILABLE, *available(state, seen)),
        (ConditionType.HEALTHY, *_healthy(state, seen)),
        (ConditionType.ROUTED, *_routed(seen)),
        *((ConditionType.ADOPTED, *_adopted(found)) for found in (seen.adopted,) if found is not None),
    ]
    if not ready:
        stalled = state.phase in {Phase.ROLLED_BACK, Phase.DEGRADED}
        stalled = stalled or (obstacle is not None and obstacle.reason not in TRANSIENT)
        found.append((ConditionType.STALLED if stalled else ConditionType.RECONCILING, "True", reason, message))
    return tuple(
        Condition(
            type=kind,
            status=status,
            observed_generation=generation,
            last_transition_time=to_text(now),
            reason=why,
            message=shown(text),
        )
        for kind, status, why, text in sorted(found, key=lambda item: _ORDER.index(item[0]))
    )


def shown(message: str) -> str:
    """A message as people read it: hidden characters are escapes, and it fits."""
    return cut(visible(message), _MESSAGE_LIMIT)


def carry(before: Sequence[Condition], after: Sequence[Condition]) -> tuple[Condition, ...]:
    """The conditions of `after`, each with its old transition time while its status has not changed."""
    known = {condition.type: condition for condition in before}
    return tuple(
        condition.model_copy(update={"last_transition_time": old.last_transition_time})
        if (old := known.get(condition.type)) is not None and old.status == condition.status
        else condition
        for condition in after
    )


def unreadable(raw: Mapping[str, Any], why: str, *, generation: int, now: int) -> dict[str, Any]:
    """A status that cannot be read, as JSON, that says so; nothing else in it is touched.

    why: which fields, and what is wrong with them.
    """
    message = f"status cannot be read, and nothing is decided or written until it is corrected: {why}"
    message = cut(message, _MESSAGE_LIMIT)
    before = read_conditions(raw)
    found = (
        _said(ConditionType.READY, "False", message, generation, now),
        _said(ConditionType.STALLED, "True", message, generation, now),
    )
    kept = [one for one in before if one.type not in {"Ready", "Stalled", "Reconciling"}]
    told = sorted((*carry(before, found), *kept), key=lambda one: [*_ORDER, one.type].index(one.type))
    shown = [one.model_dump(mode="json", by_alias=True, exclude_none=True) for one in told]
    return {**raw, "reason": Reason.STATUS_UNREADABLE.value, "message": message, "conditions": shown}


def _said(kind: ConditionType, status: str, message: str, generation: int, now: int) -> Condition:
    return Condition(
        type=kind,
        status=status,
        observed_generation=generation,
        last_transition_time=to_text(now),
        reason=Reason.STATUS_UNREADABLE,
        message=message,
    )


def read_conditions(raw: Mapping[str, Any]) -> tuple[Condition, ...]:
    """The conditions of a status as JSON; none when they cannot be read."""
    try:
        return Status.model_validate({"conditions": raw.get("conditions") or ()}).conditions
    except ValidationError:
        return ()


def _truth(value: bool) -> str:
    return "True" if value else "False"


def _ready(
    target: RolloutInput | None, state: State, seen: Observed, obstacle: RolloutEvent | None
) -> tuple[bool, Reason, str]:
    if obstacle is not None:
        return False, obstacle.reason, obstacle.message
    if target is None:
        return False, Reason.INVALID_SPEC, "the spec cannot be read"
    wanted = visible(target.spec.model.version)
    if state.phase in {Phase.ROLLED_BACK, Phase.DEGRADED}:
        serving = f"{label(state.stable)} serves" if state.stable else "nothing serves"
        return False, state.reason, f"{wanted} is wanted but does not serve: {state.detail or serving}"
    held = held_by_people(target, state)
    if held:
        return False, held[0].reason, f"the rollout of {wanted} is held: {held[0].message}"
    if target.missing:
        return (
            False,
            Reason.POLICY_UNRESOLVED,
            f"{_unresolved(target)} cannot be resolved; status.policies says why",
        )
    if state.zero is not None or state.phase in IN_FLIGHT:
        return _under_way(target, state, seen, wanted)
    if seen.shadowed or seen.routed is not True:
        reason = Reason.ROUTE_SHADOWED if seen.shadowed else seen.route_reason
        return False, reason, seen.shadowed or seen.route_detail or "the gateway has not accepted the route yet"
    return True, Reason.PROMOTED, f"{wanted} serves all traffic"


def _under_way(target: RolloutInput, state: State, seen: Observed, wanted: str) -> tuple[bool, Reason, str]:
    if state.zero is not None:
        return _ready_at_zero(state, state.zero, wanted)
    waits = f": {seen.route_detail}" if seen.routed is not True and seen.route_detail else ""
    previewed = state.running is not None and not state.running.weight
    stage = ", in its preview without live traffic" if previewed else ""
    return False, _moving(target, state, seen), f"the rollout of {wanted} is under way{stage}{waits}"


def _ready_at_zero(state: State, zero: ScaledToZero, wanted: str) -> tuple[bool, Reason, str]:
    """Nothing to wait for where nothing is in flight, as a Deployment without replicas is ready."""
    if zero.ended:
        return False, Reason.WAITING_FOR_PODS, "spec.replicas is no longer 0; the pods are not back yet"
    if state.phase in IN_FLIGHT:
        return False, Reason.SCALED_TO_ZERO, f"the rollout of {wanted} waits: spec.replicas is 0"
    return True, Reason.SCALED_TO_ZERO, f"{wanted} serves as soon as spec.replicas is 1 or more"


def _unresolved(target: RolloutInput) -> str:
    return ", ".join(f"{policy.kind} {policy.name}" for policy in target.policies if policy.problem)


def _moving(target: RolloutInput, state: State, seen: Observed) -> Reason:
    if state.phase is Phase.ROLLING_BACK:
        return state.reason
    if state.candidate is None:
        return Reason.ROUTE_PENDING if seen.routed is True else seen.route_reason
    if state.candidate.step < 0:
        return gates.waiting_reason(target, state, seen)
    return Reason.WAITING_FOR_CAPACITY if state.candidate.waiting is not None else Reason.STEP_RUNNING


def available(state: State, seen: Observed) -> tuple[str, Reason, str]:
    """Whether traffic is answered, as status, reason and message of a condition.

    Not if a gateway does not carry the route, if somebody's older route takes its traffic, or if versions with half of
    the weight or more have no endpoint that can be reached.
    """
    if state.zero is not None and (not seen.served or mostly_unanswered(seen)):
        return "False", Reason.SCALED_TO_ZERO, "nothing serves: spec.replicas is 0, or was until now"
    if not seen.served:
        return "False", Reason.NOTHING_SERVES, "no version is on the route"
    if seen.uncarried:
        return "False", Reason.NOTHING_SERVES, seen.uncarried
    if seen.shadowed:
        return "False", Reason.ROUTE_SHADOWED, seen.shadowed
    total = sum(seen.served.values())
    words = "; ".join(
        f"{name_of(state, revision)} has no ready endpoint and gets {weight} of {total} requests"
        for revision, weight in unanswered(seen).items()
    )
    if mostly_unanswered(seen):
        return "False", Reason.NOTHING_SERVES, words
    return "True", Reason.SERVING, f"traffic is answered, but {words}" if words else "traffic is answered"


def availability_findings(before: Status, state: State, seen: Observed) -> tuple[RolloutEvent, ...]:
    """Says once that traffic is no longer answered, and once that it is again; the status remembers what was said.

    Before the first promotion nothing was answered, and nobody is told that it begins.
    """
    was = next((one.status for one in before.conditions if one.type == ConditionType.AVAILABLE), "")
    status, reason, message = available(state, seen)
    if (was, status) == ("True", "False") and state.zero is None:
        return (RolloutEvent(reason, f"traffic is not answered: {message}", warning=True),)
    served = before.previous is not None or any(entry.outcome == "Promoted" for entry in before.history)
    if (was, status) == ("False", "True") and served:
        return (RolloutEvent(reason, "traffic is answered again"),)
    return ()


def _healthy(state: State, seen: Observed) -> tuple[str, Reason, str]:
    if state.zero is not None:
        return "Unknown", Reason.SCALED_TO_ZERO, "nothing is judged while spec.replicas is 0 and until pods are back"
    if mostly_unanswered(seen):
        dead = unanswered(seen)
        excused = all(revision in seen.pods and seen.pods[revision].excuse for revision in dead)
        text = "; ".join(f"{name_of(state, revision)} has no ready endpoint" for revision in dead)
        return ("Unknown", Reason.PODS_LOST, text) if excused else ("False", Reason.PODS_UNAVAILABLE, text)
    words = {
        "+": ("True", Reason.WITHIN_LIMIT, "the last tick was healthy"),
        "-": ("False", Reason.BREACHED, "the last tick breached; status.checks has the values"),
        "?": ("Unknown", Reason.NO_DATA, "the last tick had no data; see status.checks and status.policies"),
    }
    if (
        state.recent_ticks.endswith("+")
        and state.watch is not None
        and state.watch.breaches
        and state.watch.revision == state.subject
    ):
        text = "a check breached when it was last asked; status.checks has the values"
        return "False", Reason.BREACHED, text
    return words.get(state.recent_ticks[-1:], ("Unknown", Reason.NOT_CHECKED_YET, "no tick was evaluated yet"))


def _routed(seen: Observed) -> tuple[str, Reason, str]:
    more = "".join(f"; {found}" for found in (seen.undated, seen.shared) if found)
    if seen.routed is None:
        return "Unknown", seen.route_reason, (seen.route_detail or "the gateway has not accepted the route yet") + more
    if seen.routed:
        return "True", Reason.ROUTE_ACCEPTED, f"the gateway has accepted the route{more}"
    return "False", seen.route_reason, (seen.route_detail or "the gateway refuses the route") + more


def _adopted(found: Adopted) -> tuple[str, Reason, str]:
    """Whether another owner's Deployment has given its place to the revisions."""
    if found.trouble is not None:
        return "False", found.trouble.reason, found.trouble.message
    name = f"Deployment {found.name}"
    if found.contested:
        text = f"somebody scales {name} up again and again, so it is left alone for half an hour; leave spec.replicas "
        return "False", Reason.WORKLOAD_CONTESTED, f"{text}out of what is applied, or delete its autoscaler"
    if found.original is None or found.replicas > found.least:
        return "False", Reason.TAKEOVER_PENDING, f"{name} keeps its pods until a revision serves in its place"
    rest = f"{found.replicas} of {found.original} pods stay"
    rest += f", so that Service {found.least_for} is not empty" if found.least_for else ""
    text = f"revisions serve in the place of {name}; {rest}. Deletion or release gives it its pods back"
    return "True", Reason.WORKLOAD_TAKEN_OVER, text


def routing_findings(before: Sequence[Condition], seen: Observed) -> tuple[RolloutEvent, ...]:
    """What to report of the route once, unless the status says it already.

    Who else has traffic of its hosts, and a gateway whose answer may be about an older route.
    """
    said = next((condition.message for condition in before if condition.type == ConditionType.ROUTED), "")
    found = (
        RolloutEvent(Reason.GENERATION_NOT_OBSERVED, seen.undated, warning=True),
        RolloutEvent(Reason.HOSTNAME_SHARED, seen.shared),
    )
    return tuple(finding for finding in found if visible(finding.message) not in said)
