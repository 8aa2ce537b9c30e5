"""Which candidate set a search reads, and what choosing it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from labelctl.aws.threads import pool
from labelctl.labels.search.candidates import (
    COUNTED,
    Candidate,
    Order,
    Size,
    UnderPrefix,
    WithLabel,
    smallest,
)
from labelctl.labels.search.query import SearchRequest
from tests.fakes.photos import PhotoTables
from tests.unit.search_world import reader_of, search


@dataclass
class Counted:
    """A set of `count` photos; `limits` are the limits it was counted with."""

    count: int
    reach: str = ""
    limits: list[int] = field(default_factory=list)

    def size(self, limit: int) -> Size:
        self.limits.append(limit)
        return Size(self.count) if self.count <= limit else Size(None, self.reach)

    def photos(self, order: Order) -> Iterator[Candidate]:
        del order
        return iter(())


@pytest.mark.parametrize(
    ("counts", "best", "limits"),
    [
        ([5], 0, [COUNTED]),
        ([20, 90], 0, [COUNTED, 20]),
        ([90, 20], 1, [COUNTED, 90]),
        ([90, 20, 30, 3], 3, [COUNTED, 90, 20, 20]),
        ([1000, COUNTED], 1, [COUNTED, COUNTED]),
        ([COUNTED + 1, 7, 1000], 1, [COUNTED, COUNTED, 7]),
        ([1000, 0, 3], 1, [COUNTED, COUNTED]),  # of none there is nothing smaller
    ],
)
def test_the_smallest_is_chosen_and_nothing_is_counted_beyond_it(
    counts: list[int], best: int, limits: list[int]
) -> None:
    sets = [Counted(count) for count in counts]
    assert smallest(sets) == (sets[best], Size(counts[best]))
    assert [limit for each in sets for limit in each.limits] == limits


@pytest.mark.parametrize(
    ("reaches", "best"),
    [
        (["000.100 ", "012.000 ", "003.000 "], 1),
        (["012.000 ", "000.100 "], 0),
        (["", "000.000 a"], 1),  # sets without a reach, such as a prefix, count as large
        (["000.000 a", ""], 0),
        (["", ""], 0),
    ],
)
def test_of_large_sets_the_one_with_the_greatest_reach_is_chosen(
    reaches: list[str], best: int
) -> None:
    sets = [Counted(1000, reach) for reach in reaches]
    assert smallest(sets) == (sets[best], Size(None, reaches[best]))


def test_a_counted_set_is_smaller_than_any_uncounted_one() -> None:
    sets = [Counted(1000, "050.000 "), Counted(150), Counted(1000, "099.000 ")]
    assert smallest(sets) == (sets[1], Size(150))


@pytest.mark.parametrize(
    ("labels", "least", "limit", "size"),
    [
        (["dog"], 0, 50, Size(50)),
        (["dog"], 0, 49, Size(None, "the 50th")),
        (["dog"], 99, 49, Size(10)),
        (["cat"], 0, 49, Size(0)),
        (["cat", "dog"], 0, 50, Size(50)),
        (["dog", "pet"], 0, 50, Size(None)),  # both were counted to their ends
        (["dog", "pet"], 0, 100, Size(100)),
    ],
)
def test_the_size_of_labels(labels: list[str], least: int, limit: int, size: Size) -> None:
    table = PhotoTables()
    for number in range(50):
        table.put_photo(f"{number:02}.jpg", {"Dog": 99.5 if number < 10 else 60, "Pet": 80})
    with pool(2, "test") as threads:
        some = WithLabel(reader_of(table), threads, labels, Decimal(least), 100)
        found = some.size(limit)
    assert found.count == size.count
    assert (" 49.jpg " in found.reach) == (size.reach == "the 50th")
    assert table.calls["Query"] == len(labels)


def test_many_labels_are_counted_no_further_than_it_takes() -> None:
    """Of 40 labels with 10 photos each, those of the first 8 are more than 50."""
    table = PhotoTables()
    for number in range(10):
        table.put_photo(f"{number}.jpg", {f"Thing {n}": 80 for n in range(40)})
    with pool(8, "test") as threads:
        labels = [f"thing {n}" for n in range(40)]
        some = WithLabel(reader_of(table), threads, labels, Decimal(0), 100)
        assert some.size(50) == Size(None)
    assert table.calls["Query"] == 8


@pytest.mark.parametrize(("limit", "count"), [(4, 4), (3, None), (200, 4)])
def test_the_size_of_a_prefix_takes_one_listing(limit: int, count: int | None) -> None:
    table = PhotoTables()
    for number in range(4):
        table.bucket.put(f"a/{number}.jpg", "x")
        table.bucket.put(f"b/{number}.jpg", "x")
    listed: Any = UnderPrefix(table.bucket, "photos", "a/")  # type: ignore[arg-type]
    assert listed.size(limit) == Size(count)
    assert listed.requests == table.bucket.calls.total() == 1
    if count:
        assert [*listed.photos("confidence")] == [(None, f"a/{number}.jpg") for number in range(4)]


@pytest.mark.parametrize(
    ("labels", "prefix"),
    [(["few", "some"], ""), (["some", "few"], ""), (["few"], "some/"), (["some"], "few/")],
)
def test_of_several_small_sets_the_smallest_leads(labels: list[str], prefix: str) -> None:
    """With 20 photos of one label and 90 of the other, 20 are read, in any order of labels."""
    table = PhotoTables()
    for number in range(110):
        name = "few" if number % 11 < 2 else "some"
        table.put_photo(f"{name}/{number}.jpg", {name.title(): 90, "Any": 90})
    table.put_photo("both.jpg", {"Few": 80, "Some": 80})
    matches, reader = search(table, SearchRequest(labels=labels, prefix=prefix))
    assert len(matches) == (0 if prefix else 1)
    assert reader.spent.units < 15


@pytest.mark.parametrize("rare", [150, 1000])
def test_the_smallest_set_is_chosen_in_any_position(rare: int) -> None:
    """In any order of labels, reads are proportional to the rarest label."""
    table = PhotoTables()
    for number in range(3000):
        labels = {"Common": 90 + number / 1000, "Usual": 90 - number / 1000}
        if number % (3000 // rare) == 0:
            labels["Rare"] = 70
        table.put_photo(f"{number:05}.jpg", labels)
    costs = []
    for names in (["rare", "common", "usual"], ["usual", "common", "rare"]):
        matches, reader = search(table, SearchRequest(labels=names))
        assert len(matches) >= rare
        costs.append(reader.spent.units)
    assert max(costs) < 2 * min(costs)
    assert max(costs) < rare


@cache
def dogs(photos: int, sure: int, beaches: int = 0) -> PhotoTables:
    """Photos of dogs, of which so many have at least 99 %, on all days of a month."""
    table = PhotoTables()
    for number in range(photos):
        is_sure = number % (photos // sure) == 0
        labels = {"Dog": 99.5 if is_sure else 60 + 30 * number / photos}
        if is_sure or (beaches and number % (photos // beaches) == 1):
            labels["Beach"] = 99.2
        minute, second = divmod(number % 3600, 60)
        at = f"2026-05-{1 + number % 28:02}T00:{minute:02}:{second:02}.000Z"
        table.put_photo(f"{number:05}.jpg", labels, at=at)
    return table


NEWEST = SearchRequest(min_confidence=99, order="newest")


@pytest.mark.parametrize("labels", [["dog"], ["dog", "beach"], ["beach", "dog"]])
def test_few_confident_photos_cost_the_same_sorted_by_date(
    labels: list[str],
) -> None:
    costs = []
    for photos in (2000, 6000):  # more beaches than are counted
        table = dogs(photos, sure=10, beaches=photos // 8)
        matches, reader = search(table, replace(NEWEST, labels=labels), 101)
        assert len(matches) == 10
        costs.append((reader.spent.requests, reader.spent.units))
    small, large = costs
    assert small == large
    assert small[0] <= 5  # the words, a count or two, the index, the photos
    assert small[1] <= 10


@pytest.mark.parametrize(
    ("sure", "most", "requests", "units"),
    [
        (4000, 101, 5, 57),  # by date: the photos that are wanted, the index, and a count
        (1000, 101, 7, 65),
        (100, 101, 4, 55),  # by confidence: all are wanted
        (100, 51, 6, 55),
        (30, 2, 7, 18),  # by confidence, as they are few
        (210, 101, 9, 90),  # the worst: too many to be counted, and one in 19 by date
    ],
)
def test_sorting_by_date_uses_the_cheaper_index(
    sure: int, most: int, requests: int, units: float
) -> None:
    matches, reader = search(dogs(4000, sure), replace(NEWEST, labels=["dog"]), most)
    assert len(matches) == min(most, sure)
    assert reader.spent.requests <= requests
    assert reader.spent.units <= units


def test_sorting_by_date_does_not_read_far_for_a_few_more() -> None:
    costs = []
    for photos in (2000, 6000):
        matches, reader = search(dogs(photos, sure=40), replace(NEWEST, labels=["dog"]), 35)
        assert len(matches) == 35
        costs.append(reader.spent.units)
    assert costs[0] == costs[1] < 40 / 2 + 5
