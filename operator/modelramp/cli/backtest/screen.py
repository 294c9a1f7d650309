"""A replay for the terminal: a strip per check, the events, and the sensitivity table."""

import math
from collections.abc import Sequence
from itertools import pairwise

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelramp.analysis.wording import shown
from modelramp.api.abtest import ABTest
from modelramp.api.quantity import format_number
from modelramp.api.times import format_duration, to_text
from modelramp.api.verdict import CheckOutcome, Verdict
from modelramp.cli.backtest.ab_test import Look, decisive, needed, not_known, rows_of
from modelramp.cli.backtest.replay import HELD, PROMOTED, ROLLED_BACK, Moment, Replayed
from modelramp.cli.backtest.report import check_counts
from modelramp.cli.backtest.sensitivity import Variant
from modelramp.core.state import Ending

BARS = "▁▂▃▄▅▆▇█"
_STYLE = {Verdict.HEALTHY: "green", Verdict.BREACH: "bold red", Verdict.NO_DATA: "yellow"}
_EVENT_STYLE = {ROLLED_BACK: "bold red", PROMOTED: "bold green", HELD: "yellow"}
_WORST = (Verdict.BREACH, Verdict.NO_DATA, Verdict.HEALTHY)
_MOST_EVENTS = 40
_MARGIN = 50
"""Columns for a check's name and its range."""
_INSTANTS = ("FIRST ROLLBACK", "PROMOTED")
_HEADINGS = ("WINDOW", "INTERVAL", "THRESHOLD", "TICKS", "BREACHES", "NO DATA", "ROLLBACKS", *_INSTANTS)
_ONLY_WIDE = ("TICKS", "NO DATA")
_WIDE = 108
"""Columns that the whole table of other thresholds and windows takes."""


def print_replay(told: Replayed, variants: Sequence[Variant], console: Console) -> None:
    """Everything a person wants to see first, at most some 80 lines whatever the length of history."""
    _print_strips(told, console)
    _print_events(told, console)
    end = told.decisive
    name = end.event if end.event in (ROLLED_BACK, PROMOTED) else "in-progress"
    console.print(Text(f"\n{name} at {to_text(end.at)} (tick {end.number}): {end.reason}", style="bold"))
    if variants:
        _print_variants(variants, console)


def _print_strips(told: Replayed, console: Console) -> None:
    width = max(10, min(console.width - _MARGIN, len(told.moments)))
    groups = columns(told.moments, width)
    for index, check in enumerate(told.moments[0].checks):
        console.print(strip(check.name, [[moment.checks[index] for moment in group] for group in groups]))
    weights = Text(f"{'traffic':<22.22} ")
    for group in groups:
        weights.append(BARS[round(group[-1].weight / 100 * 7)] if group[-1].weight else " ", "cyan")
    console.print(weights)
    first, last = to_text(told.moments[0].at), to_text(told.moments[-1].at)
    console.print(Text(f"{'':<22} {first}{last:>{max(len(last) + 2, width - len(first))}}", style="dim"))
    for name, counts in check_counts(told).items():
        console.print(Text(f"{name}: " + ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())))


