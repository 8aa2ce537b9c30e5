"""A table too large to be held: the pages of its scan are made as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import SimpleNamespace
from typing import Any

from labelctl.contract import s3_events, schema
from tests.fakes.capacity import read_units, size
from tests.fakes.photos import AT, detected
from tests.fakes.wire import to_wire

LABELS_EACH = 20  # of each photo


class TableStream:
    """So many photos of 20 labels each, for scans, and to be read by key.

    A page has `page` photos. 200 of them are about 0.6 MB, of the 1 MB that DynamoDB reads at once.
    """

    def __init__(self, photos: int, page: int = 200) -> None:
        self._photos = photos
        self._page = page

    def scan(
        self,
        *,
        Segment: int = 0,  # noqa: N803
        TotalSegments: int = 1,  # noqa: N803
        ExclusiveStartKey: Any = None,  # noqa: N803
        **_: Any,
    ) -> Any:
        start = Segment
        if ExclusiveStartKey:
            start = int(ExclusiveStartKey["image"]["S"].removesuffix(".jpg")) + TotalSegments
        end = start + self._page * TotalSegments
        numbers = range(start, min(end, self._photos), TotalSegments)
        bytes_ = _photo()[1]
        # Every photo has the same result, but its own key, so that a page is made in no time.
        items = [photo_item(_key(number)) for number in numbers]
        answer: Any = {
            "Items": items,
            "Count": len(items),
            "ScannedCount": len(items),
            "ConsumedCapacity": {"CapacityUnits": read_units(len(items) * bytes_)},
        }
        if end < self._photos:
            answer["LastEvaluatedKey"] = {"image": items[-1]["image"]}
        return answer

    def batch_get_item(self, *, RequestItems: Any, **_: Any) -> Any:  # noqa: N803
        [(table, request)] = RequestItems.items()
        items = [photo_item(key["image"]["S"]) for key in request["Keys"]]
        usage = [{"CapacityUnits": read_units(len(items) * _photo()[1])}]
        return {"Responses": {table: items}, "UnprocessedKeys": {}, "ConsumedCapacity": usage}

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        return {"Table": {"TableName": TableName, "ItemCount": self._photos}}


class BucketStream:
    """The bucket with these photos: a client of S3 that has paginators only."""

    def __init__(self, photos: int) -> None:
        self._photos = photos

    def get_paginator(self, name: str) -> Any:
        field = {"list_objects_v2": "Contents", "list_object_versions": "Versions"}[name]
        return SimpleNamespace(paginate=lambda **_: self._pages(field))

    def _pages(self, field: str) -> Iterator[Any]:
        entry = {"ETag": f'"{"e" * 32}"', "Size": 1000, "LastModified": datetime.fromisoformat(AT)}
        for start in range(0, self._photos, 1000):
            numbers = range(start, min(start + 1000, self._photos))
            yield {field: [{**entry, "Key": _key(number), "IsLatest": True} for number in numbers]}


def photo_item(image: str) -> Any:
    """The item of a photo of 20 labels, in the form of DynamoDB's API."""
    return {**_photo()[0], "image": {"S": image}}


def _key(number: int) -> str:
    return f"{number:08}.jpg"


@cache
def _photo() -> tuple[Any, int]:
    """A photo's item as DynamoDB writes it, and its size."""
    names = [f"Thing {number}" for number in range(LABELS_EACH)]
    about = {
        "Categories": [{"Name": "Animals and Pets"}],
        "Parents": [{"Name": "Animal"}, {"Name": "Pet"}],
    }
    answer = detected(
        {name: 99.12345678901234 - number for number, name in enumerate(names)},
        dict.fromkeys(names, about),
        {name: [(0.12345678, 0.23456789, 0.34567891, 0.45678912)] for name in names[:4]},
    )
    event = s3_events.PhotoEvent(
        "photos", _key(0), "created", s3_events.pad_sequencer("1"), None, "e" * 32, 1000, AT
    )
    item = schema.labelled_item(event, schema.new_attempt(0), answer, AT)
    assert isinstance(item["labels"][names[0]], Decimal)
    return to_wire(item), size(item)
