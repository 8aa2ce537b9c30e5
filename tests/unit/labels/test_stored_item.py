"""Items that another program has changed, as any command that reads them reports it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from labelctl.errors import DamagedItemError
from labelctl.labels import export, results
from labelctl.labels.reader import Reader
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.unit.search_world import reader_of

BROKEN: dict[str, Any] = {
    "status": {"N": "1"},
    "labels": {"S": "Dog"},
    "details": {"M": {"Dog": {"S": "x"}}},
    "done_at": {"S": "yesterday"},
    "uploaded_at": {"N": "5"},
    "model_version": {"M": {}},
    "top": {"L": [{"N": "1"}]},
}


@pytest.fixture
def tables() -> PhotoTables:
    tables = PhotoTables()
    tables.put_photo("a.jpg", {"Dog": 98.1})
    return tables


def replace(tables: PhotoTables, table: str, name: str, value: Any) -> None:
    [item] = [each for each in tables.scan(TableName=table)["Items"] if "image" in each]
    changed = {**item, name: value}
    if value is None:
        del changed[name]
    tables.put_item(TableName=table, Item=changed)


def labels(reader: Reader) -> Any:
    item = reader.photo("a.jpg")
    assert item
    return [item["status"], item["done_at"], item["uploaded_at"], *results.labels(item)], item[
        "model_version"
    ]


READING: dict[str, Callable[[Reader], Any]] = {
    "labels": labels,
    "export": lambda reader: [*export.all_labels(reader)],
}


NOT_NOTICED = {
    ("top", "invalid", "export"),  # does not read it
    ("top", "missing", "export"),
    ("top", "missing", "labels"),
    ("done_at", "invalid", "export"),  # copies times as they are
}


@pytest.mark.parametrize(
    ("name", "value", "reading"),
    sorted({*product(BROKEN, ("invalid", "missing"), READING)} - NOT_NOTICED),
)
def test_a_damaged_item_is_named_with_what_to_do(
    tables: PhotoTables, name: str, value: str, reading: str
) -> None:
    read = READING[reading]
    read(reader_of(tables))
    replace(tables, PHOTOS, name, BROKEN[name] if value == "invalid" else None)
    with pytest.raises(DamagedItemError, match=r'The item of "a.jpg" in .* is damaged') as caught:
        read(reader_of(tables))
    assert "labelctl verify --repair" in caught.value.hint


def test_an_index_item_is_named_with_its_label(tables: PhotoTables) -> None:
    replace(tables, LABELS, "image", {"N": "3"})
    with pytest.raises(DamagedItemError, match=r'label "dog" .*: its "image" is invalid') as caught:
        [*reader_of(tables).scan_index()]
    assert "labelctl verify --index --repair" in caught.value.hint
