"""`modelramp lint` finds objects wherever kubectl would, says what it passes over, and never ends without an answer."""

import json
import os
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from modelramp.cli import documents
from modelramp.cli.main import main
from tests.refused.samples import EVERY_FIELD, REFUSED

BROKEN = next(path for path in REFUSED if path.stem == "steps-fall")
OBJECT = yaml.safe_load(BROKEN.read_text(encoding="utf-8"))
FAULT = "spec.rollout.steps: steps[].weight must rise strictly"
SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x"}}
NOTHING = "holds no ModelDeployment, HealthPolicy or ClusterHealthPolicy"


def lint(*args, **kwargs):
    result = CliRunner().invoke(main, ["lint", *map(str, args)], **kwargs)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def in_list(*items, kind="List", version="v1"):
    return {"apiVersion": version, "kind": kind, "items": list(items)}


LISTS = {
    "a List": in_list(SERVICE, OBJECT),
    "a list of its kind": in_list(OBJECT, kind="ModelDeploymentList", version="modelramp.io/v1alpha1"),
    "a List in a List": in_list(SERVICE, in_list(SERVICE, OBJECT)),
}


@pytest.mark.parametrize("value", LISTS.values(), ids=LISTS)
@pytest.mark.parametrize("write", [yaml.safe_dump, json.dumps, lambda value: json.dumps(value, indent=4)])
def test_objects_in_lists_are_checked_at_their_lines(value, write):
    text = write(value)
    result = lint("-", input=text)
    assert result.exit_code == 1
    (finding,) = result.stdout.splitlines()
    place, _, rest = finding.partition(": error: ")
    assert rest.startswith(FAULT)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "steps" in line)
    assert place == f"<stdin>:{line}"


def test_a_key_written_twice_in_a_list_is_named_in_its_object():
    text = "kind: List\nitems:\n- kind: Service\n  a: 1\n  a: 2\n- "
    text += (
        EVERY_FIELD.read_text(encoding="utf-8")
        .replace("  replicas: 3\n", "  replicas: 3\n  replicas: 4\n")
        .replace("\n", "\n  ")
    )
    result = lint("-", input=text)
    assert result.exit_code == 0, result.stdout
    assert ": warning: spec.replicas: is written twice" in result.stdout
    assert ": warning: a: is written twice" not in result.stdout


@pytest.mark.parametrize(
    "text",
    [
        "kind: List\nitems: {a: 1}\n",
        "kind: List\n",
        "kind: [List]\nitems: [1, null, [], a]\n",
        "kind: List\nitems: [1, null, [], a]\n",
        "kind: List\nitems: []\n",
        "kind: List\nitems: [{}]\n'items[x].a': 1\n'items[x].a': 2\n'items[²].a': 1\n'items[²].a': 1\n",
    ],
)
def test_a_list_of_nothing_is_an_error(text):
    result = lint("-", input=text)
    assert result.exit_code == 1
    assert NOTHING in result.stdout


def test_a_policy_in_a_list_is_found_by_a_deployment_beside_it():
    policy = {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "HealthPolicy",
        "metadata": {"name": "p"},
        "spec": {"checks": [{"name": "errors", "preset": "reference-error-rate", "max": 0.01}]},
    }
    user = yaml.safe_load(next(Path(BROKEN.parent).glob("steps-fall.yaml")).read_text(encoding="utf-8"))
    user["spec"]["rollout"]["steps"] = [{"weight": 10}, {"weight": 100}]
    user["spec"]["health"] = {"policies": [{"name": "p"}]}
    assert "is in none of these files" in lint("-", input=yaml.safe_dump(user)).stdout
    assert "is in none of these files" not in lint("-", input=yaml.safe_dump(in_list(policy, user))).stdout


def test_files_folders_and_standard_input_are_read_in_one_call(tmp_path):
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    for name in ("one.yaml", "two.yml", "three.json", "four.YAML"):
        (deep / name).write_text(json.dumps(OBJECT), encoding="utf-8")
    (deep / "five.txt").write_text(json.dumps(OBJECT), encoding="utf-8")
    result = lint(tmp_path, BROKEN, "-", input=yaml.safe_dump(OBJECT))
    assert result.exit_code == 1
    assert result.stdout.count(FAULT) == 6
    assert "6 objects: 6 errors, 0 warnings" in result.stderr


