"""What the shipped alerts say is so, and their page explains each of them."""

import re

import pytest
import yaml

from modelramp.adapters.catalogue import CATALOGUE, Type
from modelramp.api.names import Reason
from tests.rules.tree import ROOT

RULES = ROOT / "charts/modelramp/rules.yaml"
PAGE = ROOT / "docs/reference/alerts.md"
ALERTS = {
    rule["alert"]: rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]
}
METRIC = re.compile(r"modelramp_[a-z_]+")


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_is_so_which_object_and_where_to_read_on(name):
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"critical", "warning"}
    if name.startswith("Modelramp"):
        assert "$labels.namespace" not in rule["annotations"]["summary"]
    else:
        assert "{{ $labels.namespace }}/{{ $labels.name }}" in rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == PAGE
    assert re.search(rf"^### {name}$", PAGE.read_text(), re.MULTILINE)
    assert anchor == name.lower()


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_with_a_reason_leads_to_what_is_written_about_it(name):
    rule = ALERTS[name]
    by = re.search(r"by \(([^)]*)\)", rule["expr"])
    wanted = (
        "docs/reference/reasons.md#{{ $labels.reason | toLower }}" if by and "reason" in by[1].split(", ") else None
    )
    assert rule["annotations"].get("reason_url") == wanted


def test_every_reason_has_an_anchor_of_its_name_in_small_letters():
    text = (ROOT / "docs/reference/reasons.md").read_text("utf-8")
    assert {name.lower() for name in re.findall(r"^### (.+)$", text, re.MULTILINE)} == {one.lower() for one in Reason}


@pytest.mark.parametrize("name", ALERTS)
def test_the_page_says_of_each_alert_what_it_means_what_comes_next_and_what_to_do(name):
    section = PAGE.read_text().partition(f"### {name}\n")[2].partition("\n##")[0]
    expr = " ".join(ALERTS[name]["expr"].split())
    first = section.strip().splitlines()[0]
    assert first.startswith(ALERTS[name]["labels"]["severity"])
    assert first.endswith(f": `{expr}`")
    for part in ("- **What it means**: ", "- **What happens next**: ", "- **What to do**: ", "```sh\n"):
        assert part in section, part


def test_every_rule_in_the_docs_is_one_that_is_shipped():
    shipped = {" ".join(rule["expr"].split()) for rule in ALERTS.values()}
    for path in (ROOT / "docs").rglob("*.md"):
        if path.parent.name == "decisions":
            continue
        for code in re.findall(r"`([^`\n]*modelramp_[a-z][^`\n]*)`", path.read_text()):
            assert METRIC.fullmatch(code) or code in shipped, f"{path.name}: {code}"


def test_every_alert_asks_for_metrics_that_the_operator_has():
    for name, rule in ALERTS.items():
        asked = set(METRIC.findall(rule["expr"]))
        assert {metric.removesuffix("_bucket") for metric in asked} <= CATALOGUE.keys(), name


def test_a_quantile_is_compared_with_a_bound_that_the_buckets_reach():
    """histogram_quantile answers no more than the largest bound: at that limit the alert would never fire."""
    metric, limit = CATALOGUE["modelramp_tick_lag_seconds"], float(ALERTS["ModelrampLate"]["expr"].rpartition(">")[2])
    assert limit in metric.buckets
    assert sum(bound > limit for bound in metric.buckets) >= 3


def test_counters_that_are_asked_for_an_increase_begin_at_0():
    for rule in ALERTS.values():
        for metric, selector in re.findall(r"(?:increase|rate)\((\w+?)(?:_bucket)?({[^}]*})?\[", rule["expr"]):
            found = CATALOGUE[metric]
            assert found.type is not Type.GAUGE
            wanted = dict(re.findall(r'(\w+)="(\w+)"', selector))
            born = [dict(zip(found.labels, values, strict=True)) for values in found.born or ((),)]
            assert any(wanted.items() <= series.items() for series in born), metric
