"""What a pull request is told: what changes, what starts a rollout, how it would go; and that no text of it escapes."""

import json
from urllib.parse import parse_qs

import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from modelramp.adapters.clock import SystemClock
from modelramp.api.spec import parse_spec
from modelramp.cli.cluster import Cluster, Ended, Exit
from modelramp.cli.main import main
from modelramp.cli.planning import code, fenced, rehearse
from modelramp.cli.policy_file import as_stored
from modelramp.core.revisions import revision_of
from modelramp.simulation.rollout import rehearse as simulate
from modelramp.simulation.ticks import Line
from tests.unit.small_server import small_server

QUERY = 'max(error_share{namespace="{{namespace}}",modeldeployment="{{name}}",revision="{{revision}}"})'
CHECK = {"name": "errors", "query": QUERY, "max": 0.01}
CONTAINER = {"name": "model", "image": "digits:1", "ports": [{"name": "http", "containerPort": 8080}]}
SPEC = {
    "replicas": 2,
    "model": {"name": "digits", "version": "1.0.0"},
    "template": {"spec": {"containers": [CONTAINER]}},
    "routing": {"gateway": {"parentRefs": [{"name": "public"}], "hostnames": ["digits.example.com"]}},
    "health": {"checks": [CHECK]},
}
CPU = {"resources": {"requests": {"cpu": "1000m"}}}


def manifest(spec=SPEC, name="digits", **metadata):
    return {
        "apiVersion": "modelramp.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name, "namespace": "ml", **metadata},
        "spec": spec,
    }


def edited(spec=SPEC, **changes):
    """The spec with values at paths such as model__version."""
    found = json.loads(json.dumps(spec))
    for path, value in changes.items():
        *way, last = path.split("__")
        place = found
        for key in way:
            place = place.setdefault(key, {})
        place[last] = value
    return found


def with_container(**more):
    return edited(template__spec__containers=[CONTAINER | more])


NEXT = edited(model__version="2.0.0", template__spec__containers=[CONTAINER | {"image": "digits:2"}])


