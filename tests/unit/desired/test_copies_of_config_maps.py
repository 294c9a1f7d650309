from dataclasses import replace

import pytest

from modelramp.api.kinds import CONFIG_MAP
from modelramp.desired.config import Copy, content_hash, copies, copy_of, needs, reading_copies, references
from modelramp.desired.objects import prune
from modelramp.desired.revision import Snapshot, controller_revision, snapshot_of
from tests.unit.desired.world import CANDIDATE, OWNER, SPEC, STABLE, made, of_kind, seen, snapshot, state, target

CONTENT = {"data": {"b": "2", "a": "1"}, "binaryData": {"c": "AA=="}}
READS = {
    "a volume": {"volumes": [{"name": "v", "configMap": {"name": "NAME"}}]},
    "a projected volume": {"volumes": [{"name": "v", "projected": {"sources": [{"configMap": {"name": "NAME"}}]}}]},
    "an environment": {"containers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "NAME"}}]}]},
    "a variable": {
        "containers": [{"name": "c", "env": [{"name": "A"}, {"valueFrom": {"configMapKeyRef": {"name": "NAME"}}}]}]
    },
    "an init container": {"initContainers": [{"name": "c", "envFrom": [{"configMapRef": {"name": "NAME"}}]}]},
}


def named(value, name):
    """The value with another name in the place of NAME."""
    if isinstance(value, dict):
        return {key: named(item, name) for key, item in value.items()}
    return [named(item, name) for item in value] if isinstance(value, list) else name if value == "NAME" else value


@pytest.mark.parametrize("pod", READS.values(), ids=READS)
def test_the_pods_read_the_copy_wherever_they_read_the_original(pod):
    found = [Copy(STABLE, "settings", "hash", "copy")]
    template = {"metadata": {"labels": {"a": "b"}}, "spec": named(pod, "settings")}
    before = named(template, "")

    assert reading_copies(template, found) == {**template, "spec": named(pod, "copy")}
    assert template == before, "the template that is remembered stays as it was written"
    assert reading_copies({"spec": named(pod, "other")}, found) == {"spec": named(pod, "other")}


def test_only_what_all_places_can_do_without_may_be_missing():
    volumes = [{"configMap": {"name": name, "optional": True}} for name in ("a", "b")]
    volumes += [{"configMap": {"name": name}} for name in ("b", "kube-root-ca.crt")]
    volumes += [{"secret": {"secretName": "s"}}]
    spec = target(template={"spec": {"containers": [], "volumes": volumes}}, trackConfig={}).spec

    assert needs(spec) == {"a": True, "b": False}
    assert needs(target(template=SPEC["template"]).spec) == {}


@pytest.mark.parametrize(
    "other",
    [
        {"data": {"a": "1", "b": "3"}, "binaryData": {"c": "AA=="}},
        {"data": {"a": "1", "b": "2"}},
        {"data": {"a": "1", "b": "2", "c": "AA=="}},
        {"data": {"a": "1", "b": "2"}, "binaryData": {"d": "AA=="}},
    ],
)
def test_any_other_key_or_value_is_another_content(other):
    assert content_hash(other) != content_hash(CONTENT)


def test_nothing_but_keys_and_values_is_content():
    same = {"data": {"a": "1", "b": "2"}, "binaryData": {"c": "AA=="}, "immutable": True, "metadata": {"labels": {}}}
    assert content_hash(same) == content_hash(CONTENT)
    assert content_hash({"data": {}}) == content_hash({})


def test_a_copy_is_immutable_and_says_what_it_is_a_copy_of():
    (copy,) = copies("digits", STABLE, {"ConfigMap/settings": "hash"})
    made_ = copy_of(OWNER, copy, {**CONTENT, "metadata": {"labels": {"team": "ml"}}})

    assert made_["immutable"] is True
    assert {name: made_[name] for name in CONTENT} == CONTENT
    assert made_["metadata"]["annotations"] == {"modelramp.io/config-map": "settings"}
    assert made_["metadata"]["labels"]["modelramp.io/revision"] == STABLE
    assert "team" not in made_["metadata"]["labels"]
    assert len(copy.name) <= 253


def test_two_originals_of_one_revision_have_two_copies():
    names = [copy.name for copy in copies("d" * 63, STABLE, {f"ConfigMap/{name}": "h" for name in ("a", "b")})]
    assert len(set(names)) == 2
    assert max(map(len, names)) < 80


def test_a_revision_remembers_its_configuration_and_what_is_read_beside_it():
    whole = Snapshot({}, {}, 3, config={"ConfigMap/a": "1"}, beside={"ConfigMap/b": "2"})
    kept = snapshot_of(controller_revision(OWNER, STABLE, whole))

    assert (kept.config, kept.beside) == (whole.config, whole.beside)
    assert "config" not in controller_revision(OWNER, STABLE, Snapshot({}, {}))["data"], (
        "untracked ones stay as they were"
    )


def test_what_was_read_at_the_switch_is_written_down_also_for_a_revision_without_pods():
    failed = made(
        state(CANDIDATE, failed=STABLE),
        target=replace(target(STABLE), config={"ConfigMap/a": "1"}),
        seen=seen(CANDIDATE),
        snapshots={STABLE: snapshot(1), CANDIDATE: snapshot(2)},
    )

    (found,) = [obj for name, obj in of_kind(failed, "ControllerRevision").items() if name.endswith(STABLE)]
    assert found["metadata"]["annotations"]["modelramp.io/config"] == '{"ConfigMap/a": "1"}'
    assert not [name for name in of_kind(failed, "Deployment") if name.endswith(STABLE)]


def test_copies_stay_as_long_as_their_revision_is_remembered():
    known = {STABLE: snapshot(2, config={"ConfigMap/a": "1"}), CANDIDATE: snapshot(1)}
    wanted = made(state(STABLE), target=target(STABLE), seen=seen(STABLE), snapshots=known)
    objects = [
        {**copy_of(OWNER, Copy(revision, "a", "1", f"digits-{revision}-a"), {}), "kind": "ConfigMap"}
        for revision in (STABLE, CANDIDATE, "zzzzzzzzzz")
    ]
    for number, obj in enumerate(objects):
        obj["metadata"] |= {"uid": f"u{number}", "resourceVersion": "1"}

    assert [copy.name for copy in wanted.copies] == [
        name.name for name in copies("digits", STABLE, known[STABLE].config)
    ]
    assert [gone.name for gone in prune(wanted, {"ConfigMap": objects})] == ["digits-zzzzzzzzzz-a"]


def test_references_say_which_kind_they_are_of():
    assert {each.kind for pod in READS.values() for each in references(pod)} == {CONFIG_MAP}
