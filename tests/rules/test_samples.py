"""What people copy from the documentation and the examples is accepted as it stands."""

import re

import pytest
import yaml

from modelramp.cli.lint.refusals import is_ours, refusals
from tests.rules.tree import ROOT, files, shown, text_of

_KINDS = re.compile("kind: (ModelDeployment|HealthPolicy|ClusterHealthPolicy)$", re.MULTILINE)
_FENCE = re.compile(r"^```ya?ml[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def samples():
    """Every ModelDeployment and policy in YAML files and in the YAML fences of pages, named by its place."""
    found = []
    for path in files():
        text = text_of(path) or ""
        refused = path.relative_to(ROOT).parts[:2] == ("tests", "refused") and path.parent.name != "accepted"
        if refused or not _KINDS.search(text) or "kind: CustomResourceDefinition" in text:
            continue
        if path.suffix == ".md":
            blocks = _FENCE.findall(text)
        elif path.suffix in (".yaml", ".yml") and "templates" not in path.parts:
            blocks = [text]
        else:
            continue
        for number, block in enumerate(blocks):
            mine = [document for document in _documents(block) if is_ours(document)]
            found += [pytest.param(document, id=f"{shown(path)}-{number}") for document in mine]
    return found


def _documents(block):
    try:
        return list(yaml.safe_load_all(block))
    except yaml.YAMLError:
        assert not _KINDS.search(block), f"this sample is no YAML:\n{block}"
        return []


@pytest.mark.parametrize("manifest", samples())
def test_a_sample_would_be_accepted(manifest):
    assert [str(problem) for problem in refusals(manifest)] == []


def test_there_are_samples():
    assert len(samples()) > 5


_SELECTOR = re.compile(r"\{(?:[^{}]|\{\{[^{}]*\}\})*\}")


@pytest.mark.parametrize(
    "path", [path for path in files() if path.relative_to(ROOT).parts[0] in ("docs", "examples")], ids=shown
)
def test_queries_that_people_copy_see_one_namespace_only(path):
    """A revision is a hash of model and template: the same model has the same one in another namespace."""
    selectors = _SELECTOR.findall(text_of(path) or "")
    ours = [one for one in selectors if re.search(r'=~?"[^"]*\{\{ ?(revision|service|stable)', one)]
    assert [one for one in ours if "{{namespace}}" not in one] == []
