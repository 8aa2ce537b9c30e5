"""Listing photos: by key from the bucket, by state from the index, including waiting photos."""

from __future__ import annotations

from typing import Any

import pytest

from labelctl.contract.schema import STATE_INDEX
from labelctl.labels import listing
from labelctl.photos import versions
from tests.fakes.photos import PHOTOS, PhotoTables, made
from tests.unit.command_world import Run, runner
from tests.unit.photo_items import reader_of


@pytest.fixture
def table() -> PhotoTables:
    """Two labelled photos, one that failed, one that waits, one that was replaced, one that is gone."""
    table = PhotoTables()
    table.put_photo(
        "beach.jpg", {"Dog": 98.1, "Sea": 99, "Pet": 70, "Sky": 60}, done_at="2026-05-03"
    )
    table.put_photo("album/[bold].jpg", {}, done_at="2026-05-04")
    table.fail_photo("album/bad.jpg", "It is empty.", done_at="2026-05-02")
    table.put_photo("replaced.jpg", {"Cat": 80}, done_at="2026-05-01")
    table.bucket.put("replaced.jpg", "new", "2026-05-05T10:00:00.000Z")
    table.bucket.put("album/waits.jpg", "x", "2026-05-06T10:00:00.000Z")
    table.put_photo("gone.jpg", {"Cat": 80})
    table.remove_photo("gone.jpg")
    return table


@pytest.fixture
def run(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    return runner(table, monkeypatch, capsys)


def test_all_photos_are_listed_by_name_a_line_each(run: Run) -> None:
    said = run("images")
    assert (said.code, said.err) == (0, "")
    assert said.rows == [
        ["labelled", "album/[bold].jpg", "2026-05-04", "0", ""],
        ["failed", "album/bad.jpg", "2026-05-02", "", "It is empty."],
        ["waiting", "album/waits.jpg", "2026-05-06T10:00:00Z", "", ""],
        ["labelled", "beach.jpg", "2026-05-03", "4", "Sea, Dog, Pet"],
        ["waiting", "replaced.jpg", "2026-05-05T10:00:00Z", "", ""],
    ]


def test_json_has_all_that_is_known(run: Run) -> None:
    result = run("images", "--output", "json", "--prefix", "b").json
    beach = {
        "image": "beach.jpg",
        "status": "labelled",
        "label_count": 4,
        "top": ["Sea", "Dog", "Pet"],
        "reason": None,
        "at": "2026-05-03",
    }
    assert result == {"images": [beach], "more": False}
    bad = run("images", "-o", "json", "--status", "failed").json["images"][0]
    assert (bad["label_count"], bad["top"], bad["reason"]) == (None, [], "It is empty.")
    waits = run("images", "-o", "json", "--status", "waiting").json["images"][0]
    assert (waits["label_count"], waits["reason"]) == (None, None)


def test_a_table_on_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    lines = [line.rstrip() for line in run("images", "-o", "table").out.splitlines()]
    assert [line for line in lines if line] == [
        " State      Photo              Time               Labels   Top labels or reason",
        " ──────────────────────────────────────────────────────────────────────────────",
        " labelled   album/[bold].jpg   2026-05-04 00:00        0",
        " failed     album/bad.jpg      2026-05-02 00:00            It is empty.",
        " waiting    album/waits.jpg    2026-05-06 10:00",
        " labelled   beach.jpg          2026-05-03 00:00        4   Sea, Dog, Pet",
        " waiting    replaced.jpg       2026-05-05 10:00",
    ]


def names(said: Any) -> list[str]:
    assert said.code == 0
    return [row[1] for row in said.rows]


@pytest.mark.parametrize(
    ("words", "images"),
    [
        # By the index: the latest first, and replaced.jpg as the function left it.
        ("--status labelled", ["album/[bold].jpg", "beach.jpg", "replaced.jpg"]),
        ("--status failed", ["album/bad.jpg"]),
        ("--status waiting", ["album/waits.jpg", "replaced.jpg"]),
        ("--status labelled --prefix album/", ["album/[bold].jpg"]),
        ("--status failed --prefix album/", ["album/bad.jpg"]),
        ("--status waiting --prefix r", ["replaced.jpg"]),
        ("--prefix album/", ["album/[bold].jpg", "album/bad.jpg", "album/waits.jpg"]),
    ],
)
def test_a_state_and_a_prefix_choose(run: Run, words: str, images: list[str]) -> None:
    assert names(run("images", *words.split())) == images


def test_a_folder_of_the_console_is_no_photo(table: PhotoTables, run: Run) -> None:
    before = [run(*words).out for words in (["images"], ["images", "--status", "waiting"])]
    for key in ("album/", "empty/", "/"):
        table.bucket.put(key, "", size=0)
    assert [run(*words).out for words in (["images"], ["images", "--status", "waiting"])] == before
    assert names(run("images", "--limit", "1")) == ["album/[bold].jpg"]
    table.put_photo("odd/", {"Cat": 80})
    assert names(run("images", "--prefix", "odd/")) == ["odd/"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--prefix none/", 'No photo has a key starting with "none/".\n'),
        (
            "--prefix ALBUM/",
            'No photo has a key starting with "ALBUM/".\nDid you mean "album/"?\n',
        ),
        ("--status failed --prefix b", 'No photo under "b" has failed.\n'),
        ("--status waiting --prefix b", 'No photo under "b" is waiting.\n'),
    ],
)
def test_an_empty_list_is_reported(run: Run, words: str, said: str) -> None:
    result = run("images", *words.split())
    assert (result.code, result.out, result.err) == (0, "", said)


