"""Reading DynamoDB tables: pages, batches, retries and consumed capacity."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from labelctl.aws.dynamodb import TableReader, deserialize, keep_items_as_json
from tests.fakes.dynamodb import FakeDynamoDB
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, dogs

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-1e9, max_value=1e9)
    | st.sets(st.text(min_size=1), min_size=1),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(), each, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_items_are_deserialized_like_boto3_does(value: Any) -> None:
    item = {"it": TypeSerializer().serialize(value)}
    assert deserialize(item) == {"it": TypeDeserializer().deserialize(item["it"])}


@pytest.fixture
def table() -> PhotoTables:
    return dogs(150)


def reader_of(client: FakeDynamoDB) -> TableReader:
    return TableReader(client)  # type: ignore[arg-type]


def keys(count: int) -> list[dict[str, str]]:
    return [{"image": f"{number}.jpg"} for number in range(count)]


def with_label(label: str) -> dict[str, Any]:
    return {
        "KeyConditionExpression": "label = :label",
        "ExpressionAttributeValues": {":label": {"S": label}},
    }


READ: dict[str, Callable[[TableReader], int]] = {
    "GetItem": lambda reader: len([reader.get(PHOTOS, {"image": "7.jpg"})]),
    "BatchGetItem": lambda reader: len(
        [*reader.batch_get(PHOTOS, keys(1), deserialize, consistent=True)]
    ),
    "Query": lambda reader: next(reader.query(LABELS, **with_label("dog"), Limit=1))["Count"],
    "Scan": lambda reader: sum(map(len, reader.scan(PHOTOS, ["image"], deserialize))) - 149,
}


@pytest.mark.parametrize("silent", ["BatchGetItem", "Query", "Scan", "GetItem"])
def test_units_are_unknown_if_one_response_lacks_them(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    """Emulators may omit them."""
    asked = table._count

    def ask(operation: str, *about: Any) -> Any:
        answer = asked(operation, *about)
        return {**answer, "ConsumedCapacity": None} if operation == silent else answer

    monkeypatch.setattr(table, "_count", ask)
    reader = reader_of(table)
    assert [read(reader) for read in READ.values()] == [1, 1, 1, 1]
    assert str(reader.spent) == "7 requests, read units unknown"


@given(
    counts=st.lists(st.integers(0, 90), min_size=1, max_size=12),
    descending=st.booleans(),
    first=st.integers(1, 200),
)
def test_queries_are_merged_in_order(counts: list[int], descending: bool, first: int) -> None:
    table = PhotoTables()
    for number, count in enumerate(counts):
        for each in range(count):
            item = {"label": f"l{number}", "rank": f"{(each * 7919) % 1000:03} {number} {each}"}
            table.put(LABELS, {**item, "image": "a.jpg", "uploaded_at": "2030"})
    queries = [
        {**with_label(f"l{number}"), "ScanIndexForward": not descending}
        for number in range(len(counts))
    ]
    items = reader_of(table).query_merged(
        LABELS, queries, "rank", descending=descending, first=first
    )
    ranks = [item["rank"] for item in items]
    assert len(ranks) == sum(counts)
    assert ranks == sorted(ranks, reverse=descending)


def test_pages_grow_while_more_is_needed(table: PhotoTables) -> None:
    for number in range(4000):
        item = {"label": "dog", "rank": f"{number:04}", "image": "a.jpg", "uploaded_at": "2030"}
        table.put(LABELS, item)
    limits: list[int] = []
    table.before = lambda _, request: limits.append(request["Limit"])
    query = with_label("dog")
    items = reader_of(table).query_merged(LABELS, [query], "rank", descending=False, first=30)
    assert len([*islice(items, 30)]) == 30
    assert limits == [37]
    assert len([*items]) == 4150 - 30
    assert limits == [37, 148, 592, 1000, 1000, 1000, 1000]


# ---- throttling


def test_unprocessed_keys_are_requested_again(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, naps: Any
) -> None:
    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    taken = [0, 0, 70]
    table.before = lambda *_: taken.pop(0) if taken else None
    found = [*reader_of(table).batch_get(PHOTOS, keys(150), deserialize, consistent=False)]
    assert len({item["image"] for item in found}) == len(found) == 150
    assert naps == [0.05, 0.1, 0.2]


def test_items_beyond_the_response_limit_are_requested_again(
    monkeypatch: pytest.MonkeyPatch, naps: Any
) -> None:
    """A response contains at most 16 MB."""
    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    table = PhotoTables()
    for number in range(60):
        table.fail_photo(f"{number}.jpg", "x" * 390_000)
    assert len([*reader_of(table).batch_get(PHOTOS, keys(60), deserialize, consistent=False)]) == 60
    assert table.calls == {"BatchGetItem": 2}


def throttled(operation: str) -> ClientError:
    error = {"Code": "ProvisionedThroughputExceededException", "Message": "Too much."}
    return ClientError({"Error": error}, operation)


@pytest.mark.parametrize("times", [1, 20])
@pytest.mark.parametrize("operation", READ)
def test_throttled_requests_are_retried(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, naps: Any, operation: str, times: int
) -> None:
    left = [None] * times

    def busy(name: str, _: Any) -> None:
        assert name == operation
        if left:
            left.pop()
            raise throttled(name)

    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    table.before = busy
    reader = reader_of(table)
    assert READ[operation](reader) == 1
    assert len(naps) == times
    assert max(naps) <= 5
    assert reader.spent.requests == table.calls.total()  # throttled requests are not counted


def test_retries_end_if_throttling_persists(
    table: PhotoTables, monkeypatch: pytest.MonkeyPatch, naps: Any
) -> None:
    def busy(name: str, _: Any) -> None:
        raise throttled(name)

    monkeypatch.setattr("labelctl.aws.dynamodb.time.sleep", naps)
    table.before = busy
    with pytest.raises(ClientError, match="Too much"):
        [*_] = reader_of(table).batch_get(PHOTOS, keys(1), deserialize, consistent=False)
    assert 60 < sum(naps) < 120


def test_other_errors_are_not_retried(table: PhotoTables) -> None:
    with pytest.raises(ClientError, match="no table"):
        [*_] = reader_of(table).batch_get("others", keys(1), deserialize, consistent=False)


def test_items_are_taken_from_the_json_as_botocore_would_parse_them() -> None:
    def parsed(item: Any) -> tuple[Any, Any]:
        """What remains for botocore, and what has been parsed."""
        body = json.dumps({"Items": [item], "Count": 1}).encode()
        response, custom = {"status_code": 200, "body": body}, {}
        keep_items_as_json(response, custom)
        return json.loads(response["body"]), custom

    dog = {"image": {"S": "é.jpg"}, "n": {"N": "1.50"}, "m": {"M": {"N": {"L": []}}}}
    assert parsed(dog) == ({"Count": 1}, {"Items": [dog]})
    binary = {"image": {"S": "a.jpg"}, "data": {"B": "AAEC"}}
    assert parsed(binary) == ({"Items": [binary], "Count": 1}, {})


@pytest.mark.parametrize(
    ("status", "body"), [(400, b'{"Items": []}'), (200, b"<html>"), (200, b"[]")]
)
def test_what_is_no_list_of_items_is_left_to_botocore(status: int, body: bytes) -> None:
    response: Any = {"status_code": status, "body": body}
    custom: Any = {}
    keep_items_as_json(response, custom)
    assert (response["body"], custom) == (body, {})
