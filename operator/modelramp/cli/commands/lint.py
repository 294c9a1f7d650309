"""`modelramp lint`: finds what the API server would refuse in manifests, and problems that it cannot see."""

import json
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from modelramp.api.advice import Advice, Level
from modelramp.cli.output import Finding, as_json, count, print_findings

if TYPE_CHECKING:
    from modelramp.cli.documents import Document, Malformed
    from modelramp.cli.lint.known_policies import KnownPolicies

_SUFFIXES = (".yaml", ".yml", ".json")
_STDIN = "<stdin>"
_MOST_BYTES = 8_000_000
"""Of a file: no more characters than documents.MOST_CHARACTERS fit into fewer, and a device has no end."""
_OURS = re.compile(rb"modelramp\.io|ModelDeployment|HealthPolicy|\\[ux]")
"""What an object of modelramp has in its text, or an escape that may stand for it."""
_SCALES = b"scaleTargetRef"
_IMMUTABLE = re.compile(rb"immutable\"?:\s*true")
_KIND = re.compile(rb"^(?: {0,4}\")?kind\"?: ?\"?([A-Za-z]{1,63})", re.MULTILINE)
_MOST_KINDS = 5


@click.command("lint")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("-o", "--output", type=click.Choice(["text", "json"]), default="text", help="How to show the findings.")
@click.option("--context", help="Context of a kubeconfig: look there, with your rights, for room for the next rollout.")
@click.option("-n", "--namespace", help="With --context: namespace of objects that name none.")
def command(files: tuple[str, ...], output: str, context: str | None, namespace: str | None) -> None:
    """Check ModelDeployments and health policies without a cluster: in YAML and JSON files, in folders recursively,
    or from standard input (-), including Lists as kubectl writes them.

    Prints FILE:LINE: error|warning: field: message. References to policies are looked up in the given files; objects
    of other kinds are skipped, and counted at the end. With --context it also compares what the next rollout of each
    model asks for with the quotas of its namespace and the devices of the nodes.

    Exit code: 0 without errors, 1 with errors or without any object to check, 2 if a named file cannot be read, 5
    if the cluster of --context cannot be asked.
    """
    found = inspect(files)
    findings, seen, passed = found.findings, found.seen, found.passed
    if context is not None:
        from modelramp.cli.lint.room import of_cluster

        findings += of_cluster(zip(found.names, found.texts, strict=True), context, namespace)
    if output == "json":
        click.echo(json.dumps(as_json(findings) | {"inspected": seen, "passedOver": dict(passed)}, indent=2))
    else:
        print_findings(findings)
        click.echo(_summary(seen, findings, passed), err=True)
    sys.exit(1 if count(findings, Level.ERROR) else 0)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the named files hold, and the findings about it.

    texts: those in which objects of modelramp may stand; names: of their files. seen: how many do. passed: objects of
    other kinds.
    """

    names: tuple[str, ...]
    texts: tuple[bytes, ...]
    findings: list[Finding]
    seen: int
    passed: Counter[str]


def inspect(files: Iterable[str]) -> Inspection:
    """Read and check files, folders and standard input (-). Raises click.BadParameter for what cannot be read."""
    names = tuple(files)
    sources = [source for name in names for source in _sources(name)]
    known = policies_in(source.text for source in sources if source.is_ours)
    immutable = _immutable_in(source.text for source in sources if _IMMUTABLE.search(source.text))
    scaled = _scaled_in(source.text for source in sources if _SCALES in source.text)
    findings: list[Finding] = []
    passed: Counter[str] = Counter()
    seen = 0
    for source in sources:
        inspected, others, found = _lint_source(source, known, immutable, scaled)
        seen += inspected
        passed += others
        findings += found
    if not seen:
        findings = [replace(finding, level=Level.ERROR) for finding in findings or map(_nothing_in, names)]
    ours = [source for source in sources if source.is_ours]
    return Inspection(
        tuple(source.name for source in ours), tuple(source.text for source in ours), findings, seen, passed
    )


def _summary(seen: int, findings: list[Finding], passed: Mapping[str, int]) -> str:
    errors, warnings = count(findings, Level.ERROR), count(findings, Level.WARNING)
    text = f"{_some(seen, 'object')}: {_some(errors, 'error')}, {_some(warnings, 'warning')}"
    if not passed:
        return text
    most = sorted(passed.items(), key=lambda item: (-item[1], item[0]))
    named = [f"{number} {kind}" for kind, number in most[:_MOST_KINDS]]
    others = sum(number for _, number in most[_MOST_KINDS:])
    return f"{text}; passed over: {', '.join(named)}" + (f" and {_some(others, 'other')}" if others else "")


def _nothing_in(name: str) -> Finding:
    message = "holds no ModelDeployment, HealthPolicy or ClusterHealthPolicy"
    return Finding(_STDIN if name == "-" else name, 1, Level.WARNING, "", message)


def _some(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


@dataclass(frozen=True, slots=True)
class _Source:
    """A text to look at.

    named: whether a person named the file, and not only a folder around it. problem: why it cannot be read.
    """

    name: str
    text: bytes
    named: bool = True
    problem: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether an object of modelramp may stand in it. What only looks alike is found out by reading it."""
        return self.name == _STDIN or _OURS.search(self.text) is not None


