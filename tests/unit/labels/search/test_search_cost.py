"""What a search reads depends on its result, not on the size of the tables."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from labelctl.labels.search.query import SearchRequest
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.unit.search_world import (
    Known,
    answer_of,
    brute,
    labelled_photos,
    search,
    search_of,
    weathered,
)

ENTRIES = 40_000


@pytest.fixture(scope="module")
def weathered_tables() -> PhotoTables:
    return weathered(ENTRIES)


@pytest.fixture(scope="module")
def small_tables() -> PhotoTables:
    return weathered(ENTRIES // 10)


@pytest.fixture
def table(weathered_tables: PhotoTables) -> Iterator[PhotoTables]:
    weathered_tables.calls.clear()
    yield weathered_tables
    weathered_tables.before = None


@pytest.fixture(scope="module")
def known(weathered_tables: PhotoTables) -> list[Known]:
    return labelled_photos(weathered_tables)


@pytest.mark.parametrize(
    ("request_", "requests", "units"),
    [
        # the words, the index, and 101 photos: one more, which shows whether there are more
        (SearchRequest(labels=["thing 0"]), 5, 55),
        (SearchRequest(labels=["thing 0"], order="newest"), 5, 56),
        (SearchRequest(labels=["rarity"]), 3, 17),
        # two counts besides: of those with the rare label, and none beyond them of the other
        (SearchRequest(labels=["rarity", "thing 0"]), 5, 18),
        (SearchRequest(labels=["thing 0", "rarity"]), 5, 21),
        (SearchRequest(labels=["thing 0"], prefix="rare/"), 3, 20),
        (SearchRequest(labels=["thing 0", "thing 1"], prefix="07/photo-0000"), 4, 8),
        # 50 labels: the words, each label's first page, the photos
        (SearchRequest(categories=["tens"]), 54, 84),
        # what is excluded is not looked for
        (SearchRequest(labels=["thing 0"], without=["thing 0"]), 1, 0.5),
        # the vocabulary, the counts, the index, the photos
        (SearchRequest(labels=["rarity"], categories=["tens"]), 14, 27),
    ],
)
def test_what_a_search_reads(
    table: PhotoTables, request_: SearchRequest, requests: int, units: float
) -> None:
    _, reader = search(table, request_, 101)
    assert reader.spent.requests <= requests
    assert reader.spent.units <= units
    assert not table.calls["Scan"]


@pytest.mark.parametrize(
    "request_",
    [
        SearchRequest(labels=["rarity"]),
        SearchRequest(labels=["rarity", "thing 0"]),
        SearchRequest(labels=["thing 0"], prefix="rare/"),
    ],
)
def test_a_rare_label_costs_the_same_in_tables_ten_times_as_large(
    table: PhotoTables, small_tables: PhotoTables, request_: SearchRequest
) -> None:
    small, large = (search(each, request_)[1].spent for each in (small_tables, table))
    assert (small.requests, small.units) == (large.requests, large.units)


def test_the_first_photos_come_before_the_rest_is_read(table: PhotoTables) -> None:
    searching, reader = search_of(table, SearchRequest(labels=["thing 0"]))
    matches = searching.matches(10**6)
    next(matches)
    early = reader.spent.units
    matches.close()
    assert early < 200
    whole, reader = search(table, SearchRequest(labels=["thing 0"]))
    assert len(whole) > 1600
    assert reader.spent.units > 800


def test_a_small_limit_reads_few_photos(table: PhotoTables) -> None:
    _, reader = search(table, SearchRequest(labels=["thing 0"]), 5)
    assert reader.spent.units < 6


def test_many_ties_cost_no_more() -> None:
    """They come by key, which is also the order of the index: not all have to be read first."""
    table = PhotoTables()
    for number in range(3000):
        table.put_photo(f"{number:04}.jpg", {"Dog": 100})
    matches, reader = search(table, SearchRequest(labels=["dog"]), 101)
    assert [match.image for match in matches] == [f"{number:04}.jpg" for number in range(101)]
    assert reader.spent.units < 60


def test_an_end_on_the_way_does_not_wait_for_requests_that_hang(table: PhotoTables) -> None:
    """Such as an interrupt or an error. The threads end when the requests do."""
    begun, go_on, batches = Event(), Event(), iter(range(1, 10**6))

    def hang(operation: str, _: Any) -> None:
        number = next(batches) if operation == "BatchGetItem" else 0
        if number == 2:  # while a concurrent request is in progress
            assert begun.wait(10)
            raise KeyboardInterrupt
        if number == 3:
            begun.set()
            go_on.wait(20)

    searching, _ = search_of(table, SearchRequest(labels=["thing 0"]))
    table.before = hang
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(searching.matches(10**6))
    took = time.monotonic() - started
    assert begun.is_set()
    assert took < 10
    go_on.set()
    assert_no_threads()


def test_leaving_early_ends_the_threads(table: PhotoTables) -> None:
    searching, reader = search_of(table, SearchRequest(labels=["thing 0"]))
    matches = searching.matches(10**6)
    next(matches)
    matches.close()
    assert_no_threads()
    assert reader.spent.requests < 10


def assert_no_threads() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(("search", "query")):
            thread.join(10)
            assert not thread.is_alive()


def test_a_photo_with_several_of_the_labels_is_read_once(
    table: PhotoTables, known: list[Known]
) -> None:
    request = SearchRequest(labels=["thing 0", "thing 1", "thing 2"], any_label=True)
    before = table.reads[PHOTOS, None]
    matches, _ = search(table, request)
    assert len(matches) > 1800
    assert len(matches) / 2 <= table.reads[PHOTOS, None] - before <= len(known) / 2 + 100


def test_a_photo_that_comes_again_is_shown_once(
    table: PhotoTables, known: list[Known], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where so many came in between that it is not remembered."""
    monkeypatch.setattr("labelctl.labels.search.run._MAX_SEEN", 0)
    request = SearchRequest(labels=["thing 0", "thing 1", "thing 2"], any_label=True)
    before = table.reads[PHOTOS, None]
    matches, _ = search(table, request)
    assert answer_of(matches) == brute(known, request)
    assert table.reads[PHOTOS, None] - before > len(known) / 2 + 300  # some were read again


