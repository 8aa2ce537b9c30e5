"""Output for people and programs.

Results go to stdout: as a table on a terminal, as tab-separated lines in a pipe, or as JSON.
Progress, notes, questions and errors go to stderr. Photo names are data: they are never parsed as
markup, and control characters in them are escaped.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

from labelctl.cli.json_text import json_text
from labelctl.cli.progress import Meter, NoMeter, bar
from labelctl.cli.tables import (
    AnyCell,
    Cell,
    Column,
    Lines,
    Pages,
    Table,
    draw,
    plain_fields,
    rich_text,
    text_of,
)
from labelctl.errors import Command, LabelctlError, UsageError
from labelctl.text import printable, shortened

if TYPE_CHECKING:
    from rich.console import Console


class View:
    """Writes results and messages, in the output format that the user asked for.

    The parts of a message, texts and commands, are printed without spaces between them. `flags` returns
    the options that a suggested command must repeat, each preceded by a space.
    """

    def __init__(
        self,
        output: str | None = None,
        *,
        quiet: bool = False,
        flags: Callable[[Command], str] = lambda _: "",
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
    ) -> None:
        self._out = stdout or sys.stdout
        self._err = stderr or sys.stderr
        if isinstance(self._out, io.TextIOWrapper):
            # Escape what an ASCII output cannot show, as Python does on stderr.
            self._out.reconfigure(errors="backslashreplace")
        self.mode = output or ("table" if self._out.isatty() else "plain")
        self.quiet = quiet
        self._flags = flags
        self._meter_shown = False
        self._aligned: dict[tuple[Column, ...], Lines] = {}

    # ---- results, to stdout

    def show(self, value: Any, *tables: Table) -> None:
        """Print a command's result: `value` as JSON, or else the tables."""
        if self.mode == "json":
            self._line(self._json(value, indent=2))
            return
        for table in tables:
            if self.mode == "plain":
                for row in table.rows:
                    self._line("\t".join(plain_fields(table.columns, row)))
            elif table.rows:
                draw(self._console, table)
            if not table.rows and table.empty:
                self.note(table.empty)

    def stream(self, value: Any, columns: Sequence[Column], row: Sequence[AnyCell]) -> None:
        """Print one row of a growing result, without buffering."""
        if self.mode == "json":
            self.stream_json(value)
            return
        if self.mode == "plain":
            self._line("\t".join(plain_fields(columns, row)))
        else:
            self._lines(columns).draw(self._console, row)
        self._out.flush()

    @contextmanager
    def long_table(
        self, columns: Sequence[Column]
    ) -> Iterator[Callable[[Any, Sequence[AnyCell]], None]]:
        """Provide a function that prints a value and its row: as `stream` does, but on a terminal as a
        table, a page at a time. The last page follows at the end."""
        pages = Pages(columns)

        def add(value: Any, row: Sequence[AnyCell]) -> None:
            if self.mode != "table":
                self.stream(value, columns, row)
            else:
                pages.add(self._console, row)

        try:
            yield add
        finally:
            if self.mode == "table":
                pages.end(self._console)

    def stream_json(self, value: Any) -> None:
        """Print one line of a growing result; with JSON output only."""
        if self.mode == "json":
            self._line(self._json(value))

    def text(self, text: str) -> None:
        """Print a result that is the same in every format, such as lines for a shell."""
        self._line(text)

    def room_for_pictures(self) -> tuple[int, int]:
        """The columns and rows that a picture may take up on the terminal.

        Raises UsageError where no picture can be shown.
        """
        if not self._out.isatty() or not sys.stdin.isatty():
            why = "this is not a terminal"
        elif self.mode != "table":
            why = f"--output {self.mode} is for programs"
        elif self._console_out.no_color or not self._console_out.color_system:
            why = "this terminal shows no colours"
        else:
            columns, rows = self._console_out.size
            return columns, max(rows - 6, 4)  # leaves room for the messages below it
        raise UsageError(f"Cannot show a picture: {why}.", "Run the command without --terminal.")

    def picture(self, rendered: Any) -> None:
        """Print a picture that `terminal_image.Screen.rendered` made."""
        self._console_out.print(rendered)

    def flow(self, cells: Sequence[str | Cell]) -> None:
        """Print cells side by side, on as many lines as they need; for terminals only."""
        from rich.columns import Columns

        self._console.print(Columns([rich_text(cell) for cell in cells], padding=(0, 3)))

    def write(self, data: bytes) -> None:
        """Write a part of an exported file unchanged. `data` is UTF-8 and consists of whole lines.

        On a terminal, control characters are escaped.
        """
        if self._out.isatty():
            for line in data.decode().split("\n")[:-1]:
                self._line(printable(line))
        else:
            self._out.flush()
            buffer: Any = getattr(self._out, "buffer", self._out)
            buffer.write(data)
            buffer.flush()  # detects a closed pipe now instead of at the end

    # ---- messages, to stderr

    def note(self, *parts: str | Command, style: str = "") -> None:
        """Print one line of information; hidden by --quiet."""
        if not self.quiet:
            line = (part if isinstance(part, Command) else printable(part) for part in parts)
            self._message(*line, style=style)

    def warn(self, text: str, *hint: str | Command, wrap: bool = True) -> None:
        """Print a warning and what to do about it, even with --quiet.

        Without `wrap`, lines are not wrapped, as if they had a command.
        """
        parts = [printable(text), *(["\n", *hint] if hint else [])]
        self._message(*parts, style="yellow", wrap=wrap)

    def step(self, columns: Sequence[Column], *row: AnyCell, always: bool = False) -> None:
        """Print one row of progress; hidden by --quiet, unless `always` is set."""
        if self.mode == "json" or (self.quiet and not always):
            return
        if self._err.isatty():
            self._lines(columns).draw(self._console_err, row)
        else:
            line = "  ".join(filter(None, (printable(text_of(cell)) for cell in row)))
            self._err.write(line.rstrip() + "\n")
            self._err.flush()

    def command_line(self, command: Command) -> str:
        """The command as the user has to enter it, with the options of this run."""
        return f"{command}{self._flags(command)}"

    def command(self, command: str | Command, lead: str = "") -> None:
        """Print a command line that the user may copy. It is not wrapped."""
        line = self.command_line(command) if isinstance(command, Command) else command
        text = f"{lead}$ {line}"
        if self.quiet or self.mode == "json":
            return
        if self._err.isatty():
            style = "cyan" if lead else "bold cyan"
            self._console_err.print(rich_text(Cell(text, style)), soft_wrap=True)
        else:
            self._err.write(printable(text) + "\n")

    def error(self, error: LabelctlError) -> None:
        """Print an error's message and hint; with JSON output as one object."""
        is_about_input = isinstance(error, UsageError)  # and repeats it
        message = shortened(error.message) if is_about_input else error.message
        if self.mode == "json":
            payload = {
                "kind": error.kind,
                "message": message,
                "hint": "".join(map(self._text, error.hint_parts)),
                "exit_code": error.exit_code,
            }
            self._err.write(self._json({"error": payload}) + "\n")
        else:
            # A line break in the message comes from a name: escaped, it cannot forge a line.
            style = "bold red" if error.lead == "Error" else "yellow"
            self._message(f"{error.lead}: ", printable(message), style=style)
            if error.hint:
                self._message(*error.hint_parts)
        self._err.flush()

    @contextmanager
    def meter(self, message: str) -> Iterator[Meter]:
        """Show a progress bar (a spinner until the total is known) if stderr is a terminal."""
        if self.quiet or not self._err.isatty():
            yield NoMeter()
            return
        with bar(self._console_err, message) as meter:
            self._meter_shown = True
            try:
                yield meter
            finally:
                self._meter_shown = False

    # ---- questions

    def can_ask(self) -> bool:
        """Whether a person can answer questions."""
        return sys.stdin.isatty() and self._err.isatty()

    def ask(self, question: str, *hint: str | Command) -> str:
        """Ask a question and return the answer.

        Raises UsageError, with `hint` (how to say yes), where nobody can answer.
        """
        if not self.can_ask():
            raise UsageError("This needs a confirmation, but there is no terminal.", *hint)
        self._err.write(printable(question) + " ")
        self._err.flush()
        answer = sys.stdin.readline()
        if not answer:  # Ctrl-D leaves the cursor behind the question
            self._err.write("\n")
        return answer.strip()

    # ---- internals

    @cached_property
    def _console_out(self) -> Console:
        return _console(self._out)

    @cached_property
    def _console_err(self) -> Console:
        return _console(self._err)

    @property
    def _console(self) -> Console:
        """The console for results: the progress bar's while it is shown, so that neither overwrites
        the other."""
        return self._console_err if self._meter_shown and self._out.isatty() else self._console_out

    def _lines(self, columns: Sequence[Column]) -> Lines:
        """The lines with these columns, which are aligned with each other."""
        return self._aligned.setdefault(tuple(columns), Lines(columns))

    def _text(self, part: str | Command) -> str:
        return self.command_line(part) if isinstance(part, Command) else part

    def _message(self, *parts: str | Command, style: str = "", wrap: bool = True) -> None:
        texts = [part if isinstance(part, str) else printable(self._text(part)) for part in parts]
        commands = [
            text for text, part in zip(texts, parts, strict=True) if isinstance(part, Command)
        ]
        lines = [printable(line) for line in "".join(texts).split("\n")]
        self._out.flush()  # results come before what is said of them
        if self._err.isatty():
            from rich.cells import cell_len

            for line in lines:
                # A command, which the user may copy, is not wrapped.
                has_command = any(each in line for each in commands)
                if has_command and wrap and cell_len(line) > self._console_err.width:
                    self._wrapped_around(commands, line, style)
                else:
                    keep = not wrap or has_command
                    self._console_err.print(rich_text(Cell(line, style)), soft_wrap=keep)
        else:
            self._err.write("".join(line + "\n" for line in lines))
        self._err.flush()

    def _wrapped_around(self, commands: Sequence[str], line: str, style: str) -> None:
        """Print a message too long for one line, with each command on a line of its own."""
        pattern = f"({'|'.join(map(re.escape, commands))})"
        for part in re.split(pattern, line):
            is_command = part in commands
            text = f"  {part}" if is_command else part.lstrip(" `.,:").rstrip(" `")
            if text:
                self._console_err.print(rich_text(Cell(text, style)), soft_wrap=is_command)

    def _line(self, text: str) -> None:
        if self._meter_shown and self._out.isatty():
            self._console.print(rich_text(text), soft_wrap=True)
            return
        self._out.write(text + "\n")
        self._out.flush()

    def _json(self, value: Any, indent: int | None = None) -> str:
        return json_text(value, self._out.encoding or "ascii", indent)


_SIZE = re.compile("[1-9][0-9]{0,3}")
_MIN_WIDTH = 20  # columns; rich leaves out what does not fit a narrower table


def _console(file: TextIO) -> Console:
    from rich.console import Console

    for name in ("COLUMNS", "LINES"):  # some terminals and IDEs set them to 0; rich believes it
        if not _SIZE.fullmatch(os.environ.get(name, "1")):
            del os.environ[name]
    console = Console(file=file, highlight=False, emoji=False, markup=False)
    if console.width < _MIN_WIDTH:
        console.width = _MIN_WIDTH
    return console
