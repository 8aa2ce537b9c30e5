"""The table in memory answers as DynamoDB does: held against moto, on a small table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import boto3
import pytest
from moto import mock_aws

from labelctl import contract
from labelctl.reads import Reader
from tests.unit.dynamo_fake import size, units, wired
from tests.unit.function_world import read_template
from tests.unit.table_fake import TableFake

PHOTOS = 40


@pytest.fixture(scope="module")
def fake() -> TableFake:
    table = TableFake(
        {"Dog": {"Categories": [{"Name": "Animals"}], "Aliases": [{"Name": "Hound"}]}}
    )
    for photo in range(PHOTOS):
        labels = {"Dog": 50 + photo + 1 / 7}
        if photo % 3 == 0:
            labels["Beach"] = 99.5 - photo
        table.put_photo(f"photo {photo:02}.jpg", labels, at=f"2026-05-01T12:00:{photo:02}.000Z")
    table.put_photo("photo 01.jpg", {"Dog": 55.5}, at="2026-05-02T00:00:00.000Z", leave=True)
    table.fail_photo("photo 02.jpg", at="2026-05-02T00:00:01.000Z")
    table.remove_photo("photo 03.jpg", leave=True)
    return table


@pytest.fixture(scope="module")
def moto(fake: TableFake) -> Iterator[Any]:
    """The same items in moto, in a table that the template describes."""
    described = read_template()["Resources"]["Table"]["Properties"]
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName="labels",
            **{
                name: described[name]
                for name in (
                    "BillingMode",
                    "AttributeDefinitions",
                    "KeySchema",
                    "GlobalSecondaryIndexes",
                )
            },
        )
        images = {f"photo {photo:02}.jpg" for photo in range(PHOTOS)} | {contract.VOCABULARY}
        for image in images:
            for item in fake.rows(image):
                client.put_item(TableName="labels", Item=wired(item))
        yield client


def pages(client: Any, call: str, **request: Any) -> list[Any]:
    return [*client.get_paginator(call).paginate(TableName="labels", **request)]


def label(name: str, **more: str) -> dict[str, Any]:
    values = {":label": {"S": name}, **{f":{key}": {"N": value} for key, value in more.items()}}
    return {"ExpressionAttributeValues": values}


QUERIES: dict[str, dict[str, Any]] = {
    "surest": {
        "IndexName": "by-confidence",
        "KeyConditionExpression": "label = :label",
        "ScanIndexForward": False,
        **label("dog"),
    },
    "newest": {
        "IndexName": "by-date",
        "KeyConditionExpression": "label = :label",
        "ScanIndexForward": False,
        **label("beach"),
    },
    "sure enough": {
        "IndexName": "by-confidence",
        "KeyConditionExpression": "label = :label AND confidence >= :least",
        **label("dog", least="70.5"),
    },
    "between": {
        "IndexName": "by-confidence",
        "KeyConditionExpression": "label = :label AND confidence BETWEEN :low AND :high",
        **label("dog", low="60", high="61"),
    },
    "unknown": {
        "IndexName": "by-confidence",
        "KeyConditionExpression": "label = :label",
        **label("cat"),
    },
    "failed": {
        "IndexName": "by-status",
        "KeyConditionExpression": "#status = :status",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {":status": {"S": "failed"}},
    },
    "vocabulary": {
        "KeyConditionExpression": "image = :image AND begins_with(#row, :word)",
        "ProjectionExpression": "#row, #name, aliases",
        "ExpressionAttributeNames": {"#row": "row", "#name": "name"},
        "ExpressionAttributeValues": {
            ":image": {"S": contract.VOCABULARY},
            ":word": {"S": contract.WORD},
        },
    },
    "one photo": {
        "KeyConditionExpression": "image = :image",
        "ExpressionAttributeValues": {":image": {"S": "photo 01.jpg"}},
        "ConsistentRead": True,
    },
    "filtered": {
        "IndexName": "by-date",
        "KeyConditionExpression": "label = :label",
        "FilterExpression": "confidence > :least AND NOT begins_with(image, :odd)",
        "ExpressionAttributeValues": {
            ":label": {"S": "dog"},
            ":least": {"N": "60"},
            ":odd": {"S": "photo 2"},
        },
    },
}


@pytest.mark.parametrize("limit", [None, 1, 7])
@pytest.mark.parametrize("query", QUERIES)
def test_a_query_answers_as_in_moto(fake, moto, query, limit):
    request = {**QUERIES[query], **({"Limit": limit} if limit else {})}
    request.setdefault("ScanIndexForward", True)
    ours, theirs = pages(fake, "query", **request), pages(moto, "query", **request)
    assert items(ours) == items(theirs)
    if limit:
        assert all(page["ScannedCount"] <= limit for page in ours)


@pytest.mark.parametrize("limit", [1, 10, 1000])
def test_a_count_counts_as_in_moto(fake, moto, limit):
    request = {**QUERIES["sure enough"], "Select": "COUNT", "Limit": limit}
    ours, theirs = (
        fake.query(TableName="labels", **request),
        moto.query(TableName="labels", **request),
    )
    assert ours["Count"] == theirs["Count"]
    assert "Items" not in ours
    assert "Items" not in theirs


def test_a_batch_answers_as_in_moto(fake, moto):
    images = [f"photo {photo:02}.jpg" for photo in range(PHOTOS)] + ["none.jpg"]
    ours, theirs = (Reader(each, "labels").headers(images) for each in (fake, moto))
    assert ours == theirs
    some = [Reader(each, "labels").headers(images, "labels", "status") for each in (fake, moto)]
    assert some[0] == some[1]


def test_what_is_refused_is_asked_for_again(fake):
    reader = Reader(fake, "labels")
    fake.refuse = lambda keys: keys // 2
    try:
        headers = reader.headers([f"photo {photo:02}.jpg" for photo in range(PHOTOS)])
    finally:
        fake.refuse = lambda keys: 0
    assert len(headers) == PHOTOS
    assert reader.spent.requests > 3


@pytest.mark.parametrize("limit", [None, 5])
def test_a_scan_finds_all_that_moto_has(fake, moto, limit):
    more = {"Limit": limit} if limit else {}
    ours = [
        item
        for segment in range(4)
        for page in pages(fake, "scan", Segment=segment, TotalSegments=4, **more)
        for item in page["Items"]
    ]
    theirs = items(pages(moto, "scan"))
    assert sorted(ours, key=str) == sorted(theirs, key=str)


def test_a_scan_brings_a_photos_rows_together_the_header_first(fake):
    rows = [
        (item["image"]["S"], item["row"]["S"])
        for page in pages(fake, "scan", Limit=3)
        for item in page["Items"]
    ]
    images = [image for image, _ in rows]
    assert len({*images}) == 1 + sum(a != b for a, b in pairwise(images))
    assert all(rows[at][1] < row for at, (image, row) in enumerate(rows[1:]) if images[at] == image)


def test_a_page_ends_at_a_megabyte():
    table = TableFake()
    for photo in range(30):
        table.put({"image": "a.jpg", "row": f"{photo:02}", "text": "x" * 99_990})
    answers = pages(
        table,
        "query",
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": {"S": "a.jpg"}},
        ReturnConsumedCapacity="TOTAL",
    )
    assert [len(page["Items"]) for page in answers] == [11, 11, 8]
    assert answers[0]["ConsumedCapacity"]["CapacityUnits"] == 134.5  # 11 * 100,012 / 4,096 / 2


def test_what_an_item_weighs_and_costs():
    item = {"image": "é.jpg", "n": 98, "list": ["ab", True], "map": {"x": "y"}, "none": None}
    assert size(item) == 11 + 3 + (4 + 3 + 3 + 2) + (3 + 3 + 3) + 5
    assert (units(1), units(4096), units(4097), units(0)) == (0.5, 0.5, 1, 0.5)
    assert units(4097, consistent=True) == 2


def items(answers: list[Any]) -> list[Any]:
    return [item for page in answers for item in page["Items"]]


def test_the_indexes_are_those_of_the_template(fake):
    described = read_template()["Resources"]["Table"]["Properties"]["GlobalSecondaryIndexes"]
    assert {each["IndexName"] for each in described} == {*fake._orders} - {None}
