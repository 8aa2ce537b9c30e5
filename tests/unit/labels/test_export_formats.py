"""Export formats, written to files and stdout."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest

from labelctl.atomic_file import atomic_write
from labelctl.cli.output import View
from labelctl.errors import UsageError
from labelctl.labels import export_formats
from labelctl.labels.export import Record
from tests.unit.streams import Terminal

HOSTILE = Record(
    image="\x1b[31m[bold]\n é.jpg",
    label="Dog",
    confidence=98.5,
    categories=["Animals and Pets"],
    parents=[],
    aliases=[],
    boxes=[],
    uploaded_at="2026-05-01T12:00:00.000Z",
    labelled_at="2026-05-01T12:00:03Z",
    model_version="3.0",
)


@pytest.mark.parametrize(("count", "groups"), [(70, 2), (60, 2), (7, 1)])
def test_parquet_in_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int, groups: int
) -> None:
    """So that memory holds one row group, not the whole file."""
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(export_formats, "_ROW_GROUP", 40)
    with (
        atomic_write(tmp_path / "p") as file,
        export_formats.writer("parquet", file.stream) as writer,
    ):
        for number in range(0, count, 10):
            writer.write([HOSTILE] * min(10, count - number))
            writer.write([])
    found = parquet.ParquetFile(tmp_path / "p").metadata
    assert (found.num_rows, found.num_row_groups) == (count, groups)


def test_parquet_of_nothing(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    with atomic_write(tmp_path / "p") as file, export_formats.writer("parquet", file.stream):
        pass
    assert parquet.read_table(tmp_path / "p").column_names[:2] == ["image", "label"]


def test_a_time_that_is_none_is_left_open() -> None:
    assert export_formats._time("") is None
    assert export_formats._time("2026-05-01T12:00:00") == datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_on_a_terminal_a_name_is_harmless() -> None:
    out = Terminal()
    with export_formats.writer("csv", View(stdout=out)) as writer:
        writer.write([])
        writer.write([HOSTILE])
    assert "" not in out.getvalue().splitlines()
    assert out.getvalue().startswith("image,label,confidence,")
    assert "\x1b" not in out.getvalue()
    assert "\\x1b[31m[bold]" in out.getvalue()


def test_the_output_is_utf_8_in_any_locale() -> None:
    raw = io.BytesIO()
    with export_formats.writer(
        "csv", View(stdout=io.TextIOWrapper(raw, encoding="ascii"))
    ) as writer:
        writer.write([HOSTILE])
    assert "é.jpg" in raw.getvalue().decode()


@pytest.mark.parametrize("start", [*"=+-@\t\r\n", "\uff1d"])
def test_csv_for_spreadsheets_has_no_formulas(start: str) -> None:
    name = f"{start}cmd|' /C calc'!A0.jpg"
    record = HOSTILE._replace(image=name, aliases=[f"{start}1+1", "Hound"])
    for excel, mark in ((True, "'"), (False, "")):
        raw = io.BytesIO()
        with export_formats.writer("csv", raw, excel=excel) as writer:
            writer.write([record, HOSTILE._replace(image="a=1-1.jpg")])
        text = raw.getvalue().decode()
        assert text.startswith("\ufeffimage," if excel else "image,")
        first, second = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
        assert (first["image"], first["aliases"]) == (mark + name, f"{mark}{start}1+1; Hound")
        assert (second["image"], second["confidence"]) == ("a=1-1.jpg", "98.5")


@pytest.mark.skipif(not Path("/dev/stdout").is_symlink(), reason="needs /dev/stdout as a link")
def test_the_systems_link_to_stdout_is_not_replaced() -> None:
    """It counts as a file where stdout is redirected, and root may replace it."""
    with pytest.raises(UsageError, match="/dev/stdout") as refused:
        export_formats.check("csv", Path("/dev/stdout"))
    assert refused.value.hint == "Leave -o out to write to stdout."
