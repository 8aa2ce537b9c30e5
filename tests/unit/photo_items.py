"""Items of photos with a given version, sequencer and time, and tables to store them in.

Tests that just need some photos can use `PhotoTables.put_photo` and similar methods instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labelctl.contract import s3_events, schema
from labelctl.labels.reader import Reader
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables

ANSWER: dict[str, Any] = {
    "LabelModelVersion": "3.0",
    "Labels": [
        {"Name": "Pet", "Confidence": 98.25},
        {
            "Name": "Dog",
            "Confidence": 98.25,
            "Categories": [{"Name": "Animals and Pets"}],
            "Parents": [{"Name": "Animal"}, {"Name": "Pet"}],
            "Aliases": [{"Name": "Hound"}],
            "Instances": [
                {
                    "BoundingBox": {"Left": 0.25, "Top": 0.5, "Width": 0.125, "Height": 0.0625},
                    "Confidence": 97.5,
                }
            ],
        },
        {"Name": "Beach", "Confidence": 99.0},
    ],
    "ImageProperties": {"Quality": {"Brightness": 61.5}},
}
"""A DetectLabels response."""

NOW = "2030-01-01T12:00:01Z"
ATTEMPT = "7094b301c0ffee00"

Item = dict[str, Any]


def event(
    key: str = "a.jpg",
    number: int = 1,
    version_id: str | None = "v1",
    etag: str | None = "e1",
    kind: s3_events.Kind = "created",
) -> s3_events.PhotoEvent:
    """Return an event of a photo. A greater number means a later event."""
    return s3_events.PhotoEvent(
        bucket="photos",
        key=key,
        kind=kind,
        sequencer=s3_events.pad_sequencer(f"{number:X}"),
        version_id=version_id,
        etag=etag,
        size=1000,
        at="2030-01-01T12:00:00Z",
    )


def labelled(
    event: s3_events.PhotoEvent, answer: Mapping[str, Any] = ANSWER, now: str = NOW
) -> Item:
    """Return the item of a labelled photo."""
    return schema.labelled_item(event, ATTEMPT, answer, now)


def failed(
    event: s3_events.PhotoEvent,
    error: str = "TooLarge",
    reason: str = "It is too large.",
    now: str = NOW,
) -> Item:
    """Return the item of a failed photo."""
    return schema.failed_item(event, ATTEMPT, error, reason, now)


def removed(event: s3_events.PhotoEvent, now: str = NOW) -> Item:
    """Return the item of a removed photo."""
    return schema.removed_item(event, ATTEMPT, now, 1)


def store(tables: PhotoTables, *photos: Item) -> None:
    """Store items of photos together with their index items."""
    for photo in photos:
        tables.put(PHOTOS, photo)
        for item in schema.index_items(photo):
            tables.put(LABELS, item)


def reader_of(client: Any) -> Reader:
    """Return a new reader without consumed capacity."""
    return Reader(client, PHOTOS, LABELS)
