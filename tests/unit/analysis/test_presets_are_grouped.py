import pytest

from modelramp.analysis.presets import PRESETS
from modelramp.analysis.query_context import QueryContext
from modelramp.api.health import Health
from modelramp.engine.ports import Endpoint
from modelramp.engine.queries import CheckRequest, asked, merged

MOST_CHECKS = 32


def due(number, presets):
    name = f"m{number}"
    checks = tuple({"name": preset, "preset": preset} for preset in presets)
    return CheckRequest(
        name, Endpoint("http://prometheus"), Health(checks=checks), QueryContext("ml", name, "r", f"{name}-r")
    )


@pytest.mark.parametrize("start", range(0, len(PRESETS), MOST_CHECKS))
def test_however_many_objects_use_a_preset_it_is_asked_once(start):
    presets = list(PRESETS)[start : start + MOST_CHECKS]
    objects = [asked(due(number, presets), (0,)) for number in range(100)]
    assert len(merged(objects, (0,))) == len(presets)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_two_revisions_and_two_namespaces_never_share_a_series(preset):
    subjects = [QueryContext(namespace, "m", revision, f"m-{revision}") for namespace in "ab" for revision in "xy"]
    assert len({preset.pick(subject) for subject in subjects}) == len(subjects)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_answer_carries_the_labels_by_which_a_series_is_picked(preset):
    picked = ", ".join(label for label, _ in preset.pick(QueryContext("a", "m", "r", "m-r")))
    assert f"by ({picked})" in preset.query


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_a_preset_says_where_its_metrics_are_described(preset):
    assert preset.source.startswith("https://") or preset.source.split(" ")[0] in ("the", "modelramp's")
    assert preset.summary[0].isupper()
    assert (preset.min is None and preset.max is None) == ("no limit of its own" in preset.summary)
