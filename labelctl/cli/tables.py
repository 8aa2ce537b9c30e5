"""Results in rows: their model, and how they are drawn on a terminal.

A row has the same columns in every form of output: `Cell.plain` is the form of a value for programs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from labelctl import times
from labelctl.text import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions
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

    `width` is the minimum width in characters. A column that `fills` the table takes the remaining
    width. A column of `bars` does so, too, and is only on terminals. A column that is `in_title` is
    only in plain lines: on a terminal, the title of the table says it. A column that `is_key` has what
    people copy: it keeps its width as far as possible, but takes at most half of the window. A table
    has a column `in_wide_windows` only in windows of 80 columns and more.
    """

    title: str
    right: bool = False
    style: str = ""
    width: int = 0
    bars: bool = False
    fills: bool = False
    in_title: bool = False
    is_key: bool = False
    in_wide_windows: bool = False


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
    console.print(_rich_table(table, console.width))


def _rich_table(table: Table, width: int, *, is_part: bool = False) -> Any:
    from rich import box
    from rich import table as rich_table

    columns, rows = _visible(table, width, is_part)
    result = rich_table.Table(
        box=box.SIMPLE_HEAD,
        title=rich_text(Cell(table.title, "bold")) if table.title else None,
        title_justify="left",
        pad_edge=False,
        header_style="bold",
        show_header=table.header and any(column.title for column in columns),
        expand=any(column.bars or column.fills for column in columns),
    )
    for column in columns:
        result.add_column(
            column.title,
            justify="right" if column.right else "left",
            style=column.style,
            overflow="fold",
            min_width=column.width or None,
            ratio=1 if column.bars or column.fills else None,
        )
    for row in rows:
        result.add_row(*[_drawn(cell) for cell in row])
    for place, column in enumerate(columns):
        if column.is_key:
            result.columns[place].width = _key_width(columns, rows, place, width)
    return result


_WIDE = 80  # columns of a wide window
_LEGIBLE = 16  # characters that each other column keeps, if it needs them, beside a key
_PADDING = 3  # for each column of a table


def _key_width(
    columns: Sequence[Column], rows: Sequence[Sequence[AnyCell]], place: int, width: int
) -> int | None:
    """The width of a key's column: what it needs, as far as the other columns stay legible.

    It is fixed, because rich would otherwise narrow the widest columns first, which keys are. None in
    windows that are too narrow for that.
    """
    needed = [
        max(column.width, len(column.title), *(_width(rich_text(row[number])) for row in rows))
        for number, column in enumerate(columns)
    ]
    others = needed[:place] + needed[place + 1 :]
    left = width - _PADDING * len(columns) - sum(min(each, _LEGIBLE) for each in others)
    return min(needed[place], width // 2, left) if left > _LEGIBLE // 2 else None


def _visible(table: Table, width: int, is_part: bool) -> tuple[list[Column], list[list[AnyCell]]]:
    """The columns that a window of this width shows, and the rows.

    Columns without any text are left out, unless this is only a part of the table.
    """
    columns = [column for column in table.columns if not column.in_title]
    rows = [_shown(table.columns, row) for row in table.rows]
    kept = [
        place
        for place, column in enumerate(columns)
        if (is_part or column.bars or any(text_of(row[place]) for row in rows))
        and (width >= _WIDE or not column.in_wide_windows)
    ]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]


_MIN_WIDTH = 16  # of a column that is made narrower for the last one
_GAP = 2  # between two columns


class Lines:
    """Draws rows one at a time, aligned, for results that are printed as they arrive.

    A column grows with its widest text so far. The last column takes the remaining width; in a window
    that is too narrow for that, it is printed below the others.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = [column for column in columns if not column.in_title]
        self._all = columns
        self._widths = [column.width for column in self._columns[:-1]]

    def draw(self, console: Console, row: Sequence[AnyCell]) -> None:
        """Print a row. Text that does not fit is wrapped within its column."""
        from rich.padding import Padding

        *cells, last = _shown(self._all, row)
        texts = [rich_text(cell) for cell in cells]
        self._widths = [max(*pair) for pair in zip(self._widths, map(_width, texts), strict=True)]
        style = self._columns[-1].style
        total = console.width - _GAP * len(texts)
        widths = _fitted(self._widths, total - max(console.width // 4, _MIN_WIDTH))
        if widths is not None:
            grid = self._grid(widths)
            grid.add_column(style=style, overflow="fold")
            grid.add_row(*texts, _fitted_text(last, total - sum(widths)))
            console.print(grid)
            return
        grid = self._grid(_fitted(self._widths, total, 1) or self._widths)
        grid.add_row(*texts)
        console.print(grid)
        if text := _fitted_text(last, console.width - 2 * _GAP):
            console.print(Padding(text, (0, 0, 0, 2 * _GAP)), style=style or None)

    def _grid(self, widths: Sequence[int]) -> Any:
        from rich.table import Table as RichTable

        grid = RichTable.grid(padding=(0, _GAP, 0, 0), pad_edge=False)
        for column, width in zip(self._columns, widths, strict=False):
            justify: Any = "right" if column.right else "left"
            grid.add_column(width=width, style=column.style, overflow="fold", justify=justify)
        return grid


PAGE = 100
"""Rows that are drawn at once of a long table."""


class Pages:
    """A table of any length, with a header, that is drawn a page at a time.

    A column is as wide as its widest text so far, if all columns fit, so that the pages are aligned.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._rows: list[Sequence[AnyCell]] = []
        self._page: Any = None  # the latest

    def add(self, console: Console, row: Sequence[AnyCell]) -> None:
        """Add a row, and print the page if it is full."""
        self._rows.append(row)
        if len(self._rows) == PAGE:
            self._draw(console)

    def end(self, console: Console) -> None:
        """Print the rest."""
        if self._rows:
            self._draw(console)
        if self._page:
            console.print(_Lines(self._page, slice(-1, None)))

    def _draw(self, console: Console) -> None:
        texts = [[_width(rich_text(cell)) for cell in row] for row in self._rows]
        widest = [max(column) for column in zip(*texts, strict=True)]
        columns = [
            replace(column, width=max(column.width, len(column.title), width))
            for column, width in zip(self._columns, widest, strict=True)
        ]
        if sum(column.width + _GAP for column in columns) <= console.width:  # else rich fits them
            self._columns = columns
        first = 1 if self._page else 0
        table = Table(self._columns, self._rows, header=not self._page)
        is_part = bool(self._page) or len(self._rows) == PAGE
        self._page = _rich_table(table, console.width, is_part=is_part)
        console.print(_Lines(self._page, slice(first, -1)))
        self._rows = []


class _Lines:
    """Draws some lines of a table of rich: its first and its last line are empty."""

    def __init__(self, table: Any, lines: slice) -> None:
        self._table = table
        self._lines = lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        lines = console.render_lines(self._table, options, pad=False, new_lines=True)
        for line in lines[self._lines]:
            yield from line


def _fitted(widths: Sequence[int], room: int, least: int = _MIN_WIDTH) -> list[int] | None:
    """The widths, the largest of them reduced to fit into `room`.

    None if a column would have to become narrower than `least`.
    """
    fitted = list(widths)
    while sum(fitted) > room:
        if max(fitted) <= least:
            return None
        fitted[fitted.index(max(fitted))] -= 1
    return fitted


def _width(text: Text) -> int:
    return text.cell_len


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
