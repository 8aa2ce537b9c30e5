"""What reads and writes cost, by examples worked out by hand from AWS's rules.

Quotations are from the DynamoDB Developer Guide, "DynamoDB read and write operations" and "Using
global secondary indexes".
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelctl.contract import schema
from labelctl.labels.reader import Reader
from tests.fakes.capacity import read_units, size
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.fakes.table_stream import LABELS_EACH, TableStream
from tests.fakes.wire import to_wire

TABLE = "t"
WROTE = (TABLE, None)
INDEX = (TABLE, "by-time")


@pytest.fixture
def client() -> FakeDynamoDB:
    """A table with the key `id`, and an index by `kind` and `time` that also shows `word`."""
    names = ("id", "kind", "time")
    described = {
        "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in names],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": "by-time",
                "KeySchema": [
                    {"AttributeName": "kind", "KeyType": "HASH"},
                    {"AttributeName": "time", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["word"]},
            }
        ],
    }
    return FakeDynamoDB({TABLE: described})


def put(client: FakeDynamoDB, **more: Any) -> Counter[Any]:
    """Put the item with the key "1"; the write units of that."""
    client.writes.clear()
    client.put_item(TableName=TABLE, Item=to_wire({"id": "1", **more}))
    return Counter(client.writes)


def delete(client: FakeDynamoDB) -> Counter[Any]:
    client.writes.clear()
    client.delete_item(TableName=TABLE, Key={"id": {"S": "1"}})
    return Counter(client.writes)


def test_an_item_costs_a_unit_a_kilobyte(client):
    assert put(client) == {WROTE: 1}
    assert put(client, text="x" * (1024 - 7)) == {WROTE: 1}  # with "id", "1" and "text": 1,024
    assert put(client, text="x" * (1024 - 6)) == {WROTE: 2}


def test_the_larger_of_the_old_and_the_new_item_counts(client):
    put(client, text="x" * 5000)
    assert put(client) == {WROTE: 5}  # 5,007 bytes
    assert put(client, text="x" * 2000) == {WROTE: 2}
    assert delete(client) == {WROTE: 2}
    assert delete(client) == {WROTE: 1}  # nothing was there


def test_a_failed_condition_costs_by_what_is_there(client):
    put(client, text="x" * 2000)
    request = {
        "TableName": TABLE,
        "ConditionExpression": "attribute_not_exists(id)",
        "Item": to_wire({"id": "1", "text": "x" * 9000}),
    }
    client.writes.clear()
    with pytest.raises(client.exceptions.ConditionalCheckFailedException):
        client.put_item(**request)
    assert client.writes == {WROTE: 2}


def test_an_index_costs_by_what_becomes_of_its_entry(client):
    # "If you write a new item to the table that defines an indexed attribute …, one write"
    entry = {"kind": "a", "time": "1", "word": "x"}
    assert put(client, **entry) == {WROTE: 1, INDEX: 1}
    # Nothing of the entry changes.
    assert put(client, **entry, text="not projected") == {WROTE: 1}
    # "If an update … only changes the value of projected attributes …, one write"
    assert put(client, **{**entry, "word": "y"}) == {WROTE: 1, INDEX: 1}
    # "If an update … changes the value of an indexed key attribute (from A to B), two writes"
    assert put(client, **{**entry, "time": "2"}) == {WROTE: 1, INDEX: 2}
    # "If … the indexed attribute [is] deleted, one write"
    assert put(client, kind="a") == {WROTE: 1, INDEX: 1}
    # "If an item is not present in the index before or after …, there is no additional write cost"
    assert put(client, kind="b", text="x") == {WROTE: 1}
    put(client, **entry)
    assert delete(client) == {WROTE: 1, INDEX: 1}


def test_an_index_entry_counts_by_its_own_size(client):
    long = {"kind": "a", "time": "1", "text": "x" * 5000}  # not projected
    assert put(client, **long) == {WROTE: 5, INDEX: 1}
    assert put(client, kind="a", time="1", word="x" * 1500) == {WROTE: 5, INDEX: 2}
    # The old entry takes two units to delete, the new one takes one.
    assert put(client, kind="a", time="2") == {WROTE: 2, INDEX: 3}


def test_a_batch_costs_as_much_as_its_items(client):
    requests = [{"PutRequest": {"Item": {"id": {"S": str(each)}}}} for each in range(10)]
    answer = client.batch_write_item(RequestItems={TABLE: requests}, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == [{"TableName": TABLE, "CapacityUnits": 10}]
    keys = [each["PutRequest"]["Item"] for each in requests]
    answer = client.batch_get_item(
        RequestItems={TABLE: {"Keys": keys}}, ReturnConsumedCapacity="TOTAL"
    )
    assert answer["ConsumedCapacity"] == [{"TableName": TABLE, "CapacityUnits": 5}]  # each rounded


def test_the_cost_is_in_an_answer_only_if_it_was_asked_for(client):
    item = to_wire({"id": "1", "kind": "a", "time": "1"})
    request = {"TableName": TABLE, "Item": item}
    assert "ConsumedCapacity" not in client.put_item(**request)
    client.delete_item(TableName=TABLE, Key={"id": {"S": "1"}})
    answer = client.put_item(**request, ReturnConsumedCapacity="INDEXES")
    assert answer["ConsumedCapacity"] == {
        "TableName": TABLE,
        "CapacityUnits": 2,
        "Table": {"CapacityUnits": 1},
        "GlobalSecondaryIndexes": {"by-time": {"CapacityUnits": 1}},
    }
    query = {
        "TableName": TABLE,
        "IndexName": "by-time",
        "KeyConditionExpression": "kind = :kind",
        "ExpressionAttributeValues": {":kind": {"S": "a"}},
    }
    assert "ConsumedCapacity" not in client.query(**query)
    answer = client.query(**query, ReturnConsumedCapacity="TOTAL")
    assert answer["ConsumedCapacity"] == {"TableName": TABLE, "CapacityUnits": 0.5}
    assert client.reads == {INDEX: 1}


def test_reads_cost_by_four_kilobytes():
    assert [read_units(bytes_) for bytes_ in (0, 1, 4096, 4097)] == [0.5, 0.5, 0.5, 1]
    assert read_units(4097, consistent=True) == 2


# ---- sizes


def test_the_size_of_an_item_by_hand():
    item = {
        "é.jpg": "é",  # UTF-8: 6 + 2
        "n": Decimal("-98.10"),  # 1 + two bytes for 981, and one
        "list": ["ab", True],  # 4 + 3 + (1 + 2) + (1 + 1)
        "map": {"x": "y"},  # 3 + 3 + (1 + 1 + 1)
        "none": None,  # 4 + 1
    }
    assert size(item) == 8 + 4 + 12 + 9 + 5


NUMBERS = st.decimals(-(10**9), 10**9, places=6)
VALUES = st.recursive(
    st.text() | NUMBERS | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(st.dictionaries(st.text(), VALUES, max_size=5))
def test_labelctl_counts_the_same_size(item):
    assert schema.size_of(item) == size(item)


# ---- a table too large to be held


def test_a_large_table_is_read_page_by_page():
    reader = Reader(TableStream(1_003, page=100), PHOTOS, LABELS)
    photos = [photo for page in reader.scan_photos("labels") for photo in page]
    assert {photo["image"] for photo in photos} == {f"{number:08}.jpg" for number in range(1_003)}
    assert len(photos) == 1_003
    assert all(len(photo["labels"]) == LABELS_EACH for photo in photos)
    assert reader.spent.requests == 12  # three pages of each segment


def test_a_photo_of_the_large_table_is_as_large_as_one_of_the_function():
    tables = PhotoTables()
    page = TableStream(1).scan()
    [photo] = page["Items"]
    tables.put_item(TableName=PHOTOS, Item=photo)
    scanned = tables.scan(TableName=PHOTOS, ReturnConsumedCapacity="TOTAL")
    assert scanned["Items"] == page["Items"]
    assert scanned["ConsumedCapacity"]["CapacityUnits"] == page["ConsumedCapacity"]["CapacityUnits"]
