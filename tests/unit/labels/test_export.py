"""Exporting labels: complete, in each format, written atomically, with little memory."""

from __future__ import annotations

import csv
import io
import json
import sys
import tracemalloc
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from labelctl.cli.commands import export as command
from labelctl.labels import export, export_formats
from labelctl.labels.reader import Reader
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, made
from tests.fakes.table_stream import TableStream
from tests.unit.command_world import Run, Said, runner

ABOUT = {
    "Dog": {
        "Categories": [{"Name": "Animals and Pets"}],
        "Parents": [{"Name": "Animal"}, {"Name": "Pet"}],
        "Aliases": [{"Name": "Hound"}],
    }
}
HOSTILE = "album/=1+1, \"a\"; 'b'\n\x1b[31m[bold]\u2028é<script>.jpg"
AT, DONE = "2026-05-01T12:00:00.000Z", "2026-05-01T12:00:03Z"
BOX = {"left": 0.25, "top": 0.5, "width": 0.125, "height": 0.0625, "confidence": 98.125}


@pytest.fixture
def table() -> PhotoTables:
    """Two photos with labels, and others without: failed, waiting, replaced and removed."""
    table = PhotoTables(ABOUT)
    boxes = {"Dog": [(0.25, 0.5, 0.125, 0.0625)]}
    table.put_photo("a.jpg", {"Old": 99}, at=AT)
    table.put_photo(
        "a.jpg", {"Sea": 60.5, "Dog": 98.125}, at=AT, done_at=DONE, boxes=boxes, leave=True
    )
    table.put_photo(HOSTILE, {"Cat": 70}, at=AT, done_at=DONE)
    table.put_photo("none.jpg", {})
    table.fail_photo("bad.jpg")
    table.put_photo("gone.jpg", {"Cat": 80})
    table.remove_photo("gone.jpg", leave=True)
    table.put_photo("waits.jpg", {"Cat": 80})
    table.drop(PHOTOS, "waits.jpg")
    return table


DOG = {
    "image": "a.jpg",
    "label": "Dog",
    "confidence": 98.125,
    "categories": ["Animals and Pets"],
    "parents": ["Animal", "Pet"],
    "aliases": ["Hound"],
    "boxes": [BOX],
    "uploaded_at": AT,
    "labelled_at": DONE,
    "model_version": "3.0",
}
BARE: dict[str, Any] = {"categories": [], "parents": [], "aliases": [], "boxes": []}
SEA = DOG | BARE | {"label": "Sea", "confidence": 60.5}
CAT = SEA | {"image": HOSTILE, "label": "Cat", "confidence": 70.0}