def columns(moments: Sequence[Moment], width: int) -> list[Sequence[Moment]]:
    """The moments in at most `width` neighbouring groups of nearly one size."""
    width = min(width, len(moments))
    edges = [len(moments) * index // width for index in range(width + 1)]
    return [moments[begin:end] for begin, end in pairwise(edges)]


def strip(name: str, groups: Sequence[Sequence[CheckOutcome]]) -> Text:
    """One check as bars: the highest value of each column, coloured by its worst verdict; `·` is no data."""
    values = [_highest(group) for group in groups]
    known = [value for value in values if value is not None]
    low, high = (min(known), max(known)) if known else (0.0, 0.0)
    text = Text(f"{name:<22.22} ")
    for group, value in zip(groups, values, strict=True):
        verdict = next(verdict for verdict in _WORST if any(each.verdict is verdict for each in group))
        text.append("·" if value is None else BARS[_level(value, low, high)], _STYLE[verdict])
    if known:
        text.append(f"  {shown(low)} to {shown(high)}", "dim")
    return text


def _highest(group: Sequence[CheckOutcome]) -> float | None:
    found = [each.value for each in group if each.value is not None and math.isfinite(each.value)]
    return max(found, default=None)


def _level(value: float, low: float, high: float) -> int:
    return round((value - low) / (high - low) * 7) if high > low else 0


def _print_events(told: Replayed, console: Console) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left")
    for heading in ("TICK", "TIME", "VERDICT", "WEIGHT"):
        table.add_column(heading, no_wrap=True, justify="right" if heading in ("TICK", "WEIGHT") else "left")
    table.add_column("WHAT HAPPENED", overflow="fold")
    events = telling(told.moments)
    for moment in events[:_MOST_EVENTS]:
        verdict = Text(moment.verdict.value, style=_STYLE[moment.verdict])
        reason = Text(moment.reason, style=_EVENT_STYLE.get(moment.event, ""))
        table.add_row(str(moment.number), to_text(moment.at), verdict, f"{moment.weight} %", reason)
    console.print()
    console.print(table)
    if len(events) > _MOST_EVENTS:
        console.print(f"... and {len(events) - _MOST_EVENTS:,} more; -o json has them all")


def telling(moments: Sequence[Moment]) -> list[Moment]:
    """The moments worth a line: events, breaches, and where the verdict or the traffic changes."""
    found = []
    before: Moment | None = None
    for moment in moments:
        changed = before is None or (before.verdict, before.weight) != (moment.verdict, moment.weight)
        happened = moment.event and (before is None or before.event != moment.event)
        if changed or happened or (moment.verdict is Verdict.BREACH and moment.weight):
            found.append(moment)
        before = moment
    return found


def _print_variants(variants: Sequence[Variant], console: Console) -> None:
    wide = console.width >= _WIDE
    table = Table(box=None, pad_edge=False, header_style="bold")
    headings = _HEADINGS if wide else [heading for heading in _HEADINGS if heading not in _ONLY_WIDE]
    for heading in headings:
        table.add_column(heading, justify="left" if heading in _INSTANTS else "right", no_wrap=True)
    for each in variants:
        table.add_row(*_variant_row(each, wide=wide), style="red" if each.rollbacks else "")
    note = "one incident counts once" if wide else "one incident counts once; times in UTC"
    console.print(f"\nOther thresholds and windows on the same history ({note}):")
    console.print(table)


def _variant_row(each: Variant, *, wide: bool) -> list[str]:
    counts = (each.failure_threshold, each.ticks, each.breaches, each.no_data, each.rollbacks)
    times = ["-" if at is None else to_text(at) for at in (each.first_rollback, each.promoted)]
    if not wide:
        times = [time[5:].replace("T", " ").rstrip("Z") or time for time in times]
    told = [format_duration(each.window), format_duration(each.interval), *(f"{count:,}" for count in counts), *times]
    return [cell for heading, cell in zip(_HEADINGS, told, strict=True) if wide or heading not in _ONLY_WIDE]


_ENDING_STYLE = {Ending.WINNER: "bold green", Ending.HARM: "bold red", Ending.INVALID: "bold red"}


def print_test(looks: Sequence[Look], test: ABTest, revision: str, console: Console) -> None:
    """The looks as a table, and the sentence of the one that decided."""
    level = format_number(100 * (1 - test.level))
    console.print(f"\nThe A/B test of {test.metric.name}, {level} % interval over all looks:")
    table = Table(box=None, pad_edge=False, header_style="bold")
    narrow = console.width < _WIDE
    for heading in ("LOOK", "TIME (UTC)" if narrow else "TIME"):
        table.add_column(heading, justify="right" if heading == "LOOK" else "left", no_wrap=True)
    for heading in ("CANDIDATE", "STABLE", "DIFFERENCE", "INTERVAL"):
        table.add_column(heading, overflow="fold", min_width=len(heading))
    table.add_column("VERDICT", no_wrap=True)
    for number, look in rows_of(looks):
        found = look.found
        verdict = Text(look.ending.value, style=_ENDING_STYLE.get(look.ending, ""))
        cells = (found.candidate, found.stable, found.difference or "-", found.interval or "-")
        at = to_text(look.at)[5:19].replace("T", " ") if narrow else to_text(look.at)
        table.add_row(f"{number:,}", at, *cells, verdict)
    console.print(table)
    end = decisive(looks)
    when = f"would have ended at {to_text(end.at)}" if end.ended else "would not have ended by then"
    console.print(Text(f"It {when}, look {looks.index(end) + 1:,}: {end.message}", style="bold"))
    if said := needed(looks, test, revision):
        console.print(Text(f"{said[0].upper()}{said[1:]}."))
    console.print("History cannot know:")
    for sentence in not_known(looks, test, revision):
        console.print(Text(f"- {sentence}"))
