"""Both tables in memory with photos in them, as the function stores them, and the bucket beside them.

    tables = PhotoTables()
    tables.put_photo("a.jpg", {"Dog": 98.1, "Beach": 92})   # its item, index items, the vocabulary
    tables.fail_photo("b.jpg", "The picture is damaged.")
    tables.remove_photo("a.jpg")                            # keeps an item that expires
    tables.bucket.list_objects_v2(Bucket="photos")          # for what lists the bucket

Wherever a boto3 client is expected, `tables` is DynamoDB's and `tables.bucket` is S3's.
`made(100_000)` has that many labels and takes a few seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any

from labelctl.contract import s3_events, schema
from tests.fakes.bucket import FakeBucket
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.ordered_table import Item
from tests.fakes.template import table_properties

PHOTOS = "photos-table"
LABELS = "labels-table"

Boxes = Mapping[str, Iterable[tuple[float, float, float, float]]]
"""By a label's name: left, top, width and height of each of its boxes, as ratios (0 to 1)."""

AT = "2026-05-01T12:00:00.000Z"


def detected(labels: Mapping[str, float], about: Mapping[str, Any], boxes: Boxes) -> Item:
    """An answer of DetectLabels with confidences by name, and what `about` has of each name."""
    sides = ("Left", "Top", "Width", "Height")
    found = [
        {
            "Name": name,
            "Confidence": confidence,
            **about.get(name, {}),
            "Instances": [
                {"BoundingBox": dict(zip(sides, box, strict=True)), "Confidence": confidence}
                for box in boxes.get(name, ())
            ],
        }
        for name, confidence in labels.items()
    ]
    return {"Labels": found, "LabelModelVersion": "3.0"}


class PhotoTables(FakeDynamoDB):
    """See the module. `about` is the rest of DetectLabels' answer about a label, by its name:
    {"Dog": {"Categories": [{"Name": "Animals and Pets"}], "Aliases": […], "Parents": […]}}."""

    def __init__(self, about: Mapping[str, Any] | None = None) -> None:
        super().__init__(
            {PHOTOS: table_properties("PhotosTable"), LABELS: table_properties("LabelsTable")}
        )
        self.about = dict(about or {})
        self.bucket = FakeBucket()
        self._events = 0

    def put_photo(
        self,
        key: str,
        labels: Mapping[str, float],
        *,
        at: str = AT,
        done_at: str = "",
        boxes: Boxes | None = None,
        about: Mapping[str, Any] | None = None,
        leave: bool = False,
    ) -> Item:
        """A labelled photo: its item (returned), index items and vocabulary.

        A photo with this key is replaced; with `leave` its index items stay, as they do until the
        function has removed them.
        """
        event, attempt = self._event(key, at, "created")
        answer = detected(labels, {**self.about, **(about or {})}, boxes or {})
        photo = schema.labelled_item(event, attempt, answer, done_at or at)
        self._publish(photo, leave)
        for item in schema.index_items(photo):
            self.put(LABELS, item)
        for item in schema.vocabulary_items(photo):
            if self.item(LABELS, item["label"], item["rank"]) is None:
                self.put(LABELS, item)
        return photo

    def fail_photo(
        self,
        key: str,
        reason: str = "The picture is damaged.",
        *,
        error: str = "InvalidImageFormatException",
        at: str = AT,
        done_at: str = "",
        leave: bool = False,
    ) -> Item:
        """A photo that cannot be labelled; returns its item."""
        event, attempt = self._event(key, at, "created")
        photo = schema.failed_item(event, attempt, error, reason, done_at or at)
        self._publish(photo, leave)
        return photo

    def remove_photo(self, key: str, *, at: str = AT, leave: bool = False) -> Item:
        """A photo that was removed from the bucket; returns the item that stays for a time."""
        event, attempt = self._event(key, at, "removed")
        photo = schema.removed_item(event, attempt, at, 2_000_000_000)
        self._publish(photo, leave)
        return photo

    def photo(self, key: str) -> Item | None:
        """A photo's item as it is now, or None."""
        return self.item(PHOTOS, key)

    def _event(self, key: str, at: str, kind: s3_events.Kind) -> tuple[s3_events.PhotoEvent, str]:
        self._events += 1
        etag = None
        if kind == "created":
            etag = self.bucket.put(key, f"{key} {self._events}", at)
        else:
            self.bucket.drop(key)
        sequencer = s3_events.pad_sequencer(f"{self._events:x}")
        event = s3_events.PhotoEvent("photos", key, kind, sequencer, None, etag, 1000, at)
        began = int(datetime.fromisoformat(at).timestamp())
        return event, f"{began:08x}{self._events:08x}"  # as of `new_attempt`, but not random

    def _publish(self, photo: Item, leave: bool) -> None:
        old = self.item(PHOTOS, photo["image"])
        if old and not leave:
            for item in schema.index_items(old):
                self.drop(LABELS, item["label"], item["rank"])
        self.put(PHOTOS, photo)


def made(entries: int, *, labels: int = 500, each: int = 20, seed: int = 1) -> PhotoTables:
    """Tables with so many index items: photos with `each` of the labels "Thing 0", "Thing 1", …

    As in life a few labels are on most photos and most on few (Zipf's law); "Thing 0" is the
    commonest. Every tenth is in the category "Tens", and has the alias "Item 0", "Item 10", ….
    """
    chance = random.Random(seed)
    names = [f"Thing {number}" for number in range(labels)]
    tables = PhotoTables(
        {
            name: {
                "Categories": [{"Name": "Tens" if number % 10 == 0 else "Others"}],
                "Aliases": [{"Name": f"Item {number}"}] if number % 10 == 0 else [],
            }
            for number, name in enumerate(names)
        }
    )
    weights = list(accumulate(1 / (number + 1) for number in range(labels)))
    for photo in range(entries // each):
        chosen: dict[str, float] = {}
        while len(chosen) < each:
            [name] = chance.choices(names, cum_weights=weights)
            chosen[name] = round(chance.uniform(55, 100), 5)
        minute, second = divmod(photo % 3600, 60)
        at = f"2026-{1 + photo % 12:02}-{1 + photo % 28:02}T00:{minute:02}:{second:02}.000Z"
        tables.put_photo(f"{photo % 100:02}/photo-{photo:06}.jpg", chosen, at=at)
    return tables


def dogs(count: int) -> PhotoTables:
    """Tables with this many photos, each labelled "Dog"."""
    table = PhotoTables()
    for number in range(count):
        table.put_photo(f"{number}.jpg", {"Dog": 90})
    return table
