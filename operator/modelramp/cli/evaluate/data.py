"""DATA of `modelramp evaluate`: numbers written by hand, read as the counts of each version."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from modelramp.analysis.counting import CountingKind
from modelramp.analysis.counts import Shape, VersionCounts
from modelramp.analysis.evidence import Groups, Mean, Proportion, Unusable, counted
from modelramp.analysis.kinds import check_kind
from modelramp.analysis.stats.histograms import Side, from_classic
from modelramp.analysis.stats.native_histograms import from_native
from modelramp.api.check import Check
from modelramp.api.checks import SCHEMAS
from modelramp.api.names import Reason
from modelramp.simulation.json_input import BadData, kind_of, number_in

Read = VersionCounts | Unusable
_OTHERS = ("stable", "reference")
_VALUE = '{"value": 0.031}'


@dataclass(frozen=True, slots=True)
class Ticks:
    """The counts by tick (one tick unless the check accumulates evidence); `other` is None when there is none."""

    candidate: tuple[Read, ...]
    other: tuple[Read | None, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The number that a query or a preset would have given, and how many samples stand behind it if that is known.

    problem: why the counts that were given instead of a number give none.
    """

    value: float
    samples: float | None = None
    problem: Unusable | None = None


def read_data(text: str, check: Check) -> Ticks | Measured:
    """The numbers for a check. Raises BadData for a text that does not hold them.

    Numbers may be texts as Prometheus writes them ("NaN", "+Inf"). What can be read but says nothing (negative counts,
    NaN, a histogram without buckets) is not refused here: the check gives NO_DATA with its reason.
    """
    kind = check_kind(check)
    if not isinstance(kind, CountingKind) and not SCHEMAS[check.kind].needs_samples:
        raise BadData(f"cannot be read: a check of kind {check.kind} counts nothing; use simulate or backtest")
    given = loaded(text)
    if not isinstance(given, dict):
        raise BadData(f'is {kind_of(given)}; write {{"candidate": {_shape(check)}}}')
    for key in given:
        if key not in ("candidate", *_OTHERS):
            raise BadData(f'has the unknown key "{key}"; known are candidate, stable and reference')
    if given.get("candidate") is None:
        raise BadData(f'has no "candidate"; write {{"candidate": {_shape(check)}}}')
    if not isinstance(kind, CountingKind):
        return _measured(given["candidate"], check)
    candidate = _ticks(given["candidate"], "candidate", check, kind)
    return Ticks(candidate, _others(given, check, kind, len(candidate)))


def _others(given: Mapping[str, Any], check: Check, kind: CountingKind, ticks: int) -> tuple[Read | None, ...]:
    baseline = kind.baseline(check)
    if baseline is None:
        return (None,) * ticks
    written = [key for key in _OTHERS if given.get(key) is not None]
    if len(written) > 1:
        raise BadData('has both "stable" and "reference"; the candidate is held against one')
    if not written and (stored := kind.stored(check)) is not None:
        return (stored,) * ticks
    if not written:
        missing = f'no numbers of it are given; add "{baseline}": {_shape(check)} to the data'
        return (Unusable(Reason.EMPTY_RESULT, missing),) * ticks
    found = _ticks(given[written[0]], written[0], check, kind)
    if len(found) != ticks:
        raise BadData(f"candidate has {ticks} ticks and {written[0]} {len(found)}; each tick needs both")
    return found


def _ticks(given: Any, where: str, check: Check, kind: CountingKind) -> tuple[Read, ...]:
    if not check.accumulates or not isinstance(given, list):
        return (_version(given, where, check, kind),)
    if not given:
        raise BadData(f"{where} is an empty list; write one arm for each tick, as in [{_shape(check)}]")
    return tuple(_version(arm, f"{where}[{index}]", check, kind) for index, arm in enumerate(given))


def _version(given: Any, where: str, check: Check, kind: CountingKind) -> Read:
    """The counts of one version at one tick."""
    fields = given if isinstance(given, dict) else None
    if fields is None:
        raise BadData(f"{where} is {kind_of(given)}; write {_shape(check)}")
    shapes = kind.shapes(check)
    if Shape.USAGE in shapes and "usage" in fields:
        return kind.counts(check, _usage(fields, where))
    return _READERS[shapes[0]](fields, where)


def _proportion(fields: Mapping[str, Any], where: str) -> Proportion:
    _only(fields, ("bad", "total"), where, Shape.PROPORTION.value)
    return counted(number_in(fields["bad"], f"{where}.bad"), number_in(fields["total"], f"{where}.total"))


def _mean(fields: Mapping[str, Any], where: str) -> Mean:
    _only(fields, ("sum", "count"), where, Shape.MEAN.value)
    return Mean(number_in(fields["sum"], f"{where}.sum"), number_in(fields["count"], f"{where}.count"))


