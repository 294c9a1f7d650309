"""`modelramp history`: what was tried, how each attempt ended, and what served at a time."""

import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from modelramp.api.text import visible
from modelramp.api.times import format_duration, parse_duration, to_text
from modelramp.cli.asking import asked, of_one
from modelramp.cli.cluster import EXIT_CODES
from modelramp.cli.output import coloured, columns
from modelramp.cli.reading import instant, label, printed, status_in

_NEVER_SERVED = frozenset({"Superseded", "Withdrawn"})
_COLOURS = {"Promoted": "green", "RolledBack": "red"}


def _instant(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    try:
        return time.time_ns() // 1_000_000_000 - parse_duration(value)
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        text = "write a time as in 2026-11-29T04:19:00Z (UTC unless it says otherwise), or how long ago, as in 2h"
        raise click.BadParameter(text, ctx, param) from None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())


@click.command("history", epilog=EXIT_CODES)
@of_one
@click.option(
    "--at",
    "at",
    callback=_instant,
    metavar="TIME",
    help="Show what served at that time, and what was being rolled out.",
)
def command(at: int | None, output: str, **options: Any) -> None:
    """List the last twenty rollouts, the newest first: when, how far, how each ended and why.

    TIME is a timestamp such as 2026-11-29T04:19:00Z, in UTC unless it has an offset, or an age such as 2h.
    """
    where = asked(output=output, **options)
    status = status_in(where.cluster.get(where.name))
    if at is not None:
        _say(where.name, status, at, output)
        return
    entries = list(status.get("history") or ())
    if output != "text":
        printed(entries, output)
    elif entries:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
        for text in columns(("ENDED", "TOOK", "VERSION", "REVISION", "MOST", "OUTCOME", "WHY"), _rows(entries)):
            cut = width and len(click.unstyle(text)) > width and not coloured()
            click.echo(f"{text[: width - 1]}…" if cut else text, color=coloured())
    else:
        click.echo(f"{where.name}: no rollout has ended yet")


def _say(name: str, status: Mapping[str, Any], at: int, output: str) -> None:
    """Print what served at a time."""
    serves, moving = served(status, at), in_flight(status, at)
    if output != "text":
        printed({"at": to_text(at), "serves": serves, "inFlight": moving}, output)
        return
    text = f"{label(serves)} served" if serves else "nothing served, or the history does not say what"
    beside = f"; {label(moving)} was being rolled out" if moving else ""
    click.echo(visible(f"{name}: at {to_text(at)} {text}{beside}"))


def _rows(entries: list[Mapping[str, Any]]) -> Iterator[tuple[str, ...]]:
    for entry in entries:
        outcome = visible(str(entry.get("outcome", "")))
        yield (
            str(entry.get("endedAt", "-")),
            _took(entry),
            visible(str(entry.get("modelVersion", ""))),
            visible(str(entry.get("revision", ""))),
            f"{entry.get('weight', 0)} %",
            click.style(outcome, fg=_COLOURS.get(outcome)),
            visible(str(entry.get("message") or entry.get("reason", ""))),
        )


def _took(entry: Mapping[str, Any]) -> str:
    begun, ended = instant(entry.get("startedAt")), instant(entry.get("endedAt"))
    return format_duration(max(0, ended - begun)) if begun and ended else "-"


def served(status: Mapping[str, Any], at: int) -> dict[str, str] | None:
    """The version that served at a time, seconds since the epoch; None when that is not recorded."""
    stable = status.get("stable") or {}
    if stable and instant(stable.get("since")) <= at:
        return _named(stable)
    found: dict[str, str] | None = None
    for entry in reversed(status.get("history") or ()):
        if instant(entry.get("endedAt")) > at:
            break
        if entry.get("outcome") == "Promoted":
            found = _named(entry)
        elif found is not None and entry.get("revision") == found["revision"]:
            found = found if entry.get("outcome") in _NEVER_SERVED else None  # no entry says where it went back to
    return found


def in_flight(status: Mapping[str, Any], at: int) -> dict[str, str] | None:
    """The version that was being rolled out at a time; None when none was, or it is not recorded."""
    candidate = status.get("candidate") or {}
    if candidate and instant(candidate.get("since")) <= at:
        return _named(candidate)
    serves = served(status, at) or {}
    for entry in status.get("history") or ():
        begun, ended = instant(entry.get("startedAt")), instant(entry.get("endedAt"))
        if begun and begun <= at < ended and entry.get("revision") != serves.get("revision"):
            return _named(entry)
    return None


def _named(version: Mapping[str, Any]) -> dict[str, str]:
    return {"revision": str(version.get("revision", "")), "modelVersion": str(version.get("modelVersion", ""))}