@pytest.fixture
def run(
    table: PhotoTables,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    monkeypatch.chdir(tmp_path)
    return runner(table, monkeypatch, capsys)


def by_image(records: list[Any]) -> list[Any]:
    """Sorted by image, because a scan has no order."""
    return sorted(records, key=lambda record: str(record["image"]))


def lines(said: Said) -> list[Any]:
    assert said.code == 0
    return by_image([json.loads(line) for line in said.out.split("\n")[:-1]])


# ---- formats


def test_json_lines(run: Run) -> None:
    said = run("export", "--format", "jsonl")
    assert lines(said) == [DOG, SEA, CAT]
    assert len(said.out.splitlines()) == 3, "a line break of another kind is within a record"
    assert said.err == "3 labels of 2 photos.\n"
    assert lines(run("export", "--output", "json")) == [DOG, SEA, CAT]


def test_csv(run: Run) -> None:
    run("export", "-o", "labels.csv")
    with Path("labels.csv").open(newline="", encoding="utf-8") as file:
        rows = by_image(list(csv.DictReader(file)))
    assert list(rows[0]) == list(DOG)
    assert rows[0] | {"boxes": json.loads(rows[0]["boxes"])} == {
        **DOG,
        "confidence": "98.125",
        "categories": "Animals and Pets",
        "parents": "Animal; Pet",
        "aliases": "Hound",
    }
    assert rows[1]["categories"] == ""
    assert rows[1]["boxes"] == "[]"
    assert rows[2]["image"] == HOSTILE
    out = run("export").out
    assert sorted(out.split("\n")) == sorted(Path("labels.csv").read_text("utf-8").split("\n"))
    assert "\r" not in out


@pytest.mark.parametrize("words", [[], ["-o", "labels.csv"], ["--output", "json"]])
def test_csv_for_spreadsheets(run: Run, words: list[str]) -> None:
    said = run("export", "--excel", *words)
    text = Path("labels.csv").read_text("utf-8") if "labels.csv" in words else said.out
    assert text.startswith("\ufeffimage,label,")
    assert text.count("\ufeff") == 1


def test_parquet(run: Run) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    said = run("export", "-o", "labels.parquet", "--output", "json")
    assert said.json == {
        "file": "labels.parquet",
        "format": "parquet",
        "labels": 3,
        "photos": 2,
        "bytes": Path("labels.parquet").stat().st_size,
    }
    times = {
        "uploaded_at": datetime(2026, 5, 1, 12, tzinfo=UTC),
        "labelled_at": datetime(2026, 5, 1, 12, 0, 3, tzinfo=UTC),
    }
    read = by_image(parquet.read_table("labels.parquet").to_pylist())
    assert read == [DOG | times, SEA | times, CAT | times]


def test_without_pyarrow_it_says_what_to_install(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    said = run("export", "-o", "labels.parquet")
    assert said.code == 2
    assert "pip install 'labelctl[parquet]'" in said.err
    assert not list(Path().iterdir())


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["-o", "labels.txt"],
            'Cannot tell the format from "labels.txt".\nAdd --format csv, jsonl or',
        ),
        (["-o", "labels"], 'Cannot tell the format from "labels".'),
        (["-o", ""], "-o is empty.\nGive a file name."),
        (["-o", "."], '"." is a folder.'),
        (["-o", "no/labels.csv"], 'There is no folder "no".\nCreate it first'),
        (["-o", "/dev/null", "--format", "csv"], '"/dev/null" is not a regular file.'),
        (["--format", "parquet"], "Parquet can only be written to a file.\nAdd -o labels.parquet"),
        (["--format", "parquet", "-o", "-"], "Parquet can only be written to a file."),
        (["--format", "xml"], "'xml' is not one of csv, jsonl, parquet."),
        (["-o", "json"], "Use the long option: --output json"),
        (["--min-confidence", "101"], "101"),
        (["--excel", "-o", "a.parquet"], "--excel writes CSV, not parquet.\nName a .csv file"),
        (["--excel", "--format", "jsonl"], "--excel writes CSV, not jsonl."),
    ],
)
def test_invalid_options(run: Run, table: PhotoTables, words: list[str], error: str) -> None:
    said = run("export", *words)
    assert said.code == 2
    assert error in said.err
    assert said.out == ""
    assert not table.calls
    assert not list(Path().iterdir())


def test_the_name_decides_the_format_unless_it_is_given(run: Run) -> None:
    run("export", "-o", "a.NDJSON")
    run("export", "-o", "b.csv", "--format", "jsonl")
    out = run("export", "-o", "-", "--format", "jsonl").out
    texts = [Path("a.NDJSON").read_text("utf-8"), Path("b.csv").read_text("utf-8"), out]
    assert [sorted(text.split("\n")) for text in texts] == [sorted(out.split("\n"))] * 3


def test_the_summary_of_an_export(run: Run) -> None:
    said = run("export", "-o", "c.jsonl")
    size = str(Path("c.jsonl").stat().st_size)
    assert (said.rows, said.err) == ([["c.jsonl", "jsonl", "3", "2", size]], "")
    said = run("export", "-o", "c.jsonl", "--output", "table")
    assert (said.out, said.err) == ("", f'3 labels of 2 photos in "c.jsonl" ({size} bytes).\n')


# ---- which labels


def test_a_confidence_from_which_on(run: Run) -> None:
    said = run("export", "--output", "json", "--min-confidence", "70")
    assert lines(said) == [DOG, CAT]
    assert said.err == "2 labels of 2 photos.\n"


