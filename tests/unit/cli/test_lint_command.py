import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from modelramp.cli.documents import Document, Malformed, read
from modelramp.cli.main import VERBS, main
from tests.refused.samples import ACCEPTED, EVERY_FIELD, HERE, REFUSED

BROKEN = next(path for path in REFUSED if path.stem == "steps-fall")


def lint(*args, **kwargs):
    return CliRunner().invoke(main, ["lint", *map(str, args)], **kwargs)


def test_errors_end_with_1_and_name_file_line_and_field():
    result = lint(BROKEN)
    assert result.exit_code == 1
    assert result.stdout == (
        f"{BROKEN}:11: error: spec.rollout.steps: steps[].weight must rise strictly from step to step\n"
    )
    assert result.stderr == "1 object: 1 error, 0 warnings\n"


def test_a_clean_file_and_warnings_end_with_0():
    assert lint(EVERY_FIELD).exit_code == 0
    warned = lint(next(path for path in ACCEPTED if path.stem == "defaults-only"))
    assert warned.exit_code == 0
    assert ": warning: spec.health.checks: " in warned.stdout


@pytest.mark.parametrize("args", [(), ("no-such-file.yaml",), ("--no-such-option", "x"), ("-o", "xml", "x")])
def test_wrong_use_ends_with_2(args):
    assert lint(*args).exit_code == 2


def test_a_folder_is_searched():
    assert f"{BROKEN}:11: error" in lint(HERE).stdout


def test_standard_input_is_read_and_other_kinds_are_passed_over():
    other = "apiVersion: v1\nkind: Namespace\nmetadata: {name: ml}\n---\n---\n"
    result = lint("-", input=other + BROKEN.read_text(encoding="utf-8"))
    assert result.stdout.startswith("<stdin>:16: error: spec.rollout.steps")


def test_json_is_for_programs():
    result = lint("-o", "json", BROKEN)
    (finding,) = json.loads(result.stdout)["findings"]
    assert finding["line"] == 11
    assert finding["level"] == "error"
    assert json.loads(result.stdout)["errors"] == 1
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("apiVersion: v1\nkind: [x\nname: y\n", 3, "expected ',' or ']'"),
        ("a:\n\tb: 1\n", 2, "indent with spaces, not tabs"),
        ("a: {{ value }}\n", 1, "needs quotes around it"),
        ("a: *nobody\n", 1, "undefined alias"),
        ("a: &x [*x]\n", 1, "aliases unfold without end"),
        ("a: 08\n", 1, "invalid"),
        ("a: \x00\n", 1, "control character"),
    ],
)
def test_what_is_no_yaml_is_an_error_with_its_line(text, line, words):
    result = lint("-", input=text)
    assert result.exit_code == 1
    assert result.stdout.startswith(f"<stdin>:{line}: error: ")
    assert words in result.stdout


def test_what_is_no_text_is_an_error():
    result = lint("-", input=b"a: \xff\n")
    assert result.exit_code == 1
    assert "not UTF-8: byte 0xff" in result.stdout


def test_aliases_that_multiply_are_refused_in_bounded_time():
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    (malformed,) = read(f"a0: &a0 x\n{levels}")
    assert isinstance(malformed, Malformed)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("apiVersion: modelramp.io/v1\nkind: ModelDeployment\n", "apiVersion: found 'modelramp.io/v1'"),
        ("apiVersion: modelramp.io/v1alpha1\nkind: ModelDeploy\n", "kind: found 'ModelDeploy'"),
        ("apiVersion: modelramp.io/v1alpha1\nkind: ModelDeployment\n", "metadata: is missing"),
        ("apiVersion: modelramp.io/v1alpha1\nkind: ModelDeployment\nmetadata: {}\n", "metadata.name: is missing"),
        (
            "apiVersion: modelramp.io/v1alpha1\nkind: ModelDeployment\nmetadata: []\nspec: 5\n",
            "spec: found the number 5",
        ),
        ("apiVersion: modelramp.io/v1alpha1\nkind: ModelDeployment\nmetadta: {}\n", "did you mean metadata?"),
    ],
)
def test_an_object_that_is_none_is_an_error(text, words):
    result = lint("-", input=text)
    assert result.exit_code == 1
    assert words in result.stdout


def test_a_key_written_twice_is_a_warning():
    text = EVERY_FIELD.read_text(encoding="utf-8").replace("  replicas: 3\n", "  replicas: 3\n  replicas: 4\n")
    result = lint("-", input=text)
    assert result.exit_code == 0
    assert "<stdin>:7: warning: spec.replicas: is written twice; the last one counts\n" in result.stdout


