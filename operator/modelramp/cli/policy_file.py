"""The policy that a verb tries out: one ModelDeployment out of a file, with the names that its queries need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

import click

from modelramp.api.errors import InvalidSpec
from modelramp.api.names import API_VERSION, KIND
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.structural import without_nulls
from modelramp.cli.documents import Document, Malformed, read


@dataclass(frozen=True, slots=True)
class Policy:
    """One ModelDeployment: where it lives, its name, its spec."""

    namespace: str
    name: str
    spec: ModelDeploymentSpec


def read_policy(
    file: IO[bytes], name: str | None, namespace: str | None = None, *, checks_needed: bool = True
) -> Policy:
    """The ModelDeployment of a file; `name` chooses one of several, `namespace` replaces what is written.

    Raises click.ClickException with file and line when there is none, or when the API server would refuse it.
    """
    document = _chosen(list(_documents(text_of(file), file.name)), file.name, name)
    if document.value.get("apiVersion") != API_VERSION:
        wrong = document.value.get("apiVersion")
        line = document.line_of("apiVersion")
        raise click.ClickException(f"{file.name}:{line}: apiVersion is {wrong!r}; {API_VERSION} is known")
    try:
        spec = parse_spec(without_nulls(document.value).get("spec"))
    except InvalidSpec as error:
        told = (f"{file.name}:{document.line_of(problem.field)}: {problem}" for problem in error.problems)
        raise click.ClickException("\n".join(told)) from None
    if checks_needed and not spec.health.checks:
        line = document.line_of("spec.health.checks")
        raise click.ClickException(f"{file.name}:{line}: spec.health.checks is empty: there is nothing to ask history")
    written = _metadata(document, "namespace")
    return Policy(namespace or written or "default", _metadata(document, "name"), spec)


def text_of(file: IO[bytes]) -> str:
    """The file's text; raises click.ClickException when it is not UTF-8."""
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name}: byte {error.start + 1} is not UTF-8 text") from None


def _documents(text: str, source: str) -> Iterator[Document]:
    for document in read(text):
        if isinstance(document, Malformed):
            raise click.ClickException(f"{source}:{document.line}: column {document.column}: {document.message}")
        if isinstance(document.value, dict) and document.value.get("kind") == KIND:
            yield document


def _chosen(documents: list[Document], source: str, name: str | None) -> Document:
    known = ", ".join(_metadata(document, "name") for document in documents)
    matching = [document for document in documents if name in (None, _metadata(document, "name"))]
    if not documents:
        raise click.ClickException(f"{source}: holds no {KIND}")
    if not matching:
        raise click.ClickException(f"{source}: holds no {KIND} {name}, but {known}")
    if len(matching) > 1:
        raise click.ClickException(
            f"{source}: holds several ({known}); choose one with --name, or give a file with one"
        )
    return matching[0]


def _metadata(document: Document, key: str) -> str:
    metadata: Any = document.value.get("metadata")
    return str(metadata.get(key) or "") if isinstance(metadata, dict) else ""
