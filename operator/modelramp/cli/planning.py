"""What applying a ModelDeployment would do, as Markdown for a pull request. No I/O."""

import difflib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from modelramp.api.names import Reason
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.text import cut, visible
from modelramp.api.times import format_duration, to_text
from modelramp.api.verdict import CheckOutcome, TickOutcome, Verdict
from modelramp.cli.backtest.replay import ROLLED_BACK, Replayed
from modelramp.cli.backtest.report import check_counts
from modelramp.core.equality import equal
from modelramp.core.gates.registry import ungated
from modelramp.core.revisions import revision_of
from modelramp.core.state import RolloutInput, Version
from modelramp.core.steps import step_ends
from modelramp.core.strategies.registry import strategy_of
from modelramp.simulation.world import SimulatedWorld

_STABLE = Version("stable", "the version that serves", since=1, traffic_since=1)
_BEGIN = 86_400 * 3600
"""On the grid of every interval."""
_MOST_TICKS = 3000
_MOST_LINES = 200
"""Of a diff; GitHub takes 65,536 characters in a comment."""
_MOST_ROWS = 60
_MOST_VALUE = 400
_ABSENT = "not set"


@dataclass(frozen=True, slots=True)
class Before:
    """What there is now. spec: None when there is no such object. where: in which the object was looked up.

    status: as JSON; empty when it is not known. unknown: why it is not known what there is; "" when it is known.
    """

    where: str
    spec: ModelDeploymentSpec | None = None
    status: Mapping[str, Any] | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a rollout in which every check is healthy. after: seconds since its first traffic."""

    after: int
    weight: int


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """How a rollout goes when all is well. promoted: seconds since its first traffic; None when it does not end.

    held: why it does not.
    """

    steps: tuple[Step, ...]
    promoted: int | None
    held: str = ""


def rehearse(spec: ModelDeploymentSpec) -> Rehearsal:
    """The real decisions, with pods that are there and every check healthy at every tick."""
    target = RolloutInput(ungated(spec), revision_of(spec))
    world, interval = SimulatedWorld(target, _STABLE), target.spec.health.interval
    slowest = max((check.delay for check in target.spec.health.checks), default=0)
    healthy = tuple(
        CheckOutcome(each.name, Verdict.HEALTHY, Reason.WITHIN_LIMIT, "") for each in target.spec.health.checks
    )
    replicas = target.spec.replicas
    state, now = world.begin(_BEGIN), _BEGIN
    steps = [Step(0, world.weight(state))]
    for _ in range(_MOST_TICKS):
        candidate = state.running
        if candidate is None:
            return Rehearsal(tuple(steps), now - _BEGIN)
        if strategy_of(target.spec.rollout).comparison(target, state) is not None:
            return Rehearsal(tuple(steps), None, "its A/B test decides when it ends")
        # Ticks before the step may end change nothing; those of a check with a delay come so much later.
        wanted = max(now + 1, step_ends(target, candidate), candidate.step_entered + slowest)
        now = -(-wanted // interval) * interval
        given = TickOutcome(now, target.revision, healthy, available=True, pods=f"{replicas}/{replicas}")
        before, state = state, world.after(state, given).state
        if state.running is not None and state.weights != before.weights:
            steps.append(Step(now - _BEGIN, world.weight(state)))
    return Rehearsal(tuple(steps), None, f"it has not ended {format_duration(now - _BEGIN)} after its first traffic")


def changes(before: ModelDeploymentSpec, after: ModelDeploymentSpec) -> Iterator[tuple[str, str, str]]:
    """Fields outside of the template that differ: path, value before, value after. Defaults count as written."""
    whole = (_plain(before), _plain(after))
    short = (_plain(before, exclude_defaults=True), _plain(after, exclude_defaults=True))
    yield from _differences("spec", whole, short)


def _plain(spec: ModelDeploymentSpec, *, exclude_defaults: bool = False) -> Any:
    dumped = spec.model_dump(
        mode="json", by_alias=True, exclude={"template"}, exclude_none=True, exclude_defaults=exclude_defaults
    )
    return _by_name(dumped)


def _by_name(value: Any) -> Any:
    """The value with lists of objects as mappings: by their names where they have such, else by their places."""
    if isinstance(value, dict):
        return {f".{key}": _by_name(item) for key, item in value.items()}
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return value
    names = [item.get("name") for item in value]
    named = None not in names and len(set(names)) == len(names)
    return {f"[{names[place] if named else place}]": _by_name(item) for place, item in enumerate(value)}


def _differences(path: str, whole: tuple[Any, Any], short: tuple[Any, Any]) -> Iterator[tuple[str, str, str]]:
    """short: the values without defaults, to show what is there on one side only."""
    if whole[0] == whole[1]:
        return
    if not all(isinstance(side, dict) for side in whole):
        was, is_now = (_written(side, brief) for side, brief in zip(whole, short, strict=True))
        yield path, was, is_now
        return
    for key in sorted(whole[0].keys() | whole[1].keys()):
        inner = tuple(side.get(key) for side in whole)
        brief = tuple(side.get(key) if isinstance(side, dict) else None for side in short)
        yield from _differences(path + key, (inner[0], inner[1]), (brief[0], brief[1]))


def _written(value: Any, brief: Any) -> str:
    if value is None:
        return _ABSENT
    if isinstance(value, str) and value:
        return value
    return json.dumps(_with_plain_keys(brief if isinstance(value, dict) and brief else value))


def _with_plain_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    inner = {key.removeprefix("."): _with_plain_keys(item) for key, item in value.items()}
    return list(inner.values()) if inner and all(key.startswith("[") for key in inner) else inner


def headline(before: Before, after: ModelDeploymentSpec) -> tuple[str, bool]:
    """What applying it does to the traffic, in one sentence, and whether a version gets traffic by it."""
    tracked = after.track_config is not None
    about = "with the content of its ConfigMaps" if tracked else f"revision {code(revision_of(after))}"
    wanted = f"{code(after.model.version)} ({about})"
    if before.unknown:
        return f"**Compared with nothing**: {code(before.unknown)}. A rollout would go as below.", True
    if before.spec is None:
        return f"**New** in {before.where}: {wanted} gets all traffic as soon as its pods are available.", False
    if equal(before.spec, after):
        beside = "; new content of a ConfigMap would begin one" if tracked else ""
        return f"**No rollout begins**: neither `template` nor `model` changes{beside}.", False
    status = before.status or {}
    revision, stable = revision_of(after), (status.get("stable") or {}).get("revision")
    if revision == stable:
        return f"**No rollout begins**: {wanted} is what serves; a version in flight loses its traffic.", False
    if revision == status.get("failedRevision"):
        return f"**No rollout begins**: {wanted} was rolled back before, and gets traffic only after a `retry`.", False
    text = f"**A rollout begins**: {code(before.spec.model.version)} → {wanted}."
    if status.get("candidate"):
        text += f" It takes the place of {code(str(status['candidate'].get('modelVersion')))}, which is in flight."
    if after.rollout.paused:
        text += " It waits without traffic: `spec.rollout.paused` is true."
    return text, True


def section(title: str, before: Before, after: ModelDeploymentSpec) -> Iterator[str]:
    """Lines of Markdown about one object."""
    text, moves = headline(before, after)
    yield from (f"### {title}", "", text, "")
    changed = list(changes(before.spec, after)) if before.spec is not None else []
    if before.spec is not None:
        yield from _changed(before.spec, after, changed, before.where)
    if moves or any(path.startswith(("spec.rollout", "spec.health")) for path, _, _ in changed):
        yield from _rollout(after)


def _changed(
    before: ModelDeploymentSpec, after: ModelDeploymentSpec, changed: Sequence[tuple[str, str, str]], where: str
) -> Iterator[str]:
    moved = not equal(before, after)
    diff = list(_diff(before.template, after.template))
    if not changed and not diff:
        yield from (f"Nothing differs from {where}.", "")
        return
    if changed:
        yield from (f"| field | in {where} | in this change | starts a rollout |", "|---|---|---|---|")
        for path, was, is_now in changed[:_MOST_ROWS]:
            starts = "yes" if path.startswith("spec.model.") else "no"
            yield f"| {_cell(path)} | {_cell(was)} | {_cell(is_now)} | {starts} |"
        if len(changed) > _MOST_ROWS:
            yield f"| and {len(changed) - _MOST_ROWS} more | | | |"
        yield ""
    if diff:
        yield f"`spec.template` changes, which {'starts a rollout' if moved else 'makes the same pods'}:"
        yield from ("", *fenced(diff, "diff"), "")


def _diff(before: Any, after: Any) -> Iterator[str]:
    old, new = (yaml.safe_dump(template, width=1000).splitlines() for template in (before, after))
    found = list(difflib.unified_diff(old, new, n=3, lineterm=""))[2:]
    yield from found[:_MOST_LINES]
    if len(found) > _MOST_LINES:
        yield f"... and {len(found) - _MOST_LINES} more lines"


def _rollout(spec: ModelDeploymentSpec) -> Iterator[str]:
    rollout, health, found = spec.rollout, spec.health, rehearse(spec)
    deadline = format_duration(rollout.progress_deadline)
    first = f"Its pods get {deadline} to become available"
    first += "; then an evaluation runs before the first request." if rollout.evaluation is not None else "."
    yield from (f"With every check healthy, counted from the first request ({rollout.strategy}). {first}", "")
    yield from ("| after | traffic |", "|---|---|")
    for step in found.steps:
        yield f"| {format_duration(step.after)} | {f'{step.weight} %' if step.weight else 'preview, no live traffic'} |"
    if found.promoted is not None:
        yield f"| {format_duration(found.promoted)} | **promoted**, at the earliest |"
    yield ""
    test = rollout.ab_test
    if test is not None:
        yield f"The A/B test takes {format_duration(test.min_duration)} to {format_duration(test.max_duration)}."
    elif found.promoted is None:
        yield f"It is not promoted by time alone: {found.held}."
    if not health.checks:
        yield "No check is known here: nothing but missing pods would roll it back."
        return
    rolled = format_duration((health.failure_threshold - 1) * health.interval)
    names = ", ".join(code(check.name) for check in health.checks)
    yield f"Judged every {format_duration(health.interval)} by {names}."
    yield f"{health.failure_threshold} breaches in a row roll it back, at the soonest {rolled} after the first one."
    yield ""


def replayed(told: Replayed, version: str) -> Iterator[str]:
    """Lines of Markdown about the rules of the change over the history of the version that serves."""
    rollbacks, breaches = told.having(ROLLED_BACK), told.of(Verdict.BREACH)
    first, last = to_text(told.moments[0].at), to_text(told.moments[-1].at)
    yield f"These rules over the history of {code(version)}, {len(told.moments):,} ticks from {first} to {last}:"
    yield f"**{times(len(rollbacks), 'rollback')}**, {times(len(breaches), 'breached tick')}."
    yield from ("", "| check | healthy | breach | no data |", "|---|---|---|---|")
    for name, counts in check_counts(told).items():
        yield f"| {_cell(name)} | " + " | ".join(f"{counts.get(word.value, 0):,}" for word in Verdict) + " |"
    yield ""
    if rollbacks:
        yield f"First at {to_text(rollbacks[0].at)}: {code(rollbacks[0].reason)}"
        yield ""


def times(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def code(text: str) -> str:
    """Any text as a code span that ends nowhere else.

    >>> print(code("a"), code("`"))
    `a` `` ` ``
    """
    shown = cut(visible(" ".join(text.split())), _MOST_VALUE) or " "
    ticks = "`" * (_longest(shown) + 1)
    space = " " if "`" in shown else ""
    return f"{ticks}{space}{shown}{space}{ticks}"


def _cell(text: str) -> str:
    return code(text).replace("|", "\\|")


def fenced(lines: Iterable[str], language: str = "") -> list[str]:
    """Lines as a code block that none of them can end."""
    told = [visible(line) for line in lines]
    ticks = "`" * max(3, _longest("\n".join(told)) + 1)
    return [f"{ticks}{language}", *told, ticks]


def _longest(text: str) -> int:
    """The longest row of backticks."""
    longest = row = 0
    for letter in text:
        row = row + 1 if letter == "`" else 0
        longest = max(longest, row)
    return longest
