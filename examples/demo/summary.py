"""What was promised and what was seen, as a table at the end."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo.cast import Cast
from examples.demo.findings import Finding, Load
from examples.demo.journal import Journal
from examples.demo.rollbacks import reaction


def tell(console: Console, cast: Cast, journal: Journal, load: Load, found: Sequence[Finding]) -> bool:
    """Print the summary; returns whether everything was as promised."""
    console.print()
    for line in numbers(cast, journal, load):
        console.print(Text(line), soft_wrap=True)
    console.print()
    if console.is_terminal:
        console.print(table(found))
    else:
        for finding in found:
            mark = "ok  " if finding.kept else "DIFFERS"
            console.print(Text(f"{mark} {finding.promise}: {finding.seen}"), soft_wrap=True)
    broken = [finding for finding in found if not finding.kept]
    console.print()
    if broken:
        text = f"{len(broken)} of {len(found)} promises were not kept"
        console.print(Text(text, style="bold red"))
    else:
        console.print(Text(f"All {len(found)} promises were kept.", style="bold green"))
    return not broken


def numbers(cast: Cast, journal: Journal, load: Load) -> list[str]:
    """The numbers that people ask for first."""
    found = []
    for bad in cast.failing:
        back = reaction(cast, journal, bad)
        safety = f"{back.known:4.1f} s from its first breach to the rollback" if back else "was not rolled back"
        instant = f" ({back.first:.1f} s after the instant of that tick)" if back else ""
        requests = load.answered.get(journal.revision(bad.version) or "", 0)
        share = f" ({requests / load.sent:.1%} of {load.sent:,})" if load.sent else ""
        found.append(f"{bad.version}  {safety}{instant}; it received {requests:,} requests{share}")
    return [*found, f"Requests that failed  {load.failed}"]


def table(found: Sequence[Finding]) -> Table:
    """Promises beside what was seen."""
    made = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    made.add_column("")
    made.add_column("PROMISED", ratio=2)
    made.add_column("SEEN", ratio=3)
    for finding in found:
        mark = Text("✔", style="green") if finding.kept else Text("✖", style="bold red")
        made.add_row(mark, finding.promise, Text(finding.seen, style="" if finding.kept else "bold red"))
    return made
