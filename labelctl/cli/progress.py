"""The progress display: on a terminal one line with rate and time left, elsewhere nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from labelctl.text import printable, span, volume

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
    from rich.text import Text

Unit = Literal["", "bytes"]
"""What is counted: things, or bytes."""


class Meter(Protocol):
    """A progress display."""

    visible: bool

    def update(
        self, done: float, *, total: float | None = None, detail: str = "", unit: Unit = ""
    ) -> None:
        """Show that `done` of `total` is done, with a short text beside it.

        Another `unit`, or a smaller `done`, starts another step, whose rate is measured separately.
        """

    def step(self, message: str) -> None:
        """Replace the message: another step of the work begins."""

    def stall(self, reason: str) -> None:
        """Show why nothing moves, until the next `update`."""


class NoMeter:
    """Shows nothing."""

    visible = False

    def update(
        self, done: float, *, total: float | None = None, detail: str = "", unit: Unit = ""
    ) -> None:
        pass

    def step(self, message: str) -> None:
        pass

    def stall(self, reason: str) -> None:
        pass


@contextmanager
def bar(console: Console, message: str) -> Iterator[Meter]:
    """Show a bar (a spinner until the total is known), and remove it at the end."""
    from rich.live import Live

    meter = ProgressBar(message, console.get_time)
    with Live(meter, console=console, transient=True, refresh_per_second=10):
        yield meter


_MAX_BAR, _MIN_BAR = 24, 8  # columns
_MIN_DETAIL = 8  # columns; a shorter rest of the line stays empty
_WINDOW = 30  # seconds from which the rate is estimated
_PAUSE = 0.1  # seconds between two samples


class ProgressBar:
    """The line and, while nothing moves, a second line with the reason."""

    visible = True

    def __init__(self, message: str, clock: Callable[[], float]) -> None:
        from rich.spinner import Spinner

        self._clock = clock
        self._spinner = Spinner("dots")
        self._message = printable(message)
        self._done: float = 0
        self._total: float | None = None
        self._unit: Unit = ""
        self._samples: deque[tuple[float, float]] = deque()  # times, and what was done by then
        self._start()

    def update(
        self, done: float, *, total: float | None = None, detail: str = "", unit: Unit = ""
    ) -> None:
        now = self._clock()
        if unit != self._unit or done < self._done:
            self._samples.clear()
        while self._samples and self._samples[0][0] < now - _WINDOW:
            self._samples.popleft()
        if not self._samples or now - self._samples[-1][0] >= _PAUSE:
            self._samples.append((now, done))
        self._done, self._total, self._unit = done, total, unit
        self._detail, self._stall = printable(detail), ""

    def step(self, message: str) -> None:
        if printable(message) != self._message:
            self._message = printable(message)
            self._start()

    def stall(self, reason: str) -> None:
        self._stall = printable(reason)

    def _start(self) -> None:
        """Measure from here on."""
        self._started = self._clock()
        self._done, self._total, self._unit = 0, None, ""
        self._detail = self._stall = ""
        self._samples.clear()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        yield self._line(console, options)
        if self._stall:
            yield Text(self._stall, style="yellow")

    def _line(self, console: Console, options: ConsoleOptions) -> Text:
        """The parts of the line that fit, the most important first: it is never wrapped."""
        from rich.text import Text

        line = Text.assemble(self._spin(console), f" {self._message}")
        parts = [Text(part) for part in (self._count(), self._elapsed()) if part]
        if pace := self._pace():
            parts.insert(1, Text(pace, style="dim"))
        room = options.max_width - line.cell_len
        shown: list[Text] = []
        for part in parts:
            if part.cell_len + 2 <= room:
                shown.append(part)
                room -= part.cell_len + 2
        width = min(_MAX_BAR, room - 2)
        if self._total and width >= _MIN_BAR:
            line.append("  ").append_text(self._bar(width, self._done / self._total, options))
            room -= width + 2
        for part in shown:
            line.append("  ").append_text(part)
        if self._detail and room >= _MIN_DETAIL + 2:
            detail = Text(self._detail, style="dim")
            detail.truncate(room - 2, overflow="ellipsis")
            line.append("  ").append_text(detail)
        line.no_wrap, line.overflow = True, "ellipsis"
        return line

    def _spin(self, console: Console) -> Text:
        from rich.text import Text

        frame = self._spinner.render(console.get_time())
        return frame if isinstance(frame, Text) else Text(" ")

    @staticmethod
    def _bar(width: int, share: float, options: ConsoleOptions) -> Text:
        from rich.text import Text

        full = round(width * min(share, 1))
        done, left = ("#", "-") if options.ascii_only else ("━", "━")
        return Text.assemble((done * full, "bar.complete"), (left * (width - full), "bar.back"))

    def _amount(self, number: float) -> str:
        return volume(int(number)) if self._unit else f"{number:,.0f}"

    def _count(self) -> str:
        if not self._done and not self._total:
            return ""
        if not self._total:
            return self._amount(self._done)
        of = " of " if self._unit else "/"
        return f"{self._amount(self._done)}{of}{self._amount(self._total)}"

    def _elapsed(self) -> str:
        minutes, seconds = divmod(int(self._clock() - self._started), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"

    def _pace(self) -> str:
        """The rate and, if the total is known, the time left; nothing while nothing moves."""
        if self._stall or len(self._samples) < 2:
            return ""
        (start, before), (end, now) = self._samples[0], self._samples[-1]
        speed = (now - before) / (end - start)
        left = (self._total or 0) - self._done
        if not speed or (self._total and left <= 0):
            return ""
        decimals = 1 if speed < 100 else 0
        rate = volume(int(speed)) if self._unit else f"{speed:,.{decimals}f}"
        return f"{rate}/s, {_short(span(left / speed))} left" if self._total else f"{rate}/s"


def _short(duration: str) -> str:
    """The duration with an abbreviated unit, such as "57 s"."""
    number, unit = duration.split()
    return f"{number} {'min' if unit.startswith('minute') else unit[0]}"