def test_what_is_passed_over_is_named(tmp_path):
    (tmp_path / "services.yaml").write_text(yaml.safe_dump_all([SERVICE] * 3), encoding="utf-8")
    (tmp_path / "config.json").write_text(json.dumps({**SERVICE, "kind": "ConfigMap"}, indent=2), encoding="utf-8")
    (tmp_path / "notes.yaml").write_text("# nothing\n", encoding="utf-8")
    (tmp_path / "picture.yaml").write_bytes(bytes(range(256)))
    (tmp_path / "chart.yaml").write_text("kind: {{ .Values.kind }}\n", encoding="utf-8")
    mixed = f"{yaml.safe_dump(SERVICE)}---\n{EVERY_FIELD.read_text(encoding='utf-8')}"
    (tmp_path / "mixed.yaml").write_text(mixed, encoding="utf-8")
    result = lint(tmp_path)
    assert result.exit_code == 0, result.stdout
    assert "; passed over: 4 Service, 3 file without an object, 1 ConfigMap\n" in result.stderr
    said = json.loads(lint(tmp_path, "-o", "json").stdout)
    assert said["passedOver"] == {"Service": 4, "file without an object": 3, "ConfigMap": 1}


def test_nothing_to_check_is_an_error_however_many_files_there_are(tmp_path):
    assert lint(tmp_path).stdout == f"{tmp_path}:1: error: {NOTHING}\n"
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(SERVICE), encoding="utf-8")
    result = lint(tmp_path)
    assert result.exit_code == 1
    assert result.stdout == f"{tmp_path}:1: error: {NOTHING}\n"
    assert result.stderr == "0 objects: 1 error, 0 warnings; passed over: 3 Service\n"


def test_files_that_cannot_hold_an_object_are_not_parsed(tmp_path, monkeypatch):
    for number in range(50):
        (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump(SERVICE), encoding="utf-8")
    monkeypatch.setattr(documents, "read", lambda text: pytest.fail("some seconds for a thousand files"))
    assert "passed over: 50 Service" in lint(tmp_path).stderr


def test_an_object_whose_kind_is_written_with_escapes_is_found(tmp_path):
    text = BROKEN.read_text(encoding="utf-8").replace("modelramp.io/v1alpha1", '"modelramp\\u002eio/v1alpha1"')
    (tmp_path / "x.yaml").write_text(text.replace("ModelDeployment", '"Model\\x44eployment"'), encoding="utf-8")
    assert FAULT in lint(tmp_path).stdout


def test_a_folder_of_strange_things_is_read_to_its_end(tmp_path):
    good = tmp_path / "good.yaml"
    good.write_text(json.dumps(OBJECT), encoding="utf-8")
    (tmp_path / "again.yaml").symlink_to(good)
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self.yaml").symlink_to(tmp_path / "self.yaml")
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / os.fsdecode(b"\xff.yaml")).write_bytes(b"apiVersion: modelramp.io/v1alpha1\n\xff\n")
    result = lint(tmp_path)
    assert result.exit_code == 1
    assert result.stdout.count(FAULT) == 1
    assert "gone.yaml:1: warning: cannot be read: No such file or directory" in result.stdout
    assert "self.yaml:1: warning: cannot be read: Too many levels" in result.stdout
    assert "pipe.yaml:1: warning: is no file that can be read" in result.stdout
    assert "not UTF-8: byte 0xff" in result.stdout
    assert "passed over: 3 file that cannot be read" in result.stderr


def test_a_tree_deeper_than_any_stack_is_walked(tmp_path):
    levels = 0
    here = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=here)
            inner = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here, levels = inner, levels + 1
        (tmp_path / "x.yaml").write_text(json.dumps(OBJECT), encoding="utf-8")
        assert FAULT in lint(tmp_path).stdout
    finally:  # what removes temporary folders elsewhere calls itself for each level
        for _ in range(levels):
            outer = os.open("..", os.O_RDONLY, dir_fd=here)
            os.close(here)
            os.rmdir("d", dir_fd=outer)
            here = outer
        os.close(here)


@pytest.mark.parametrize("name", ["x\0y", "a" * 300, "/proc/self/mem", "no/such/file"])
def test_a_named_file_that_cannot_be_read_is_wrong_use(name):
    result = lint(name)
    assert result.exit_code == 2
    assert "cannot read" in result.stderr


def test_a_device_without_end_is_an_error():
    result = lint("/dev/zero")
    assert result.exit_code == 1
    assert NOTHING in result.stdout
