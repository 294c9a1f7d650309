"""`modelramp backtest`: replays a policy over the history in Prometheus."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from modelramp.api.health import Health
from modelramp.api.spec import ModelDeploymentSpec
from modelramp.api.times import parse_duration
from modelramp.cli.backtest.ab_test import test_json
from modelramp.cli.backtest.options import Asking, asking, asking_of, read_histories
from modelramp.cli.backtest.replay import History, Replayed, replay
from modelramp.cli.backtest.report import moment_json, summary_json
from modelramp.cli.backtest.sensitivity import Variant, variants, windows_of, with_window
from modelramp.cli.backtest.source import Progress
from modelramp.cli.output import screen

_OWN = 0
"""Key of the policy as it is written, beside the windows that are tried."""


@click.command(
    name="backtest",
    short_help="Replay a policy over recorded history in Prometheus.",
    epilog="""\b
The rollout begins at --from. Each line is one tick; the last line is a summary.
Recorded traffic is fixed: the replay cannot change it. Pods count as available.
An A/B test is replayed with --stable, the version that served beside it.
The table of other thresholds and windows counts an incident once.
Exit code: 0 when history was replayed, however it ended; 1 for unusable input
or no data at all.""",
)
@asking
@click.option(
    "--again", is_flag=True, help="After a rollback, start again at the next healthy tick, to count rollbacks."
)
@click.option(
    "--windows", default=None, help="Windows for the table, such as 30s,1m,5m; 1/2, 1, 2 and 5 intervals if not given."
)
@click.option("--sensitivity/--no-sensitivity", default=True, help="Also try other thresholds and windows.")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a chart of the replay to a .svg or .png file.",
)
@click.option("-o", "--output", type=click.Choice(["json", "table"]), default="json", show_default=True)
def command(
    again: bool, windows: str | None, sensitivity: bool, picture: Path | None, output: str, **options: Any
) -> None:
    """Replay a policy over recorded history with the real queries and the real decision core.

    Prints at which tick each step would have begun, what would have held it, and when the version would have been
    promoted or rolled back. Nothing is written to the cluster or to Prometheus.
    """
    _check_picture(picture)
    asked = asking_of(**options)
    tried = _tried(asked, windows) if sensitivity else {}
    same = {window for window, spec in tried.items() if _asks_the_same(spec.health, asked.spec.health)}
    others = {window: spec for window, spec in tried.items() if window not in same}
    histories = read_histories(asked, {_OWN: asked.spec, **others})
    told = replay(asked.spec, asked.subject.revision, asked.stable, histories[_OWN], again=again)
    table = _table(asked, {window: histories[_OWN if window in same else window] for window in tried})
    if picture is not None:
        _draw(picture, asked, told)
    test = asked.spec.rollout.ab_test
    if output == "json":
        for moment in told.moments:
            click.echo(json.dumps(moment_json(moment)))
        tested = {"abTest": test_json(told.looks, test, asked.subject.revision)} if test and told.looks else {}
        click.echo(json.dumps(summary_json(told, table) | tested))
        return

    from modelramp.cli.backtest.screen import print_replay, print_test

    console = screen()
    print_replay(told, table, console)
    if test is not None and told.looks:
        print_test(told.looks, test, asked.subject.revision, console)


def _tried(asked: Asking, windows: str | None) -> dict[int, ModelDeploymentSpec]:
    """The policy with each window for which history is long enough."""
    try:
        given = tuple(parse_duration(text.strip()) for text in windows.split(",")) if windows else ()
    except ValueError as error:
        raise click.ClickException(f"--windows: {error}") from None
    if not all(1 <= window <= 3600 for window in given):
        raise click.ClickException("--windows: a window of a rollback check is from 1s to 1h")
    tried = {window: with_window(asked.spec, window) for window in given or windows_of(asked.spec.health)}
    return {window: spec for window, spec in tried.items() if asked.has_ticks(spec.health)}


def _asks_the_same(one: Health, other: Health) -> bool:
    windows = ([health.window_of(check) for check in health.checks] for health in (one, other))
    return one.interval == other.interval and next(windows) == next(windows)


def _table(asked: Asking, histories: Mapping[int, History]) -> list[Variant]:
    progress = Progress(5 * len(histories), "variants tried")
    found: list[Variant] = []
    for variant in variants(asked.spec, asked.subject.revision, asked.stable, histories):
        found.append(variant)
        progress(len(found))
    return found


def _check_picture(picture: Path | None) -> None:
    if picture is None:
        return
    from modelramp.cli.backtest.picture import picture_problem

    if problem := picture_problem(picture):
        raise click.ClickException(f"--picture: {problem}")


def _draw(picture: Path, asked: Asking, told: Replayed) -> None:
    from modelramp.cli.backtest.picture import NoPicture, write_picture

    title = f"{asked.policy.namespace}/{asked.policy.name}, revision {asked.subject.revision}: what would have happened"
    try:
        write_picture(picture, told, asked.spec.health.checks, title, asked.spec.rollout.ab_test)
    except NoPicture as error:
        raise click.ClickException(f"--picture: {error}") from None
    click.echo(f"wrote {picture}", err=True)
