import shutil
import stat

import pytest
import yaml

from examples.demo import install, site
from examples.demo.cast import MANIFESTS, read_cast
from examples.demo.errors import DemoError
from examples.demo.kubectl import Kubectl
from localplane import state


@pytest.fixture
def kubectl(tmp_path):
    """A kubectl that answers by its arguments: ``answers`` maps a beginning to (exit code, stdout, stderr)."""

    def made(answers):
        program = tmp_path / "kubectl"
        branches = "\n".join(
            f'"{words}"*) printf %s {out!r}; printf %s {err!r} >&2; exit {code};;'
            for words, (code, out, err) in answers.items()
        )
        program.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/asked\ncase "$*" in\n{branches}\n*) exit 0;; esac\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        return Kubectl((str(program),))

    return made


def test_the_shipped_operator_is_changed_in_nothing_but_its_prometheus():
    documents = [
        {"kind": "Namespace", "metadata": {"name": "n", "labels": {"a": "b"}}},
        {"kind": "Deployment", "spec": {"template": {"spec": {"containers": [{"env": [
            {"name": "MODELRAMP_PROMETHEUS_ADDRESS", "value": "http://elsewhere"}, {"name": "X", "value": "y"}]}]}}}},
    ]  # fmt: skip
    changed = install.for_the_demo(documents, "http://here")

    assert changed[0]["metadata"]["labels"] == {"a": "b", **install.OURS}
    env = changed[1]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "MODELRAMP_PROMETHEUS_ADDRESS", "value": "http://here"}, {"name": "X", "value": "y"}]


def test_manifests_without_the_variable_are_refused_rather_than_installed_with_the_wrong_prometheus():
    with pytest.raises(DemoError, match="MODELRAMP_PROMETHEUS_ADDRESS"):
        install.for_the_demo([{"kind": "Namespace", "metadata": {}}], "http://here")


def test_the_rules_are_read_from_the_manifests():
    cast = read_cast()

    assert cast.versions == ("1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0")
    assert [(bad.version, bad.check) for bad in cast.failing] == [
        ("3.0.0", "accuracy"),
        ("4.0.0", "confidence"),
        ("5.0.0", "fairness"),
    ]
    assert (cast.rules.steps, cast.rules.step_seconds) == ((10, 50, 100), (30, 30, 30))
    assert (cast.rules.interval, cast.rules.threshold) == (10, 3)
    assert (cast.host, cast.gateway) == ("digits.example.com", ("gateway", "public"))


def test_manifests_that_are_no_demo_are_refused_with_what_was_found(tmp_path):
    with pytest.raises(DemoError, match=r"digits-v1\.yaml: cannot be read"):
        read_cast(tmp_path)
    for path in MANIFESTS.glob("digits-*.yaml"):
        shutil.copyfile(MANIFESTS / "digits-v1.yaml", tmp_path / path.name)
    with pytest.raises(DemoError, match="five versions"):
        read_cast(tmp_path)
    broken = yaml.safe_load((MANIFESTS / "digits-v2.yaml").read_text())
    broken["spec"]["rollout"]["steps"] = [{"weight": 50}, {"weight": 10}]
    (tmp_path / "digits-v2.yaml").write_text(yaml.safe_dump(broken))
    with pytest.raises(DemoError, match=r"rollout\.steps"):
        read_cast(tmp_path)


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"version": (1, "", "connection refused")}, "connection refused"),
        ({}, "no Gateway API"),
        ({"get crd": (0, "crd/x", "")}, "no Gateway public in namespace gateway"),
    ],
)
def test_what_a_cluster_lacks_is_named(kubectl, answers, words):
    with pytest.raises(DemoError, match=words):
        site.require(kubectl(answers), read_cast())


def test_a_gateway_without_an_address_asks_for_the_option(kubectl):
    with pytest.raises(DemoError, match="--gateway-url"):
        site.gateway_address(kubectl({}), read_cast())
    assert site.gateway_address(kubectl({"get gateway": (0, "192.0.2.7", "")}), read_cast()) == "http://192.0.2.7"


def test_a_namespace_that_is_not_the_demos_is_left_alone(kubectl, tmp_path):
    theirs = '{"metadata": {"labels": {"app.kubernetes.io/part-of": "payroll"}}}'
    with pytest.raises(DemoError, match="namespace ml exists and is not the demo's"):
        install.refuse_strangers(kubectl({"get namespace ml": (0, theirs, "")}), read_cast())
    assert "delete" not in (tmp_path / "asked").read_text()


def test_an_operator_that_may_write_to_a_spec_is_no_demo_of_the_shipped_rights(kubectl):
    everything = {"get pods": (0, "modelramp", ""), "auth can-i": (0, "yes", "")}
    with pytest.raises(DemoError, match="not the shipped ones"):
        install.enforced_rights(kubectl(everything))


def test_a_kubectl_that_fails_or_is_missing_says_so(kubectl, tmp_path):
    with pytest.raises(DemoError, match="kubectl get x: no such thing"):
        kubectl({"get": (1, "", "no such thing")})("get", "x")
    with pytest.raises(DemoError, match="install kubectl"):
        Kubectl((str(tmp_path / "absent"),))("version")


def test_files_of_demos_that_were_killed_are_swept_away_and_others_are_left(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    gone, mine, other = (state.folder(name) for name in ("demo-4194304999", "demo-1", "default"))
    for folder in (gone, mine, other):
        folder.mkdir(parents=True)
        (folder / "launch.json").touch()
    site.sweep()

    assert not gone.exists()
    assert mine.exists()
    assert other.exists()
