"""What runs on a hosted runner is what runs on a laptop, with the versions that the README promises."""

import re
import subprocess
import tomllib

import pytest
import yaml
from packaging.specifiers import SpecifierSet

from localplane import binaries
from localplane.plane import say
from tests.rules.tree import ROOT, shown

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yaml"))
CI = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text("utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
_TARGET = re.compile(r"^([a-z0-9-]+):", re.MULTILINE)
_PINNED = re.compile(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


def steps(workflow):
    return [step for job in yaml.safe_load(workflow.read_text("utf-8"))["jobs"].values() for step in job["steps"]]


def numbers(version):
    return [int(part) for part in version.split(".")]


def test_there_are_a_workflow_for_changes_and_one_for_releases():
    assert {"ci.yaml", "release.yaml"} <= {path.name for path in WORKFLOWS}


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=shown)
def test_every_command_of_a_workflow_is_a_target_of_the_makefile(workflow):
    targets = set(_TARGET.findall(MAKEFILE))
    commands = [step["run"].strip() for step in steps(workflow) if "run" in step]
    assert commands
    assert [command for command in commands if command not in {f"make {target}" for target in targets}] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=shown)
def test_every_action_is_pinned_by_commit_and_says_its_version(workflow):
    uses = [line.strip() for line in workflow.read_text("utf-8").splitlines() if "uses: " in line]
    assert uses
    assert [line for line in uses if not _PINNED.fullmatch(line.removeprefix("- "))] == []


def test_changes_run_all_that_make_test_runs():
    commands = {step["run"] for job in CI["jobs"].values() for step in job["steps"] if "run" in step}
    assert {"make check", "make unit", "make sim", "make integration", "make e2e"} <= commands


def test_the_parts_of_the_simulation_are_whole():
    parts = CI["jobs"]["sim"]["strategy"]["matrix"]["part"]
    assert parts == list(range(1, len(parts) + 1))
    assert CI["jobs"]["sim"]["env"]["PART"] == f"${{{{ matrix.part }}}}/{len(parts)}"
    named = [file for part in parts for file in simulations(f"{part}/{len(parts)}")]
    assert sorted(named) == sorted(shown(path) for path in (ROOT / "tests/sim").glob("test_*.py"))


def simulations(part):
    done = subprocess.run(
        ["make", "--no-print-directory", "--silent", "sim-files", f"PART={part}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split()


def test_the_versions_of_python_are_those_that_the_project_promises():
    tested = CI["jobs"]["unit"]["strategy"]["matrix"]["python"]
    classifiers = re.findall(r"Python :: (3\.\d+)$", "\n".join(PROJECT["classifiers"]), re.MULTILINE)
    assert tested == classifiers
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in tested)
    assert PROJECT["requires-python"] == f">={tested[0]}"
    used = {step["with"]["python-version"] for path in WORKFLOWS for step in steps(path) if "setup-python" in str(step)}
    assert used <= {*tested, "${{ matrix.python }}"}


def test_the_versions_of_kubernetes_are_those_that_the_readme_promises():
    readme = " ".join((ROOT / "README.md").read_text("utf-8").split())
    oldest, newest = re.search(r"Kubernetes (1\.\d+) or later \(tested on [\d., and]*?(1\.\d+)\)", readme).groups()
    chart = yaml.safe_load((ROOT / "charts/modelramp/Chart.yaml").read_text("utf-8"))
    assert chart["kubeVersion"] == f">={oldest}.0-0"
    assert binaries.apiservers()[0] == oldest
    assert CI["jobs"]["integration"]["env"]["MODELRAMP_KUBERNETES"] == oldest
    assert numbers(binaries.KUBERNETES_VERSION)[:2] == numbers(newest)


@pytest.mark.timeout(600)
def test_actionlint_has_no_objection():
    actionlint = binaries.tool("actionlint", say)
    # Without shellcheck and pyflakes, which only some machines have; every command is one word for make.
    command = [actionlint, "-shellcheck=", "-pyflakes=", *WORKFLOWS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.timeout(600)
def test_actionlint_has_no_objection_to_the_workflows_in_the_docs(tmp_path):
    text = (ROOT / "docs/how-to/gitops.md").read_text("utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    found = [block for block in blocks if "\njobs:\n" in block]
    assert len(found) == 2
    for number, block in enumerate(found):
        (tmp_path / f"{number}.yaml").write_text(block)
    command = [binaries.tool("actionlint", say), "-shellcheck=", "-pyflakes=", *sorted(tmp_path.glob("*.yaml"))]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_commit_hook_runs_make_check():
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    hooks = [hook for repository in config["repos"] for hook in repository["hooks"]]
    assert [(hook["entry"], hook["always_run"], hook["pass_filenames"]) for hook in hooks] == [
        ("make check", True, False)
    ]


def test_dependabot_knows_every_go_module_that_is_not_old_on_purpose():
    config = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text("utf-8"))
    (go,) = [update for update in config["updates"] if update["package-ecosystem"] == "gomod"]
    modules = [f"/{shown(path.parent)}" for path in sorted((ROOT / "localplane").glob("*/go.mod"))]
    assert sorted(go["directories"]) == modules


def test_a_bug_report_asks_for_what_finds_the_cause():
    form = (ROOT / ".github/ISSUE_TEMPLATE/bug.yaml").read_text("utf-8")
    asked = {one["id"] for one in yaml.safe_load(form)["body"] if one.get("validations", {}).get("required")}
    assert {"object", "log", "versions"} <= asked
    assert "kubectl get mdep NAME -n NAMESPACE -o yaml" in form
    assert "kubectl logs -n modelramp-system deployment/modelramp" in form
