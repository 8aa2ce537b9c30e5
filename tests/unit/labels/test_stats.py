"""Counts compared with a naive count, and their display."""

from __future__ import annotations

import io
from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.cli.output import View
from labelctl.cli.tables import Bar, Column, Table
from labelctl.labels.listing import PhotoWithItem
from labelctl.labels.stats import Tally
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import PHOTOS, PhotoTables, made
from tests.unit.command_world import Run, runner
from tests.unit.streams import Terminal

ABOUT = {
    "Dog": {"Categories": [{"Name": "Animals and Pets"}]},
    "Pet": {"Categories": [{"Name": "Animals and Pets"}]},
    "Sea": {"Categories": [{"Name": "Nature"}, {"Name": "Travel"}]},
}


@pytest.fixture
def table() -> PhotoTables:
    table = PhotoTables(ABOUT)
    table.put_photo("a.jpg", {"Dog": 98.1, "Pet": 90, "Odd": 55.5}, done_at="2026-05-03T23:59:59Z")
    table.put_photo("b/b.jpg", {"Dog": 89.99, "Sea": 100}, done_at="2026-05-04T00:00:00Z")
    table.put_photo("b/none.jpg", {}, done_at="2026-05-03T10:00:00Z")
    table.fail_photo("b/bad.jpg", "It is empty.", error="Empty")
    table.fail_photo("b/bad2.jpg", "It is a GIF.", error="Invalid")
    table.fail_photo("b/bad3.jpg", "It is a TIFF.", error="Invalid")
    table.put_photo("old.jpg", {"Cat": 80})
    table.bucket.put("old.jpg", "replaced")
    table.put_photo("gone.jpg", {"Cat": 80})
    table.remove_photo("gone.jpg")
    return table


