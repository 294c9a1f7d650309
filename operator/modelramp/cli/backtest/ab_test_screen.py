"""A replayed A/B test for the terminal: some of its looks, how it would have ended, and what history leaves open."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from modelramp.api.abtest import ABTest
from modelramp.api.quantity import format_number
from modelramp.api.times import to_text
from modelramp.cli.backtest.ab_test import Look, decisive, not_known, rows_of
from modelramp.core.state import Ending

_STYLE = {Ending.WINNER: "bold green", Ending.HARM: "bold red", Ending.INVALID: "bold red"}
_WIDE = 108
"""Columns from which on a year in every row costs nothing."""


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
        verdict = Text(look.ending.value, style=_STYLE.get(look.ending, ""))
        cells = (found.candidate, found.stable, found.difference or "-", found.interval or "-")
        at = to_text(look.at)[5:19].replace("T", " ") if narrow else to_text(look.at)
        table.add_row(f"{number:,}", at, *cells, verdict)
    console.print(table)
    end = decisive(looks)
    when = f"would have ended at {to_text(end.at)}" if end.ended else "would not have ended by then"
    console.print(Text(f"It {when}, look {looks.index(end) + 1:,}: {end.message}", style="bold"))
    console.print("History cannot know:")
    for sentence in not_known(looks, test, revision):
        console.print(Text(f"- {sentence}"))
