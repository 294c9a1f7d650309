"""The command lines of backtest and suggest: what is refused before anything is asked, and what is drawn."""

from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from modelramp.api.times import to_text
from modelramp.cli.backtest.options import MOST_TICKS, instant_of, ticks_between
from modelramp.cli.backtest.picture import picture_problem, svg
from modelramp.cli.backtest.replay import Recorded, Said, replay
from modelramp.cli.backtest.screen import columns, print_replay, telling
from modelramp.cli.backtest.sensitivity import Variant
from modelramp.cli.main import main
from modelramp.cli.policy_file import read_policy
from tests.unit.cli.test_backtest_replays_the_core import ACCURACY, ERRORS, START, history, outcome, spec, told
from tests.unit.small_server import small_server

MANIFEST = """apiVersion: modelramp.io/v1alpha1
kind: ModelDeployment
metadata: {name: digits, namespace: models}
spec:
  model: {name: digits, version: 2.0.0}
  template: {spec: {containers: [{name: model, image: digits}]}}
  routing: {gateway: {parentRefs: [{name: public}]}}
  health:
    checks: [{name: errors, query: "x", max: 0.01}]
"""
TIMES = ("--from", "2026-11-01", "--to", "2026-11-02")
ASKED = ("--prometheus", "http://127.0.0.1:1", *TIMES)


@pytest.fixture
def run(tmp_path):
    def call(*arguments, text=MANIFEST, verb="backtest"):
        (tmp_path / "policy.yaml").write_text(text)
        return CliRunner().invoke(main, [verb, "-f", str(tmp_path / "policy.yaml"), *arguments])

    return call


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prometheus", "http://x", "--from", "soon"), "--from: 'soon' is no instant; write it as 2026-11-20T12:00"),
        (("--prometheus", "http://x", "--from", "-2w"), "--from: '2w' is not a duration"),
        (("--prometheus", "http://x", "--from", "-"), "--from: '' is not a duration"),
        (("--prometheus", "http://x", "--from", "-12h2d"), "--from: '12h2d' is not a duration"),
        (
            ("--prometheus", "http://x", "--from", "2026-11-02", "--to", "2026-11-01"),
            "--from (2026-11-02T00:00:00Z) must lie before --to (2026-11-01T00:00:00Z)",
        ),
        (("--prometheus", "http://x", "--from", "2199-01-01", "--to", "2199-01-02"), "lies in the future"),
        (("--prometheus", "http://x", "--from", "0000000000", "--to", "now"), "ask a shorter time or a longer --step"),
        (("--prometheus", "http://x", "--from", "-60s"), "no whole interval of 60 s lies between"),
        (TIMES, "the policy names no Prometheus: give --prometheus"),
        (("--prometheus", "prom:9090", *TIMES), "must begin with http:// or https://"),
        ((*ASKED, "--step", "1d"), "--step: '1d' is not a duration"),
        ((*ASKED, "--step", "2h"), "--step: 2h is not an interval that a policy may have"),
        ((*ASKED, "--revision", "a", "--stable", "a"), "a version is compared with another"),
        ((*ASKED, "--name", "other"), "holds no ModelDeployment other, but digits"),
        (ASKED, "Prometheus gives no answer: http://127.0.0.1:1: the connection is refused"),
    ],
)
@pytest.mark.parametrize("verb", ["backtest", "suggest"])
def test_what_cannot_be_asked_is_refused_with_what_to_change(run, verb, arguments, words):
    result = run(*arguments, verb=verb)
    assert (result.exit_code, words in result.output) == (1, True), result.output


