"""The table in memory, with photos in it as the function stores them, and the bucket beside it.

    table = TableFake()
    table.put_photo("a.jpg", {"Dog": 98.1, "Beach": 92})    # rows, header and words of the vocabulary
    table.fail_photo("b.jpg", "It is damaged.")
    table.remove_photo("a.jpg")                             # leaves a tombstone
    Reader(table, "labels").query(...)                      # and whatever reads with a boto3 client
    table.bucket.list_objects_v2(Bucket="photos")           # what lists the bucket

`table.calls` counts requests by operation; `table.refuse` leaves keys of a BatchGetItem unprocessed;
`made(100_000)` is a table of so many label rows, made in some seconds. See dynamo_fake.py for what
the calls do and cost. No item may be changed after it was put.
"""

from __future__ import annotations

import hashlib
import random
import zlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from types import SimpleNamespace
from typing import Any

from labelctl import contract
from tests.unit.dynamo_fake import DynamoFake, Item


class TableFake(DynamoFake):
    """See the module. `about` has what DetectLabels tells of a label besides, by its name:
    {"Dog": {"Categories": [{"Name": "Animals and Pets"}], "Aliases": […], "Parents": […]}}."""

    def __init__(self, about: Mapping[str, Any] | None = None, name: str = "labels") -> None:
        super().__init__(name)
        self.about = dict(about or {})
        self.bucket = BucketFake()
        self._written = 0

    def put_photo(
        self,
        key: str,
        labels: Mapping[str, float],
        *,
        at: str = "2026-05-01T12:00:00.000Z",
        done_at: str = "",
        boxes: Mapping[str, Iterable[tuple[float, float, float, float]]] | None = None,
        leave: bool = False,
    ) -> None:
        """A photo that was labelled: rows, header and words of the vocabulary, by the contract.

        A photo that was there is replaced; with `leave` its rows stay for now, as they do until the
        function has removed them. `boxes`: left, top, width, height of each, by the label's name.
        """
        event, version = self._event(key, at, "created")
        answer = [
            {
                "Name": name,
                "Confidence": confidence,
                **self.about.get(name, {}),
                "Instances": [
                    {
                        "BoundingBox": dict(
                            zip(("Left", "Top", "Width", "Height"), box, strict=True)
                        ),
                        "Confidence": confidence,
                    }
                    for box in (boxes or {}).get(name, ())
                ],
            }
            for name, confidence in labels.items()
        ]
        rows = contract.label_rows(event, version, answer)
        header = contract.labelled_header(
            event, version, rows, {"LabelModelVersion": "3.0"}, done_at or at
        )
        self._replace(key, [*rows, header], leave)
        for row in rows:
            word = contract.word(row)
            if self._table.get(contract.VOCABULARY, (contract.VOCABULARY, word["row"])) is None:
                self.put(word)

    def fail_photo(
        self,
        key: str,
        reason: str = "The picture is damaged.",
        *,
        error: str = "InvalidImageFormatException",
        at: str = "2026-05-01T12:00:00.000Z",
        done_at: str = "",
        leave: bool = False,
    ) -> None:
        """A photo that cannot be labelled."""
        event, version = self._event(key, at, "created")
        header = contract.failed_header(event, version, error, reason, done_at or at)
        self._replace(key, [header], leave)

    def remove_photo(
        self, key: str, *, at: str = "2026-05-01T12:00:00.000Z", leave: bool = False
    ) -> None:
        """A photo that is gone: a tombstone stays, and with `leave` its rows for now."""
        event, version = self._event(key, at, "removed")
        self._replace(key, [contract.tombstone(event, version, at, 2_000_000_000)], leave)

    def _event(self, key: str, at: str, kind: contract.Kind) -> tuple[contract.PhotoEvent, str]:
        self._written += 1
        etag = None
        if kind == "created":
            etag = self.bucket.put(key, f"{key} {self._written}", at)
        else:
            self.bucket.drop(key)
        sequencer = contract.pad_sequencer(f"{self._written:x}")
        event = contract.PhotoEvent("photos", key, kind, sequencer, None, etag, 1000, at)
        return event, contract.version_of(event, f"{zlib.crc32(sequencer.encode()):08x}")

    def _replace(self, key: str, items: Iterable[Item], leave: bool) -> None:
        if not leave:
            for row in self.rows(key):
                if not row["row"].startswith(contract.WORD):
                    self.drop(key, row["row"])
        for item in items:
            self.put(item)


