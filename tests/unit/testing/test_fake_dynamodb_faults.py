"""Faults that the fake DynamoDB makes on demand, and what it does not cache."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.dynamodb import AGAIN, FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.unit.fake_dynamodb_world import KEYS, batch, new_tables, of_label, older


@pytest.fixture
def fake() -> PhotoTables:
    return new_tables()


def test_a_batch_comes_back_in_part(fake):
    fake.before = lambda operation, request: 1
    answer = fake.batch_write_item(**batch("cat", "cow"))
    assert answer["UnprocessedItems"] == {
        LABELS: batch("cow")["RequestItems"][LABELS],
        PHOTOS: batch()["RequestItems"][PHOTOS],
    }
    answer = fake.batch_get_item(RequestItems={PHOTOS: {"Keys": KEYS[:3]}})
    assert len(answer["Responses"][PHOTOS]) == 1
    assert answer["UnprocessedKeys"] == {PHOTOS: {"Keys": KEYS[1:3]}}


def test_a_call_whose_answer_is_lost_is_made_twice(fake):
    fake.before = lambda operation, request: AGAIN
    with pytest.raises(fake.exceptions.ConditionalCheckFailedException):
        fake.put_item(**older("new.jpg", "5"))
    assert fake.calls["PutItem"] == 2
    assert fake.photo("new.jpg")["sequencer"] == "5"


def test_a_call_that_does_not_arrive_changes_nothing(fake):
    def refuse(operation: str, request: Any) -> None:
        assert (operation, request["TableName"]) == ("PutItem", PHOTOS)
        raise TimeoutError

    fake.before = refuse
    with pytest.raises(TimeoutError):
        fake.put_item(**older("new.jpg", "5"))
    assert fake.photo("new.jpg") is None
    assert fake.calls["PutItem"] == 0


def test_an_index_and_a_cheap_read_may_lag(fake):
    fake.lag()
    fake.put_photo("new.jpg", {"Cat": 99})
    key = {"TableName": PHOTOS, "Key": {"image": {"S": "new.jpg"}}}
    cats = {"KeyConditionExpression": "label = :label", **of_label("cat")}
    assert "Item" not in fake.get_item(**key)
    assert "Item" in fake.get_item(**key, ConsistentRead=True)
    assert fake.query(**cats, IndexName="by-date")["Count"] == 0
    assert fake.query(**cats, ConsistentRead=True)["Count"] == 1
    fake.catch_up()
    assert "Item" in fake.get_item(**key)
    assert fake.query(**cats, IndexName="by-date")["Count"] == 1


def test_a_table_is_made_from_any_description():
    described = {
        "AttributeDefinitions": [{"AttributeName": "n", "AttributeType": "N"}],
        "KeySchema": [{"AttributeName": "n", "KeyType": "HASH"}],
    }
    client = FakeDynamoDB({"numbers": described})
    client.put_item(TableName="numbers", Item={"n": {"N": "1.50"}})
    assert client.scan(TableName="numbers")["Items"] == [{"n": {"N": "1.5"}}]
    assert client.describe_table(TableName="numbers")["Table"]["ItemCount"] == 1


def test_what_was_read_before_a_write_is_not_remembered(fake):
    """Orders, sizes and counts that a read has worked out follow later writes."""

    def ranks(condition: str = "label = :label", **more: str) -> list[str]:
        query = of_label("ox", **more)
        if more:
            query["ExpressionAttributeNames"] = {"#rank": "rank"}
        found = fake.query(KeyConditionExpression=condition, **query)["Items"]
        return [item["rank"]["S"] for item in found]

    def scanned() -> set[str]:
        return {item["label"]["S"] for item in fake.scan(TableName=LABELS)["Items"]}

    count = fake.describe_table(TableName=LABELS)["Table"]["ItemCount"]
    assert "ox" not in scanned()
    for rank in ("2", "3", "1"):
        fake.put(LABELS, {"label": "ox", "rank": rank})
        ranks()
    assert ranks() == ["1", "2", "3"]
    assert ranks("label = :label AND #rank <= :most", most="2") == ["1", "2"]
    assert "ox" in scanned()
    fake.put(LABELS, {"label": "ox", "rank": "1", "text": "x" * 5000})
    fake.reads.clear()
    ranks()
    assert fake.read_units == 1  # 5 KB
    assert fake.describe_table(TableName=LABELS)["Table"]["ItemCount"] == count + 3
    fake.drop(LABELS, "ox", "2")
    assert ranks() == ["1", "3"]
    fake.drop(LABELS, "ox", "1")
    fake.drop(LABELS, "ox", "3")
    assert ranks() == []
    assert "ox" not in scanned()
    assert fake.describe_table(TableName=LABELS)["Table"]["ItemCount"] == count