@pytest.fixture
def run(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return runner(table, monkeypatch, capsys)


def test_everything_is_counted(table: PhotoTables, run: Run) -> None:
    table.bucket.put("b/", "", size=0)  # a folder of the S3 console
    result = run("stats", "-o", "json").json
    assert result == {
        "photos": {"all": 7, "labelled": 3, "failed": 3, "waiting": 1},
        "labels": [
            {"name": "Dog", "photos": 2},
            {"name": "Odd", "photos": 1},
            {"name": "Pet", "photos": 1},
            {"name": "Sea", "photos": 1},
        ],
        "confidence": [
            {"from": low, "to": low + 10, "labels": {50: 1, 80: 1, 90: 3}.get(low, 0)}
            for low in range(0, 100, 10)
        ],
        "categories": [
            {"name": "Animals and Pets", "photos": 2},
            {"name": "Nature", "photos": 1},
            {"name": "Travel", "photos": 1},
        ],
        "failures": [
            {"error": "Invalid", "reason": "It is a GIF.", "photos": 2},
            {"error": "Empty", "reason": "It is empty.", "photos": 1},
        ],
        "days": [{"day": "2026-05-03", "photos": 2}, {"day": "2026-05-04", "photos": 1}],
    }


def test_a_prefix(run: Run) -> None:
    result = run("stats", "-o", "json", "--prefix", "b/").json
    assert result["photos"] == {"all": 5, "labelled": 2, "failed": 3, "waiting": 0}
    assert [each["name"] for each in result["labels"]] == ["Dog", "Sea"]


def test_a_pipe_gets_a_line_for_each_number(run: Run) -> None:
    said = run("stats")
    assert (said.code, said.err) == (0, "")
    assert said.rows[:4] == [
        ["photos", "labelled", "3", "42.9", ""],
        ["photos", "failed", "3", "42.9", ""],
        ["photos", "waiting", "1", "14.3", ""],
        ["label", "Dog", "2", "66.7", ""],
    ]
    assert ["confidence", "90-100", "3", "60.0", ""] in said.rows
    assert ["category", "Animals and Pets", "2", "66.7", ""] in said.rows
    assert ["failure", "Empty", "1", "14.3", "It is empty."] in said.rows
    assert said.rows[-1] == ["day", "2026-05-04", "1", "33.3", ""]


def test_bars_on_a_terminal_represent_the_percentages(run: Run) -> None:
    lines = [line.rstrip() for line in run("stats", "-o", "table").out.splitlines()]
    assert lines[:15] == [
        "7 photos",
        "",
        f" labelled           3    42.9 %   {eighths(137)}",
        f" failed             3    42.9 %   {eighths(137)}",
        f" waiting            1    14.3 %   {eighths(46)}",
        "",
        "Labels",
        "",
        f" Dog                2    66.7 %   {eighths(213)}",
        f" Odd                1    33.3 %   {eighths(107)}",
        f" Pet                1    33.3 %   {eighths(107)}",
        f" Sea                1    33.3 %   {eighths(107)}",
        "",
        "Confidence of 5 labels, in percent",
        "",
    ]
    assert lines[15] == f" 50-60              1    20.0 %   {eighths(64)}"
    assert " Invalid            2    28.6 %   It is a GIF." in lines
    assert "Labelled per day (UTC)" in lines
    assert max(map(len, lines)) < 80
    assert lines[16] == " 60-70              0     0.0 %"


def test_no_photo_at_all(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(PhotoTables(), monkeypatch, capsys)
    said = run("stats", "-o", "table")
    assert (said.code, said.out, said.err) == (0, "", "There are no photos.\n")
    assert run("stats", "--prefix", "x").err == 'No photo has a key starting with "x".\n'
    assert run("stats", "-o", "json").json["photos"]["all"] == 0


def test_only_failed_and_waiting_photos(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = PhotoTables()
    table.fail_photo("bad.jpg")
    table.bucket.put("waits.jpg", "x")
    said = runner(table, monkeypatch, capsys)("stats", "-o", "table")
    assert "2 photos" in said.out
    assert "Why photos failed" in said.out
    assert "Labels" not in said.out


LABELS = st.dictionaries(
    st.sampled_from(["Dog", "Pet", "Sea", "Odd"]), st.decimals(0, 100, places=5), max_size=4
)


CATEGORIES = {name: [each["Name"] for each in about["Categories"]] for name, about in ABOUT.items()}


def item(labels: Any) -> dict[str, Any]:
    """What is read of a labelled photo's item; a label without categories may have no details."""
    details = {name: {"categories": CATEGORIES[name]} for name in labels if name in CATEGORIES}
    return {"status": "labelled", "done_at": "2026-05-03", "labels": labels, "details": details}


@given(st.lists(st.none() | LABELS, max_size=20))
def test_counts_match_a_naive_count(photos: list[Any]) -> None:
    """None is a waiting photo."""
    tally = Tally()
    there = ObjectVersion("a.jpg")
    tally.add(PhotoWithItem(there, None if labels is None else item(labels)) for labels in photos)
    result = tally.stats()

    labelled = [labels for labels in photos if labels is not None]
    assert result.photos == {
        "labelled": len(labelled),
        "failed": 0,
        "waiting": len(photos) - len(labelled),
    }
    assert result.labels == Counter(name for labels in labelled for name in labels)
    found = [confidence for labels in labelled for confidence in labels.values()]
    for number, count in enumerate(result.confidence):
        last = number == 9
        low, high = Decimal(number * 10), Decimal(number * 10 + 10)
        assert count == sum(low <= each < high or (last and each == high) for each in found)
    for name in ("Animals and Pets", "Nature"):
        having = {label for label, of in CATEGORIES.items() if name in of}
        assert result.categories.get(name, 0) == sum(bool(having & {*each}) for each in labelled)
    assert sum(result.days.values()) == len(labelled)


def test_it_costs_a_look_at_each_photo_and_none_at_the_index(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = made(3_000, each=3)
    run = runner(table, monkeypatch, capsys)
    said = run("stats", "-v", "-o", "json")
    assert said.json["photos"]["labelled"] == 1000
    assert sum(each["photos"] for each in said.json["labels"]) == 3_000
    assert table.calls == {"BatchGetItem": 10}
    assert {*table.reads} == {(PHOTOS, None)}
    assert table.bucket.calls == {"ListObjectsV2": 1}


def test_a_long_list_is_cut_on_a_terminal_and_nowhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(made(2_000), monkeypatch, capsys)
    plain = run("stats")
    labels = sum(row[0] == "label" for row in plain.rows)
    assert labels > 100
    table = run("stats", "-o", "table").out
    assert f"Labels, top 15 of {labels}" in table
    assert "Labelled per day (UTC), latest 15 of 84" in table
    assert table.count("Thing") == 15


# ---- bars


def eighths(number: int) -> str:
    """A bar of so many eighths of a character; 40 characters are 100 %."""
    return "█" * (number // 8) + "▏▎▍▌▋▊▉"[number % 8 - 1 : number % 8]


def drawn(stream: Any, share: float) -> str:
    View("table", stdout=stream).show(None, Table([Column("", bars=True)], [[Bar(share)]]))
    stream.flush()
    text = stream.buffer.getvalue().decode() if hasattr(stream, "buffer") else stream.getvalue()
    return text.strip()


@pytest.mark.parametrize(
    ("share", "bar"),
    [(0, ""), (0.0001, "▏"), (0.5, "█" * 20), (0.51, "█" * 20 + "▍"), (1, "█" * 40)],
)
def test_a_bar(monkeypatch: pytest.MonkeyPatch, share: float, bar: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    assert drawn(Terminal(), share) == bar


def test_a_bar_where_there_are_no_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    bar = drawn(stream, 0.25)
    assert "#" * 10 in bar
    assert "#" * 11 not in bar


def test_a_bar_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "12")
    assert len(drawn(Terminal(), 1)) <= 20  # the narrowest table