@pytest.fixture
def plan(tmp_path):
    """Plans a spec, or a whole text, against an older one."""

    def run(new, old=SPEC, *arguments):
        (tmp_path / "new").mkdir()
        for name, given_spec in (("new/digits.yaml", new), ("old.yaml", old)):
            text = given_spec if isinstance(given_spec, str) else yaml.safe_dump(manifest(given_spec))
            (tmp_path / name).write_text(text)
        earlier = () if old is None else ("--from", str(tmp_path / "old.yaml"))
        result = CliRunner().invoke(main, ["plan", str(tmp_path / "new/digits.yaml"), *earlier, *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout

    return run


STARTS = {
    "another version": edited(model__version="2.0.0"),
    "another image": with_container(image="digits:2"),
    "another digest of the model": edited(model__digest="sha256:" + "a" * 64),
    "an annotation of the pods": edited(template__metadata__annotations={"team": "vision"}),
}
STARTS_NOT = {
    "a limit": edited(health__checks=[CHECK | {"max": 0.02}]),
    "steps": edited(rollout__stepDuration="10m"),
    "replicas": edited(replicas=3),
    "a host": edited(routing__gateway__hostnames=["other.example.com"]),
}


@pytest.mark.parametrize("new", STARTS.values(), ids=STARTS)
def test_what_makes_another_revision_starts_a_rollout(plan, new):
    code_, text = plan(new)

    assert code_ == 0
    assert "**A rollout begins**: `1.0.0` → " in text
    assert f"(revision `{revision_of(as_stored(parse_spec(new)))}`)" in text
    assert "| 15m | **promoted**, at the earliest |" in text


@pytest.mark.parametrize("new", STARTS_NOT.values(), ids=STARTS_NOT)
def test_anything_else_starts_none_and_is_shown_with_both_values(plan, new):
    _, text = plan(new)

    assert "**No rollout begins**: neither `template` nor `model` changes." in text
    (row,) = [line for line in text.splitlines() if line.startswith("| `spec.")]
    assert row.endswith(" | no |")


TRACKED = {"trackConfig": {"configMaps": True}}


def test_a_plan_does_not_pretend_to_know_what_is_in_tracked_config_maps(plan):
    _, text = plan({**NEXT, **TRACKED}, {**SPEC, **TRACKED})
    assert "**A rollout begins**: `1.0.0` → `2.0.0` (with the content of its ConfigMaps)" in text


def test_a_plan_says_that_a_config_map_may_begin_a_rollout_too(plan):
    _, text = plan({**SPEC, **TRACKED})
    assert "neither `template` nor `model` changes; new content of a ConfigMap would begin one" in text


def test_both_values_of_a_field_are_shown_with_defaults_as_if_they_were_written(plan):
    _, text = plan(edited(rollout__stepDuration="10m"))

    assert "| `spec.rollout.stepDuration` | `5m` | `10m` | no |" in text


def test_a_check_that_is_added_is_one_row_and_moves_no_other(plan):
    added = CHECK | {"name": "latency", "max": 5}
    _, text = plan(edited(health__checks=[added, *SPEC["health"]["checks"]]))

    (row,) = [line for line in text.splitlines() if line.startswith("| `spec.")]
    assert row.startswith("| `spec.health.checks[latency]` | `not set` | ")


def test_the_template_is_shown_as_a_diff(plan):
    _, text = plan(NEXT)

    assert "```diff\n" in text
    assert "-  - image: digits:1\n" in text
    assert "+  - image: digits:2\n" in text
    assert "| `spec.model.version` | `1.0.0` | `2.0.0` | yes |" in text


def test_another_way_to_write_the_same_pods_starts_nothing(plan):
    one, same = with_container(**CPU), with_container(resources={"requests": {"cpu": 1}})
    _, text = plan(same, one)

    assert "**No rollout begins**" in text
    assert "`spec.template` changes, which makes the same pods:" in text


def test_nothing_that_differs_is_said(plan):
    _, text = plan(SPEC, edited(rollout__stepDuration="5m"))

    assert "Nothing differs from" in text
    assert "promoted" not in text


def test_a_new_object_gets_all_traffic_and_one_that_is_gone_loses_it(plan):
    other = yaml.safe_dump(manifest(name="churn"))
    _, text = plan(SPEC, other)

    assert "**New** in " in text
    assert "### `ml/churn`\n\n**Deleted**" in text


def test_an_older_file_that_cannot_be_read_does_not_make_everything_new(plan):
    _, text = plan(SPEC, yaml.safe_dump(manifest(name="churn")) + "---\nkind: ModelDeployment\nspec: {")

    assert "**Compared with nothing**: " in text
    assert "is not YAML throughout" in text


def test_what_lint_finds_comes_first_and_decides_the_exit_code(plan):
    code_, text = plan(edited(health__checks=[CHECK | {"role": "hero"}]))

    assert code_ == 1
    assert text.startswith(
        "<!-- modelramp plan -->\n## What this change does\n\n`modelramp lint`: 1 error, 0 warnings."
    )
    assert "spec.health.checks[0].role" in text
    assert "It cannot be read; the findings say why." in text


def test_warnings_end_with_0_no_object_with_1_and_a_missing_file_with_2(plan, tmp_path):
    assert plan(edited(rollout__steps=[{"weight": 100}]))[0] == 0
    (tmp_path / "empty.yaml").write_text("kind: Pod\n")
    assert CliRunner().invoke(main, ["plan", str(tmp_path / "empty.yaml")]).exit_code == 1
    assert CliRunner().invoke(main, ["plan", str(tmp_path / "none.yaml")]).exit_code == 2


@pytest.fixture
def cluster(monkeypatch):
    """A cluster that holds one object, or that nobody can ask."""
    asked = []

    def holds(obj, code_=Exit.USAGE):
        class Fake:
            def get(self, name):
                asked.append(name)
                if obj is None:
                    raise Ended("no cluster: nobody is there", code_)
                return obj

        monkeypatch.setattr(Cluster, "connect", lambda context=None, namespace=None: Fake())
        return asked

    return holds


STABLE = {"revision": "older", "modelVersion": "1.0.0"}
WANTED = revision_of(as_stored(parse_spec(NEXT)))
STATUSES = {
    "serves": ({"stable": STABLE}, "**A rollout begins**: `1.0.0` → "),
    "in flight": (
        {"stable": STABLE, "candidate": {"revision": "z", "modelVersion": "1.5.0"}},
        "It takes the place of `1.5.0`, which is in flight.",
    ),
    "failed before": (
        {"stable": STABLE, "failedRevision": WANTED},
        "only after a `retry`",
    ),
    "is what serves": ({"stable": {"revision": WANTED}}, "is what serves"),
}


@pytest.mark.parametrize(("status", "says"), STATUSES.values(), ids=STATUSES)
def test_the_cluster_says_what_became_of_a_version(plan, cluster, status, says):
    # As the API server gives it back: with defaults.
    stored = edited(rollout__stepDuration="5m", rollout__strategy="Canary")
    cluster(manifest(stored, generation=3) | {"status": status})
    code_, text = plan(NEXT, None)

    assert code_ == 0
    assert says in text
    assert "`spec.rollout" not in text


def test_what_the_cluster_does_not_hold_is_new(plan, cluster):
    cluster(None)
    assert "**New** in the cluster" in plan(NEXT, None)[1]


def test_a_cluster_that_cannot_be_asked_is_said_and_asked_once(tmp_path, cluster):
    asked = cluster(None, Exit.UNKNOWN)
    both = "---\n".join(yaml.safe_dump(manifest(NEXT, name)) for name in ("digits", "churn"))
    (tmp_path / "both.yaml").write_text(both)
    result = CliRunner().invoke(main, ["plan", str(tmp_path / "both.yaml")])

    assert (result.exit_code, asked) == (0, ["digits"])
    assert result.stdout.count("**Compared with nothing**: `no cluster: nobody is there`.") == 2
    assert result.stdout.count("**promoted**, at the earliest") == 2


def test_a_rollout_that_is_paused_says_so(plan):
    assert "It waits without traffic: `spec.rollout.paused` is true." in plan(edited(NEXT, rollout__paused=True))[1]


ROLLOUTS = {
    "defaults": {},
    "one step": {"rollout": {"steps": [{"weight": 100, "duration": "7m"}]}},
    "durations off the grid": {"rollout": {"steps": [{"weight": 1, "duration": "90s"}, {"weight": 100}]}},
    "an interval of ten minutes": {"health": {"interval": "10m", "checks": SPEC["health"]["checks"]}},
    "no time": {"rollout": {"stepDuration": "0s"}},
}


@pytest.mark.parametrize("changes", ROLLOUTS.values(), ids=ROLLOUTS)
def test_the_earliest_promotion_is_that_of_simulate(changes):
    spec = parse_spec(SPEC | changes)
    rows, outcome = simulate(spec, [Line({"errors": 0.001}, available=True)] * 60)
    found = rehearse(spec)

    assert outcome.outcome == "promoted"
    assert found.promoted == outcome.tick * spec.health.interval
    weights = [row.weight for row in rows[: outcome.tick]]
    assert [step.weight for step in found.steps] == sorted({*weights, found.steps[0].weight})


def test_steps_of_a_month_are_found_at_once():
    month = {"steps": [{"weight": weight, "duration": "720h"} for weight in (1, 10, 50, 100)]}
    found = rehearse(parse_spec(SPEC | {"rollout": month, "health": {"interval": "5s", **SPEC["health"]}}))

    assert found.promoted == 4 * 720 * 3600


def test_a_check_whose_data_come_late_delays_every_step():
    late = {"interval": "10s", "checks": [CHECK | {"delay": "24h"}]}
    found = rehearse(parse_spec(SPEC | {"health": late}))

    assert found.promoted is not None
    assert found.promoted >= 3 * 86_400


def test_an_ab_test_ends_by_its_result(plan):
    series = QUERY.replace("max(", "sum(increase(").replace("})", "}[{{window}}]))")
    metric = {"name": "c", "good": series, "total": series}
    test = {"metric": metric, "minEffect": "0.02", "minDuration": "2h", "maxDuration": "168h"}
    _, text = plan(edited(NEXT, rollout={"strategy": "ABTest", "abTest": test}))

    assert "| 0s | 50 % |" in text
    assert "The A/B test takes 2h to 168h." in text
    assert "promoted" not in text


def test_a_preview_has_no_live_traffic(plan):
    rollout = {"strategy": "BlueGreen", "blueGreen": {"previewHostnames": ["p.example.com"]}}
    _, text = plan(edited(NEXT, rollout=rollout))

    assert "| 0s | preview, no live traffic |" in text
    assert "**promoted**, at the earliest" in text


@pytest.fixture
def prometheus():
    """Says the same value at all times."""
    value = ["0.5"]

    def answer(_, body):
        form = parse_qs(body.decode())
        start, end, step = (float(form[key][0]) for key in ("start", "end", "step"))
        times = [start + step * number for number in range(int((end - start) / step) + 1)]
        result = [{"metric": {}, "values": [[at, value[0]] for at in times]}]
        return 200, {"status": "success", "data": {"resultType": "matrix", "result": result}}

    with small_server(answer) as address:
        yield f"http://{address}", value


# An hour that begins or ends within the delay of a tick's evaluation holds fewer whole ticks.
@pytest.mark.parametrize(("seconds", "ticks"), [(0, 59), (3, 58), (30, 59), (59, 59)])
def test_the_new_rules_are_tried_on_the_history_of_what_serves(plan, prometheus, monkeypatch, seconds, ticks):
    monkeypatch.setattr(SystemClock, "now", lambda self: 1_795_942_800.0 + seconds)
    url, value = prometheus
    value[0] = "0.015"
    tighter = edited(NEXT, health__checks=[CHECK | {"max": 0.012}])
    _, text = plan(tighter, SPEC, "--prometheus", url, "--history", "1h")

    assert f"These rules over the history of `1.0.0`, {ticks} ticks from " in text
    assert "**1 rollback**" in text
    assert "0.015, limit 0.012" in text


def test_a_history_within_the_limits_rolls_nothing_back(plan, prometheus):
    url, value = prometheus
    value[0] = "0.001"
    _, text = plan(NEXT, SPEC, "--prometheus", url, "--history", "1h")

    assert "**0 rollbacks**, 0 breached ticks." in text


def test_a_prometheus_that_cannot_be_asked_is_said(plan):
    code_, text = plan(NEXT, SPEC, "--prometheus", "http://127.0.0.1:1", "--history", "1h")

    assert code_ == 0
    assert "**Not replayed:**" in text


@given(st.text(max_size=40) | st.text(alphabet="`a |", max_size=9))
def test_no_text_ends_its_code_span(text):
    shown = code(text)
    ticks = shown[: len(shown) - len(shown.lstrip("`"))]

    assert "\n" not in shown
    assert shown.endswith(ticks)
    assert ticks not in shown[len(ticks) : -len(ticks)].replace(" ", "", 1)


@given(st.lists(st.text(alphabet="`a\n", max_size=9), max_size=5))
def test_no_line_ends_its_block(lines):
    first, *inner, last = fenced(lines)

    assert (first, len(inner)) == (last, len(lines))
    assert all(first not in line for line in inner)


def test_a_version_can_not_write_the_comment(plan):
    evil = edited(model__version="1`|\n## All is well <img src=x> @everyone")
    _, text = plan(edited(evil, replicas=3), evil)

    assert not any(line.startswith("## All") for line in text.splitlines())
