"""Which revision a spec stands for: an equal one that exists already, whoever named it, before one of its own."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.api.spec import ModelDeploymentSpec
from modelramp.core.equality import normal_form
from modelramp.core.revisions import dumped, revision_of
from modelramp.core.state import State


@dataclass(frozen=True, slots=True)
class Known:
    """A revision that exists, and what it is made of, as its ControllerRevision keeps it."""

    revision: str
    template: Mapping[str, Any]
    model: Mapping[str, Any]


def same(one: ModelDeploymentSpec, other: ModelDeploymentSpec) -> bool:
    """Whether two specs say the same of their revision, word by word."""
    return one.template == other.template and one.model == other.model


def equal(one: ModelDeploymentSpec, other: ModelDeploymentSpec) -> bool:
    """Whether two specs want the same pods of the same model version."""
    return same(one, other) or _form_of(one) == _form_of(other)


def roles(state: State) -> tuple[str, ...]:
    """The revisions that a spec is compared with first: what failed, the candidate, and what serves."""
    candidate = state.candidate.version.revision if state.candidate is not None else None
    stable = state.stable.revision if state.stable is not None else None
    return tuple(name for name in (state.failed, candidate, stable) if name is not None)


def named(spec: ModelDeploymentSpec, state: State, known: Callable[[], Iterable[Known]], before: str = "") -> str:
    """The revision that a spec stands for.

    Neither `1` in the place of `1000m` nor another way of naming revisions starts a rollout, takes one from its step or
    gives a failed revision its traffic back. known: what exists, best first where none has a role. before: what an
    equal spec was called last.
    """
    own, first = revision_of(spec), roles(state)
    for name in (own, before):
        if name in first:
            return name
    wanted = _form_of(spec)
    found = [one.revision for one in known() if one.revision == own or normal_form(one.template, one.model) == wanted]
    return next((name for name in (*first, own) if name in found), found[0] if found else own)


def _form_of(spec: ModelDeploymentSpec) -> str:
    return normal_form(spec.template, dumped(spec))
