"""Output of the commands: findings with file and line, colour only where it is wanted."""

import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from modelramp.api.advice import Level
from modelramp.api.text import visible

if TYPE_CHECKING:
    from rich.console import Console

_PIPED = 400


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a field in a file."""

    file: str
    line: int
    level: Level
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.level}: {f'{self.path}: ' if self.path else ''}{self.message}"


def screen() -> "Console":
    """A console for tables: as wide as the terminal, or wide enough not to wrap lines where there is none."""
    from rich.console import Console

    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(highlight=False, width=_PIPED if piped else None)


def coloured() -> bool:
    """Whether standard output wants colour: a terminal, not dumb, and no NO_COLOR (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def count(findings: Sequence[Finding], level: Level) -> int:
    """How many findings are of a level."""
    return Counter(finding.level for finding in findings)[level]


def print_findings(findings: Sequence[Finding]) -> None:
    """One line for each finding, as compilers and editors write and read them."""
    paint = coloured()
    for finding in findings:
        line = visible(str(finding))
        if paint:
            colour = "red" if finding.level is Level.ERROR else "yellow"
            line = line.replace(f" {finding.level}: ", " " + click.style(f"{finding.level}:", fg=colour) + " ", 1)
        click.echo(line, color=paint)


def as_json(findings: Sequence[Finding]) -> dict[str, Any]:
    """The findings as JSON."""
    return {
        "errors": count(findings, Level.ERROR),
        "warnings": count(findings, Level.WARNING),
        "findings": [asdict(finding) | {"level": finding.level.value} for finding in findings],
    }


def columns(names: Sequence[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """A table of columns as wide as their texts; colours take no room."""
    cells = [tuple(names), *rows]
    widths = [max(len(click.unstyle(row[place])) for row in cells) for place in range(len(names))]
    for row in cells:
        padded = (cell + " " * (wide - len(click.unstyle(cell))) for cell, wide in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
