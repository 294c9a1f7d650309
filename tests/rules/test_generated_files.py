"""What is made from the code is what the code makes today."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from localplane import binaries
from localplane.plane import say
from modelramp.api.admission import LIMITS, QUOTED_NUMBERS, admission_yaml
from modelramp.api.crd import crd_yaml
from modelramp.api.policy import PolicyKind
from modelramp.api.policy_crd import plural, policy_crd_yaml
from tests.rules.tree import ROOT

HELM_DOCS = ["--sort-values-order", "file", "--log-level", "warning"]


def test_the_crd_is_current():
    committed = (ROOT / "crds" / "modelramp.io_modeldeployments.yaml").read_text(encoding="utf-8")
    assert committed == crd_yaml(), "run: make generate"


@pytest.mark.parametrize("name", [LIMITS, QUOTED_NUMBERS])
def test_the_admission_policies_about_numbers_are_current(name):
    assert (ROOT / "crds" / f"{name}.yaml").read_text(encoding="utf-8") == admission_yaml(name), "run: make generate"


@pytest.mark.parametrize("kind", PolicyKind)
def test_the_crds_of_policies_are_current(kind):
    committed = (ROOT / "crds" / f"modelramp.io_{plural(kind)}.yaml").read_text(encoding="utf-8")
    assert committed == policy_crd_yaml(kind), "run: make generate"


def test_the_reference_pages_are_current():
    done = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "generate.py"), "--check"],
        env={**os.environ, "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.timeout(600)
def test_the_page_of_the_chart_is_current(tmp_path):
    chart = shutil.copytree(ROOT / "charts/modelramp", tmp_path / "modelramp", ignore=shutil.ignore_patterns("*.tgz"))
    helm_docs = [binaries.tool("helm-docs", say), "--chart-search-root", tmp_path, *HELM_DOCS]
    subprocess.run(helm_docs, capture_output=True, timeout=60, check=True)
    committed = (ROOT / "charts/modelramp/README.md").read_text(encoding="utf-8")
    assert (chart / "README.md").read_text(encoding="utf-8") == committed, "run: make generate"


def test_the_page_of_the_chart_explains_every_value():
    rows = re.findall(
        r"^\| `(.+)` \| .* \| (.*) \|$", (ROOT / "charts/modelramp/README.md").read_text("utf-8"), re.MULTILINE
    )
    assert len(rows) > 30
    assert [name for name, meaning in rows if not meaning] == []