def test_an_empty_bucket(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runner(PhotoTables(), monkeypatch, capsys)
    assert run("images").err == "There are no photos yet. Next: labelctl upload PATH\n"
    assert run("images", "--status", "labelled").err == "No photo is labelled.\n"
    assert run("images", "-o", "json").json == {"images": [], "more": False}


def test_a_limit(run: Run) -> None:
    some = run("images", "--limit", "2")
    assert names(some) == ["album/[bold].jpg", "album/bad.jpg"]
    assert some.err == "More results: raise --limit.\n"
    assert run("images", "--limit", "1", "--status", "labelled", "-o", "json").json["more"]
    assert run("images", "--limit", "5").err == ""


@pytest.mark.parametrize(
    "words", ["--status done", "--limit 0", "--prefix " + "x" * 1025, "--status"]
)
def test_invalid_options(run: Run, words: str) -> None:
    said = run("images", *words.split())
    assert said.code == 2
    assert said.out == ""


def test_no_more_is_read_than_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = made(4_500, each=3)
    run = runner(table, monkeypatch, capsys)
    for number in range(5):
        table.fail_photo(f"bad/{number}.jpg")
    table.calls.clear()
    table.bucket.calls.clear()

    failed = run("images", "--status", "failed", "-v")
    assert len(failed.rows) == 5
    assert failed.err == "Read: 4 requests, 2.0 read units.\n"  # one for each shard
    assert not table.bucket.calls

    run("images", "--limit", "150")
    assert table.bucket.calls == {"ListObjectsV2": 1}
    assert table.calls == {"Query": 4, "BatchGetItem": 2}

    assert len(run("images", "--limit", "1200").rows) == 1200
    assert table.bucket.calls == {"ListObjectsV2": 1 + 2}
    assert table.calls == {"Query": 4, "BatchGetItem": 2 + 13}
    assert {source for source in table.reads if table.reads[source]} == {
        (PHOTOS, None),
        (PHOTOS, STATE_INDEX),
    }


def test_reading_stops_when_the_consumer_stops() -> None:
    table = made(3_600, each=3)
    reader = reader_of(table)
    pages = listing.photos(reader, versions.list_photos(table.bucket, "photos", ""))  # type: ignore[arg-type]
    first = next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert len(first) == 100
    assert table.calls["BatchGetItem"] <= 8
    assert table.bucket.calls == {"ListObjectsV2": 1}


def test_a_throttled_table_loses_no_photo(naps: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    table = made(900, each=3)
    table.before = lambda _, request: -(-len(request["RequestItems"][PHOTOS]["Keys"]) // 2)
    reader = reader_of(table)
    found = [
        each
        for page in listing.photos(reader, versions.list_photos(table.bucket, "photos", ""))  # type: ignore[arg-type]
        for each in page
    ]
    assert [each.object.key for each in found] == sorted(each.object.key for each in found)
    assert {each.status for each in found} == {"labelled"}
    assert len(found) == 300
    assert naps


def test_the_latest_of_all_shards_come_first(run: Run, table: PhotoTables) -> None:
    for number in range(40):
        table.put_photo(f"new/{number:02}.jpg", {}, done_at=f"2026-06-01T00:00:{number:02}Z")
    listed = names(run("images", "--status", "labelled", "--limit", "30"))
    assert listed == [f"new/{number:02}.jpg" for number in reversed(range(10, 40))]
