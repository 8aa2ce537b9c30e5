"""Which set a search goes through, what that costs, and what is kept meanwhile."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any
from weakref import WeakSet

import pytest

from labelctl.candidates import Entry, Listed, leading
from labelctl.reads import Reader
from labelctl.search import Match, Search, Wanted, plan
from labelctl.vocabulary import Vocabulary
from tests.unit.table_fake import TableFake


def search(table: TableFake, wanted: Wanted, most: int = 10**6) -> tuple[list[Match], Reader]:
    reader = Reader(table, "labels")
    query = plan(Vocabulary(reader), wanted)
    return [*Search(reader, table.bucket, "photos", query).matches(most)], reader


@pytest.mark.parametrize(
    ("labels", "prefix"),
    [(["few", "some"], ""), (["some", "few"], ""), (["few"], "some/"), (["some"], "few/")],
)
def test_of_several_small_sets_the_smallest_leads(labels, prefix):
    """Of 20 photos with the one and 90 with the other 20 are looked at, whichever stands first."""
    table = TableFake()
    for number in range(110):
        name = "few" if number % 11 < 2 else "some"
        table.put_photo(f"{name}/{number}.jpg", {name.title(): 90, "Any": 90})
    table.put_photo("both.jpg", {"Few": 80, "Some": 80})
    matches, reader = search(table, Wanted(labels=labels, prefix=prefix))
    assert len(matches) == (0 if prefix else 1)
    assert reader.spent.units < 15


def dogs(photos: int, sure: int, beaches: int = 0) -> TableFake:
    """Photos of dogs, of which so many have at least 99 %, strewn over the days of a month."""
    table = TableFake()
    for number in range(photos):
        is_sure = number % (photos // sure) == 0
        labels = {"Dog": 99.5 if is_sure else 60 + 30 * number / photos}
        if is_sure or (beaches and number % (photos // beaches) == 1):
            labels["Beach"] = 99.2
        minute, second = divmod(number % 3600, 60)
        at = f"2026-05-{1 + number % 28:02}T00:{minute:02}:{second:02}.000Z"
        table.put_photo(f"{number:05}.jpg", labels, at=at)
    return table


NEWEST = Wanted(min_confidence=99, order="newest")


@pytest.mark.parametrize("labels", [["dog"], ["dog", "beach"], ["beach", "dog"]])
def test_few_that_are_sure_cost_the_same_newest_first_however_many_are_not(labels):
    costs = []
    for photos in (1000, 10_000):
        table = dogs(photos, sure=10, beaches=photos // 8)
        matches, reader = search(table, replace(NEWEST, labels=labels), 101)
        assert len(matches) == 10
        costs.append((reader.spent.requests, reader.spent.units))
    small, large = costs
    assert small == large
    assert small[0] <= 5  # the words, a count or two, the index, the headers
    assert small[1] <= 9


@pytest.mark.parametrize(
    ("sure", "most", "requests", "units"),
    [
        (4000, 101, 5, 56),  # by date: the headers of those that are wanted, and the index
        (1000, 101, 7, 80),
        (100, 101, 4, 56),  # by confidence: all are wanted
        (100, 51, 12, 110),  # by date for the cost of 51, of 100 at last: at most three times that
        (30, 2, 7, 18),  # by confidence, as they are few
    ],
)
def test_newest_first_is_read_by_what_costs_less(sure, most, requests, units):
    matches, reader = search(dogs(4000, sure), replace(NEWEST, labels=["dog"]), most)
    assert len(matches) == min(most, sure)
    assert reader.spent.requests <= requests
    assert reader.spent.units <= units


def test_newest_first_does_not_read_far_by_date_for_a_few_more_than_are_wanted():
    costs = []
    for photos in (4000, 12_000):
        matches, reader = search(dogs(photos, sure=40), replace(NEWEST, labels=["dog"]), 35)
        assert len(matches) == 35
        costs.append(reader.spent.units)
    assert costs[0] == costs[1] < 3 * 40 / 2 + 16  # and a page that was asked for ahead


class Key(str):
    """One that can be seen to be there still."""

    __slots__ = ("__weakref__",)


class Bucket:
    """One that makes keys as they are listed; `alive`: those that somebody keeps, `most` at a time."""

    def __init__(self, keys: int) -> None:
        self.keys = keys
        self.alive: WeakSet[Key] = WeakSet()
        self.most = 0

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=self._paginate)

    def _paginate(self, **request: Any) -> Iterator[Any]:
        for start in range(0, self.keys, 1000):
            yield {"Contents": [self._made(n) for n in range(start, min(start + 1000, self.keys))]}
            self.most = max(self.most, len(self.alive))

    def _made(self, number: int) -> dict[str, Key]:
        key = Key(f"{number:07}.jpg")
        self.alive.add(key)
        return {"Key": key}


@dataclass
class Other:
    """Another set, of so many photos."""

    name: str
    size: int
    parts = 1

    def within(self, most: int) -> int | None:
        return self.size if self.size <= most else None

    def entries(self) -> Generator[Entry, None, None]:
        yield from ((None, f"{self.name} {number}") for number in range(self.size))

    def forget(self) -> None:
        pass


@pytest.mark.parametrize("others", [1500, 3000])
def test_keys_that_were_counted_are_let_go_of_when_another_set_leads(others):
    bucket: Any = Bucket(12_000)
    first, second = Other("first", 50_000), Other("second", others)
    entries = leading([first, second, Listed(bucket, "photos", "holiday/")])
    kept = {}
    for _, image in entries:
        kept[image.split()[0]] = len(bucket.alive)
    assert kept == {"first": 2000, "second": 0}


@pytest.mark.parametrize(("keys", "listings"), [(4500, 5), (24_000, 48)])
def test_only_some_thousand_keys_are_kept_and_more_are_listed_again(keys, listings):
    bucket: Any = Bucket(keys)
    listed = Listed(bucket, "photos", "holiday/")
    for most in (100, 1000, 10_000, 100_000):
        assert listed.within(most) == (keys if keys <= most else None)
    assert bucket.most <= 5000 + 2 * 1000  # and a page or two that are gone through
    if keys > 5000:
        assert len(bucket.alive) <= 1000
    assert [image for _, image in listed.entries()] == [f"{n:07}.jpg" for n in range(keys)]
    assert listed.requests == listings
