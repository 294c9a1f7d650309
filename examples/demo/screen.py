"""Where people see the demo: a live view in a terminal, one line for each change anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from examples.demo.lines import Line
from examples.demo.scene import Scene
from examples.demo.view import draw

FRAMES_PER_SECOND = 4


class Screen:
    """Shows progress, then the scenes, and says everything that happens once.

    In a terminal the scenes replace each other; the last one stays when they end, so that nobody loses the picture.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        """clock: seconds, monotonic."""
        self.console = console
        self._clock = clock
        self.live = console.is_terminal and not console.is_dumb_terminal
        self._log: list[Line] = []
        self._view: Live | None = None

    @property
    def log(self) -> Sequence[Line]:
        """Everything that was said while scenes were shown."""
        return tuple(self._log)

    @contextmanager
    def task(self, what: str) -> Iterator[Callable[[str], None]]:
        """A piece of work that takes a while; call what is given with a line to say how far it is."""
        began = self._clock()
        if not self.live:
            self.console.print(f"==> {what}", highlight=False, soft_wrap=True)
            yield lambda line: self.console.print(f"    {line}", highlight=False, markup=False, soft_wrap=True)
            return
        with self.console.status(what) as spinner:
            yield lambda line: spinner.update(Text(f"{what}: {line}", overflow="ellipsis", no_wrap=True))
        self.console.print(f"[green]✔[/] {what} [dim]({self._clock() - began:.1f} s)[/]", highlight=False)

    @contextmanager
    def scenes(self) -> Iterator[None]:
        """Scenes may be shown inside."""
        if not self.live:
            yield
            return
        with Live(console=self.console, auto_refresh=False, vertical_overflow="crop") as view:
            self._view = view
            try:
                yield
            finally:
                self._view = None

    def show(self, scene: Scene) -> None:
        """Draw a scene; without a terminal there is nothing to draw on."""
        if self._view is not None:
            self._view.update(draw(scene, self._log, *self.console.size), refresh=True)

    def say(self, line: Line) -> None:
        """Tell one change."""
        self._log.append(line)
        if self._view is None:
            self.console.print(Text(str(line), style=line.style), soft_wrap=True)
