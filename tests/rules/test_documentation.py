"""The documentation has a map without gaps, and decision records have one outline."""

import ast
import re

import click
import pytest

from modelramp.api.crd import object_schema
from modelramp.cli.main import main as modelramp
from tests.rules.tree import ROOT, files, shown, under

DOCS = ROOT / "docs"
DECISIONS = DOCS / "decisions"
SECTIONS = ["Status", "Context", "Decision", "Consequences"]
PARTS = {
    "Context": ["What must never happen"],
    "Decision": ["Alternatives"],
    "Consequences": ["Risks", "How it is checked", "How we would notice that we were wrong"],
}
_LINK = re.compile(r"\]\(([^)#\s]+)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SHELL = re.compile(r"^```(?:sh|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?:^|(?<=[|&(]) *|(?<=\$ )|kubectl )modelramp +(-*[a-z][a-z-]*)([^|\n]*)", re.MULTILINE)
_OPTION = re.compile(r" (--[a-z][a-z-]*)")
_EDGES = " ():,;"
_STATUS = re.compile(r"(Accepted|Proposed|Superseded by \[\d{4}\]\(\d{4}-[a-z0-9-]+\.md\)), 20\d\d-\d\d-\d\d\.\n")


def pages():
    return [path for path in files() if path.suffix == ".md" and DOCS in path.parents]


def linked(page):
    return {(page.parent / link).resolve() for link in _LINK.findall(page.read_text("utf-8")) if ":" not in link}


def records():
    return [path for path in pages() if path.parent == DECISIONS and path.name != "README.md"]


def outline(page):
    """Sections of the second level, each with the names of its own sections, in the order of the page."""
    found = []
    for level, name in _HEADING.findall(_FENCE.sub("", page.read_text("utf-8"))):
        if level == "##":
            found.append((name, []))
        elif level == "###":
            found[-1][1].append(name)
    return found


def test_the_map_lists_every_page():
    on_the_map = linked(DOCS / "README.md")
    wanted = [page for page in pages() if page.parent != DECISIONS and page != DOCS / "README.md"]
    assert len(wanted) > 25
    assert [shown(page) for page in wanted if page not in on_the_map] == []


def test_the_readme_leads_to_the_map():
    assert DOCS / "README.md" in linked(ROOT / "README.md")
    assert DECISIONS / "README.md" in linked(DOCS / "README.md")


def test_the_list_of_decisions_has_every_record_with_its_title():
    text = (DECISIONS / "README.md").read_text("utf-8")
    wanted = [
        f"- [{record.name[:4]}]({record.name}): {record.read_text('utf-8').splitlines()[0][len('# 0000: ') :]}"
        for record in records()
    ]
    assert re.findall(r"^- \[\d{4}\].*$", text, re.MULTILINE) == wanted


@pytest.mark.parametrize("record", records(), ids=shown)
def test_a_decision_record_has_the_outline_of_all_records(record):
    text = record.read_text("utf-8")
    assert text.startswith(f"# {record.name[:4]}: ")
    found = outline(record)
    assert [name for name, _ in found] == SECTIONS
    for name, parts in found:
        assert parts == [part for part in PARTS.get(name, []) if part in parts], name
    assert _STATUS.match(text.split("## Status\n\n", 1)[1])


def calls(text):
    """The verbs that are called of modelramp in the shell blocks of a page and in the code within its sentences.

    With each, the long options that follow it in the same command.
    """
    shell = "".join(_SHELL.findall(text)).replace("\\\n", " ")
    code = "\n".join(re.findall(r"`((?:kubectl )?modelramp [^`\n]+)`", _FENCE.sub("", text)))
    for called in _CALL.finditer(f"{shell}\n{code}"):
        yield called[1], *_OPTION.findall(re.split(r"[|;&#)]", called[2])[0])


def options_of(verb):
    """The options of a verb; empty for what modelramp does not have."""
    context = click.Context(modelramp)
    if verb not in modelramp.list_commands(context):
        return set()
    return {"--help", *(name for param in modelramp.get_command(context, verb).params for name in param.opts)}


@pytest.mark.parametrize("page", [ROOT / "README.md", *pages()], ids=shown)
def test_every_command_in_the_docs_is_one_that_exists(page):
    found = calls(page.read_text("utf-8"))
    assert [call for call in found if call[0][0] != "-" and not {"--help", *call[1:]} <= options_of(call[0])] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("```sh\nkubectl modelramp frob x\n```\n", [("frob",)]),
        ("```sh\nmodelramp lint a.yaml | modelramp frob -\n```\n", [("lint",), ("frob",)]),
        ("```sh\nmodelramp frob a --to b \\\n  --how  # --what\n```\n", [("frob", "--to", "--how")]),
        ("say `kubectl modelramp frob NAME --to X` then", [("frob", "--to")]),
        ("```sh\nkubectl -n modelramp-system logs deployment/modelramp --tail=5\n```\n", []),
        ("```yaml\n- modelramp frob\n```\n", []),
    ],
)
def test_commands_are_found_where_people_copy_them_from(text, found):
    assert list(calls(text)) == found


def test_a_verb_or_an_option_that_is_not_there_is_noticed():
    assert options_of("frob") == set()
    assert {"--to", "--timeout"} <= options_of("rollback")
    assert "--frob" not in options_of("rollback")


def quoted(page):
    """The literal pieces of the lines that a page quotes from modelramp; <...> stands for what differs."""
    for block in re.findall(r"^```text\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for piece in re.split(r"<[^<>\n]*>|\n", block):
            if len(piece.strip(_EDGES)) > 1:
                yield piece.strip(_EDGES)


def printed():
    """Every text in the code of modelramp but docstrings; what is between the braces of an f-string cuts it."""
    for path in under("operator"):
        tree = ast.parse(path.read_text("utf-8"))
        told = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told:
                yield node.value


def joins(piece, texts):
    """Whether whole texts make the piece, one after the other, as messages are composed."""
    heads = (end for end in range(1, len(piece)) if piece[end] in _EDGES and piece[:end].strip(_EDGES) in texts)
    return piece in texts or any(joins(piece[end:].strip(_EDGES), texts) for end in heads)


def test_messages_in_the_page_on_troubles_are_those_of_the_code():
    texts = {text.strip(_EDGES) for text in printed() if len(text) < 400}
    known = "\n".join(printed())
    pieces = list(quoted(DOCS / "how-to" / "troubleshoot.md"))
    assert len(pieces) > 60
    assert [piece for piece in pieces if piece not in known and not joins(piece, texts)] == []


@pytest.mark.parametrize(
    ("piece", "composed"),
    [("it waits for capacity since", True), ("it waits for capacity", False), ("paused until somebody asks", False)],
)
def test_a_message_is_composed_of_whole_texts(piece, composed):
    assert joins(piece, {"it", "waits for capacity since", "paused until", "a person asks"}) is composed


def is_field(path):
    """Whether the schema of a ModelDeployment has a field; path: as in spec.rollout.steps[].weight."""
    node = object_schema()
    for part in path.split("."):
        name = part.removesuffix("[]")
        if name not in node.get("properties", {}):
            return False
        node = node["properties"][name]
        node = node.get("items", node) if part.endswith("[]") else node
    return True


def test_fields_that_people_migrate_to_are_those_of_the_schema():
    text = (DOCS / "how-to" / "migrate.md").read_text("utf-8")
    targets = [row.split("|")[2] for row in text.splitlines() if row.count("|") > 3]
    fields = {field for target in targets for field in re.findall(r"`(spec\.[^` ]+)`", target)}
    assert len(fields) > 35
    assert [field for field in sorted(fields) if not is_field(field)] == []


@pytest.mark.parametrize("field", ["spec.rollout.weight", "spec.rollout.steps.weight", "spec.health.checks[].maximum"])
def test_what_the_schema_lacks_is_no_field(field):
    assert not is_field(field)