def test_only_who_compares_is_told_to_name_the_stable_version(run):
    mistyped = run(*ASKED, text=MANIFEST.replace('query: "x"', "preset: eror-rate")).output
    comparing = run(*ASKED, text=MANIFEST.replace('query: "x"', 'query: "x - {{stable}}"')).output
    assert ("did you mean reference-error-rate?" in mistyped, "--stable" in mistyped) == (True, False)
    assert "give --stable REVISION" in comparing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*ASKED, "--windows", "1m,soon"), "--windows: 'soon' is not a duration"),
        ((*ASKED, "--windows", "2h"), "--windows: a window of a rollback check is from 1s to 1h"),
        ((*ASKED, "--picture", "out.gif"), "--picture: out.gif must end with .svg or .png"),
        ((*ASKED, "--picture", "no/such/out.svg"), "--picture: no/such is no folder"),
    ],
)
def test_what_cannot_be_tried_or_drawn_is_refused_before_history_is_read(run, arguments, words):
    result = run(*arguments)
    assert (result.exit_code, words in result.output) == (1, True), result.output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MANIFEST.replace("0.01", "much"), "policy.yaml:9: spec.health.checks[0].max: "),
        (MANIFEST.replace("v1alpha1", "v1"), "policy.yaml:1: apiVersion is 'modelramp.io/v1'"),
        (MANIFEST.replace('[{name: errors, query: "x", max: 0.01}]', "[]"), "policy.yaml:9: spec.health.checks is"),
        (MANIFEST + "---\n" + MANIFEST, "holds several (digits, digits); choose one with --name"),
        ("a: [", "policy.yaml:1: column"),
        ("kind: Pod\n", "holds no ModelDeployment"),
        (MANIFEST.replace('"x"', "'x{a=\"{{stable}}\"}'"), "give --stable REVISION"),
    ],
)
def test_a_policy_that_the_server_would_refuse_is_refused_with_its_line(run, text, words):
    result = run(*ASKED, text=text)
    assert (result.exit_code, words in result.output) == (1, True), result.output


def test_the_revision_is_that_of_the_template_as_the_server_stores_it(tmp_path):
    (tmp_path / "policy.yaml").write_text(
        MANIFEST.replace("image: digits", "image: digits, ports: [{containerPort: 80}]")
    )
    with (tmp_path / "policy.yaml").open("rb") as file:
        template = read_policy(file, None).spec.template
    assert template["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("text", "given_one", "namespace"),
    [
        (MANIFEST, "other", "other"),
        (MANIFEST, None, "models"),
        (MANIFEST.replace(", namespace: models", ""), None, "default"),
    ],
)
def test_the_namespace_is_the_one_given_then_the_files_then_default(tmp_path, text, given_one, namespace):
    (tmp_path / "policy.yaml").write_text(text)
    with (tmp_path / "policy.yaml").open("rb") as file:
        assert read_policy(file, None, given_one).namespace == namespace


@given(st.integers(10**9, 2 * 10**9), st.integers(5, 3600), st.integers(1, 100_000))
def test_ticks_lie_on_the_operators_grid_and_wholly_inside(begin, interval, length):
    now = 3 * 10**9
    try:
        ticks = ticks_between(begin, begin + length, interval, now)
    except ValueError:
        assert length < 2 * interval
        return
    assert ticks[0] - interval >= begin
    assert ticks[0] - interval - begin < interval
    assert begin + length - interval < ticks[-1] <= begin + length
    assert all(tick % interval == 0 for tick in (ticks[0], ticks[-1]))


def test_times_that_lie_ahead_end_at_the_newest_whole_interval():
    assert ticks_between(600, 10_000, 60, now=904)[-1] == 840
    assert ticks_between(600, 10_000, 60, now=905)[-1] == 900
    assert len(ticks_between(0, 60 * MOST_TICKS, 60, 10**9)) == MOST_TICKS


def test_an_instant_without_an_offset_is_utc():
    assert instant_of("2026-11-20T12:04:00", 0) == instant_of("2026-11-20T12:04:00Z", 0) == 1_795_176_240


@given(st.integers(1, 300), st.integers(1, 120))
def test_columns_hold_every_moment_once(count, width):
    groups = columns(list(range(count)), width)
    assert [moment for group in groups for moment in group] == list(range(count))
    assert len(groups) == min(count, width)
    assert max(map(len, groups)) - min(map(len, groups)) <= 1


