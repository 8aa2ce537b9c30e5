"""Reading both tables: photos by key and state, the index and the vocabulary, and the cost."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice

import pytest

from labelctl.contract import schema
from labelctl.labels.reader import PhotoCounts
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, dogs, made
from tests.unit.search_world import reader_of


@pytest.fixture
def table() -> PhotoTables:
    return dogs(150)


# ---- photos


def test_one_photo_as_it_is_now(table: PhotoTables) -> None:
    table.lag()
    table.put_photo("7.jpg", {"Cat": 80})
    reader = reader_of(table)
    photo = reader.photo("7.jpg")
    assert photo == table.photo("7.jpg")
    assert photo["labels"] == {"Cat": Decimal(80)}
    assert reader.photo("none.jpg") is None
    assert str(reader.spent) == "2 requests, 2.0 read units"


def test_any_number_of_photos(table: PhotoTables) -> None:
    reader = reader_of(table)
    expected = [*(f"{number}.jpg" for number in range(150)), "none.jpg", "0.jpg"]
    found = reader.photos(expected, "status")
    assert len(found) == 150
    assert found["7.jpg"] == {"image": "7.jpg", "status": "labelled"}
    assert reader.photos(["7.jpg"])["7.jpg"] == table.photo("7.jpg")
    assert reader.photos([]) == {}
    assert table.calls == {"BatchGetItem": 3}  # two, and one for 7.jpg
    assert (reader.spent.requests, reader.spent.units) == (3, 76)
    assert str(reader.spent) == "3 requests, 76.0 read units"


def test_many_photos_as_they_are_now_cost_twice_as_much(table: PhotoTables) -> None:
    table.lag()
    table.fail_photo("7.jpg")
    for consistent, status, units in ((False, "labelled", 1), (True, "failed", 2)):
        reader = reader_of(table)
        found = reader.photos(["7.jpg", "8.jpg"], "status", consistent=consistent)
        assert (found["7.jpg"]["status"], reader.spent.units) == (status, units)


def test_a_scan_brings_every_photo_once_and_is_billed_for_all_of_each() -> None:
    table = made(2_000)
    reader = reader_of(table)
    pages = [*reader.scan_photos("status")]
    images = [item["image"] for page in pages for item in page]
    assert len(images) == len({*images}) == 100
    assert {*pages[0][0]} == {"image", "status"}
    whole = reader_of(table)
    [*_] = whole.scan_photos(*table.items(PHOTOS)[0])
    assert whole.spent == reader.spent
    assert table.calls == {"Scan": 8}


def test_a_scan_of_many_pages_loses_nothing() -> None:
    table = made(2_000)
    table.page_items = 7
    images = [item["image"] for page in reader_of(table).scan_photos("status") for item in page]
    assert sorted(images) == [item["image"] for item in table.items(PHOTOS)]
    keys = [(i["label"], i["rank"]) for page in reader_of(table).scan_index() for i in page]
    assert sorted(keys) == [(item["label"], item["rank"]) for item in table.items(LABELS)]


# ---- by state


def states() -> PhotoTables:
    """700 failed photos, the latest one with the greatest number, and as many of other states."""
    table = PhotoTables()
    for number in range(700):
        minute, second = divmod(number, 60)
        done_at = f"2030-01-01T00:{minute:02}:{second:02}Z"
        table.fail_photo(f"{number:03}.jpg", done_at=done_at)
        table.put_photo(f"labelled {number}.jpg", {}, done_at=done_at)
    table.put_photo("gone.jpg", {})
    table.remove_photo("gone.jpg")
    return table


def test_photos_of_a_state_come_the_latest_first_though_they_are_in_shards() -> None:
    table = states()
    shards = {item["state_shard"] for item in table.items(PHOTOS, schema.STATE_INDEX)}
    assert len(shards) == 2 * schema.SHARDS
    found = [*reader_of(table).photos_by_state("failed", 10)]
    assert [item["image"] for item in found] == [f"{n:03}.jpg" for n in reversed(range(700))]
    assert found[0]["reason"] == "The picture is damaged."
    assert len([*reader_of(table).photos_by_state("labelled")]) == 700
    assert [*reader_of(PhotoTables()).photos_by_state("failed")] == []


def test_photos_of_a_state_are_read_lazily() -> None:
    table = states()
    reader = reader_of(table)
    [*_] = islice(reader.photos_by_state("failed", 100), 100)
    assert reader.spent.requests == schema.SHARDS
    assert reader.spent.units < 8


def test_photos_are_counted_by_their_state() -> None:
    table = states()
    assert reader_of(table).count_states() == PhotoCounts(700, 700)
    assert table.calls == {"Query": 2 * schema.SHARDS}
    assert reader_of(PhotoTables()).count_states() == PhotoCounts(0, 0)


def test_more_photos_than_a_few_requests_count_are_counted_approximately() -> None:
    table = states()
    for number in range(100, 700):
        table.remove_photo(f"{number:03}.jpg")  # failed
    table.page_items = 50
    queries = 2 * schema.SHARDS
    about = {"labelled": "about"}
    assert reader_of(table).count_states() == PhotoCounts(700, 100, about)
    assert table.calls["Query"] == queries
    assert table.calls["DescribeTable"] == 1
    table.page_items = 10  # neither is known, so the size of the index says nothing
    more = {"labelled": "more than", "failed": "more than"}
    assert reader_of(table).count_states() == PhotoCounts(40, 40, more)
    assert table.calls["Query"] == 2 * queries
    assert table.calls["DescribeTable"] == 1


# ---- the index


@pytest.mark.parametrize(
    ("limit", "count", "last"), [(100, 100, True), (149, 149, True), (151, 150, False)]
)
def test_index_items_are_counted_up_to_a_limit(
    table: PhotoTables, limit: int, count: int, last: bool
) -> None:
    reader = reader_of(table)
    items = [item["rank"] for item in table.items(LABELS) if item["label"] == "dog"]
    assert reader.count_labels("dog", limit) == (count, items[limit - 1] if last else None)
    assert reader.spent.requests == 1


def test_the_vocabulary_is_read_by_key_or_whole(table: PhotoTables) -> None:
    table.put_photo("a.jpg", {"Hot Dog": 90, "VOCABULARY": 80})
    reader = reader_of(table)
    words = [(schema.VOCABULARY, label) for label in ("hot dog", "dog", "cat")]
    found = sorted(item["name"] for item in reader.index_items(words))
    assert found == ["Dog", "Hot Dog"]
    assert [item["name"] for item in reader.vocabulary()] == ["Dog", "Hot Dog", "VOCABULARY"]
    table.page_items = 1
    assert len([*reader_of(table).vocabulary()]) == 3
