"""`modelramp simulate` on unusable input: it names file, line, what was found and what is wished, and tells no tick."""

import pytest
from click.testing import CliRunner

from modelramp.cli.main import main
from modelramp.simulation.ticks import BadLine, Line, read_lines

HEADER = "apiVersion: modelramp.io/v1alpha1\nkind: ModelDeployment\nmetadata: {name: digits}\n"
SPEC = """\
spec:
  model: {name: digits, version: "2.0.0"}
  template: {spec: {containers: [{name: model, image: digits}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  health: {checks: [{name: error-rate, query: x, max: 0.01}, {name: accuracy, query: up, min: 0.85}]}
"""
MANIFEST = HEADER + SPEC
GOOD = '{"checks": {"error-rate": 0.002}}\n'


def simulate(tmp_path, manifest=MANIFEST, ticks=GOOD, *more):
    (tmp_path / "digits.yaml").write_bytes(manifest.encode() if isinstance(manifest, str) else manifest)
    (tmp_path / "ticks.jsonl").write_bytes(ticks.encode() if isinstance(ticks, str) else ticks)
    arguments = ["simulate", "-f", str(tmp_path / "digits.yaml"), "--ticks", str(tmp_path / "ticks.jsonl"), *more]
    return CliRunner().invoke(main, arguments)


LINES = {
    "no JSON": ("{checks}", "line 1: is not JSON: Expecting property name enclosed in double quotes at column 2"),
    "cut off": ('{"checks": {', "line 1: is not JSON"),
    "two objects": ("{} {}", "line 1: is not JSON: Extra data at column 4"),
    "a list": ("[]", 'line 1: is a list; write an object such as {"checks": {"error-rate": 0.002}}'),
    "a number": ("5", "line 1: is the number 5; write an object"),
    "an unknown key": (
        '{"check": {}}',
        'line 1: unknown key "check"; known are checks, available; did you mean checks?',
    ),
    "checks as a list": (
        '{"checks": []}',
        "line 1: checks is a list; write an object from check names to numbers or null",
    ),
    "an unknown check": (
        '{"checks": {"eror-rate": 1}}',
        'line 1: spec.health.checks has no check "eror-rate"; it knows error-rate, accuracy; did you mean error-rate?',
    ),
    "a text": ('{"checks": {"accuracy": "0.9"}}', 'line 1: checks.accuracy is the text "0.9"; write a number, or null'),
    "true": ('{"checks": {"accuracy": true}}', "line 1: checks.accuracy is true; write a number, or null for no data"),
    "a nested object": ('{"checks": {"accuracy": {}}}', "line 1: checks.accuracy is an object; write a number"),
    "far too large": ('{"checks": {"accuracy": 1' + "0" * 400 + "}}", "line 1: checks.accuracy is too large"),
    "available as text": ('{"available": "no"}', 'line 1: available is the text "no"; write true or false'),
    "available as number": ('{"available": 0}', "line 1: available is the number 0; write true or false"),
    "available as null": ('{"available": null}', "line 1: available is null; write true or false"),
    "a check twice": ('{"checks": {"accuracy": 1, "accuracy": 2}}', 'line 1: "accuracy" appears twice'),
    "nested beyond reason": ("[" * 100_000, "line 1: is nested too deeply"),
}


@pytest.mark.parametrize(("line", "message"), LINES.values(), ids=LINES)
def test_a_line_that_cannot_be_read_is_named_with_what_is_wrong(line, message):
    with pytest.raises(BadLine) as refused:
        read_lines(line, ["error-rate", "accuracy"])
    assert str(refused.value).startswith(message)


def test_the_number_is_that_of_the_file_and_empty_lines_are_no_ticks():
    with pytest.raises(BadLine, match=r"^line 4: "):
        read_lines("{}\n\n{}\nx\n", [])
    assert len(read_lines("\n{}\n \r\n{}\r\n\n", [])) == 2


def test_what_a_line_may_leave_out():
    assert read_lines('{}\n{"checks": null}\n{"checks": {"a": null, "b": 1}, "available": false}', ["a", "b"]) == (
        Line({}, available=True),
        Line({}, available=True),
        Line({"a": None, "b": 1.0}, available=False),
    )


def test_a_bad_line_prints_no_tick_at_all(tmp_path):
    done = simulate(tmp_path, MANIFEST, GOOD * 5 + "oops\n")

    assert (done.exit_code, done.stdout) == (1, "")
    assert "ticks.jsonl: line 6: is not JSON" in done.stderr


FILES = {
    "no YAML": (HEADER + "spec: [", "digits.yaml:4: column 8"),
    "another kind": ("kind: Deployment\n", "digits.yaml: holds no ModelDeployment"),
    "nothing": ("", "digits.yaml: holds no ModelDeployment"),
    "another version": (MANIFEST.replace("v1alpha1", "v9"), "digits.yaml:1: apiVersion is 'modelramp.io/v9'"),
    "two of them": (f"{MANIFEST}---\n{MANIFEST.replace('digits}', 'letters}', 1)}", "holds several (digits, letters)"),
    "no spec": (HEADER, "spec"),
    "a wrong duration": (MANIFEST + "  rollout: {stepDuration: 5x}\n", "digits.yaml:9: spec.rollout.stepDuration: "),
    "weights that fall": (
        MANIFEST + "  rollout: {steps: [{weight: 50}, {weight: 10}, {weight: 100}]}\n",
        "must rise",
    ),
    "not UTF-8": (b"\xff\xfe", "digits.yaml: byte 1 is not UTF-8 text"),
}


@pytest.mark.parametrize(("manifest", "message"), FILES.values(), ids=FILES)
def test_a_manifest_that_cannot_be_used_is_refused_with_its_place(tmp_path, manifest, message):
    done = simulate(tmp_path, manifest)

    assert (done.exit_code, done.stdout) == (1, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_one_of_several_is_chosen_by_name(tmp_path):
    both = f"{MANIFEST}---\nkind: Service\n---\n{MANIFEST.replace('digits}', 'letters}', 1)}"

    assert simulate(tmp_path, both, GOOD, "--name", "letters").exit_code == 0
    missing = simulate(tmp_path, both, GOOD, "--name", "words")
    assert missing.exit_code == 1
    assert "holds no ModelDeployment words, but digits, letters" in missing.stderr


def test_fields_that_are_null_count_as_not_written(tmp_path):
    assert simulate(tmp_path, MANIFEST + "  rollout: null\n  afterPromotion: {watch: null}\n").exit_code == 0


def test_a_file_that_is_not_there_is_a_wrong_call():
    done = CliRunner().invoke(main, ["simulate", "-f", "nowhere.yaml", "--ticks", "nowhere.jsonl"])

    assert done.exit_code == 2


def test_no_ticks_at_all_is_a_simulation_that_ran(tmp_path):
    done = simulate(tmp_path, MANIFEST, "")

    assert done.exit_code == 0
    assert done.stdout == '{"outcome": "in-progress", "tick": 0, "reason": "no tick was given"}\n'
