"""The lines that `modelramp simulate` reads: one JSON object each, one tick each. No I/O."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from modelramp.analysis.experiment import Tick
from modelramp.api.abtest import PrimaryMetric
from modelramp.simulation.ab_test_input import read_tick
from modelramp.simulation.json_input import BadData, kind_of, meant

_KEYS = ("checks", "available")
_OF_A_TEST = "experiment"


class BadLine(Exception):
    """A line is not what `modelramp simulate` reads; the message names the line and what was wrong."""

    def __init__(self, number: int, problem: str) -> None:
        super().__init__(f"line {number}: {problem}")


class _Unusable(Exception):
    """What is wrong with a line whose number is known further out."""


@dataclass(frozen=True, slots=True)
class Line:
    """One tick: what each check measured (None: no data), and whether the candidate's pods were available.

    ab_test: what an A/B test counted; None: nothing.
    """

    values: Mapping[str, float | None]
    available: bool = True
    ab_test: Tick | None = None


def read_lines(text: str, checks: Collection[str], metric: PrimaryMetric | None = None) -> tuple[Line, ...]:
    """The ticks of a text in the form {"checks": {"error-rate": 0.002}, "available": true}; empty lines count nothing.

    checks: names that spec.health.checks knows. metric: of the A/B test, if there is one. Raises BadLine for the first
    line that cannot be read.
    """
    found = []
    for number, raw in enumerate(text.split("\n"), start=1):
        if raw.strip():
            try:
                found.append(_line(raw, checks, metric))
            except (_Unusable, BadData, ValueError, RecursionError) as error:
                raise BadLine(number, _words(error)) from None
    return tuple(found)


def _words(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at column {error.colno}"
    return "is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _line(raw: str, checks: Collection[str], metric: PrimaryMetric | None) -> Line:
    given = json.loads(raw, object_pairs_hook=_object)
    if not isinstance(given, dict):
        raise _Unusable(f'is {kind_of(given)}; write an object such as {{"checks": {{"error-rate": 0.002}}}}')
    if _OF_A_TEST in given and metric is None:
        raise _Unusable(f"{_OF_A_TEST} is only for spec.rollout.strategy: ABTest")
    known = _KEYS if metric is None else (*_KEYS, _OF_A_TEST)
    for key in given:
        if key not in known:
            raise _Unusable(f'unknown key "{key}"; known are {", ".join(known)}{meant(key, known)}')
    available = given.get("available", True)
    if not isinstance(available, bool):
        raise _Unusable(f"available is {kind_of(available)}; write true or false")
    return Line(_values(given.get("checks"), checks), available, _ab_test(given.get(_OF_A_TEST), metric))


def _ab_test(given: Any, metric: PrimaryMetric | None) -> Tick | None:
    return None if given is None or metric is None else read_tick(given, metric, where=f"{_OF_A_TEST}.")


def _values(given: Any, checks: Collection[str]) -> Mapping[str, float | None]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise _Unusable(f"checks is {kind_of(given)}; write an object from check names to numbers or null")
    return {name: _value(name, value, checks) for name, value in given.items()}


def _value(name: str, value: Any, checks: Collection[str]) -> float | None:
    if name not in checks:
        known = f"it knows {', '.join(checks)}" if checks else "it has none"
        raise _Unusable(f'spec.health.checks has no check "{name}"; {known}{meant(name, checks)}')
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _Unusable(f"checks.{name} is {kind_of(value)}; write a number, or null for no data")
    try:
        return float(value)
    except OverflowError:
        raise _Unusable(f"checks.{name} is too large for a number") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Unusable(f'"{key}" appears twice')
        found[key] = value
    return found