def test_a_prefix_is_read_photo_by_photo(run: Run, table: PhotoTables) -> None:
    said = run("export", "--output", "json", "--prefix", "album/", "-v")
    assert lines(said) == [CAT]
    assert said.err == "1 label of 1 photo.\nRead: 1 request, 0.5 read units.\n"
    assert table.calls == {"BatchGetItem": 1}
    assert lines(run("export", "--output", "json", "--prefix", "none/")) == []


def test_both_ways_export_the_same() -> None:
    table = made(3_000, each=3)
    scanned = records_of(export.all_labels(reader_of(table)))
    asked = records_of(export.labels_under_prefix(reader_of(table), table.bucket, "photos", ""))  # type: ignore[arg-type]
    assert len(scanned) == 3_000
    assert len(asked) == len(scanned)
    assert asked == sorted(scanned, key=lambda each: each.image)
    assert records_of(
        export.labels_under_prefix(reader_of(table), table.bucket, "photos", "07/")
    ) == [  # type: ignore[arg-type]
        each for each in asked if each.image.startswith("07/")
    ]
    for image, records in groupby(asked, key=lambda each: each.image):
        confidences = [each.confidence for each in records]
        assert len(confidences) == 3, image
        assert confidences == sorted(confidences, reverse=True)


def test_only_photos_are_read_and_not_the_index() -> None:
    table = made(3_000, each=3)
    records_of(export.all_labels(reader_of(table)))
    records_of(export.labels_under_prefix(reader_of(table), table.bucket, "photos", ""))  # type: ignore[arg-type]
    assert {*table.reads} == {(PHOTOS, None)}
    assert table.calls == {"Scan": 4, "BatchGetItem": 10}


def test_photos_of_one_come_together_though_a_page_ends_between_them() -> None:
    table = made(600, each=3)
    table.page_items = 7
    images = [each.image for each in records_of(export.all_labels(reader_of(table)))]
    assert len([*groupby(images)]) == len({*images}) == 200


@pytest.mark.parametrize("name", ["VOCABULARY", "vocabulary"])
def test_a_photo_and_a_label_may_be_called_like_the_vocabulary(
    run: Run, table: PhotoTables, name: str
) -> None:
    table.put_photo(name, {name: 90})
    found = lines(run("export", "--output", "json"))
    assert [each["label"] for each in found if each["image"] == name] == [name]
    assert len(lines(run("export", "--output", "json", "--prefix", name))) == 1


def test_a_table_without_labels(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(PhotoTables(), monkeypatch, capsys)
    said = run("export")
    assert said.out.count("\n") == 1
    assert said.err == "No photo has a label yet. Next: labelctl upload PATH\n"
    assert run("export", "--output", "json").out == ""


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--prefix", "none"], 'No photo under "none" has a label.'),
        (["--min-confidence", "99.5"], "No label has at least 99.5 % confidence."),
        (
            ["--prefix", "a.", "--min-confidence", "99"],
            'No label under "a." has at least 99 % confidence.',
        ),
    ],
)
def test_an_empty_export_is_explained(run: Run, words: list[str], why: str) -> None:
    assert run("export", *words).err == f"{why}\n"
    run("export", "-o", "labels.jsonl")
    for form in ("plain", "table", "json"):
        said = run("export", "-o", "labels.jsonl", *words, "--output", form, "--quiet")
        assert (said.code, said.err) == (0, f'"labels.jsonl" contains no labels.\n{why}\n')
    assert Path("labels.jsonl").read_text() == ""


def test_a_prefix_that_is_mistyped_empties_no_file(run: Run) -> None:
    why = 'No photo has a key starting with "nope".'
    assert run("export", "--prefix", "nope").err == f"{why}\n"
    run("export", "-o", "labels.jsonl")
    before = Path("labels.jsonl").read_text()
    said = run("export", "-o", "labels.jsonl", "--prefix", "nope")
    assert (said.code, said.err) == (3, f'Error: {why}\nNothing was written to "labels.jsonl".\n')
    assert Path("labels.jsonl").read_text() == before
    assert [path.name for path in Path().iterdir()] == ["labels.jsonl"]