class BucketFake:
    """What lists the photos' bucket: ListObjectsV2 of S3, in the order of the keys' UTF-8."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._objects: dict[str, Item] = {}
        self._sorted: list[str] | None = None

    def put(
        self, key: str, content: str, at: str = "2026-05-01T12:00:00.000Z", size: int = 1000
    ) -> str:
        """Put an object there, as one that waits to be labelled; returns its ETag."""
        etag = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        moment = datetime.fromisoformat(at)
        self._objects[key] = {"Key": key, "ETag": f'"{etag}"', "Size": size, "LastModified": moment}
        self._sorted = None
        return etag

    def drop(self, key: str) -> None:
        """Remove an object, if there is one."""
        if self._objects.pop(key, None):
            self._sorted = None

    def keys(self) -> list[str]:
        """All keys, in their order."""
        if self._sorted is None:
            self._sorted = sorted(self._objects)
        return self._sorted

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        MaxKeys: int = 1000,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
    ) -> Any:
        self.calls["ListObjectsV2"] += 1
        keys, after = self.keys(), ContinuationToken or StartAfter
        low = max(bisect_left(keys, Prefix), bisect_right(keys, after) if after else 0)
        high = max(low, bisect_left(keys, Prefix + chr(0x10FFFF)))
        page = keys[low : min(high, low + min(MaxKeys, 1000))]
        answer: Item = {"KeyCount": len(page), "IsTruncated": high - low > len(page)}
        if page:
            answer["Contents"] = [dict(self._objects[key]) for key in page]
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = page[-1]
        return answer

    def get_paginator(self, name: str) -> Any:
        """boto3's paginator of `list_objects_v2`."""
        assert name == "list_objects_v2"

        def paginate(PaginationConfig: Any = None, **request: Any) -> Iterator[Any]:  # noqa: N803
            if "PageSize" in (PaginationConfig or {}):
                request["MaxKeys"] = PaginationConfig["PageSize"]
            while True:
                page = self.list_objects_v2(**request)
                yield page
                if not page["IsTruncated"]:
                    return
                request["ContinuationToken"] = page["NextContinuationToken"]

        return SimpleNamespace(paginate=paginate)


def made(rows: int, *, labels: int = 500, each: int = 20, seed: int = 1) -> TableFake:
    """A table of so many label rows: photos with `each` of the labels "Thing 0", "Thing 1", …

    As in life a few labels are on most photos and most on few (Zipf's law); "Thing 0" is the
    commonest. Every tenth is in the category "Tens", and has the alias "Item 0", "Item 10", ….
    """
    chance = random.Random(seed)
    names = [f"Thing {number}" for number in range(labels)]
    table = TableFake(
        {
            name: {
                "Categories": [{"Name": "Tens" if number % 10 == 0 else "Others"}],
                "Aliases": [{"Name": f"Item {number}"}] if number % 10 == 0 else [],
            }
            for number, name in enumerate(names)
        }
    )
    weights = list(accumulate(1 / (number + 1) for number in range(labels)))
    for photo in range(rows // each):
        chosen: dict[str, float] = {}
        while len(chosen) < each:
            [name] = chance.choices(names, cum_weights=weights)
            chosen[name] = round(chance.uniform(55, 100), 5)
        folder = f"{photo % 100:02}"
        minute, second = divmod(photo % 3600, 60)
        at = f"2026-{1 + photo % 12:02}-{1 + photo % 28:02}T00:{minute:02}:{second:02}.000Z"
        table.put_photo(f"{folder}/photo-{photo:06}.jpg", chosen, at=at)
    return table
