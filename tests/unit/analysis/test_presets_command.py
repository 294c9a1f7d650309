import json
import re
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from modelramp.analysis.checks import limits_of
from modelramp.analysis.presets import ALIASES, PRESETS
from modelramp.analysis.query_advice import never_negative
from modelramp.api.check import Check
from modelramp.cli.commands.lint import lint_text
from modelramp.cli.commands.presets import command
from tests.refused.samples import EVERY_FIELD, load

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "presets.md"


def run(*args):
    return CliRunner().invoke(command, list(args))


def test_the_table_has_a_line_for_every_preset():
    lines = run().output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PRESETS)


def test_one_preset_is_shown_with_its_query_and_source():
    output = run("reference-error-rate").output
    assert PRESETS["reference-error-rate"].query in output
    assert "<= 0.01" in output
    assert "source" in output


@pytest.mark.parametrize("preset", PRESETS)
def test_the_line_that_uses_a_preset_is_a_check_that_lint_passes(preset):
    (line,) = (line for line in run(preset).output.splitlines() if line.startswith("use "))
    assert ("set your own" in line) == ("no limit of its own" in PRESETS[preset].summary)
    manifest = load(EVERY_FIELD)
    manifest["spec"]["health"] = yaml.safe_load(line.removeprefix("use"))
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    assert [finding.message for finding in findings if finding.path.startswith("spec.health")] == []


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_range_of_a_preset_is_what_its_query_can_give(preset):
    """Of quantiles and means the query does not show it; those of presets are times, which are above 0.

    Nor does it of counters without the usual endings, and what says that failures are unknown is no value of the range.
    """
    query = re.sub(r"histogram_(avg\(|quantile\([\d.]+, )", "sum(", preset.query).replace("* 0 - Inf", "")
    query = re.sub(r" or clamp_max\(.*?, 0\)", "", query)
    query = re.sub(r"(max|last)_over_time\((?=[\w:]+\{)", "rate(", query)
    low, high = preset.range
    assert never_negative(query) == (low >= 0)
    assert low < high


def test_json_is_a_list_or_one_object():
    assert [p["name"] for p in json.loads(run("-o", "json").output)] == list(PRESETS)
    assert json.loads(run("reference-accuracy", "-o", "json").output)["min"] == 0.85


def test_an_unknown_name_is_refused_with_a_hint():
    result = run("reference-acuracy")
    assert result.exit_code == 2
    assert "did you mean reference-accuracy?" in result.output


def test_the_reference_page_is_current():
    assert PAGE.read_text() == run("-o", "markdown").output, (
        "run: modelramp presets -o markdown > docs/reference/presets.md"
    )


def test_the_beginning_of_names_lists_those_that_begin_so():
    vllm = {name for name in PRESETS if name.startswith("vllm-")}
    lines = run("vllm").output.splitlines()
    assert {line.split()[0] for line in lines[1:]} == vllm
    assert {preset["name"] for preset in json.loads(run("vllm", "-o", "json").output)} == vllm


def test_a_part_of_a_word_is_no_beginning():
    result = run("vll")
    assert result.exit_code == 2
    assert "there is no preset 'vll'" in result.output


@pytest.mark.parametrize(("old", "name"), ALIASES.items())
def test_an_old_name_means_the_same_preset_and_lint_says_the_new_one(old, name):
    assert run(old).output == run(name).output
    assert limits_of(Check(name="c", preset=old)) == limits_of(Check(name="c", preset=name))
    manifest = load(EVERY_FIELD)
    manifest["spec"]["health"] = {"checks": [{"name": "c", "preset": old, "max": 0.9, "min": 0.1}]}
    _, findings = lint_text("digits.json", json.dumps(manifest).encode())
    (found,) = [finding for finding in findings if finding.path.startswith("spec.health")]
    assert (found.level.value, found.path) == ("warning", "spec.health.checks[0].preset")
    assert found.message.startswith(f"{old} is the old name of {name}")
