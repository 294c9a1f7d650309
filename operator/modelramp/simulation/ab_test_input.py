"""Numbers given by hand for an A/B test: one arm per version and tick, for `evaluate` and `simulate`."""

import json
from collections.abc import Mapping
from typing import Any

from modelramp.analysis.evidence import Mean, Proportion, counted
from modelramp.analysis.experiment import Tick
from modelramp.api.abtest import PrimaryMetric
from modelramp.simulation.json_input import BadData, kind_of, number_in

_ARMS = ("candidate", "stable")
_ASSIGNED = "assigned"


def shape(metric: PrimaryMetric) -> str:
    """What an arm looks like, as an example."""
    example = {"sum": 12.5, "count": 300, "squares": 90, "total": 1204, "users": 300}
    return json.dumps({part: example.get(part, 12) for part in _wanted(metric)})


def read_ticks(given: Any, metric: PrimaryMetric) -> tuple[Tick, ...]:
    """The ticks of {"candidate": [ARM, ...], "stable": [ARM, ...]}; one ARM instead of a list is one tick.

    Raises BadData.
    """
    arms = _both(given, "", metric)
    lists = {arm: found if isinstance(found, list) else [found] for arm, found in arms.items()}
    one, other = (len(lists[arm]) for arm in _ARMS)
    if one != other:
        raise BadData(f"candidate has {one} ticks and stable {other}; each tick needs both")
    if not one:
        raise BadData(f"candidate is an empty list; write one arm for each tick, as in [{shape(metric)}]")
    return tuple(
        read_tick({arm: lists[arm][index] for arm in _ARMS}, metric, f"[{index}]" if one > 1 else "")
        for index in range(one)
    )


def read_tick(given: Any, metric: PrimaryMetric, index: str = "", where: str = "") -> Tick:
    """The tick of {"candidate": ARM, "stable": ARM}; raises BadData.

    index: of the tick, for messages. where: what holds the arms, for messages.
    """
    arms = _both(given, where, metric)
    one, other = (_arm(arms[arm], f"{where}{arm}{index}", metric) for arm in _ARMS)
    squares = (one[2], other[2]) if metric.users is not None else None
    return Tick(one[0], other[0], (one[1], other[1]), squares)


def _both(given: Any, where: str, metric: PrimaryMetric) -> Mapping[str, Any]:
    if not isinstance(given, dict) or set(given) != set(_ARMS):
        has = ", ".join(given) or "nothing" if isinstance(given, dict) else kind_of(given)
        wished = f'{{"candidate": {shape(metric)}, "stable": {shape(metric)}}}'
        raise BadData(f"{where.rstrip('.') or 'the data'} has {has}; write {wished}")
    return given


def _arm(given: Any, where: str, metric: PrimaryMetric) -> tuple[Proportion | Mean, float, float]:
    """The counts of one version, how many were assigned to it, and the squares of its users."""
    wanted = _wanted(metric)
    if not isinstance(given, dict) or not set(wanted) <= set(given) <= {*wanted, _ASSIGNED}:
        has = ", ".join(given) or "nothing" if isinstance(given, dict) else kind_of(given)
        raise BadData(f'{where} has {has}; write {shape(metric)}, and "{_ASSIGNED}" if that is another count')
    first, second, *rest = (number_in(given[key], f"{where}.{key}") for key in wanted)
    arm: Proportion | Mean = (
        Mean(first, second)
        if metric.sum is not None or metric.users is not None
        else Proportion(first, second)
        if metric.good is not None
        else counted(first, second)
    )
    return arm, number_in(given.get(_ASSIGNED, second), f"{where}.{_ASSIGNED}"), rest[0] if rest else 0.0


def _wanted(metric: PrimaryMetric) -> tuple[str, ...]:
    """The parts of an arm: the event or the sum, what it is counted of, and the squares of users."""
    event = "sum" if metric.sum is not None else "good" if metric.good is not None else "bad"
    if metric.users is not None:
        return (event, "users", "squares") if metric.squares is not None else (event, "users")
    return event, "count" if metric.sum is not None else "total"