@pytest.mark.parametrize("limit", [10, 200])
def test_memory_is_proportional_to_the_limit(table: PhotoTables, limit: int) -> None:
    """Of the thousands that match, and are ordered by another label than the one that leads."""
    request = SearchRequest(labels=["thing 0", "thing 1"])
    searching, _ = search_of(table, request)
    matches = searching.matches(limit)
    most = 0
    for _ in matches:
        frame = _frame_of(matches)
        most = max(most, len(frame["held"]))
    assert searching.photos_read > 2 * limit
    assert 0 < most <= limit


def _frame_of(matches: Any) -> dict[str, Any]:
    """The variables of the generator that does the work."""
    variables: dict[str, Any] = matches.gi_frame.f_locals
    return variables


def test_unprocessed_photos_are_requested_again(
    table: PhotoTables, known: list[Known], naps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)

    def take_some(operation: str, request: Any) -> int | None:
        if operation != "BatchGetItem":
            return None
        [asked] = request["RequestItems"].values()
        return -(-len(asked["Keys"]) * 2 // 3)

    table.before = take_some
    request = SearchRequest(labels=["thing 2", "thing 5"])
    matches, _ = search(table, request)
    assert answer_of(matches) == brute(known, request)
    assert naps


def test_an_error_on_the_way_ends_the_search(table: PhotoTables) -> None:
    searching, _ = search_of(table, SearchRequest(labels=["thing 0"]))

    def fail(operation: str, _: Any) -> None:
        if operation == "BatchGetItem":
            raise ConnectionError("gone")

    table.before = fail
    with pytest.raises(ConnectionError):
        list(searching.matches(10))


def test_a_search_reads_no_more_of_a_photo_than_it_shows(table: PhotoTables) -> None:
    asked: list[Any] = []
    table.before = lambda operation, request: asked.append((operation, request)) or None
    search(table, SearchRequest(labels=["thing 0"]), 5)
    batches = [request["RequestItems"] for operation, request in asked if operation[0] == "B"]
    names = [each[PHOTOS]["ExpressionAttributeNames"] for each in batches if PHOTOS in each]
    assert {*names[0].values()} == {"image", "status", "labels", "uploaded_at"}
    assert [each for each in batches if LABELS in each]  # the vocabulary's items


def test_it_is_quick(table: PhotoTables) -> None:
    """A bound with much room: what is measured is in `python -m tests.bench search`."""
    started = time.perf_counter()
    search(table, replace(SearchRequest(), labels=["thing 0"]), 101)
    assert time.perf_counter() - started < 2