def test_a_picture_shows_gaps_breaches_and_limits_and_stays_small():
    policy = spec(checks=({**ERRORS, "name": "a-b"}, ACCURACY))
    row = {"h": (0.002, 0.97), "b": (0.5, 0.1), "?": (None, None)}
    rows = [dict(zip(("a-b", "accuracy"), row[letter], strict=True)) for letter in ("h" * 30 + "?" * 5 + "bbb") * 600]
    found = replay(policy, "c", "s", history(policy, rows), again=True)
    text = svg(found, policy.health.checks, "<what> & why")
    root = ET.fromstring(text)  # noqa: S314 - made by the code under test
    tags = [element.tag.rpartition("}")[2] for element in root.iter()]
    assert "<what> & why" in "".join(root.itertext())
    assert len(text) < 400_000
    assert tags.count("circle") > 10
    few = svg(replay(policy, "c", "s", history(policy, rows[:76]), again=False), policy.health.checks, "t")
    assert few.count("<polyline") == 2 * 3
    assert few.count(">rolled back<") == few.count(">promoted<") == 1


def test_a_picture_of_values_that_never_change_or_are_missing_can_be_drawn():
    policy = spec(checks=({**ERRORS, "max": 0},))
    for value in (0, None, float("inf")):
        rows = [Recorded(START + 60, Said((outcome(policy.health.checks[0], value),)))]
        ET.fromstring(svg(replay(policy, "c", "s", rows, again=False), policy.health.checks, "t"))  # noqa: S314


def texts(picture):
    """Words of a picture with their places."""
    root = ET.fromstring(picture)  # noqa: S314 - made by the code under test
    found = [element for element in root.iter() if element.tag.endswith("}text")]
    return {element.text: (float(element.get("x")), float(element.get("y"))) for element in found}


def points_of(picture, tag):
    root = ET.fromstring(picture)  # noqa: S314 - made by the code under test
    found = [element for element in root.iter() if element.tag.endswith("}" + tag)]
    return [[tuple(map(float, point.split(","))) for point in one.get("points").split()] for one in found]


def test_words_of_marks_stand_apart_from_each_other_and_from_the_names_of_checks():
    policy = spec(checks=({**ERRORS, "name": "a-b"},))
    rows = [{"a-b": value} for value in [0.002] * 16 + [0.5] * 3]
    found = replay(policy, "c", "s", history(policy, rows), again=False)
    lines = [y for word, (_, y) in texts(svg(found, policy.health.checks, "t")).items() if word and word[0] in "art"]
    assert len(lines) > 3
    assert all(abs(one - other) >= 12 for place, one in enumerate(lines) for other in lines[place + 1 :])


def test_a_limit_far_from_all_values_does_not_flatten_the_curve():
    policy = spec(checks=({**ERRORS, "max": 5},))
    name = policy.health.checks[0].name
    rows = [{name: value} for value in (0.004, 0.006) * 20]
    picture = svg(replay(policy, "c", "s", history(policy, rows), again=False), policy.health.checks, "t")
    assert "limit 5 is far above" in texts(picture)
    (curve,) = points_of(picture, "polyline")
    assert max(y for _, y in curve) - min(y for _, y in curve) > 100
    near = spec(checks=({**ERRORS, "max": "0.01"},))
    assert "far" not in svg(replay(near, "c", "s", history(near, rows), again=False), near.health.checks, "t")


def test_traffic_ends_with_the_data_of_the_version():
    policy = spec(checks=(ERRORS,))
    name = policy.health.checks[0].name
    rows = [{name: value} for value in [0.002] * 30 + [None] * 30]
    picture = svg(replay(policy, "c", "s", history(policy, rows), again=False), policy.health.checks, "t")
    (band,) = points_of(picture, "polygon")
    assert max(x for x, _ in band) == pytest.approx(535, abs=1)
    assert "no data any more" in texts(picture)


def test_a_png_whose_library_does_not_work_is_refused_before_any_query(tmp_path, monkeypatch):
    def broken(text):
        raise OSError('no library called "cairo-2" was found')

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setattr("modelramp.cli.backtest.picture._png", broken)
    assert "does not work here" in picture_problem(tmp_path / "out.png")


