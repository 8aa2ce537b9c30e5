"""Results in rows: their model, and how they are drawn on a terminal.

A row has the same columns in every form of output: `Cell.plain` is the form of a value for programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl import times
from labelctl.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@dataclass(frozen=True)
class Cell:
    """Text with a style for terminals (in rich's terms, such as "bold red").

    `plain` is the text in plain lines, None if it is the same.
    """

    text: str
    style: str = ""
    plain: str | None = None


@dataclass(frozen=True)
class Items:
    """Short texts separated by commas. A streamed line on a terminal has as many as fit."""

    texts: Sequence[str]

    def fit(self, width: int) -> str:
        """The first texts that fit into `width` characters, at least one."""
        shown = list(self.texts)
        while len(shown) > 1 and len(", ".join(shown)) > width:
            shown.pop()
        return ", ".join(shown)


@dataclass(frozen=True)
class Bar:
    """A bar that fills a share, 0 to 1, of the column's width; on terminals only."""

    share: float
    style: str = ""


AnyCell = str | Cell | Items | Bar


@dataclass(frozen=True)
class Column:
    """A table's column. Text that does not fit is wrapped, never cut.

    `width` is the minimum width in characters. A column of `bars` takes the remaining width, and is
    only on terminals. A column that is `in_title` is only in plain lines: on a terminal, the title of
    the table says it.
    """

    title: str
    right: bool = False
    style: str = ""
    width: int = 0
    bars: bool = False
    in_title: bool = False


@dataclass(frozen=True)
class Table:
    """A result in rows. Without rows, `empty` is printed to stderr. `title` and the `header`
    with the columns' titles are for terminals."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[AnyCell]]
    empty: str = ""
    title: str = ""
    header: bool = True


def number(value: int | None, style: str = "") -> Cell:
    """A number with separators for thousands on a terminal; empty for None."""
    return Cell("", plain="") if value is None else Cell(f"{value:,}", style, plain=str(value))


def percent(value: float, style: str = "") -> Cell:
    """A percentage, 0 to 100, with one decimal."""
    return Cell(f"{value:.1f} %", style, plain=f"{value:.1f}")


def moment(time: str, style: str = "") -> Cell:
    """A time in ISO 8601, in the user's time zone on a terminal."""
    return Cell(times.local_minute(time), style, plain=time)


def plain_fields(columns: Sequence[Column], row: Sequence[AnyCell]) -> list[str]:
    """The fields of a row's plain line: one for each column without bars."""
    pairs = zip(columns, row, strict=True)
    return [printable(_plain(cell)) for column, cell in pairs if not column.bars]


def draw(console: Console, table: Table) -> None:
    """Print a table with its title, at the console's width."""
    from rich import box
    from rich import table as rich_table

    columns = [column for column in table.columns if not column.in_title]
    result = rich_table.Table(
        box=box.SIMPLE_HEAD,
        title=rich_text(Cell(table.title, "bold")) if table.title else None,
        title_justify="left",
        pad_edge=False,
        header_style="bold",
        show_header=table.header and any(column.title for column in columns),
        expand=any(column.bars for column in columns),
    )
    for column in columns:
        result.add_column(
            column.title,
            justify="right" if column.right else "left",
            style=column.style,
            overflow="fold",
            min_width=column.width or None,
            ratio=1 if column.bars else None,
        )
    for row in table.rows:
        result.add_row(*[_drawn(cell) for cell in _shown(table.columns, row)])
    console.print(result)


_MIN_WIDTH = 12  # of a column that is made narrower for the others
_MIN_LAST = 20  # of the last column; a narrower one goes on a line of its own
_GAP = 2  # between two columns


class Lines:
    """Draws rows one at a time, aligned, for results that are printed as they arrive.

    A column grows with its widest text so far. The last column takes the remaining width.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = [column.width for column in columns if not column.in_title]

    def draw(self, console: Console, row: Sequence[AnyCell]) -> None:
        """Print a row. Text that does not fit is wrapped within its column."""
        from rich.padding import Padding
        from rich.table import Table as RichTable

        *cells, last = _shown(self._columns, row)
        texts = [rich_text(cell) for cell in cells]
        for index, text in enumerate(texts):
            self._widths[index] = max(self._widths[index], text.cell_len)
        widths = self._fitted(console.width)
        columns = [column for column in self._columns if not column.in_title]
        grid = RichTable.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        for column, width in zip(columns, widths, strict=False):
            justify: Any = "right" if column.right else "left"
            grid.add_column(width=width, style=column.style, overflow="fold", justify=justify)
        room = console.width - sum(widths) - _GAP * len(widths)
        if room >= _MIN_LAST or not widths:
            grid.add_column(style=columns[-1].style, overflow="fold")
            grid.add_row(*texts, _fitted_text(last, room))
            console.print(grid)
            return
        grid.add_row(*texts)
        console.print(grid)
        if text := _fitted_text(last, console.width - 2 * _GAP):
            console.print(Padding(text, (0, 0, 0, 2 * _GAP)), style=columns[-1].style or None)

    def _fitted(self, width: int) -> list[int]:
        """The widths of all columns but the last, reduced to leave a third of `width` to that."""
        widths = self._widths[:-1]
        room = width - max(width // 3, _MIN_LAST) - _GAP * len(widths)
        while sum(widths) > room and max(widths) > _MIN_WIDTH:
            widths[widths.index(max(widths))] -= 1
        return widths


def _fitted_text(cell: AnyCell, width: int) -> Text:
    return rich_text(cell.fit(width) if isinstance(cell, Items) else cell)


def _shown(columns: Sequence[Column], row: Sequence[AnyCell]) -> list[AnyCell]:
    """The cells of a row that a terminal shows."""
    pairs = zip(columns, row, strict=True)
    return [cell for column, cell in pairs if not column.in_title]


def _drawn(cell: AnyCell) -> Any:
    return _RichBar(cell) if isinstance(cell, Bar) else rich_text(cell)


def text_of(cell: AnyCell) -> str:
    """The text of a cell; a bar has none."""
    if isinstance(cell, Items):
        return ", ".join(cell.texts)
    return cell if isinstance(cell, str) else getattr(cell, "text", "")


def _plain(cell: AnyCell) -> str:
    plain = cell.plain if isinstance(cell, Cell) else None
    return text_of(cell) if plain is None else plain


def rich_text(cell: AnyCell) -> Text:
    """A cell as a text of rich, with control characters escaped."""
    from rich.text import Text

    return Text(printable(text_of(cell)), style=cell.style if isinstance(cell, Cell) else "")


_MAX_BAR = 40  # columns
_EIGHTHS = " ▏▎▍▌▋▊▉"


class _RichBar:
    """Draws a `Bar` in eighths of block characters, or in # where the output is ASCII."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        shortest = self._bar.share > 0  # one unit, so that the smallest share is visible
        length = self._bar.share * min(_MAX_BAR, options.max_width)
        full, eighths = divmod(max(round(length * 8), shortest), 8)
        text = "█" * full + _EIGHTHS[eighths].strip()
        if options.ascii_only:
            text = "#" * max(round(length), shortest)
        yield rich_text(Cell(text, self._bar.style))
