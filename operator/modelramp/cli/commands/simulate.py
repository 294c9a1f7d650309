"""`modelramp simulate`: runs a policy on given outcomes of its checks. No cluster is needed."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import IO

import click

from modelramp.cli.output import screen
from modelramp.cli.policy_file import Policy, read_policy, text_of
from modelramp.simulation.gate import Gated, read_job
from modelramp.simulation.json_input import BadData
from modelramp.simulation.rollout import Outcome, Row, rehearse
from modelramp.simulation.ticks import BadLine, read_lines

_MARK = {"healthy": "✔", "breach": "✖", "no-data": "?"}
_NUMBERS = frozenset({"TICK", "BREACHES", "STEP", "WEIGHT"})
_WIDE_ONLY = frozenset({"STEP", "SERVING"})
_WIDE = 100
_STYLE = {"healthy": "green", "breach": "red", "no-data": "yellow"}


@click.command(
    name="simulate",
    short_help="Run a policy on given check results, without a cluster.",
    epilog="""\b
Each line of TICKS is one interval:
  {"checks": {"error-rate": 0.002, "accuracy": null}, "available": true}
null or absent is no data. Of an A/B test it may also hold what was counted:
  {"experiment": {"candidate": {"good": 12, "total": 100}, "stable": {"good": 9, "total": 98}}}
The candidate has the first step's weight at tick 0. EVALUATION says what the Job of
spec.rollout.evaluation does before it, and what is recorded of the stable version:
  {"results": {"accuracy": 0.97}, "stable": {"accuracy": 0.96}}
  {"wrote": "a text that is not JSON"}    {"job": "fails"}    {"job": "hangs"}
Everything is read and checked before anything is decided or printed.
Exit code: 0 when the simulation ran, however it ended; 1 for unusable input.""",
)
@click.option("-f", "--filename", "manifest", type=click.File("rb"), required=True, help="ModelDeployment, YAML or -.")
@click.option("--ticks", type=click.File("rb"), required=True, help="Check results, one JSON object per line, or -.")
@click.option("--evaluation", type=click.File("rb"), default=None, help="Result of the evaluation's Job, JSON or -.")
@click.option("--name", default=None, help="Which ModelDeployment, when the file has several.")
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True)
def command(manifest: IO[bytes], ticks: IO[bytes], evaluation: IO[bytes] | None, name: str | None, output: str) -> None:
    """Run the real decision core on given check results; prints one line per tick.

    Shows after which tick each step would have begun, when the version would have been promoted or rolled back, and
    why. Here every check is evaluated at every tick: interval, delay and window have no effect.
    """
    left_out = "no Job runs here; give --evaluation to say what it would find" if evaluation is None else ""
    policy = read_policy(manifest, name, checks_needed=False, left_out=left_out)
    spec, gated = policy.spec, _gated(policy, evaluation)
    try:
        test = spec.rollout.ab_test
        lines = read_lines(text_of(ticks), [check.name for check in spec.health.checks], test.metric if test else None)
    except BadLine as error:
        raise click.ClickException(f"{ticks.name}: {error}") from None
    rows, outcome = rehearse(spec, lines, gated)
    if output == "table":
        _print_table(rows, outcome)
        return
    for row in rows:
        click.echo(json.dumps(asdict(row)))
    click.echo(json.dumps(asdict(outcome)))


def _gated(policy: Policy, evaluation: IO[bytes] | None) -> Gated | None:
    """What the evaluation's Job does; None if not given."""
    if evaluation is None:
        return None
    if policy.spec.rollout.evaluation is None:
        raise click.ClickException(f"--evaluation: {policy.name} has no spec.rollout.evaluation")
    try:
        return Gated(read_job(text_of(evaluation)), policy.name)
    except BadData as error:
        raise click.ClickException(f"{evaluation.name}: {error}") from None


def _print_table(rows: Sequence[Row], outcome: Outcome) -> None:
    from rich.table import Table
    from rich.text import Text

    console = screen()
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
