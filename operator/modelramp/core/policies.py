"""The checks that count for a ModelDeployment: those of the policies that it names, in order, then its own. Pure.

A policy that is missing or cannot be resolved is left out as a whole, and the reason is kept beside the checks: the
decisions then take every tick for one without data (core.breaches), so it blocks promotion and never rolls back.
"""

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from modelramp.api.check import Check
from modelramp.api.errors import InvalidSpec
from modelramp.api.health import Health
from modelramp.api.names import Reason
from modelramp.api.policy import HealthPolicySpec, PolicyKind, PolicyReference, filled, parse_policy
from modelramp.api.rules import problems_of
from modelramp.core.events import RolloutEvent
from modelramp.core.revisions import short_hash
from modelramp.core.state import RolloutInput, UsedPolicy

_WORDS = 256
"""Characters of one policy's problem; a status may have to hold eight."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shared:
    """The checks of a policy with given parameters: made once, and kept for as long as anybody uses them."""

    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """One policy as the API server has it.

    revision: hash of its spec. spec: None when it cannot be read; `problem` then says why.
    """

    kind: PolicyKind
    name: str
    revision: str
    generation: int
    spec: HealthPolicySpec | None
    problem: str = ""
    _made: weakref.WeakValueDictionary[tuple[tuple[str, str], ...], Shared] = field(
        default_factory=weakref.WeakValueDictionary, init=False, compare=False, repr=False
    )

    def shared(self, given: Mapping[str, str]) -> Shared:
        """The checks with these parameters; hundreds of users with the same parameters share them.

        They are forgotten when the last user lets go of them: a user may come with other parameters every second.

        Raises ValueError with a sentence when the parameters do not fit, or a check breaks a rule with them.
        """
        if self.spec is None:
            raise ValueError(self.problem)
        values = _values(self.spec, given)
        key = tuple(sorted(values.items()))
        found = self._made.get(key)
        if found is None:
            found = Shared(tuple(_check(raw, index, values) for index, raw in enumerate(self.spec.checks)))
            self._made[key] = found
        return found


Lookup = Callable[[PolicyReference], Policy | str]
"""Finds a policy, or says in a sentence why there is none."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What counts: the health with all checks, the policies that it comes from, and what is missing ("" = nothing).

    origin: by name of each check that comes from a policy, the policy's place in spec.health.policies.
    shared: to be kept for as long as the health is used, so that others with the same parameters share the checks.
    """

    health: Health
    policies: tuple[UsedPolicy, ...] = ()
    missing: str = ""
    origin: Mapping[str, int] = field(default_factory=dict)
    shared: tuple[Shared, ...] = ()


def policy_of(kind: PolicyKind, obj: Mapping[str, Any]) -> Policy:
    """A policy out of its object; what is wrong with it is kept for those who refer to it."""
    metadata, raw = obj["metadata"], obj.get("spec")
    problem, spec = "", None
    try:
        spec = parse_policy(raw)
    except InvalidSpec as error:
        problem = str(error)
    return Policy(
        kind,
        metadata["name"],
        short_hash(json.dumps(raw, sort_keys=True)),
        metadata.get("generation", 0),
        spec,
        problem,
    )


def resolve(health: Health, lookup: Lookup) -> Resolved:
    """The health with the checks of its policies."""
    if not health.policies:
        return Resolved(health)
    own = {check.name for check in health.checks}
    inherited: dict[str, tuple[int, Check]] = {}
    whole, used, shared = health, [], []
    for place, reference in enumerate(health.policies):
        policy = lookup(reference)
        found = UsedPolicy(reference.kind, reference.name)
        if isinstance(policy, str):
            used.append(_with_problem(found, policy))
            continue
        found = UsedPolicy(reference.kind, reference.name, policy.revision, policy.generation)
        try:
            made = policy.shared(reference.parameters)
            added = [check for check in made.checks if check.name not in own]
            _refuse_repeated(added, {name: health.policies[of] for name, (of, _) in inherited.items()})
            more = inherited | {check.name: (place, check) for check in added}
            whole = _with_checks(health, (*(check for _, check in more.values()), *health.checks))
        except ValueError as error:  # pydantic's ValidationError is one too, but said in words by _with_checks
            used.append(_with_problem(found, str(error)))
        else:
            inherited = more
            used.append(found)
            shared.append(made)
    missing = "; ".join(f"{one.kind} {one.name}: {one.problem}" for one in used if one.problem)
    origin = {name: place for name, (place, _) in inherited.items()}
    return Resolved(whole, tuple(used), missing, origin, tuple(shared))


def policy_findings(before: Mapping[str, Any], target: RolloutInput) -> tuple[RolloutEvent, ...]:
    """What people should hear: that policies cannot be resolved any more, or that all can be again.

    before: the status that is replaced, as JSON.
    """
    was = any(policy.get("problem") for policy in before.get("policies") or ())
    if target.missing and not was:
        text = f"{target.missing}; its checks are missing, so nothing is promoted until they are back"
        return (RolloutEvent(Reason.POLICY_UNRESOLVED, text, warning=True),)
    if was and not target.missing:
        return (RolloutEvent(Reason.POLICY_RESOLVED, "all checks of all policies count again"),)
    return ()


def _values(spec: HealthPolicySpec, given: Mapping[str, str]) -> dict[str, str]:
    declared = {one.name: one.default for one in spec.parameters}
    unknown = sorted(given.keys() - declared.keys())
    if unknown:
        known = f"it has {', '.join(sorted(declared))}" if declared else "it has none"
        raise ValueError(f"it has no parameter {', '.join(unknown)} ({known}); correct spec.health.policies")
    values = {name: given.get(name, default) for name, default in declared.items()}
    lacking = sorted(name for name, value in values.items() if value is None)
    if lacking:
        raise ValueError(f"parameter {', '.join(lacking)} needs a value in spec.health.policies[].parameters")
    return {name: value for name, value in values.items() if value is not None}


def _check(raw: Mapping[str, Any], index: int, values: Mapping[str, str]) -> Check:
    try:
        return Check.model_validate(filled(raw, values))
    except ValidationError as error:
        raise ValueError(_in_words(error, f"spec.checks[{index}]")) from None


def _refuse_repeated(added: list[Check], inherited: Mapping[str, PolicyReference]) -> None:
    for check in added:
        if check.name in inherited:
            other = inherited[check.name]
            raise ValueError(f"its check {check.name} is also defined by {other}; override it in spec.health.checks")


def _with_checks(health: Health, checks: tuple[Check, ...]) -> Health:
    try:
        return Health.model_validate(dict(health) | {"checks": checks})
    except ValidationError as error:
        raise ValueError(_in_words(error, "with it spec.health")) from None


def _in_words(error: ValidationError, root: str) -> str:
    return "; ".join(str(problem) for problem in problems_of(error, root))


def _with_problem(used: UsedPolicy, problem: str) -> UsedPolicy:
    return UsedPolicy(used.kind, used.name, used.revision, used.generation, problem[:_WORDS])
