"""`modelramp simulate`: try a policy on given outcomes before trusting it. No cluster is needed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import IO, Any

import click

from modelramp.api.errors import InvalidSpec
from modelramp.api.names import API_VERSION, KIND
from modelramp.api.spec import ModelDeploymentSpec, parse_spec
from modelramp.api.structural import without_nulls
from modelramp.cli.documents import Document, Malformed, read
from modelramp.cli.rehearsal import Outcome, Row, rehearse
from modelramp.cli.ticklines import BadLine, read_lines

_MARK = {"healthy": "✔", "breach": "✖", "no-data": "?"}
_NUMBERS = frozenset({"TICK", "BREACHES", "STEP", "WEIGHT"})
_WIDE_ONLY = frozenset({"STEP", "SERVING"})
_WIDE = 100
_STYLE = {"healthy": "green", "breach": "red", "no-data": "yellow"}


@click.command(
    name="simulate",
    short_help="Run the rollout's decisions over given check results.",
    epilog="""\b
Each line of TICKS is one interval:
  {"checks": {"error-rate": 0.002, "accuracy": null}, "available": true}
null or absent is no data. The candidate has the first step's weight at tick 0.
Everything is read and checked before anything is decided or printed.
Exit code: 0 when the simulation ran, however it ended; 1 for unusable input.""",
)
@click.option("-f", "--filename", "manifest", type=click.File("rb"), required=True, help="ModelDeployment, YAML or -.")
@click.option("--ticks", type=click.File("rb"), required=True, help="Outcomes, one JSON object a line, or -.")
@click.option("--name", default=None, help="Which ModelDeployment, when the file has several.")
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True)
def command(manifest: IO[bytes], ticks: IO[bytes], name: str | None, output: str) -> None:
    """Run the real decision core over given outcomes, one line per tick.

    Says after which tick each step would have begun, when the version would have been promoted or rolled back, and why.
    """
    spec = _spec(_text(manifest), manifest.name, name)
    try:
        lines = read_lines(_text(ticks), [check.name for check in spec.health.checks])
    except BadLine as error:
        raise click.ClickException(f"{ticks.name}: {error}") from None
    rows, outcome = rehearse(spec, lines)
    if output == "table":
        _print_table(rows, outcome)
        return
    for row in rows:
        click.echo(json.dumps(asdict(row)))
    click.echo(json.dumps(asdict(outcome)))


def _text(file: IO[bytes]) -> str:
    try:
        return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.ClickException(f"{file.name}: byte {error.start + 1} is not UTF-8 text") from None


def _spec(text: str, source: str, name: str | None) -> ModelDeploymentSpec:
    found = _chosen(_documents(text, source), source, name)
    if found.value.get("apiVersion") != API_VERSION:
        wrong = found.value.get("apiVersion")
        raise click.ClickException(
            f"{source}:{found.line_of('apiVersion')}: apiVersion is {wrong!r}; {API_VERSION} is known"
        )
    try:
        return parse_spec(without_nulls(found.value).get("spec"))
    except InvalidSpec as error:
        told = (f"{source}:{found.line_of(problem.field)}: {problem}" for problem in error.problems)
        raise click.ClickException("\n".join(told)) from None


def _documents(text: str, source: str) -> Iterator[Document]:
    for document in read(text):
        if isinstance(document, Malformed):
            raise click.ClickException(f"{source}:{document.line}: column {document.column}: {document.message}")
        if isinstance(document.value, dict) and document.value.get("kind") == KIND:
            yield document


def _chosen(documents: Iterator[Document], source: str, name: str | None) -> Document:
    found = [(_name(document.value), document) for document in documents]
    names = ", ".join(known for known, _ in found)
    if not found:
        raise click.ClickException(f"{source}: holds no {KIND}")
    matching = [document for known, document in found if name in (None, known)]
    if not matching:
        raise click.ClickException(f"{source}: holds no {KIND} {name}, but {names}")
    if len(matching) > 1:
        raise click.ClickException(
            f"{source}: holds several ({names}); choose one with --name, or give a file with one"
        )
    return matching[0]


def _name(value: Mapping[str, Any]) -> str:
    metadata = value.get("metadata")
    return str(metadata.get("name", "")) if isinstance(metadata, dict) else ""


def _print_table(rows: Sequence[Row], outcome: Outcome) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("TICK", "VERDICT", "BREACHES", "PHASE", "STEP", "WEIGHT", "SERVING"):
        if heading in _WIDE_ONLY and console.width < _WIDE:
            continue
        table.add_column(heading, justify="right" if heading in _NUMBERS else "left", no_wrap=True)
    table.add_column("REASON", overflow="fold")
    for row in rows:
        verdict = Text(f"{_MARK[row.verdict]} {row.verdict}", style=_STYLE[row.verdict])
        cells: list[str | Text] = [str(row.tick), verdict, str(row.breaches), row.phase]
        cells += [_step(row)] if console.width >= _WIDE else []
        cells += [f"{row.weight} %"]
        cells += [row.serving] if console.width >= _WIDE else []
        table.add_row(*cells, Text(row.reason))
    console.print(table)
    console.print(Text(f"\n{outcome.outcome} at tick {outcome.tick}: {outcome.reason}", style="bold"))


def _step(row: Row) -> str:
    return str(row.step + 1) if row.step >= 0 else "-"