def test_a_png_without_its_library_is_refused_with_the_way_out(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "write an .svg, or install cairosvg" in picture_problem(tmp_path / "out.png")
    assert picture_problem(tmp_path / "out.svg") is None


def test_the_terminal_shows_what_happened_and_not_every_quiet_minute():
    found = told("h" * 500 + "?" * 30 + "bbb" + "h" * 100, again=True)
    lines = telling(found.moments)
    assert [moment.number for moment in lines] == [1, 5, 10, 15, 501, 531, 532, 533, 534, 539, 544, 549]
    from rich.console import Console

    with (console := Console(width=100, highlight=False)).capture() as shown:
        print_replay(found, [], console)
    assert all(len(line) <= 100 for line in shown.get().splitlines())
    assert "rolled-back at" in shown.get()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_other_thresholds_loses_no_number_on_any_screen(width):
    found = told("h" * 5)
    variant = Variant(3600, 3600, 3, 10_080, 1_440, 19, 12, START + 60, START + 3660)
    from rich.console import Console

    with (console := Console(width=width, highlight=False)).capture() as shown:
        print_replay(found, [variant], console)
    table = shown.get().partition("Other thresholds")[2]
    assert all(len(line) <= width for line in table.splitlines())
    assert "…" not in table
    for moment in (START + 60, START + 3660):
        assert to_text(moment)[5:10] in table
        assert to_text(moment)[11:19] in table


def test_the_ends_of_a_short_history_do_not_run_into_each_other():
    found = told("hhh")
    from rich.console import Console

    with (console := Console(width=80, highlight=False)).capture() as shown:
        print_replay(found, [], console)
    assert f"{to_text(found.moments[0].at)}  {to_text(found.moments[-1].at)}" in shown.get()


def test_help_names_the_verbs():
    assert all(verb in CliRunner().invoke(main, ["--help"]).output for verb in ("backtest", "suggest"))


TENANT = MANIFEST.replace(
    "  health:\n",
    '  health:\n    prometheus: {address: "http://mimir:8080", headers: [{name: X-Scope-OrgID, value: team-a}]}\n',
)
SECRET_TENANT = TENANT.replace("value: team-a", "secretKey: tenant").replace(
    "headers:", "secretRef: {name: mimir}, headers:"
)


@pytest.fixture
def mimir():
    """Answers every question from any tenant with a sample, and says like Mimir that there is none."""
    tenants = []

    def answer(request, _):
        tenants.append(request.headers["X-Scope-OrgID"])
        found = {"status": "success", "data": {"resultType": "matrix", "result": []}}
        return (200, found) if tenants[-1] else (401, "no org id\n")

    with small_server(answer) as address:
        yield f"http://{address}", tenants


@pytest.mark.parametrize(
    ("text", "arguments", "tenant"),
    [
        (TENANT, (), "team-a"),
        (TENANT, ("--header", "x-scope-orgid=team-b"), "team-b"),
        (MANIFEST, ("--header", "X-Scope-OrgID=team-b"), "team-b"),
        (SECRET_TENANT, ("--header", "X-Scope-OrgID=team-b"), "team-b"),
    ],
)
def test_a_backtest_asks_as_the_tenant_of_the_policy_or_of_the_command_line(run, mimir, text, arguments, tenant):
    url, tenants = mimir
    result = run("--prometheus", url, *TIMES, *arguments, text=text)
    assert "no check had data" in result.output
    assert set(tenants) == {tenant}


def test_a_tenant_that_is_missing_is_named(run, mimir):
    assert "(HTTP 401): no org id; give secretRef if" in run("--prometheus", mimir[0], *TIMES).output
    result = run("--prometheus", mimir[0], *TIMES, text=SECRET_TENANT)
    assert "the value of X-Scope-OrgID is in a Secret: give --header X-Scope-OrgID=" in result.output
    assert "--header: header 1" in run("--prometheus", mimir[0], *TIMES, "--header", "Host=x").output
