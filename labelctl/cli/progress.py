"""The progress display: a bar on a terminal, with rate and time left, or nothing at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from labelctl.text import printable, span

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.progress import Progress


class Meter(Protocol):
    """A progress display. `drawn` is whether anybody sees it."""

    drawn: bool

    def update(self, done: float, *, total: float | None = None, words: str = "") -> None:
        """How much of `total` is done, and a few words beside it."""

    def stall(self, words: str) -> None:
        """Nothing moves, and why: shown until the next `update`."""


class NoMeter:
    """Shows nothing."""

    drawn = False

    def update(self, done: float, *, total: float | None = None, words: str = "") -> None:
        pass

    def stall(self, words: str) -> None:
        pass


@contextmanager
def bar(console: Console, words: str) -> Iterator[Meter]:
    """A bar, or a spinner until a total is known, which is gone at the end."""
    from rich.live import Live
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[count]}", markup=False),
        TimeElapsedColumn(),
        TextColumn("{task.fields[pace]}", style="dim", markup=False),
        console=console,
    )
    shown = Bar(progress, words)
    with Live(shown, console=console, transient=True, refresh_per_second=10):
        yield shown


class Bar:
    """A line with the bar and, while nothing moves, the reason below it, where it has room."""

    drawn = True

    def __init__(self, progress: Progress, words: str) -> None:
        self._progress = progress
        self._task = progress.add_task(printable(words), total=None, count="", pace="")
        self._stall = ""

    def update(self, done: float, *, total: float | None = None, words: str = "") -> None:
        count = f"{done:,.0f}" if done or total else ""
        count += f"/{total:,.0f}" if total else ""
        shown = f"{count}  {printable(words)}".strip()
        self._progress.update(self._task, completed=done, total=total, count=shown)
        self._progress.update(self._task, pace=self._pace())
        self._stall = ""

    def stall(self, words: str) -> None:
        self._progress.update(self._task, pace="")
        self._stall = printable(words)

    def _pace(self) -> str:
        """The rate and the time left, by the last 30 seconds (rich's own estimate)."""
        [task] = self._progress.tasks
        if not task.speed or task.time_remaining is None or task.finished:
            return ""
        return f"{task.speed:,.1f}/s, {span(task.time_remaining)} left"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        yield self._progress
        if self._stall:
            yield Text(self._stall, style="yellow")
