"""`modelramp lint`: what the API server would say about manifests, and what it cannot know."""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelramp.cli.output import Advice, Finding, Level, as_json, count, print_findings

if TYPE_CHECKING:
    from modelramp.cli.documents import Document, Malformed
    from modelramp.cli.known_policies import KnownPolicies

_SUFFIXES = (".yaml", ".yml", ".json")


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to show the findings.")
def command(files: tuple[str, ...], output: str) -> None:
    """Check ModelDeployments and health policies in YAML files, folders or standard input (-), without a cluster.

    Says FILE:LINE: error|warning: field: message. References to policies are looked up in the files given; other kinds
    of objects are passed over.

    Exit code: 0 nothing but warnings, 1 errors or no object at all, 2 a file cannot be read.
    """
    findings: list[Finding] = []
    seen = 0
    texts = list(_texts(files))
    known = policies_in(text for _, text in texts)
    for name, text in texts:
        inspected, found = lint_text(name, text, known)
        seen += inspected
        findings += found or ([] if inspected else [_nothing_in(name)])
    if not seen:
        findings = [replace(finding, level=Level.ERROR) for finding in findings]
    if output == "json":
        click.echo(json.dumps(as_json(findings) | {"inspected": seen}, indent=2))
    else:
        print_findings(findings)
        errors, warnings = count(findings, Level.ERROR), count(findings, Level.WARNING)
        summary = f"{_some(seen, 'object')}: {_some(errors, 'error')}, {_some(warnings, 'warning')}"
        click.echo(summary, err=True)
    sys.exit(1 if count(findings, Level.ERROR) else 0)


def _nothing_in(name: str) -> Finding:
    message = "holds no ModelDeployment, HealthPolicy or ClusterHealthPolicy"
    return Finding(name, 1, Level.WARNING, "", message)


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _texts(names: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for name in names:
        if name == "-":
            yield "<stdin>", sys.stdin.buffer.read()
            continue
        for path in _files(Path(name)):
            try:
                yield str(path), path.read_bytes()
            except OSError as error:
                raise click.BadParameter(f"cannot read {path}: {error.strerror}", param_hint="FILE") from None


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(inner for inner in path.rglob("*") if inner.suffix in _SUFFIXES and inner.is_file())
    if not found:
        raise click.BadParameter(f"no .yaml, .yml or .json file in the folder {path}", param_hint="FILE")
    return found


def policies_in(texts: Iterable[bytes]) -> "KnownPolicies":
    """The policies in YAML streams; text that cannot be read holds none (lint_text says why)."""
    from modelramp.cli.documents import Document
    from modelramp.cli.known_policies import KnownPolicies

    decoded = (text.decode("utf-8-sig", errors="replace") for text in texts)
    return KnownPolicies(one.value for text in decoded for one in _documents(text) if isinstance(one, Document))


@lru_cache(maxsize=1024)
def _documents(text: str) -> "tuple[Document | Malformed, ...]":
    """What a text holds; each is read once, for the policies in it and for what is to be said about it."""
    from modelramp.cli.documents import read

    return tuple(read(text))


def lint_text(name: str, text: bytes, known: "KnownPolicies | None" = None) -> tuple[int, list[Finding]]:
    """How many objects of modelramp a YAML stream holds, and all that is to be said about them.

    known: the policies that ModelDeployments may refer to; those of the stream itself if not given.
    """
    from modelramp.cli.documents import Malformed
    from modelramp.cli.refusals import is_ours

    known = known if known is not None else policies_in([text])

    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        return 0, [Finding(name, line, Level.ERROR, "", f"not UTF-8: byte 0x{text[error.start]:02x}")]
    inspected, findings = 0, []
    for document in _documents(decoded):
        if isinstance(document, Malformed):
            message = f"column {document.column}: {document.message}"
            findings.append(Finding(name, document.line, Level.ERROR, "", message))
        elif is_ours(document.value):
            inspected += 1
            findings += sorted(_of_document(name, document, known), key=lambda finding: (finding.line, finding.path))
    return inspected, findings


def _of_document(name: str, document: "Document", known: "KnownPolicies") -> Iterator[Finding]:
    from modelramp.api.structural import without_nulls
    from modelramp.cli.known_policies import kind_of_policy
    from modelramp.cli.refusals import refusals

    for path, line in document.repeated:
        yield Finding(name, line, Level.WARNING, path, "is written twice; the last one counts")
    refused = refusals(document.value)
    for problem in refused:
        yield Finding(name, document.line_of(problem.field), Level.ERROR, problem.field, problem.message)
    if any(not problem.field.startswith("spec.") or problem.field.startswith("spec.template") for problem in refused):
        return
    value = without_nulls(document.value)
    said = {problem.field for problem in refused}
    for item in _of_deployment(value, known) if kind_of_policy(value) is None else _of_policy(value):
        if item.level is Level.ERROR and item.path in said:
            continue
        yield Finding(name, document.line_of(item.path), item.level, item.path, item.message)


def _of_deployment(value: Mapping[str, Any], known: "KnownPolicies") -> Iterator[Advice]:
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.policy import placeholders, texts
    from modelramp.api.spec import parse_spec
    from modelramp.cli.advice import advice
    from modelramp.cli.known_policies import name_of

    spec = value["spec"]
    for path, text in texts((spec.get("health") or {}).get("checks") or (), "spec.health.checks"):
        if placeholders(text):
            yield Advice(Level.ERROR, path, "{{params...}} stands for something in a health policy only")
    try:
        parsed = parse_spec(spec)
    except InvalidSpec:
        return  # what is refused has been said; more can be said when the spec can be read
    yield from advice(parsed, spec["template"], known.for_namespace(name_of(value, "namespace")))


def _of_policy(value: Mapping[str, Any]) -> Iterator[Advice]:
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.policy import parse_policy
    from modelramp.cli.policy_advice import policy_advice

    try:
        spec = parse_policy(value["spec"])
    except InvalidSpec:
        return
    yield from policy_advice(spec)
