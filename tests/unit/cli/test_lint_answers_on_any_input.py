"""Whatever the file, `modelramp lint` says what is wrong with it, soon and without a traceback."""

import promql_parser
import pytest
import yaml
from click.testing import CliRunner

from modelramp.analysis.promql import MOST_LEVELS, MOST_OPERATORS, parse_problem
from modelramp.cli.documents import MOST_CHARACTERS
from modelramp.cli.main import main
from tests.unit.analysis.work import lines_run

OBJECT = {
    "apiVersion": "modelramp.io/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "digits", "namespace": "ml"},
    "spec": {
        "model": {"name": "digits", "version": "2.0.0"},
        "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
        "template": {
            "spec": {
                "containers": [
                    {"name": "model", "image": "digits:2", "ports": [{"name": "http", "containerPort": 8000}]}
                ]
            }
        },
    },
}
OURS = '{namespace="{{namespace}}",revision="{{revision}}"}'


def lint(text, *more):
    result = CliRunner().invoke(main, ["lint", "-", *more], input=text)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def with_query(query, **fields):
    checks = [{"name": "errors", "query": query, "max": 1, **fields}]
    return yaml.safe_dump({**OBJECT, "spec": {**OBJECT["spec"], "health": {"checks": checks}}}, width=10_000)


MERGES = "a0: &a0 {" + ", ".join(f"k{n}: 1" for n in range(100)) + "}\n"
MERGES += "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 100)}]}}\n" for n in range(1, 9))
ODD = {
    "3,000 brackets": "[" * 3000,
    "3,000 closed brackets": "[" * 3000 + "]" * 3000,
    "3,000 braces": "{a: " * 3000,
    "3,000 lists": "- " * 3000 + "x",
    "3,000 keys": "? " * 3000 + "x",
    "levels by lines": "".join(f"{' ' * n}a:\n" for n in range(300)),
    "merges that grow": MERGES,
    "a mapping that merges itself": "a: &a {<<: *a, b: 1}",
    "a date that is none": "a: !!timestamp x",
    "a number that is none": "a: !!int ''",
    "a very long number": "a: " + "9" * 5000,
    "a very large file": "#" * (MOST_CHARACTERS + 1),
    "a control character": "a: \x1b[2J",
    "an unknown tag": "a: !!python/object/apply:os.system [true]",
}


@pytest.mark.parametrize("text", ODD.values(), ids=ODD)
def test_what_is_no_manifest_is_an_error_of_one_line(text):
    result = lint(text)
    assert result.exit_code == 1
    (finding,) = result.stdout.splitlines()
    assert finding.startswith("<stdin>:")
    assert ": error: " in finding


DEEP = {
    "parentheses": "(" * 150 + "1" + ")" * 150,
    "signs": "-" * 300 + f"sum(x{OURS})",
    "a long sum": "+".join(["1"] * 300),
    "functions": "sum(" * 150 + f"x{OURS}" + ")" * 150,
}
LONG = {
    "parentheses": "(" * 2000 + "1" + ")" * 2000,
    "signs": "-" * 3000 + f"sum(x{OURS})",
    "a long sum": "+".join(["1"] * 2000),
    "functions": "sum(" * 600 + f"x{OURS}" + ")" * 600,
}


@pytest.mark.parametrize("query", DEEP.values(), ids=DEEP)
def test_a_query_that_nests_without_end_is_an_error(query):
    result = lint(with_query(query))
    assert result.exit_code == 1
    assert f"spec.health.checks[0].query: nests more than {MOST_LEVELS} levels deep" in result.stdout


@pytest.mark.parametrize("query", LONG.values(), ids=LONG)
def test_a_query_that_would_take_long_to_read_is_an_error(query, monkeypatch):
    monkeypatch.setattr(promql_parser, "parse", lambda text: pytest.fail("its time grows with the square"))
    problem = parse_problem(query)
    assert problem is not None
    assert f"more than 16384 characters or {MOST_OPERATORS} operators and brackets" in problem.message


@pytest.mark.parametrize("query", ["(" * 4000, "(" * 90 + "1" + ")" * 90, "x" + "{a='b'}" * 500])
def test_other_queries_of_that_kind_are_answered_too(query):
    assert lint(with_query(query)).exit_code in (0, 1)


@pytest.mark.parametrize("query", [*DEEP.values(), *LONG.values(), "{{" + " " * 4000, "{{a}}" * 800, '"' * 4000])
def test_the_work_on_a_query_is_bounded(query):
    lines_run(lambda: parse_problem(query), most=100_000)


EMPTY = {
    "nothing": "",
    "a comment": "# nothing\n",
    "another kind": "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n",
    "a list": "- 1\n- 2\n",
}


@pytest.mark.parametrize("text", EMPTY.values(), ids=EMPTY)
def test_a_file_without_an_object_is_an_error(text):
    result = lint(text)
    assert result.exit_code == 1
    assert result.stdout == "<stdin>:1: error: holds no ModelDeployment, HealthPolicy or ClusterHealthPolicy\n"


def test_beside_an_object_a_file_without_one_is_a_warning(tmp_path):
    (tmp_path / "service.yaml").write_text(EMPTY["another kind"], encoding="utf-8")
    result = lint(with_query(f"sum(x{OURS})"), str(tmp_path / "service.yaml"))
    assert result.exit_code == 0, result.stdout
    assert "service.yaml:1: warning: holds no ModelDeployment" in result.stdout


UNSCOPED = {
    "revision": ('sum(rate(x{revision="{{revision}}"}[{{window}}]))', True),
    "one of two selectors": (f'sum(x{OURS}) / sum(y{{revision="{{{{revision}}}}"}})', True),
    "service": ('sum(rate(x{service="{{service}}"}[{{window}}]))', True),
    "name": ('sum(x{modeldeployment="{{name}}",revision=~"{{revision}}"})', True),
    "scoped": (f"sum(rate(x{OURS}[{{{{window}}}}]))", False),
    "another label": (
        'sum(x{destination_service_namespace="{{namespace}}",destination_service_name="{{service}}"})',
        False,
    ),
    "within a value": ('sum(x{service=~".*-{{namespace}}-{{service}}-.*"})', False),
    "a constant beside": (f"sum(x{OURS}) or vector(0)", False),
}


@pytest.mark.parametrize(("query", "warned"), UNSCOPED.values(), ids=UNSCOPED)
@pytest.mark.parametrize("field", ["query", "samples", "ratio"])
def test_a_query_that_would_see_other_namespaces_is_a_warning(query, warned, field):
    if field == "ratio":
        checks = [{"name": "errors", "ratio": {"bad": query, "total": query}, "max": 0.1}]
        text = yaml.safe_dump({**OBJECT, "spec": {**OBJECT["spec"], "health": {"checks": checks}}}, width=10_000)
    else:
        text = with_query(query) if field == "query" else with_query(f"sum(x{OURS})", samples=query, minSamples=5)
    assert ("names no namespace" in lint(text).stdout) is warned


@pytest.mark.parametrize("wrong", ["text", 5, True, ["x"], [[]], {"checks": "text"}, {"checks": [5]}, {"checks": {}}])
@pytest.mark.parametrize("field", ["health", "rollout", "routing", "model", "service", "template", "afterPromotion"])
def test_a_field_of_another_type_is_an_error(field, wrong):
    result = lint(yaml.safe_dump({**OBJECT, "spec": {**OBJECT["spec"], field: wrong}}))
    assert result.exit_code == 1
    assert f": error: spec.{field}" in result.stdout
