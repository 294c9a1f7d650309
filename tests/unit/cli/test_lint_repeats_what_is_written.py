"""Advice to put a number in quotes shows the number as it stands in the file: 1.10 is no 1.1, 0123456 no 42798."""

import json

import pytest
from click.testing import CliRunner

from modelramp.cli.main import main

MANIFEST = """\
apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata:
  name: digits
  labels: {release: LABEL}
  annotations:
    note: NOTE
spec:
  model: {name: digits, version: VERSION, lineage: {gitCommit: COMMIT}}
  routing: {gateway: {parentRefs: [{name: public}], hostnames: [digits.example.com]}}
  template:
    metadata: {labels: {app.kubernetes.io/version: VERSION}}
    spec:
      containers:
      - name: model
        image: registry/digits:2
        args: [--threads, ARG]
        env: [{name: A, value: VALUE}]
"""
SCALARS = [
    "1.10",
    "0123456",
    "1e5",
    "0e1234",
    "1_000",
    "0x1F",
    "010",
    "1.",
    ".50",
    "+1",
    "on",
    "yes",
    "No",
    "TRUE",
    "y",
]
PLACES = {
    "LABEL": "metadata.labels.release",
    "NOTE": "metadata.annotations.note",
    "VERSION": "spec.model.version",
    "COMMIT": "spec.model.lineage.gitCommit",
    "ARG": "spec.template.spec.containers[0].args[1]",
    "VALUE": "spec.template.spec.containers[0].env[0].value",
}
QUOTED = dict.fromkeys(PLACES, '"1"')


def written(**scalars):
    text = MANIFEST
    for name, scalar in (QUOTED | scalars).items():
        text = text.replace(name, scalar)
    return text


def lint(text, *args):
    return CliRunner().invoke(main, ["lint", "-", *args], input=text).stdout


@pytest.mark.parametrize("scalar", SCALARS)
@pytest.mark.parametrize("place", PLACES)
def test_a_number_or_a_truth_value_where_a_text_is_wanted_is_shown_as_written(place, scalar):
    said = lint(written(**{place: scalar}))
    found = f"{PLACES[place]}: found {scalar} without quotes, which is not text; "
    assert f'{found}write "{scalar}" in quotes, as it was meant' in said


def test_a_label_with_a_dot_in_its_name_is_found_too():
    said = lint(written(VERSION="1.10"))
    assert 'labels.app.kubernetes.io/version: found 1.10 without quotes, which is not text; write "1.10"' in said


@pytest.mark.parametrize("scalar", ["2026-10-01", "12:30", '"1.10"', "'on'", "1.10.0", "v1"])
def test_what_is_a_text_is_left_alone(scalar):
    assert "without quotes" not in lint(written(VERSION=scalar))


def test_json_and_lists_are_quoted_alike():
    item = '{"apiVersion": "modelramp.io/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "digits"}, "spec": '
    item += '{"model": {"name": "digits", "version": 1.10}}}'
    for text in (item, f'{{"kind": "List", "items": [{{}}, {item}]}}'):
        assert json.loads(text)
        assert 'spec.model.version: found 1.10 without quotes, which is not text; write "1.10"' in lint(text)


def test_a_decimal_where_a_whole_number_or_a_text_is_wanted_is_shown_as_written():
    said = lint(written().replace("spec:\n  model", "spec:\n  service: {targetPort: 80.50}\n  model"))
    assert "found the decimal number 80.50; a whole number or a text in quotes is wanted" in said


@pytest.mark.parametrize("scalar", ["0o17", "yes", "1.50"])
def test_a_number_or_truth_value_of_the_wrong_kind_is_shown_as_written(scalar):
    said = lint(written().replace("spec:\n  model", f"spec:\n  rollout: {scalar}\n  model"))
    assert f"spec.rollout: found {'' if scalar == 'yes' else 'the number '}{scalar}; a mapping" in said


def test_other_verbs_quote_it_too(tmp_path):
    (tmp_path / "x.yaml").write_text(written(VERSION="1.10"), encoding="utf-8")
    (tmp_path / "ticks.jsonl").write_text("{}\n", encoding="utf-8")
    args = ["simulate", "-f", str(tmp_path / "x.yaml"), "--ticks", str(tmp_path / "ticks.jsonl")]
    assert 'write "1.10" in quotes' in CliRunner().invoke(main, args).stderr
