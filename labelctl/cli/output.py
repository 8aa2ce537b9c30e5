"""Everything that is written for a person or a program to read; the only place that knows rich.

Results go to stdout, as a table on a terminal, as tab-separated lines in a pipe, or as JSON. What
is said along the way (progress, notes, questions, errors) goes to stderr. Names of photos are data:
they are never taken for markup, and a control character in them is shown as its escape.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from labelctl.cli.progress import Meter, NoMeter, bar
from labelctl.errors import LabelctlError, UsageError
from labelctl.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_RISKY = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON allows within a string, but terminals and readers of lines, or UTF-8, take amiss."""


@dataclass(frozen=True)
class Cell:
    """A piece of text with a style (rich's names, such as "bold red") for terminals."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Bar:
    """A cell that shows a share, 0 to 1, of the column's width; on terminals only."""

    share: float
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column. What does not fit is folded, never cut.

    `width`: it is no narrower. `bars`: it takes the room that the others leave.
    """

    title: str
    right: bool = False
    style: str = ""
    width: int = 0
    bars: bool = False


@dataclass(frozen=True)
class Table:
    """Rows for people and pipes. `empty` is said where there are none; `title` on terminals."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell | Bar]]
    empty: str = ""
    title: str = ""


class View:
    """Writes results and messages, in the mode the user asked for."""

    def __init__(
        self,
        output: str | None = None,
        *,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self._out = stdout or sys.stdout
        self._err = stderr or sys.stderr
        if isinstance(self._out, io.TextIOWrapper):
            # Where the output is ASCII, a name shows as its escapes, as it does on stderr.
            self._out.reconfigure(errors="backslashreplace")
        self.mode = output or ("table" if self._out.isatty() else "plain")
        self.quiet = quiet
        self._metering = False

    # ---- results, to stdout

    def show(self, value: Any, *tables: Table) -> None:
        """A command's result: `value` as JSON, or the tables for people and pipes."""
        if self.mode == "json":
            self._line(self._json(value, indent=2))
            return
        for table in tables:
            if self.mode == "plain":
                for row in table.rows:
                    self._line("\t".join(printable(_text(cell)) for cell in row))
            elif table.rows:
                self._draw(table)
            if not table.rows and table.empty:
                self.note(table.empty)

    def stream(self, value: Any, cells: Sequence[str | Cell]) -> None:
        """One line of a result that has no end yet, written out at once."""
        if self.mode == "json":
            self._line(self._json(value))
        elif self.mode == "plain":
            self._line("\t".join(printable(_text(cell)) for cell in cells))
        else:
            self._console.print(*[_rich(cell) for cell in cells], sep="  ")
        self._out.flush()

    def text(self, text: str) -> None:
        """A result that is a text of its own, such as lines for a shell."""
        self._line(text)

    def room_for_pictures(self) -> tuple[int, int]:
        """Columns and rows that a picture may take up on the terminal.

        Raises UsageError where none can be shown.
        """
        if not self._out.isatty() or not sys.stdin.isatty():
            why = "This output is no terminal."
        elif self.mode != "table":
            why = f"--output {self.mode} is for programs."
        elif self._console_out.no_color or not self._console_out.color_system:
            why = "This terminal shows no colours."
        else:
            columns, rows = self._console_out.size
            return columns, max(rows - 6, 4)  # what is said below it fits as well
        raise UsageError(f"{why} A picture cannot be shown there.", "Leave out --terminal.")

    def picture(self, drawn: Any) -> None:
        """A picture that was rendered for the terminal (see `screen`)."""
        self._console_out.print(drawn)

    def flow(self, cells: Sequence[str | Cell]) -> None:
        """Cells one after the other, in as many lines as they need; for terminals only."""
        from rich.columns import Columns

        self._console.print(Columns([_rich(cell) for cell in cells], padding=(0, 3)))

    def write(self, data: bytes) -> None:
        """A part, of whole lines, of a result that is a file of its own: UTF-8, as it is.

        On a terminal what would steer that is shown as its escape.
        """
        if self._out.isatty():
            for line in data.decode().split("\n")[:-1]:
                self._line(printable(line))
        else:
            self._out.flush()
            buffer: Any = getattr(self._out, "buffer", self._out)
            buffer.write(data)
            buffer.flush()  # a reader that has gone is noticed here, and not at the very end

    # ---- messages, to stderr

    def note(self, text: str, style: str = "") -> None:
        """Something worth knowing, in one line; nothing is written with --quiet."""
        if not self.quiet:
            self._say(printable(text), style)

    def warn(self, text: str, hint: str = "") -> None:
        """Something that may need doing, in a line, and what; written even with --quiet."""
        self._say(printable(text) + (f"\n{hint}" if hint else ""), "yellow")

    def step(self, *cells: str | Cell, always: bool = False) -> None:
        """One line of progress that stays on the screen; with `always` --quiet does not hide it."""
        if self.mode == "json" or (self.quiet and not always):
            return
        if self._err.isatty():
            self._console_err.print(*[_rich(cell) for cell in cells], sep="  ")
        else:
            line = "  ".join(printable(_text(cell)).strip() for cell in cells)
            self._err.write(line.rstrip() + "\n")
            self._err.flush()

    def command(self, line: str, lead: str = "") -> None:
        """A command line that the user may copy: no line break is put into it."""
        told = f"{lead}$ {line}"
        if self.quiet or self.mode == "json":
            return
        if self._err.isatty():
            style = "cyan" if lead else "bold cyan"
            self._console_err.print(_rich(Cell(told, style)), soft_wrap=True)
        else:
            self._err.write(printable(told) + "\n")

    def error(self, error: LabelctlError) -> None:
        """What went wrong and what to do about it; an object where the output is JSON."""
        if self.mode == "json":
            told = {
                "kind": error.kind,
                "message": error.message,
                "hint": error.hint,
                "exit_code": error.exit_code,
            }
            self._err.write(self._json({"error": told}) + "\n")
        else:
            # One sentence: a line break in it comes with a name, and must not look like ours.
            self._say(printable(error.message), "bold red", first="Error: ")
            if error.hint:
                self._say(error.hint)
        self._err.flush()

    @contextmanager
    def meter(self, words: str) -> Iterator[Meter]:
        """A bar (a spinner, until a total is known) on a terminal's stderr, and nothing elsewhere."""
        if self.quiet or not self._err.isatty():
            yield NoMeter()
            return
        with bar(self._console_err, words) as meter:
            self._metering = True
            try:
                yield meter
            finally:
                self._metering = False

    # ---- questions

    def can_ask(self) -> bool:
        """Whether there is a person to answer."""
        return sys.stdin.isatty() and self._err.isatty()

    def ask(self, question: str, *, yes_means: str) -> str:
        """The answer to a question. `yes_means` tells, where nobody can answer, how to say yes.

        Raises UsageError when there is nobody to ask.
        """
        if not self.can_ask():
            raise UsageError("This needs an answer, and there is no terminal to ask on.", yes_means)
        self._err.write(printable(question) + " ")
        self._err.flush()
        answer = sys.stdin.readline()
        if not answer:  # Ctrl-D leaves the cursor behind the question
            self._err.write("\n")
        return answer.strip()

    # ---- the rest is how

    @cached_property
    def _console_out(self) -> Console:
        from rich.console import Console

        return Console(file=self._out, highlight=False, emoji=False, markup=False)

    @cached_property
    def _console_err(self) -> Console:
        from rich.console import Console

        return Console(file=self._err, highlight=False, emoji=False, markup=False)

    @property
    def _console(self) -> Console:
        """Where results are drawn. While a bar is shown they go above it, by the bar's own console:
        two that write to one terminal would write over each other."""
        return self._console_err if self._metering and self._out.isatty() else self._console_out

    def _draw(self, table: Table) -> None:
        from rich import box
        from rich import table as rich_table

        drawn = rich_table.Table(
            box=box.SIMPLE_HEAD,
            title=_rich(Cell(table.title, "bold")) if table.title else None,
            title_justify="left",
            pad_edge=False,
            header_style="bold",
            show_header=any(column.title for column in table.columns),
            expand=any(column.bars for column in table.columns),
        )
        for column in table.columns:
            drawn.add_column(
                column.title,
                justify="right" if column.right else "left",
                style=column.style,
                overflow="fold",
                min_width=column.width or None,
                ratio=1 if column.bars else None,
            )
        for row in table.rows:
            drawn.add_row(*[_Drawn(cell) if isinstance(cell, Bar) else _rich(cell) for cell in row])
        self._console.print(drawn)

    def _say(self, text: str, style: str = "", first: str = "") -> None:
        lines = [printable(line) for line in (first + text).split("\n")]
        if self._err.isatty():
            for line in lines:
                # A command that somebody may copy: no line break is put into it.
                copied = "labelctl " in line
                self._console_err.print(_rich(Cell(line, style)), soft_wrap=copied)
        else:
            self._err.write("".join(line + "\n" for line in lines))
        self._err.flush()

    def _line(self, text: str) -> None:
        if self._metering and self._out.isatty():
            self._console.print(_rich(text), soft_wrap=True)
            return
        self._out.write(text + "\n")
        self._out.flush()

    def _json(self, value: Any, indent: int | None = None) -> str:
        text = json.dumps(value, ensure_ascii=False, indent=indent, default=_number)
        text = _RISKY.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
        try:
            text.encode(self._out.encoding or "ascii")
        except UnicodeEncodeError:
            return json.dumps(value, ensure_ascii=True, indent=indent, default=_number)
        return text


_WIDEST = 40  # columns of a bar
_EIGHTHS = " ▏▎▍▌▋▊▉"


class _Drawn:
    """A bar as wide as there is room: of eighths of blocks, or of # where there are none."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        some = self._bar.share > 0  # the smallest share shows, too
        length = self._bar.share * min(_WIDEST, options.max_width)
        full, eighths = divmod(max(round(length * 8), some), 8)
        text = "█" * full + _EIGHTHS[eighths].strip()
        if options.ascii_only:
            text = "#" * max(round(length), some)
        yield _rich(Cell(text, self._bar.style))


def _text(cell: str | Cell | Bar) -> str:
    return cell if isinstance(cell, str) else getattr(cell, "text", "")


def _rich(cell: str | Cell) -> Text:
    from rich.text import Text

    if isinstance(cell, str):
        return Text(printable(cell))
    return Text(printable(cell.text), style=cell.style)


def _number(value: Any) -> Any:
    from decimal import Decimal

    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