def _sources(name: str) -> Iterator[_Source]:
    if name == "-":
        yield _Source(_STDIN, sys.stdin.buffer.read(_MOST_BYTES + 1))
        return
    path = Path(name)
    try:
        if not path.is_dir():
            yield _Source(name, _read(path))
            return
    except (OSError, ValueError) as error:
        raise click.BadParameter(f"cannot read {name}: {_why(error)}", param_hint="FILE") from None
    yield from _below(path)


def _below(folder: Path) -> Iterator[_Source]:
    """The manifests in a folder and all below it, each once. Links to folders are not followed: they may lead back."""
    seen: set[tuple[int, int]] = set()
    for path in sorted(_manifests(folder)):
        try:
            facts = path.stat()
            if (facts.st_dev, facts.st_ino) in seen:
                continue
            seen.add((facts.st_dev, facts.st_ino))
            text = _read(path) if stat.S_ISREG(facts.st_mode) else None
        except (OSError, ValueError) as error:
            yield _Source(str(path), b"", named=False, problem=f"cannot be read: {_why(error)}")
            continue
        problem = "" if text is not None else "is no file that can be read"
        yield _Source(str(path), text or b"", named=False, problem=problem)


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES + 1)


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _manifests(folder: Path) -> Iterator[Path]:
    """Paths with the ending of a manifest, and folders that cannot be opened."""
    waiting = [folder]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(inner) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(Path(entry.path))
                    elif entry.name.lower().endswith(_SUFFIXES):
                        yield Path(entry.path)
        except OSError:
            yield inner


def _lint_source(
    source: _Source, known: "KnownPolicies", immutable: frozenset[str], scaled: frozenset[str]
) -> tuple[int, Counter[str], list[Finding]]:
    """How many objects of modelramp a text holds, how many of other kinds, and the findings."""
    if source.problem:
        return 0, Counter({"file that cannot be read": 1}), [Finding(source.name, 1, Level.WARNING, "", source.problem)]
    if not source.is_ours:
        kinds = (found[1].decode("ascii") for found in _KIND.finditer(source.text))
        findings = [_nothing_in(source.name)] if source.named else []
        return 0, Counter(kinds) or Counter({"file without an object": 1}), findings
    inspected, findings = lint_text(source.name, source.text, known, immutable, scaled)
    if source.named and not inspected and not findings:
        findings = [_nothing_in(source.name)]
    return inspected, _others(source.text), findings


def policies_in(texts: Iterable[bytes]) -> "KnownPolicies":
    """The policies in YAML streams; text that cannot be read holds none (lint_text says why)."""
    from modelramp.cli.lint.known_policies import KnownPolicies

    return KnownPolicies(values_in(texts))


def _immutable_in(texts: Iterable[bytes]) -> frozenset[str]:
    from modelramp.cli.lint.pods import immutable_config_maps

    return immutable_config_maps(values_in(texts))


def _scaled_in(texts: Iterable[bytes]) -> frozenset[str]:
    from modelramp.cli.lint.pods import scaled_deployments

    return scaled_deployments(values_in(texts))


def values_in(texts: Iterable[bytes]) -> Iterator[Any]:
    """All objects in YAML streams, as far as they can be read."""
    from modelramp.cli.documents import Document

    decoded = (text.decode("utf-8-sig", errors="replace") for text in texts)
    found = (one for text in decoded for one in _documents(text) if isinstance(one, Document))
    yield from (inner.value for one in found for inner in one.objects())


