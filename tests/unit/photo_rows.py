"""What the table holds of a photo: rows as the function makes them."""

from __future__ import annotations

from typing import Any

from boto3.dynamodb.types import TypeSerializer

from labelctl import contract

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
NOW = "2030-01-01T12:00:01Z"


def event(
    key: str = "a.jpg",
    number: int = 1,
    version_id: str | None = "v1",
    etag: str | None = "e1",
    kind: str = "created",
) -> contract.PhotoEvent:
    """What happened to a photo; of two events the one with the greater number is the later one."""
    return contract.PhotoEvent(
        bucket="photos",
        key=key,
        kind=kind,
        sequencer=contract.pad_sequencer(f"{number:X}"),
        version_id=version_id,
        etag=etag,
        size=1000,
        at="2030-01-01T12:00:00Z",
    )


def labelled(
    event: contract.PhotoEvent, answer: dict[str, Any] = ANSWER, attempt: str = "aa"
) -> list[dict[str, Any]]:
    """The rows of a version that is labelled, its header last."""
    version = contract.version_of(event, attempt)
    rows = contract.label_rows(event, version, answer["Labels"])
    return [*rows, contract.labelled_header(event, version, rows, answer, NOW)]


def store(dynamodb: Any, table: str, *rows: dict[str, Any]) -> None:
    """Put rows into the table as they are."""
    serialize = TypeSerializer().serialize
    for row in rows:
        item = {name: serialize(value) for name, value in row.items()}
        dynamodb.put_item(TableName=table, Item=item)
