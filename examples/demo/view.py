"""A scene, drawn for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from examples.demo.lines import PHASES, Line, short
from examples.demo.scene import Row, Scene
from modelramp.api.status import CheckStatus

COLOURS = ("blue", "green", "magenta", "yellow", "cyan")
"""Of the versions, in order of appearance."""
BAR, NARROW_BAR = 24, 12
WIDE = 96
"""Columns from which there is room for long bars."""
TRACK = 8
PARTS = " ▏▎▍▌▋▊▉"
VERDICTS = {"healthy": ("✔", "green"), "breach": ("✖", "bold red"), "no-data": ("?", "yellow")}
MARKS = {"+": ("✔", "green"), "-": ("✖", "bold red"), "?": ("?", "yellow")}
FRAME_WIDTH = 4
FIXED_HEIGHT = 25
"""Lines of a scene without its log."""
FEWEST_LINES, MOST_LINES = 2, 10


def draw(scene: Scene, log: Sequence[Line], width: int, height: int) -> RenderableType:
    """The whole view for a terminal of this size, no higher than it where that is possible."""
    room = min(MOST_LINES, max(FEWEST_LINES, height - FIXED_HEIGHT))
    parts: list[RenderableType] = [
        _head(scene),
        Text(),
        _versions(scene.rows, BAR if width >= WIDE else NARROW_BAR),
        Text(),
        _track(scene),
        Text(),
        _checks(scene),
        _ticks(scene),
        Text(),
        _message(scene.message, width - FRAME_WIDTH),
        Text(),
    ]
    parts += [Text(str(line), style=line.style or "dim", overflow="ellipsis", no_wrap=True) for line in log[-room:]]
    return Panel(Group(*parts), title="[bold]modelramp[/]", border_style="cyan", padding=(0, 1))


def _message(message: str, width: int) -> RenderableType:
    """The status's sentence in exactly two lines, so that nothing below it jumps."""
    lines = textwrap.wrap(message, max(width, 20), max_lines=2, placeholder=" …")
    return Text("\n".join([*lines, "", ""][:2]), style="italic")


def bar(share: float, width: int) -> str:
    """A bar for a share from 0 to 1, exact to an eighth of a character.

    >>> bar(0.5, 4), bar(0.03, 4), bar(0, 4)
    ('██', '▏', '')
    """
    eighths = round(share * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    return ("█" * (eighths // 8) + PARTS[eighths % 8]).rstrip()


def _head(scene: Scene) -> RenderableType:
    line = Table.grid(expand=True)
    line.add_column(ratio=1)
    line.add_column(justify="right")
    failed = Text(f"{scene.failed} failed", style="green" if not scene.failed else "bold red")
    load = Text(f"{scene.elapsed // 60:.0f}:{scene.elapsed % 60:02.0f}   {scene.rps:.0f}/s   {scene.sent:,} sent   ")
    line.add_row(
        Text(f"Act {scene.act} of {scene.acts}: {scene.title}", style="bold", overflow="ellipsis", no_wrap=True),
        load + failed,
    )
    return line


def _versions(rows: Sequence[Row], length: int) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for title in ("VERSION", "ROLE", "PODS", "WANTED", "ROUTE"):
        number, wide = title in ("WANTED", "ROUTE"), len("candidate") if title == "ROLE" else None
        table.add_column(title, justify="right" if number else "left", no_wrap=True, min_width=wide)
    table.add_column("TRAFFIC (5 s)", no_wrap=True, min_width=length + 7)
    table.add_column("RIGHT", justify="right", no_wrap=True)
    for row in rows:
        colour = COLOURS[row.place]
        role = Text(row.role, style={"failed": "bold red", "candidate": "bold"}.get(row.role, "dim"))
        routed = Text(f"{row.routed} %", style="" if row.routed == row.wanted else "bold yellow")
        traffic = Text(bar(row.share, length), style=colour) + Text(
            f" {row.share:.1%}" if row.share else "", style="bold"
        )
        right = Text(f"{row.right:.0%}" if row.right is not None else "", style="red" if _poor(row) else "")
        table.add_row(
            Text(row.version, style=f"bold {colour}"), role, row.pods, f"{row.wanted} %", routed, traffic, right
        )
    return table


def _poor(row: Row) -> bool:
    return row.right is not None and row.right < 0.5


def _track(scene: Scene) -> RenderableType:
    """The steps as a line of stations, the present one with how much of it has passed."""
    line = Text("Steps    ")
    if scene.step is None:
        waiting = any(row.role == "starting" for row in scene.rows)
        return line + Text("waiting for the new pods" if waiting else "no rollout is under way", style="dim")
    for index, weight in enumerate(scene.steps):
        if index < scene.step:
            line.append(f"● {weight} % {'━' * TRACK} ", style="green")
        elif index == scene.step:
            done = round(TRACK * scene.step_done)
            line.append(f"◉ {weight} % ", style="bold cyan")
            line.append("━" * done, style="cyan")
            line.append("━" * (TRACK - done) + " ", style="dim")
        else:
            last = index == len(scene.steps) - 1
            line.append(f"○ {weight} % " + ("" if last else "━" * TRACK + " "), style="dim")
    ends = f" ends in {scene.step_left:.0f} s" if scene.step_left else " ends at the next healthy check"
    return line + Text(ends, style="cyan")


def _checks(scene: Scene) -> RenderableType:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("", no_wrap=True)
    for title in ("CHECK", "DIMENSION"):
        table.add_column(title, no_wrap=True)
    table.add_column("VALUE", justify="right", no_wrap=True, min_width=8)
    table.add_column("LIMIT", no_wrap=True)
    table.add_column("", no_wrap=True, overflow="ellipsis")
    for check in scene.checks:
        table.add_row(*_check(check))
    if not scene.checks:
        table.add_row("", Text("none yet", style="dim"), "", "", "", "")
    return table


def _check(check: CheckStatus) -> tuple[RenderableType, ...]:
    symbol, style = VERDICTS[check.verdict]
    value = Text(short(check.value) if check.value is not None else "no data", style=style)
    why = Text(check.reason if check.verdict != "healthy" else "", style=style)
    return Text(symbol, style=style), check.name, Text(check.dimension, style="dim"), value, check.limit, why


def _ticks(scene: Scene) -> RenderableType:
    line = Text("Ticks    ")
    for mark in scene.strip:
        symbol, style = MARKS.get(mark, (mark, ""))
        line.append(f"{symbol} ", style=style)
    line.append(f" next check in {scene.next_check:.0f} s", style="cyan")
    line.append("  breaches ")
    filled = min(scene.breaches, scene.threshold)
    line.append("●" * filled, style="bold red")
    line.append("○" * (scene.threshold - filled), style="dim")
    line.append(f"  {scene.phase}", style=PHASES.get(scene.phase, "bold"))
    return line
