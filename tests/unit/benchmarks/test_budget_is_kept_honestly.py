"""A budget is only worth something if breaking it fails, and so does measuring nothing."""

import pytest
import yaml

from benchmarks import budget, workloads
from benchmarks.budget import Limit, broken, measure, read, table
from benchmarks.declared import declared, worst
from benchmarks.workloads import Run
from modelramp.analysis.stats.histograms import MOST_BUCKETS
from modelramp.api.checks import SCHEMAS
from modelramp.api.verdict import Verdict
from tests.unit.analysis.work import lines_run

LIMITS = {"decide": Limit(most=1.0, unit="s", done=10)}
WRONG = {
    "too dear": ({"decide": [Run(10, 1.5), Run(10, 0.9)]}, "decide: 1.2 s, at most 1 s"),
    "not measured": ({}, "decide: not measured; run its workload or take it out of budget.yaml"),
    "not run": ({"decide": []}, "decide: not run once"),
    "nothing done": ({"decide": [Run(0, 0.1)]}, "decide: 0 of 10 came out right: the cost of that says nothing"),
    "half done": ({"decide": [Run(10, 0.1), Run(5, 0.1)]}, "decide: 5 of 10 came out right"),
    "free of cost": ({"decide": [Run(10, 0.0)]}, "decide: a cost of nothing was measured"),
    "no number": ({"decide": [Run(10, float("nan"))]}, "decide: a cost of nothing was measured"),
    "no limit": ({"decide": [Run(10, 0.1)], "new": [Run(1, 0.1)]}, "new: has no limit in budget.yaml"),
}


@pytest.mark.parametrize(("measured", "said"), WRONG.values(), ids=WRONG)
def test_what_breaks_the_budget_is_said(measured, said):
    (problem,) = broken(LIMITS, measured)
    assert problem.startswith(said)


def test_work_within_its_limit_is_no_problem():
    assert broken(LIMITS, {"decide": [Run(10, 0.9), Run(10, 1.1)]}) == []


def test_the_exit_code_says_whether_the_budget_was_kept(monkeypatch, capsys):
    monkeypatch.setattr(budget, "read", lambda: LIMITS)
    for cost, code in ((0.9, 0), (1.2, 1)):
        monkeypatch.setattr(budget, "measure", lambda *_, cost=cost, **__: {"decide": [Run(10, cost)]})
        assert budget.main(1) == code
    assert "decide: 1.2 s, at most 1 s" in capsys.readouterr().out


def test_every_measurement_has_a_limit_and_every_limit_a_measurement():
    named = {"decide", "status", "plan", "bare Python", "import modelramp.operator"}
    named |= {"modelramp --help", "modelramp TAB", "modelramp VERB"}
    named |= {"engine: memory", "engine: memory per object", "engine: start", "engine: tick"}
    named |= {"answer: event loop held"} | {f"check: {name}" for name in declared()}
    named |= {f"worst check: {name}" for name in worst()}
    assert set(read()) == named


def test_ten_thousand_evaluations_of_any_kind_must_take_less_than_two_seconds():
    assert {limit.most for name, limit in read().items() if name.startswith("check: ")} == {2.0}
    assert max(limit.most / limit.done for name, limit in read().items() if name.startswith("worst ")) <= 0.02
    assert read()["import modelramp.operator"].most <= 3.0


def test_the_page_shows_the_means_and_limits_of_the_budget():
    entries = yaml.safe_load(budget.BUDGET.read_text(encoding="utf-8"))["limits"]
    page = (workloads.ROOT / "docs" / "reference" / "performance.md").read_text(encoding="utf-8")
    shown = [line.strip("| ").split(" | ") for line in page.splitlines() if line.startswith("| ")][1:]
    found = {name: (mean, most) for name, _, mean, most in shown}
    assert found == {
        name: (f"{entry['mean']:g} {entry['unit']}", f"{entry['most']:g} {entry['unit']}")
        for name, entry in entries.items()
    }


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{most: 2, unit: s, done: 10, mean: 1, runs: 5, spread: 0.1}", "margin"),
        ("{most: 1, unit: s, done: 10, mean: 1, runs: 5, spread: 0.1, margin: 20 %}", "above the mean"),
        ("{most: 2, unit: s, done: 0, mean: 1, runs: 5, spread: 0.1, margin: 20 %}", "done"),
    ],
)
def test_a_limit_without_its_reason_is_refused(tmp_path, entry, said):
    path = tmp_path / "budget.yaml"
    path.write_text(f"limits: {{decide: {entry}}}", encoding="utf-8")
    with pytest.raises(ValueError, match=f"decide.*{said}"):
        read(path)


def test_every_kind_of_check_is_measured():
    """A new kind of the resource needs its place in benchmarks/declared.py."""
    kinds = SCHEMAS.keys() - {"preset"}  # a query that is not written here
    assert {"query", "ratio", "cost"} <= kinds
    assert {kind for each in declared().values() for kind in kinds if getattr(each.check, kind) is not None} == kinds


@pytest.mark.parametrize("name", worst())
def test_the_dearest_answers_are_worked_through_within_a_bound(name):
    evaluate = worst()[name].evaluation()
    assert evaluate().verdict is not Verdict.NO_DATA
    assert lines_run(evaluate) < 400_000


@pytest.mark.parametrize("name", [name for name in worst() if "quantiles" in name or "drift" in name])
def test_more_buckets_than_the_dearest_are_no_data(name, monkeypatch):
    monkeypatch.setattr("benchmarks.declared.MOST_BUCKETS", MOST_BUCKETS + 1)
    evaluate = worst()[name].evaluation()
    assert evaluate().verdict is Verdict.NO_DATA
    assert lines_run(evaluate) < 60_000


@pytest.mark.parametrize("name", ["decide", "status", "plan", "checks"])
def test_each_workload_does_all_of_its_work(monkeypatch, name):
    monkeypatch.setattr(workloads, "MANY", 20)
    for run in measure(2, {name: workloads.WORKLOADS[name]}).values():
        assert [each.done for each in run] == [20, 20]
        assert all(each.cost > 0 for each in run)


def test_the_engine_sees_every_object_of_the_fleet_healthy_and_reports_on_a_few():
    """In a process of its own: one that lives already may have all the memory that the fleet needs."""
    measured = workloads.fleet(150)
    assert set(measured) == {"engine: memory", "engine: memory per object", "engine: start", "engine: tick"}
    assert all(run.done == 150 and run.cost > 0 for run in measured.values())


def test_the_table_shows_mean_lowest_and_highest():
    text = table(LIMITS, {"decide": [Run(10, 0.5), Run(10, 1.5)]})
    assert text.splitlines()[-1].split() == ["decide", "1.000", "0.500", "1.500", "1", "s"]
