"""The progress display: on a terminal a bar with rate and time left, elsewhere nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from labelctl.text import printable, span

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.progress import Progress


class Meter(Protocol):
    """A progress display."""

    visible: bool

    def update(self, done: float, *, total: float | None = None, detail: str = "") -> None:
        """Show that `done` of `total` is done, with a short text beside it."""

    def stall(self, reason: str) -> None:
        """Show why nothing moves, until the next `update`."""


class NoMeter:
    """Shows nothing."""

    visible = False

    def update(self, done: float, *, total: float | None = None, detail: str = "") -> None:
        pass

    def stall(self, reason: str) -> None:
        pass


@contextmanager
def bar(console: Console, message: str) -> Iterator[Meter]:
    """Show a bar (a spinner until the total is known), and remove it at the end."""
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
    meter = ProgressBar(progress, message)
    with Live(meter, console=console, transient=True, refresh_per_second=10):
        yield meter


class ProgressBar:
    """The bar and, while nothing moves, a second line with the reason."""

    visible = True

    def __init__(self, progress: Progress, message: str) -> None:
        self._progress = progress
        self._task = progress.add_task(printable(message), total=None, count="", pace="")
        self._stall = ""

    def update(self, done: float, *, total: float | None = None, detail: str = "") -> None:
        count = f"{done:,.0f}" if done or total else ""
        count += f"/{total:,.0f}" if total else ""
        text = f"{count}  {printable(detail)}".strip()
        self._progress.update(self._task, completed=done, total=total, count=text)
        self._progress.update(self._task, pace=self._pace())
        self._stall = ""

    def stall(self, reason: str) -> None:
        self._progress.update(self._task, pace="")
        self._stall = printable(reason)

    def _pace(self) -> str:
        """The rate and the time left, estimated by rich from the last 30 seconds."""
        [task] = self._progress.tasks
        if not task.speed or task.time_remaining is None or task.finished:
            return ""
        return f"{task.speed:,.1f}/s, {span(task.time_remaining)} left"

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        yield self._progress
        if self._stall:
            yield Text(self._stall, style="yellow")
