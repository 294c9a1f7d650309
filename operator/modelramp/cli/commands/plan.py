"""`modelramp plan`: what applying manifests would do, as Markdown for a pull request."""

import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from modelramp.api.advice import Level
from modelramp.api.errors import InvalidSpec
from modelramp.api.names import KIND
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.structural import without_nulls
from modelramp.cli.asking import located
from modelramp.cli.backtest.options import asking_of, read_histories, serving
from modelramp.cli.backtest.replay import replay
from modelramp.cli.cluster import Cluster, Ended, Exit
from modelramp.cli.commands.lint import inspect, policies_in, values_in
from modelramp.cli.documents import Malformed, read
from modelramp.cli.lint.known_policies import KnownPolicies, kind_of_policy, name_of
from modelramp.cli.output import Finding, count
from modelramp.cli.planning import Before, code, fenced, replayed, section, times
from modelramp.cli.policy_file import as_stored
from modelramp.core.policies import resolve
from modelramp.core.revisions import revision_of

_MOST_FINDINGS = 50
MARK = "<!-- modelramp plan -->"
"""First line, by which a pipeline finds its comment again."""
Key = tuple[str, str]
"""Namespace as it is written, and name."""


@click.command(
    "plan",
    short_help="Show what applying manifests would do, as Markdown for a pull request.",
    epilog="""\b
Exit code as of lint: 0 without errors, 1 with errors or without any object to check,
2 if a named file cannot be read. If a cluster or Prometheus cannot be reached, the
output says so and the exit code stays the same.""",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--from", "old", metavar="FILE", help="Compare with this file or folder instead of the cluster.")
@located
@click.option(
    "--prometheus", "address", default=None, help="Base URL of Prometheus; without it no history is replayed."
)
@serving
@click.option("--history", default="24h", show_default=True, help="With --prometheus: how much history to replay.")
def command(
    files: tuple[str, ...], old: str | None, namespace: str | None, context: str | None, history: str, **server: Any
) -> None:
    """Show what applying manifests would do: lint findings, what changes and whether that starts a rollout, how the
    rollout would go, and with --prometheus how the new rules would have judged the serving version.

    Nothing is written to the cluster or to Prometheus.
    """
    found = inspect(files)
    now = list(_models(found.texts))
    known = policies_in(found.texts)
    earlier = _Files(old) if old is not None else _InCluster(context, namespace)
    lines = [MARK, "## What this change does", "", *_findings(found.findings)]
    for key, value in now:
        spec = _spec_of(value, known)
        if spec is None:
            lines += [f"### {code(_title(key))}", "", "It cannot be read; the findings say why.", ""]
            continue
        before = earlier.before(key, known)
        lines += section(code(_title(key)), before, spec)
        if server["address"] and before.spec is not None:
            asked = {"begin": f"-{history}", "namespace": namespace, **server}
            lines += ["", *_history(value, found.texts, before, asked)]
        lines.append("")
    for key in earlier.gone({key for key, _ in now}):
        lines += [f"### {code(_title(key))}", "", "**Deleted**: with prune, its route and its pods end at once.", ""]
    click.echo(re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip("\n"))
    sys.exit(1 if count(found.findings, Level.ERROR) else 0)


def _models(texts: tuple[bytes, ...]) -> Iterator[tuple[Key, Mapping[str, Any]]]:
    for value in values_in(texts):
        if isinstance(value, dict) and value.get("kind") == KIND:
            yield (name_of(value, "namespace"), name_of(value)), value


def _title(key: Key) -> str:
    return "/".join(filter(None, key))


def _spec_of(value: Mapping[str, Any], known: KnownPolicies) -> ModelDeploymentSpec | None:
    """The spec as it is stored, with the checks of the policies that are at hand; None when it is refused."""
    try:
        spec = as_stored(parse_spec(without_nulls(value).get("spec")))
    except InvalidSpec:
        return None
    found = resolve(spec.health, known.for_namespace(name_of(value, "namespace")))
    return spec.model_copy(update={"health": found.health})


def _findings(findings: list[Finding]) -> Iterator[str]:
    errors, warnings = count(findings, Level.ERROR), count(findings, Level.WARNING)
    yield f"`modelramp lint`: {times(errors, 'error')}, {times(warnings, 'warning')}."
    if findings:
        yield from ("", *fenced([str(finding) for finding in findings[:_MOST_FINDINGS]]))
    if len(findings) > _MOST_FINDINGS:
        yield f"And {len(findings) - _MOST_FINDINGS} more."
    yield ""


class _Files:
    """Objects of an older file or folder."""

    def __init__(self, name: str) -> None:
        self._name = name
        texts = inspect((name,)).texts
        self._models, self._known = dict(_models(texts)), policies_in(texts)
        decoded = (text.decode("utf-8-sig", errors="replace") for text in texts)
        self._broken = any(isinstance(one, Malformed) for text in decoded for one in read(text))

    def before(self, key: Key, known: KnownPolicies) -> Before:
        """The object of that name in the older file."""
        del known
        value = self._models.get(key)
        where = code(self._name)
        if value is None:
            return Before(where, unknown=f"{self._name} is not YAML throughout" if self._broken else "")
        spec = _spec_of(value, self._known)
        return Before(where, spec) if spec is not None else Before(where, unknown="the earlier one cannot be read")

    def gone(self, now: set[Key]) -> list[Key]:
        """Objects that the newer files do not hold."""
        return [key for key in self._models if key not in now]


class _InCluster:
    """Objects in the cluster. Nobody is asked again once there was no answer."""

    def __init__(self, context: str | None, namespace: str | None) -> None:
        self._context, self._namespace = context, namespace
        self._silent = ""

    def before(self, key: Key, known: KnownPolicies) -> Before:
        """The object of that name in the cluster. known: the policies of the files; others are not looked up."""
        if self._silent:
            return Before("the cluster", unknown=self._silent)
        try:
            cluster = Cluster.connect(self._context, self._namespace or key[0] or None)
            value = cluster.get(key[1])
        except Ended as error:
            if error.code is Exit.USAGE:
                return Before("the cluster")
            self._silent = error.message
            return Before("the cluster", unknown=self._silent)
        spec = _spec_of(value, known)
        if spec is None:
            return Before("the cluster", unknown="the object in the cluster is of another version of the API")
        return Before("the cluster", spec, value.get("status") or {})

    def gone(self, now: set[Key]) -> list[Key]:
        """Nobody can say which objects of a cluster belong to the files."""
        del now
        return []


class _Named(io.BytesIO):
    """A file in memory; messages name it."""

    name = "this change"


def _history(
    value: Mapping[str, Any], texts: tuple[bytes, ...], before: Before, options: Mapping[str, Any]
) -> Iterator[str]:
    """The rules of the change over what Prometheus knows of the version that serves. options: as of backtest."""
    assert before.spec is not None  # noqa: S101 - the caller has looked
    stable = (before.status or {}).get("stable") or {}
    revision = str(stable.get("revision") or revision_of(before.spec))
    version = str(stable.get("modelVersion") or before.spec.model.version)
    policies = [one for one in values_in(texts) if kind_of_policy(one) is not None]
    manifest = _Named(json.dumps({"kind": "List", "items": [value, *policies]}).encode())
    yield from ("#### On the recorded history", "")
    try:
        asked = asking_of(manifest, name=None, end="now", step=None, revision=revision, stable=None, **options)
        histories = read_histories(asked, {0: asked.spec})
    except click.ClickException as error:
        yield from ("**Not replayed:**", "", *fenced(error.message.splitlines()))
        return
    yield from replayed(replay(asked.spec, revision, asked.stable, histories[0], again=True), version)
