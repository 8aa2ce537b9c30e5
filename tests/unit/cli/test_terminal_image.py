"""Pictures in a terminal: where they can be shown, and how many cells they take up."""

from __future__ import annotations

import io
import os

import pytest
from PIL import Image

from labelctl.cli.output import View
from labelctl.cli.tables import Cell
from labelctl.cli.terminal_image import Screen, detect
from labelctl.errors import UsageError
from tests.unit.streams import Terminal


@pytest.fixture
def keyboard(monkeypatch):
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_a_picture_leaves_a_few_lines_of_the_terminal(keyboard):
    assert View(stdout=Terminal()).room_for_pictures() == (100, 24)


@pytest.mark.parametrize("output", ["plain", "json"])
def test_output_for_programs_has_no_pictures(keyboard, output):
    with pytest.raises(UsageError, match=f"--output {output} is for programs"):
        View(output, stdout=Terminal()).room_for_pictures()
    with pytest.raises(UsageError, match="not a terminal"):
        View(output, stdout=io.StringIO()).room_for_pictures()


def test_a_pipe_has_no_pictures(keyboard, monkeypatch):
    with pytest.raises(UsageError, match="not a terminal"):
        View("table", stdout=io.StringIO()).room_for_pictures()
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with pytest.raises(UsageError, match="not a terminal"):
        View(stdout=Terminal()).room_for_pictures()


@pytest.mark.parametrize(("name", "value"), [("TERM", "dumb"), ("NO_COLOR", "1")])
def test_a_terminal_without_colours_has_no_pictures(keyboard, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match="shows no colours"):
        View(stdout=Terminal()).room_for_pictures()


def test_a_terminal_without_a_size_has_no_pictures(monkeypatch):
    master, terminal = os.openpty()  # a new one has 0 columns and 0 rows
    with os.fdopen(master), os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr("sys.__stdout__", stdout)
        with pytest.raises(UsageError, match="does not report its size"):
            detect(80, 24)


def test_a_cell_is_two_pixels_or_a_block_of_pixels():
    assert Screen(100, 24, fine=False).size == (100, 48)
    assert Screen(100, 24, fine=True).size == (1000, 480)


@pytest.mark.filterwarnings("ignore:Image.Image.getdata:DeprecationWarning")  # textual-image's
@pytest.mark.parametrize("height", [1, 2, 29, 48])
def test_each_half_cell_shows_one_pixel(keyboard, height):
    out = Terminal()
    image = Image.new("RGB", (60, height), (1, 2, 3))
    View(stdout=out).picture(Screen(100, 24, fine=False).rendered(image))
    rows = out.getvalue().splitlines()
    assert len(rows) == -(-height // 2)
    assert all(row.count("▀") == 60 for row in rows)
    assert "38;2;1;2;3" in rows[0]


def test_a_legend_wraps_and_escapes_hostile_names(keyboard):
    out = Terminal()
    View(stdout=out).flow([Cell("■ [bold]\x1b[31m", "#ff0000")] + [f"Label {n}" for n in range(40)])
    legend = out.getvalue()
    assert "[bold]\\x1b[31m" in legend
    assert "\x1b[31m" not in legend
    assert 3 < len(legend.splitlines()) < 41