def _buckets(fields: Mapping[str, Any], where: str) -> Read:
    _only(fields, ("buckets",), where, Shape.BUCKETS.value)
    given = fields["buckets"]
    if isinstance(given, list):
        return from_native([_native(row, f"{where}.buckets[{index}]") for index, row in enumerate(given)])
    counted = _mapping(fields, "buckets", where)
    return from_classic({edge: number_in(count, f"{where}.buckets.{edge}") for edge, count in counted})


def _native(row: Any, where: str) -> Side:
    """A bucket as people write it, or as Prometheus does: with the rule of its edges before it."""
    if not isinstance(row, list) or len(row) not in (3, 4):
        raise BadData(f"{where} is {kind_of(row)}; a native histogram's bucket is [lower edge, upper edge, count]")
    left, right, count = (number_in(value, where) for value in row[-3:])
    return left, right, count


def _groups(fields: Mapping[str, Any], where: str) -> Groups:
    _only(fields, ("groups",), where, Shape.GROUPS.value)
    found = {}
    for name, arm in _mapping(fields, "groups", where):
        if not isinstance(arm, dict):
            raise BadData(f"{where}.groups.{name} is {kind_of(arm)}; write {Shape.PROPORTION.value}")
        found[name] = _proportion(arm, f"{where}.groups.{name}")
    return Groups(found)


def _usage(fields: Mapping[str, Any], where: str) -> dict[str, float]:
    """The numbers by part, as the queries of a check would have given them."""
    _only(fields, ("usage", "count"), where, Shape.USAGE.value)
    used = _mapping(fields, "usage", where)
    numbers = {f"usage.{kind}": number_in(amount, f"{where}.usage.{kind}") for kind, amount in used}
    return numbers | {"count": number_in(fields["count"], f"{where}.count")}


_READERS: dict[Shape, Callable[[Mapping[str, Any], str], Read]] = {
    Shape.PROPORTION: _proportion,
    Shape.MEAN: _mean,
    Shape.BUCKETS: _buckets,
    Shape.GROUPS: _groups,
}


def _shape(check: Check) -> str:
    """What the numbers of a version look like, as an example."""
    kind = check_kind(check)
    return kind.shapes(check)[0].value if isinstance(kind, CountingKind) else _VALUE


def _measured(given: Any, check: Check) -> Measured:
    if isinstance(given, (int, float, str)) and not isinstance(given, bool):
        found = Measured(number_in(given, "candidate"))
    elif not isinstance(given, dict):
        raise BadData(f"candidate is {kind_of(given)}; this check judges one number: write {_VALUE}")
    elif set(given) == {"bad", "total"}:
        arm = _proportion(given, "candidate")
        found = _divided(arm, arm.rate if arm.total else float("nan"), arm.total)
    elif set(given) == {"sum", "count"}:
        mean = _mean(given, "candidate")
        found = _divided(mean, mean.mean if mean.count else float("nan"), mean.count)
    else:
        _only(given, ("value",), "candidate", _VALUE, ("samples",))
        samples = number_in(given["samples"], "candidate.samples") if "samples" in given else None
        found = Measured(number_in(given["value"], "candidate.value"), samples)
    if check.samples is not None and found.samples is None:
        raise BadData('candidate needs "samples", as the check has minSamples: write {"value": 0.031, "samples": 1204}')
    return found


def _divided(arm: Proportion | Mean, value: float, samples: float) -> Measured:
    """The number that a query would have made of counts; without any it is 0 / 0, as in Prometheus."""
    problem = arm.problem()
    return Measured(value, samples, None if problem is None or problem.reason is Reason.EMPTY_RESULT else problem)


def _only(
    fields: Mapping[str, Any], wanted: Sequence[str], where: str, shape: str, allowed: Sequence[str] = ()
) -> None:
    if not set(wanted) <= set(fields) <= {*wanted, *allowed}:
        has = ", ".join(fields) or "nothing"
        raise BadData(f"{where} has {has}; this check counts {' and '.join(wanted)}: write {shape}")


def _mapping(fields: Mapping[str, Any], key: str, where: str) -> list[tuple[str, Any]]:
    found = fields[key]
    if not isinstance(found, dict):
        raise BadData(f"{where}.{key} is {kind_of(found)}; write an object from names to numbers")
    return list(found.items())


def loaded(text: str) -> Any:
    """The JSON value of a text; raises BadData, also for a key that appears twice."""
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise BadData(f"is not JSON: {error.msg} in line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise BadData("is nested too deeply") from None
    except ValueError as error:
        raise BadData(f"is not JSON: {error}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, _ in pairs if sum(key == other for other, _ in pairs) > 1)
        raise BadData(f'has "{twice}" twice in one object')
    return found
