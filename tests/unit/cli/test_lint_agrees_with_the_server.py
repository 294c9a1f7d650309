"""The manifests that the real API server refuses or accepts (tests/integration/api) are judged alike without one."""

import re

import pytest

from modelramp.cli.commands.lint import lint_text
from modelramp.cli.lint.refusals import refusals
from modelramp.cli.output import Level
from tests.refused.bounds import broken_bounds
from tests.refused.samples import ACCEPTED, ACCEPTED_POLICIES, REFUSED, expected


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path.stem)
def test_what_the_server_refuses_is_an_error_at_the_same_field(path):
    _, findings = lint_text(path.name, path.read_bytes())
    errors = [finding.path for finding in findings if finding.level is Level.ERROR]
    # The server writes `path: Invalid value`, or `unknown field "path"`.
    field = re.search(r'^(?:strict decoding error: unknown field )?"?([\w./\[\]]+)', expected(path)).group(1)
    assert re.sub(r"\[([a-z][\w./]*)\]", r".\1", field) in errors, "of a map's entry the server's rules write [key]"


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_what_the_server_accepts_is_no_error(path):
    inspected, findings = lint_text(path.name, path.read_bytes())
    assert inspected == 1
    assert [str(finding) for finding in findings if finding.level is Level.ERROR] == []


def test_a_number_in_quotes_is_a_warning_at_its_field():
    path = next(path for path in ACCEPTED if path.stem == "quoted-numbers")
    _, findings = lint_text(path.name, path.read_bytes())
    warned = [finding.path for finding in findings if "without quotes" in finding.message]
    checks = path.read_text().partition("checks:")[2]
    assert len(warned) == len(re.findall(r': "-?[0-9.eE+-]+"', checks))
    assert {"spec.health.checks[0].max", "spec.health.checks[3].drift.reference.buckets.+Inf"} <= set(warned)


@pytest.mark.parametrize("path", [*(path for path in ACCEPTED if path.stem != "quoted-numbers"), *ACCEPTED_POLICIES])
def test_plain_numbers_texts_and_placeholders_are_none_in_quotes(path):
    _, findings = lint_text(path.name, path.read_bytes())
    assert [str(finding) for finding in findings if "without quotes" in finding.message] == []


def test_every_broken_bound_is_an_error_at_its_field():
    for one in broken_bounds():
        assert one.path in [problem.field for problem in refusals(one.manifest)], f"{one.path} {one.bound}"


def test_a_field_is_blamed_once():
    for one in broken_bounds():
        fields = [problem.field for problem in refusals(one.manifest)]
        assert fields.count(one.path) == 1, f"{one.path} {one.bound}: {refusals(one.manifest)}"
