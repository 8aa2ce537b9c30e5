"""Tables in memory and requests to them, to test the fake DynamoDB."""

from __future__ import annotations

from typing import Any

from tests.fakes.photos import LABELS, PHOTOS, PhotoTables

COUNT = 40
KEYS = [{"image": {"S": f"photo {number:02}.jpg"}} for number in range(COUNT)]


def new_tables() -> PhotoTables:
    tables = PhotoTables(
        {"Dog": {"Categories": [{"Name": "Animals"}], "Aliases": [{"Name": "Hound"}]}}
    )
    for photo in range(COUNT):
        labels = {"Dog": 50 + photo + 1 / 7}
        if photo % 3 == 0:
            labels["Beach"] = 99.5 - photo
        tables.put_photo(f"photo {photo:02}.jpg", labels, at=f"2026-05-01T12:00:{photo:02}.000Z")
    tables.put_photo("photo 01.jpg", {"Dog": 55.5}, at="2026-05-02T00:00:00.000Z", leave=True)
    tables.fail_photo("photo 02.jpg", at="2026-05-02T00:00:01.000Z")
    tables.remove_photo("photo 03.jpg", leave=True)
    return tables


def of_label(name: str, **more: str) -> dict[str, Any]:
    values = {f":{key}": {"S": value} for key, value in {"label": name, **more}.items()}
    return {"TableName": LABELS, "ExpressionAttributeValues": values}


def older(image: str, sequencer: str, **more: Any) -> dict[str, Any]:
    return {
        "TableName": PHOTOS,
        "Item": {"image": {"S": image}, "sequencer": {"S": sequencer}},
        "ConditionExpression": "attribute_not_exists(image) OR sequencer < :sequencer",
        "ExpressionAttributeValues": {":sequencer": {"S": sequencer}},
        "ReturnValues": "ALL_OLD",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **more,
    }


def batch(*labels: str) -> dict[str, Any]:
    put = [{"PutRequest": {"Item": {"label": {"S": each}, "rank": {"S": "1"}}}} for each in labels]
    return {"RequestItems": {LABELS: put, PHOTOS: [{"DeleteRequest": {"Key": KEYS[0]}}]}}