def test_scalars_are_read_as_kubectl_reads_them():
    """Each was tried with kubectl 1.36 as the value of a ConfigMap, which wants texts."""
    (document,) = read("{a: y, b: 12:30, c: 2026-10-01, d: 1e-3, e: 010, f: 0o10, g: 1_000, h: .5, i: ~, j: 'n'}")
    assert document.value == {
        "a": True,
        "b": "12:30",
        "c": "2026-10-01",
        "d": 0.001,
        "e": 8,
        "f": 8,
        "g": 1000,
        "h": 0.5,
        "i": None,
        "j": "n",
    }


def test_merged_keys_are_read_and_not_taken_for_repetition():
    (document,) = read("base: &base {a: 1, b: 2}\nmine:\n  <<: *base\n  b: 3\n")
    assert isinstance(document, Document)
    assert document.value["mine"] == {"a": 1, "b": 3}
    assert document.repeated == ()


def test_a_field_that_is_not_written_has_the_line_of_its_nearest_parent():
    (document,) = read("spec:\n  health:\n    checks:\n    - name: a\n      max: 5\n")
    assert document.line_of("spec.health.checks[0].max") == 5
    assert document.line_of("spec.health.checks[0].window") == 4
    assert document.line_of("spec.health.checks[7].window") == 3
    assert document.line_of("metadata.name") == 1


def test_colour_is_only_for_terminals():
    assert "\x1b[" not in lint(BROKEN).stdout


@pytest.mark.parametrize(
    ("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
def test_colour_on_a_terminal_can_be_refused(environment, coloured):
    import pty

    reader, writer = pty.openpty()
    clean = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "TERM")}
    subprocess.run(
        [sys.executable, "-m", "modelramp.cli.main", "lint", str(BROKEN)],
        stdout=writer,
        stderr=subprocess.DEVNULL,
        env=clean | {"TERM": "xterm"} | environment,
        timeout=30,
        check=False,
    )
    os.close(writer)
    said = os.read(reader, 4096)
    os.close(reader)
    assert (b"\x1b[31m" in said) is coloured


def test_help_names_the_verbs_that_exist_and_imports_none():
    code = (
        "import sys; from modelramp.cli.main import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    *help_lines, modules = done.stdout.splitlines()
    assert any(line.strip().startswith("lint ") for line in help_lines)
    assert not {"pydantic", "yaml", "httpx", "kubernetes", "rich", "aiohttp"} & set(modules.split())


def test_help_comes_within_the_time_that_is_felt():
    command = [sys.executable, "-m", "modelramp.cli.main", "--help"]

    def seconds():
        before = os.times()
        subprocess.run(command, capture_output=True, timeout=30, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    # Processor time, and the best of many: what other programs take away says nothing about this one.
    assert any(seconds() < 0.15 for _ in range(20))


def test_a_verb_whose_module_is_missing_is_not_offered(monkeypatch):
    monkeypatch.setitem(VERBS, "teleport", "Not written yet.")
    assert "teleport" not in CliRunner().invoke(main, ["--help"]).stdout
    assert CliRunner().invoke(main, ["teleport"]).exit_code == 2


def test_every_verb_that_exists_is_a_command_with_help():
    for verb in main.list_commands(None):
        assert CliRunner().invoke(main, [verb, "--help"]).exit_code == 0, verb


def test_the_commands_page_names_every_verb():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "cli.md").read_text(encoding="utf-8")
    assert [verb for verb in main.list_commands(None) if f"## modelramp {verb}" not in page] == []


@pytest.mark.parametrize(
    ("check", "said"),
    [
        (
            "ratio: {bad: b, total: t, max: 0.01}",
            "ratio.max: is an unknown field here; move it out to spec.health.checks[0].max",
        ),
        ("fairness: {bad: b, total: t, group: g}", "fairness.group: is an unknown field; did you mean groupLabel?"),
        (
            "ratio: {bad: b, total: t, colour: red}",
            "ratio.colour: is an unknown field; known are bad, confidence, total",
        ),
    ],
)
def test_an_unknown_field_is_answered_with_the_one_that_was_meant(tmp_path, check, said):
    file = tmp_path / "digits.yaml"
    written = EVERY_FIELD.read_text(encoding="utf-8").split("    checks:\n")[0]
    file.write_text(f"{written}    checks:\n    - {{name: errors, {check}}}\n", encoding="utf-8")
    assert f"spec.health.checks[0].{said}\n" in lint(file).stdout