@lru_cache(maxsize=1024)
def _documents(text: str) -> "tuple[Document | Malformed, ...]":
    """What a text holds; each is read once, for the policies in it and for the findings about it."""
    from modelramp.cli.documents import read

    return tuple(read(text))


def _others(text: bytes) -> Counter[str]:
    """How many objects of other kinds a text holds."""
    from modelramp.cli.lint.refusals import is_ours

    values = (value for value in values_in([text]) if not is_ours(value))
    kinds = (value.get("kind") if isinstance(value, dict) else None for value in values)
    return Counter(kind if isinstance(kind, str) and kind else "object without a kind" for kind in kinds)


def lint_text(
    name: str,
    text: bytes,
    known: "KnownPolicies | None" = None,
    immutable: frozenset[str] | None = None,
    scaled: frozenset[str] | None = None,
) -> tuple[int, list[Finding]]:
    """How many objects of modelramp a YAML stream holds, and the findings about them.

    known: the policies that ModelDeployments may refer to. immutable: names of ConfigMaps that do not change.
    scaled: names of Deployments that autoscalers target. All are those of the stream itself if not given.
    """
    from modelramp.cli.documents import Malformed
    from modelramp.cli.lint.refusals import is_ours

    known = known if known is not None else policies_in([text])
    immutable = immutable if immutable is not None else _immutable_in([text])
    scaled = scaled if scaled is not None else _scaled_in([text])

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
            continue
        for inner in document.objects():
            if is_ours(inner.value):
                inspected += 1
                said = _of_document(name, inner, known, immutable, scaled)
                findings += sorted(said, key=lambda finding: (finding.line, finding.path))
    return inspected, findings


def _of_document(
    name: str, document: "Document", known: "KnownPolicies", immutable: frozenset[str], scaled: frozenset[str]
) -> Iterator[Finding]:
    from modelramp.api.admission import DEPRECATED, quoted_numbers
    from modelramp.api.structural import without_nulls
    from modelramp.cli.lint.known_policies import kind_of_policy, name_of
    from modelramp.cli.lint.pods import of_autoscalers
    from modelramp.cli.lint.refusals import refusals

    for path, line in document.repeated:
        yield Finding(name, line, Level.WARNING, path, "is written twice; the last one counts")
    refused = refusals(document.value, document.text_of)
    for problem in refused:
        yield Finding(name, document.line_of(problem.field), Level.ERROR, problem.field, problem.message)
    if any(not problem.field.startswith("spec.") or ".template" in problem.field for problem in refused):
        return
    value = without_nulls(document.value)
    for path in quoted_numbers(value["spec"], is_policy=kind_of_policy(value) is not None):
        yield Finding(name, document.line_of(path), Level.WARNING, path, DEPRECATED)
    said = {problem.field for problem in refused}
    advice = (
        _of_policy(value)
        if kind_of_policy(value) is not None
        else chain(of_autoscalers(name_of(value, "name"), scaled), _of_deployment(value, known, immutable))
    )
    for item in advice:
        if item.level is Level.ERROR and item.path in said:
            continue
        yield Finding(name, document.line_of(item.path), item.level, item.path, item.message)


def _of_deployment(value: Mapping[str, Any], known: "KnownPolicies", immutable: frozenset[str]) -> Iterator[Advice]:
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.policy import placeholders, texts
    from modelramp.api.spec import parse_spec
    from modelramp.cli.lint.advice import advice
    from modelramp.cli.lint.known_policies import name_of

    spec = value["spec"]
    health = spec.get("health")
    for path, text in texts(health.get("checks") if isinstance(health, dict) else None, "spec.health.checks"):
        if placeholders(text):
            yield Advice(Level.ERROR, path, "{{params...}} stands for something in a health policy only")
    try:
        parsed = parse_spec(spec)
    except InvalidSpec:
        return  # what is refused has been said; more can be said when the spec can be read
    yield from advice(parsed, spec.get("template") or {}, known.for_namespace(name_of(value, "namespace")), immutable)


def _of_policy(value: Mapping[str, Any]) -> Iterator[Advice]:
    from modelramp.api.errors import InvalidSpec
    from modelramp.api.policy import parse_policy
    from modelramp.cli.lint.policies import policy_advice

    try:
        spec = parse_policy(value["spec"])
    except InvalidSpec:
        return
    yield from policy_advice(spec)