def test_a_similar_prefix_is_suggested(run: Run) -> None:
    why = 'No photo has a key starting with "ALBUM".\n'
    assert run("export", "--prefix", "ALBUM").err == f'{why}Did you mean "album"?\n'
    said = run("export", "-o", "labels.csv", "--prefix", "ALBUM")
    hint = 'Nothing was written to "labels.csv". Did you mean "album"?\n'
    assert (said.code, said.err) == (3, f"Error: {why}{hint}")


def test_details_that_were_left_out_of_a_large_item_are_no_obstacle(
    run: Run, table: PhotoTables
) -> None:
    boxes = {f"Thing {n}": [(0.123456789, 0.2, 0.3, 0.4)] * 100 for n in range(100)}
    table.put_photo("many.jpg", dict.fromkeys(boxes, 90.0), boxes=boxes)
    photo = table.photo("many.jpg")
    assert photo
    assert photo["left_out"]["boxes"]
    found = lines(run("export", "--output", "json", "--prefix", "many"))
    assert len(found) == 100
    stored = sum(len(each.get("boxes", ())) for each in photo["details"].values())
    assert sum(len(each["boxes"]) for each in found) == stored


def test_memory_does_not_grow_with_the_table() -> None:
    """Measured by hand up to 1,000,000 labels: the same 90 MB as at 200,000."""

    class Nowhere:
        def write(self, data: bytes) -> None: ...

    def peak(photos: int) -> int:
        tracemalloc.start()
        try:
            with export_formats.writer("csv", Nowhere()) as writer:
                for part in export.all_labels(reader_of(TableStream(photos, page=2))):
                    writer.write(part.records)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(20)  # what is imported at first
    assert peak(240) < 1.3 * peak(60)


# ---- whole files


def test_the_file_appears_when_complete(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("labels.csv").write_text("what was there")
    seen = []
    write = command._write

    def watched(*arguments: Any) -> None:
        write(*arguments)
        seen.extend(sorted(path.name for path in Path().iterdir()))
        assert Path("labels.csv").read_text() == "what was there"

    monkeypatch.setattr(command, "_write", watched)
    run("export", "-o", "labels.csv")
    assert len(seen) == 2
    assert seen[0].startswith(".labelctl-part-")
    assert Path("labels.csv").read_text("utf-8").startswith("image,label")
    assert [path.name for path in Path().iterdir()] == ["labels.csv"]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_interrupt_leaves_nothing(run: Run, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    def parts(*_: Any) -> Any:
        yield export.Batch([export.Record(**DOG)], 1, 1)
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "all_labels", parts)
    Path("labels").write_text("what was there")
    said = run("export", "-o", "labels", "--format", form)
    assert said.code == 130
    assert said.err == 'Interrupted. Nothing was written to "labels".\n'
    assert [path.name for path in Path().iterdir()] == ["labels"]
    assert Path("labels").read_text() == "what was there"


def test_what_a_killed_export_left_is_removed(run: Run) -> None:
    Path(".labelctl-part-0123").write_text("half of it, and " * 10_000)
    assert run("export", "-o", "labels.csv").err == ""
    assert [path.name for path in Path().iterdir()] == ["labels.csv"]


def reader_of(client: Any) -> Reader:
    return Reader(client, PHOTOS, LABELS)


def records_of(parts: Any) -> list[export.Record]:
    return [record for part in parts for record in part.records]


def test_a_name_with_a_lone_carriage_return_stays_in_its_row(table: PhotoTables, run: Run) -> None:
    table.put_photo("a\rb.jpg", {"Cat": 70}, at=AT, done_at=DONE)
    rows = list(csv.reader(io.StringIO(run("export").out, newline="")))
    assert {len(row) for row in rows} == {10}
    assert "a\rb.jpg" in {row[0] for row in rows}


def test_the_minimum_confidence_is_inclusive(table: PhotoTables, run: Run) -> None:
    table.put_photo("c.jpg", {"Owl": 65.2}, at=AT, done_at=DONE)
    assert "Owl" in run("export", "--min-confidence", "65.2").out
    assert "Owl" not in run("export", "--min-confidence", "65.21").out
