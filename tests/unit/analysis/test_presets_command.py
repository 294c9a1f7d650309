import json
from pathlib import Path

from click.testing import CliRunner

from modelramp.analysis.presets import PRESETS
from modelramp.cli.presets import command

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "presets.md"


def run(*args):
    return CliRunner().invoke(command, list(args))


def test_the_table_has_a_line_for_every_preset():
    lines = run().output.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PRESETS)


def test_one_preset_is_shown_with_its_query_and_source():
    output = run("error-rate").output
    assert PRESETS["error-rate"].query in output
    assert "<= 0.01" in output
    assert "source" in output


def test_json_is_a_list_or_one_object():
    assert [p["name"] for p in json.loads(run("-o", "json").output)] == list(PRESETS)
    assert json.loads(run("accuracy", "-o", "json").output)["min"] == 0.85


def test_an_unknown_name_is_refused_with_a_hint():
    result = run("acuracy")
    assert result.exit_code == 2
    assert "did you mean accuracy?" in result.output


def test_the_reference_page_is_current():
    assert PAGE.read_text() == run("-o", "markdown").output, (
        "run: modelramp presets -o markdown > docs/reference/presets.md"
    )
