"""Results in rows: their model, and how they are drawn on a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelctl.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


@dataclass(frozen=True)
class Cell:
    """Text with a style for terminals (in rich's terms, such as "bold red")."""

    text: str
    style: str = ""


@dataclass(frozen=True)
class Bar:
    """A bar that fills a share, 0 to 1, of the column's width; on terminals only."""

    share: float
    style: str = ""


@dataclass(frozen=True)
class Column:
    """A table's column. Text that does not fit is wrapped, never cut.

    `width` is the minimum width in characters. A column of `bars` takes the remaining width.
    """

    title: str
    right: bool = False
    style: str = ""
    width: int = 0
    bars: bool = False


@dataclass(frozen=True)
class Table:
    """A result in rows. Without rows, `empty` is printed to stderr. `title` is for terminals."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[str | Cell | Bar]]
    empty: str = ""
    title: str = ""


def draw(console: Console, table: Table) -> None:
    """Print a table with its title, at the console's width."""
    from rich import box
    from rich import table as rich_table

    result = rich_table.Table(
        box=box.SIMPLE_HEAD,
        title=rich_text(Cell(table.title, "bold")) if table.title else None,
        title_justify="left",
        pad_edge=False,
        header_style="bold",
        show_header=any(column.title for column in table.columns),
        expand=any(column.bars for column in table.columns),
    )
    for column in table.columns:
        result.add_column(
            column.title,
            justify="right" if column.right else "left",
            style=column.style,
            overflow="fold",
            min_width=column.width or None,
            ratio=1 if column.bars else None,
        )
    for row in table.rows:
        result.add_row(
            *[_RichBar(cell) if isinstance(cell, Bar) else rich_text(cell) for cell in row]
        )
    console.print(result)


def text_of(cell: str | Cell | Bar) -> str:
    """The text of a cell; a bar has none."""
    return cell if isinstance(cell, str) else getattr(cell, "text", "")


def rich_text(cell: str | Cell) -> Text:
    """A cell as a text of rich, with control characters escaped."""
    from rich.text import Text

    if isinstance(cell, str):
        return Text(printable(cell))
    return Text(printable(cell.text), style=cell.style)


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
