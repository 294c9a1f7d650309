"""What must not stand in any file, and links that must lead somewhere."""

import re
from pathlib import Path

import pytest

from tests.rules.tree import ROOT, files, shown, text_of, under

# Written in two parts, so that this file does not break its own rule.
MACHINE_PATHS = [f"/{name}/" for name in ("work", "home", "root")] + ["/" + "tmp/brief"]
REGISTRIES = [
    f"{host}.{top}"
    for host, top in (
        *(("pypi", "org"), ("pythonhosted", "org"), ("proxy.golang", "org"), ("sum.golang", "org")),
        *(("npmjs", "org"), ("npmjs", "com"), ("crates", "io"), ("yarnpkg", "com"), ("deb.debian", "org")),
    )
] + ["index-" + "url", "GOPROXY" + "=http"]
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+?)\s*$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", MACHINE_PATHS)
def test_no_file_names_a_path_of_a_machine(path):
    from_the_root = re.compile(rf"(?<![\w.-]){re.escape(path)}")
    assert [shown(file) for file in files() if from_the_root.search(text_of(file) or "")] == []


@pytest.mark.parametrize("registry", REGISTRIES)
def test_no_file_names_a_package_registry(registry):
    assert [shown(file) for file in files() if registry in (text_of(file) or "")] == []


def pages():
    return [path for path in files() if path.suffix == ".md"]


def anchors(path: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    text = _FENCE.sub("", path.read_text(encoding="utf-8"))
    made = (re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in _HEADING.findall(text))
    return set(made)


def test_there_are_pages_with_links():
    assert any(_LINK.search(text_of(page) or "") for page in pages())


@pytest.mark.parametrize("page", pages(), ids=shown)
def test_links_between_files_lead_somewhere(page):
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    broken = []
    for link in _LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and path.suffix == ".md" and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


def test_every_decision_has_a_number_of_its_own():
    numbers = [path.name[:4] for path in under("docs", suffix=".md") if path.parent.name == "decisions"]
    assert [number for number in numbers if numbers.count(number) > 1] == []


def test_no_module_has_code_that_is_commented_out_or_left_for_later():
    later = re.compile(r"#\s*(TO" + r"DO|FIX" + r"ME|XXX|HACK)\b")
    folders = ("operator", "localplane", "examples", "tests", "benchmarks", "docs")
    assert [shown(path) for path in under(*folders) if later.search(path.read_text("utf-8"))] == []


def test_the_root_is_the_repository():
    assert (ROOT / "pyproject.toml").exists()
