"""Limits on what the work may cost (budget.yaml), and the check that holds measurements to them."""

import math
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.workloads import WORKLOADS, Run, Workload

BUDGET = Path(__file__).with_name("budget.yaml")


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a piece of work may cost. done: units of work that one run must do; unit: of the cost."""

    most: float
    unit: str
    done: int


def read(path: Path = BUDGET) -> dict[str, Limit]:
    """The budget by name of the measurement. Raises ValueError naming the entry that cannot be."""
    found: dict[str, Limit] = {}
    entries: Mapping[str, Mapping[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["limits"]
    for name, entry in entries.items():
        limit = Limit(float(entry["most"]), str(entry["unit"]), int(entry["done"]))
        wrong = [field for field in ("runs", "mean", "spread", "margin") if field not in entry]
        if wrong:
            raise ValueError(f"budget.yaml, {name}: say from which {', '.join(wrong)} the limit comes")
        if not 0 < entry["mean"] < limit.most or limit.done < 1:
            raise ValueError(f"budget.yaml, {name}: most must be above the mean, which must be above 0, and done too")
        found[name] = limit
    return found


def broken(limits: Mapping[str, Limit], measured: Mapping[str, Sequence[Run]]) -> list[str]:
    """What is wrong, one sentence each: too dear, not measured, measured without a limit, or nothing done."""
    problems = [
        f"{name}: not measured; run its workload or take it out of budget.yaml" for name in limits.keys() - measured
    ]
    problems += [f"{name}: has no limit in budget.yaml" for name in measured.keys() - limits]
    for name in limits.keys() & measured.keys():
        limit, runs = limits[name], measured[name]
        if not runs:
            problems.append(f"{name}: not run once")
        elif idle := [run.done for run in runs if run.done != limit.done]:
            problems.append(f"{name}: {idle[0]} of {limit.done} came out right: the cost of that says nothing")
        elif not all(math.isfinite(run.cost) and run.cost > 0 for run in runs):
            problems.append(f"{name}: a cost of nothing was measured")
        elif (mean := statistics.fmean(run.cost for run in runs)) > limit.most:
            problems.append(f"{name}: {mean:.3g} {limit.unit}, at most {limit.most:g} {limit.unit}")
    return sorted(problems)


def measure(
    runs: int, workloads: Mapping[str, Workload] = WORKLOADS, tell: Callable[[str], None] = lambda _: None
) -> dict[str, list[Run]]:
    """Every workload so many times; round by round, so that a slow minute of the machine hits all alike."""
    found: dict[str, list[Run]] = {}
    for number in range(1, runs + 1):
        for name, workload in workloads.items():
            tell(f"run {number} of {runs}: {name}")
            for measured, run in workload().items():
                found.setdefault(measured, []).append(run)
    return found


def table(limits: Mapping[str, Limit], measured: Mapping[str, Sequence[Run]]) -> str:
    """Mean and spread (lowest to highest) beside the limits."""
    lines = [f"{'':34}{'mean':>10}{'lowest':>10}{'highest':>10}{'most':>10}"]
    for name, runs in measured.items():
        costs, limit = [run.cost for run in runs], limits.get(name)
        most = f"{limit.most:g} {limit.unit}" if limit else "none"
        lines.append(f"{name:34}{statistics.fmean(costs):10.3f}{min(costs):10.3f}{max(costs):10.3f}{most:>10}")
    return "\n".join(lines)


def main(runs: int = 3) -> int:
    """Measure everything and compare; the exit code."""
    limits = read()
    measured = measure(runs, tell=lambda line: print(line, file=sys.stderr))
    print(table(limits, measured))
    problems = broken(limits, measured)
    print("\n".join(problems) or "within the budget")
    return 1 if problems else 0
