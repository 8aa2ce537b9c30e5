"""Rows for terminals and programs: one set of cells, aligned lines, and windows of any width."""

from __future__ import annotations

import io

import pytest

from labelctl.cli.output import View
from labelctl.cli.tables import (
    Bar,
    Cell,
    Column,
    Items,
    Table,
    moment,
    number,
    percent,
    plain_fields,
)
from tests.unit.streams import Pipe

COLUMNS = (
    Column("Group", in_title=True),
    Column("State", width=9),
    Column("Photo"),
    Column("Labels", right=True),
    Column("Top labels"),
)
DOGS = Items(["Golden Retriever 98 %", "Beach 90 %", "Sky 80 %"])
ROWS = (
    ("x", Cell("labelled", "green"), "a.jpg", number(1234), DOGS),
    ("x", Cell("failed", "red"), "holiday/b c.jpg", number(None), "It is damaged. " * 4),
)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TZ", "UTC")
    return monkeypatch


def streamed(rows):
    out = io.StringIO()
    view = View("table", stdout=out, stderr=Pipe())
    for row in rows:
        view.stream(None, COLUMNS, row)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_a_plain_line_has_a_field_for_each_column_without_bars():
    columns = (*COLUMNS[:2], Column("Time"), Column("Share"), Column("", bars=True))
    row = ("x", Cell("dead letter", plain="dead_letter"), moment("2026-05-01T14:02:00Z"))
    fields = plain_fields(columns, (*row, percent(98.25), Bar(0.5)))
    assert fields == ["x", "dead_letter", "2026-05-01T14:02:00Z", "98.2"]
    assert plain_fields(COLUMNS, ROWS[0])[3:] == [
        "1234",
        "Golden Retriever 98 %, Beach 90 %, Sky 80 %",
    ]
    with pytest.raises(ValueError, match="zip"):
        plain_fields(COLUMNS, row)


def test_a_table_shows_no_column_that_its_title_says(terminal):
    terminal.setenv("COLUMNS", "80")
    out = io.StringIO()
    View("table", stdout=out, stderr=Pipe()).show(None, Table(COLUMNS, ROWS, title="The group"))
    assert "Group" not in out.getvalue()
    assert "1,234" in out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("key", ["DSC_0001.JPG", "holiday/" + "long-name-" * 12 + ".jpg"])
def test_a_key_keeps_its_width_but_takes_no_text_from_other_columns(terminal, width, key):
    terminal.setenv("COLUMNS", str(width))
    out = io.StringIO()
    columns = (
        Column("State"),
        Column("Photo", is_key=True),
        Column("Time", in_wide_windows=True),
        Column("Labels", right=True),
        Column("Top labels or reason"),
    )
    time = "2026-05-01 10:00"
    rows = [("labelled", key, time, "6", "Cup, Espresso, Bowl"), ("failed", "a", time, "", "x")]
    View("table", stdout=out, stderr=Pipe()).show(None, Table(columns, rows))
    text = out.getvalue()
    assert max(map(len, text.splitlines())) <= width
    words = ["Cup,", "Espresso,", "Bowl"] if width >= 60 else []
    if len(key) < 15 and width >= 60:
        words.append(key)
    assert [word for word in words if word not in text] == []
    assert (time in text) == (width >= 80)


def test_streamed_lines_are_aligned_and_wrapped_within_their_columns(terminal):
    terminal.setenv("COLUMNS", "80")
    assert streamed([ROWS[1], ROWS[0]]) == [
        "failed     holiday/b c.jpg    It is damaged. It is damaged. It is damaged. It is",
        "                              damaged.",
        "labelled   a.jpg            1,234  Golden Retriever 98 %, Beach 90 %, Sky 80 %",
    ]


def test_a_narrow_window_shows_the_labels_that_fit(terminal):
    terminal.setenv("COLUMNS", "60")
    assert streamed([ROWS[1], ROWS[0]])[-1] == (
        "labelled   a.jpg            1,234  Golden Retriever 98 %"
    )


def test_in_a_very_narrow_window_the_text_is_below_the_other_columns(terminal):
    terminal.setenv("COLUMNS", "40")
    assert streamed([ROWS[1], ROWS[0]]) == [
        "failed     holiday/b c.jpg",
        "    It is damaged. It is damaged. It is",
        "    damaged. It is damaged.",
        "labelled   a.jpg            1,234",
        "    Golden Retriever 98 %, Beach 90 %",
    ]


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 120, 200])
def test_names_are_whole_and_no_line_is_too_long(terminal, columns):
    terminal.setenv("COLUMNS", str(columns))
    name = "".join(f"{number:03}" for number in range(90)) + ".jpg"
    lines = streamed([("x", "labelled", name, number(1), DOGS), ROWS[0]])
    assert max(map(len, lines)) <= columns
    start = lines[0].index("000")
    end = start + len(lines[0][start:].split(" ")[0])
    assert name in "".join(line[start:end].strip() for line in lines)


def test_a_column_that_fills_the_table_leaves_nothing_out_in_a_narrow_window(terminal):
    """rich cuts the lines of a table with wide minimum widths."""
    terminal.setenv("COLUMNS", "60")
    columns = (Column("Name", width=30), Column("Count", width=7), Column("Why", fills=True))
    text = "It is not a JPEG or PNG image, or it is damaged."
    out = io.StringIO()
    view = View("table", stdout=out, stderr=Pipe())
    view.show(None, Table(columns, [("Invalid", "3", text)], header=False))
    assert out.getvalue().split() == ["Invalid", "3", *text.split()]
