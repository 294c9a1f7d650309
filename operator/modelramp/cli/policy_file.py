"""Loads the policy for a command: one ModelDeployment from a file, with the names that its queries need."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import click

from modelramp.api.errors import InvalidSpec
from modelramp.api.names import API_VERSION, KIND
from modelramp.api.pod_schema import pod_template_schema
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.structural import with_defaults, without_nulls
from modelramp.cli.documents import Document, Malformed, read
from modelramp.cli.lint.known_policies import NOT_AT_HAND, KnownPolicies, name_of
from modelramp.cli.lint.refusals import refusals
from modelramp.core.policies import resolve


@dataclass(frozen=True, slots=True)
class Policy:
    """One ModelDeployment: where it lives, its name, its spec."""

    namespace: str
    name: str
    spec: ModelDeploymentSpec


def read_policy(
    file: IO[bytes],
    name: str | None,
    namespace: str | None = None,
    *,
    checks_needed: bool = True,
    left_out: str = "no Job runs here",
) -> Policy:
    """The ModelDeployment of a file; `name` chooses one of several, `namespace` replaces what is written.

    left_out: why an evaluation before traffic has no part in what follows, for people; "" when it has.

    Policies that it refers to are taken from the same file. Raises click.ClickException with file and line when there
    is none, when the API server would refuse it, or when a policy is not in the file or cannot be resolved.
    """
    documents = list(_documents(text_of(file), file.name))
    ours = [document for document in documents if document.value.get("kind") == KIND]
    document = _chosen(ours, file.name, name)
    if document.value.get("apiVersion") != API_VERSION:
        wrong = document.value.get("apiVersion")
        line = document.line_of("apiVersion")
        raise click.ClickException(f"{file.name}:{line}: apiVersion is {wrong!r}; {API_VERSION} is known")
    try:
        spec = as_stored(parse_spec(without_nulls(document.value).get("spec")))
    except InvalidSpec as error:
        # In the words of lint; the parser's own are about Python.
        problems = refusals(document.value, document.text_of) or error.problems
        told = (f"{file.name}:{document.line_of(problem.field)}: {problem}" for problem in problems)
        raise click.ClickException("\n".join(told)) from None
    spec = _resolved(spec, document, KnownPolicies(one.value for one in documents), file.name)
    if checks_needed and not spec.health.checks and spec.rollout.ab_test is None:
        line = document.line_of("spec.health.checks")
        raise click.ClickException(f"{file.name}:{line}: spec.health.checks is empty: there is nothing to ask history")
    if spec.rollout.evaluation is not None and left_out:
        line = document.line_of("spec.rollout.evaluation")
        click.echo(f"{file.name}:{line}: spec.rollout.evaluation is left out: {left_out}", err=True)
    written = name_of(document.value, "namespace")
    return Policy(namespace or written or "default", name_of(document.value), spec)


def as_stored(spec: ModelDeploymentSpec) -> ModelDeploymentSpec:
    """The spec with the template as the API server stores it, of which the operator makes the revision."""
    return spec.model_copy(update={"template": with_defaults(pod_template_schema(), spec.template)})


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
        yield from (one for one in document.objects() if isinstance(one.value, dict))


def _resolved(spec: ModelDeploymentSpec, document: Document, known: KnownPolicies, source: str) -> ModelDeploymentSpec:
    """The spec with the checks of its policies, which must be in the same file."""
    found = resolve(spec.health, known.for_namespace(name_of(document.value, "namespace")))
    for place, policy in enumerate(found.policies):
        if policy.problem:
            line = document.line_of(f"spec.health.policies[{place}]")
            advice = "; add it to the file" if policy.problem == NOT_AT_HAND else ""
            raise click.ClickException(f"{source}:{line}: {policy.kind} {policy.name}: {policy.problem}{advice}")
    return spec.model_copy(update={"health": found.health})


def _chosen(documents: list[Document], source: str, name: str | None) -> Document:
    known = ", ".join(name_of(document.value) for document in documents)
    matching = [document for document in documents if name in (None, name_of(document.value))]
    if not documents:
        raise click.ClickException(f"{source}: holds no {KIND}")
    if not matching:
        raise click.ClickException(f"{source}: holds no {KIND} {name}, but {known}")
    if len(matching) > 1:
        raise click.ClickException(
            f"{source}: holds several ({known}); choose one with --name, or give a file with one"
        )
    return matching[0]
