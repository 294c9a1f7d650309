"""`modelramp diff`: what two revisions of a model differ in."""

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import click

from modelramp.api.kinds import CONTROLLER_REVISION
from modelramp.api.names import LABEL_DEPLOYMENT, LABEL_REVISION
from modelramp.api.text import visible
from modelramp.cli.asking import asked, of_one
from modelramp.cli.cluster import EXIT_CODES, Ended, Exit
from modelramp.cli.output import coloured
from modelramp.cli.reading import printed, status_in

_ROLES = ("stable", "candidate", "previous", "failed")
_COLOURS = {"+": "green", "-": "red", "@": "cyan"}


@click.command("diff", epilog=EXIT_CODES)
@of_one
@click.argument("old", required=False, metavar="[A]")
@click.argument("new", required=False, metavar="[B]")
def command(old: str | None, new: str | None, output: str, **options: Any) -> None:
    """Compare what two revisions are made of: the model and the pod template, as a unified diff of YAML.

    A and B are a revision or its first characters, a model version, or one of stable, candidate, previous and failed.
    By default the serving version is compared with the one being rolled out, or else with the one that failed or that
    served before.
    """
    where = asked(output=output, **options)
    status = status_in(where.cluster.get(where.name))
    known = {
        str(one["metadata"]["labels"].get(LABEL_REVISION, "")): one
        for one in where.cluster.beside(CONTROLLER_REVISION, labels=f"{LABEL_DEPLOYMENT}={where.name}")
    }
    usual = _usual(status)
    first = _chosen(old or usual[0], status, known, where.name)
    second = _chosen(new or (usual[1] if old != usual[1] else "stable"), status, known, where.name)
    lines = list(_difference(known[first], known[second]))
    if output != "text":
        both = {key: {"revision": name, **known[name]["data"]} for key, name in (("from", first), ("to", second))}
        printed({**both, "diff": "\n".join(lines)}, output)
    elif lines:
        for text in lines:
            click.echo(click.style(text, fg=_COLOURS.get(text[:1])), color=coloured())
    else:
        click.echo(f"{where.name}: {first} and {second} are made of the same")


def _usual(status: Mapping[str, Any]) -> tuple[str, str]:
    """The roles that are compared by default."""
    if status.get("candidate"):
        return "stable", "candidate"
    return ("stable", "failed") if status.get("failedRevision") else ("previous", "stable")


def _chosen(text: str, status: Mapping[str, Any], known: Mapping[str, Any], name: str) -> str:
    """The revision that somebody means. Raises Ended when it is none, or several."""
    if text in _ROLES:
        found = status.get("failedRevision") if text == "failed" else (status.get(text) or {}).get("revision")
        if not found:
            raise Ended(f"{name}: there is no {text} version", Exit.USAGE)
        matches = [found] if found in known else []
    else:
        matches = [text] if text in known else [one for one in known if _version(known[one]) == text]
        matches = matches or [one for one in known if one.startswith(text)]
    if len(matches) == 1:
        return str(matches[0])
    those = ", ".join(f"{_version(known[one])} ({one})" for one in (matches or known))
    what = "means several revisions" if matches else "is no revision whose ControllerRevision exists"
    raise Ended(visible(f"{name}: {text} {what}; there are: {those or 'none'}"), Exit.USAGE)


def _version(revision: Mapping[str, Any]) -> str:
    return str(((revision.get("data") or {}).get("model") or {}).get("version", ""))


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    before, after = (f"{_version(one)} ({one['metadata']['labels'][LABEL_REVISION]})" for one in (old, new))
    return map(visible, difflib.unified_diff(_yaml(old), _yaml(new), before, after, lineterm=""))


def _yaml(revision: Mapping[str, Any]) -> list[str]:
    import yaml

    data = revision.get("data") or {}
    made = {"model": data.get("model") or {}, "template": data.get("template") or {}}
    made |= {"config": data["config"]} if data.get("config") else {}
    return yaml.safe_dump(made, allow_unicode=True, width=10_000).splitlines()
