"""The benchmarks' second opinion notices what a crash, or a bug, could leave behind."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.contract import schema
from tests.bench.consistency import Expected, check
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables

OUTPUTS = {"Table": PHOTOS, "LabelsTable": LABELS}


@pytest.fixture
def tables() -> PhotoTables:
    tables = PhotoTables()
    tables.put_photo("a.jpg", {"Dog": 98.1234, "Red": 90})
    tables.fail_photo("b.jpg")
    tables.remove_photo("c.jpg")
    return tables


def look(tables: PhotoTables) -> Any:
    """The books of a bucket with a.jpg and b.jpg, as their items name the versions."""
    versions = [
        {"IsLatest": True, "Key": key, "VersionId": f"v-{key}"} for key in ("a.jpg", "b.jpg")
    ]
    pages = SimpleNamespace(paginate=lambda **_: [{"Versions": versions}])

    def items(output: str) -> Any:
        for item in tables.items(OUTPUTS[output]):
            yield {**item, "version_id": f"v-{item['image']}"} if output == "Table" else item

    cloud: Any = SimpleNamespace(
        items=items,
        outputs={"PhotosBucket": "photos"},
        client=lambda _: SimpleNamespace(get_paginator=lambda _: pages),
    )
    return check(cloud, {"a.jpg": Expected("labelled", "Red"), "b.jpg": Expected("failed")})


def change(tables: PhotoTables, **values: Any) -> None:
    tables.put(PHOTOS, {**tables.photo("a.jpg"), **values})


def dog(tables: PhotoTables) -> Any:
    return next(item for item in tables.items(LABELS) if item["label"] == "dog")


def forget_a_photo(tables: PhotoTables) -> None:
    tables.drop(PHOTOS, "b.jpg")


def forget_an_index_item(tables: PhotoTables) -> None:
    tables.drop(LABELS, "dog", dog(tables)["rank"])


def index_what_is_not_there(tables: PhotoTables) -> None:
    tables.put(LABELS, {**dog(tables), "label": "cat"})


def index_another_confidence(tables: PhotoTables) -> None:
    item = dog(tables)
    tables.drop(LABELS, "dog", item["rank"])
    tables.put(LABELS, {**item, "rank": f"000.500{item['rank'][7:]}"})


def index_another_date(tables: PhotoTables) -> None:
    tables.put(LABELS, {**dog(tables), "uploaded_at": "2020-01-01T00:00:00.000Z"})


def forget_a_word(tables: PhotoTables) -> None:
    tables.drop(LABELS, schema.VOCABULARY, "dog")


def keep_what_is_gone(tables: PhotoTables) -> None:
    tables.put_photo("c.jpg", {"Dog": 90})


def miscount(tables: PhotoTables) -> None:
    change(tables, label_count=3)


def fail_what_is_fine(tables: PhotoTables) -> None:
    tables.fail_photo("a.jpg")


def label_what_is_broken(tables: PhotoTables) -> None:
    tables.put_photo("b.jpg", {"Dog": 90})


def show_an_older_version(tables: PhotoTables) -> None:
    tables.put_photo("a.jpg", {"Dog": 90, "Blue": 90})


def test_nothing_is_wrong_where_all_agrees(tables):
    books = look(tables)
    assert (books.wrong, books.unused) == ([], 0)
    assert books.statuses == {"labelled": 1, "failed": 1, "removed": 1}


@pytest.mark.parametrize(
    ("damage", "key"),
    [
        (forget_a_photo, "b.jpg"),
        (forget_an_index_item, "a.jpg"),
        (index_what_is_not_there, "a.jpg"),
        (index_another_confidence, "a.jpg"),
        (index_another_date, "a.jpg"),
        (forget_a_word, "a.jpg"),
        (keep_what_is_gone, "c.jpg"),
        (miscount, "a.jpg"),
        (fail_what_is_fine, "a.jpg"),
        (label_what_is_broken, "b.jpg"),
        (show_an_older_version, "a.jpg"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_damage_is_noticed(damage, key, tables):
    damage(tables)
    assert {sentence.partition(": ")[0] for sentence in look(tables).wrong} == {key}


def test_index_items_that_lead_nowhere_are_counted(tables):
    tables.put_photo("a.jpg", {"Red": 90}, leave=True)
    tables.put(LABELS, {**dog(tables), "image": "d.jpg"})
    books = look(tables)
    assert (books.wrong, books.unused) == ([], 2)
