"""Reading the table: in pages and batches, with the bill, whatever DynamoDB leaves out."""

from __future__ import annotations

from decimal import Decimal

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from labelctl.reads import SEGMENTS, Reader, plain
from tests.unit.table_fake import TableFake, made

values = st.recursive(
    st.none()
    | st.booleans()
    | st.text()
    | st.binary()
    | st.decimals(allow_nan=False, allow_infinity=False, places=5, min_value=-1e9, max_value=1e9)
    | st.sets(st.text(min_size=1), min_size=1),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=12,
)


@given(values)
def test_items_are_what_boto3_makes_of_them(value):
    item = {"it": TypeSerializer().serialize(value)}
    assert plain([item]) == [{"it": TypeDeserializer().deserialize(item["it"])}]


@pytest.fixture
def table():
    """150 photos, each with a dog."""
    table = TableFake()
    for number in range(150):
        table.put_photo(f"{number}.jpg", {"Dog": 90})
    return table


def test_headers_of_any_number_of_photos(table):
    reader = Reader(table, "labels")
    wanted = [*(f"{number}.jpg" for number in range(150)), "none.jpg", "0.jpg"]
    found = reader.headers(wanted, "status")
    assert len(found) == 150
    assert found["7.jpg"] == {"image": "7.jpg", "status": "labelled"}
    assert reader.headers(["7.jpg"])["7.jpg"]["labels"] == {"Dog": Decimal(90)}
    assert table.calls == {"BatchGetItem": 3}  # two, and one for 7.jpg
    assert (reader.spent.requests, reader.spent.units) == (3, 76)
    assert str(reader.spent) == "3 requests, 76.0 read units"


@pytest.mark.parametrize("silent", ["batch_get_item", "query"])
def test_what_nobody_tells_the_units_of_costs_nobody_knows_what(table, monkeypatch, silent):
    asked = getattr(table, silent)

    def ask(**request):
        return {name: told for name, told in asked(**request).items() if name != "ConsumedCapacity"}

    monkeypatch.setattr(table, silent, ask)
    reader = Reader(table, "labels")
    reader.headers(["7.jpg"])
    wanted = {":image": {"S": "7.jpg"}}
    [*_] = reader.pages(KeyConditionExpression="image = :image", ExpressionAttributeValues=wanted)
    assert str(reader.spent) == "2 requests, read units not told"


def test_pages_grow_as_long_as_that_helps(table, monkeypatch):
    asked, limits = table.query, []

    def ask(**request):
        limits.append(request["Limit"])
        more = {"LastEvaluatedKey": {"image": {"S": "7.jpg"}, "row": {"S": " "}}}
        return asked(**request) | (more if len(limits) < 5 else {})

    monkeypatch.setattr(table, "query", ask)
    wanted = {":image": {"S": "7.jpg"}}
    told = {"KeyConditionExpression": "image = :image", "ExpressionAttributeValues": wanted}
    [*_] = Reader(table, "labels").pages(grow=8, Limit=4, **told)
    assert limits == [4, 32, 256, 1000, 1000]


def test_what_was_left_out_is_asked_for_again(table, monkeypatch, naps):
    monkeypatch.setattr("labelctl.reads.time.sleep", naps)
    refused = [100, 100, 30]
    table.refuse = lambda keys: refused.pop(0) if refused else 0
    found = Reader(table, "labels").headers(f"{number}.jpg" for number in range(150))
    assert len(found) == 150
    assert naps == [0.05, 0.1, 0.2]


def throttled(operation):
    told = {"Code": "ProvisionedThroughputExceededException", "Message": "Too much."}
    return ClientError({"Error": told}, operation)


@pytest.mark.parametrize("times", [1, 20])
def test_a_throttled_table_is_asked_again(table, monkeypatch, naps, times):
    left = [times] * 3

    def busy(method, number):
        def ask(**request):
            if left[number]:
                left[number] -= 1
                raise throttled(method.__name__)
            return method(**request)

        return ask

    monkeypatch.setattr("labelctl.reads.time.sleep", naps)
    for number, name in enumerate(("query", "batch_get_item", "scan")):
        monkeypatch.setattr(table, name, busy(getattr(table, name), number))
    reader = Reader(table, "labels")
    words = {"ExpressionAttributeValues": {":image": {"S": "7.jpg"}}}
    assert len([*reader.query(KeyConditionExpression="image = :image", **words)]) == 1
    assert len(reader.headers(["7.jpg"])) == 1
    assert sum(len(page.items) for page in reader.scan()) == 301
    assert left == [0, 0, 0]
    assert len(naps) == 3 * times
    assert max(naps) <= 5


def test_one_that_stays_throttled_is_given_up(table, monkeypatch, naps):
    def busy(**_):
        raise throttled("BatchGetItem")

    monkeypatch.setattr("labelctl.reads.time.sleep", naps)
    monkeypatch.setattr(table, "batch_get_item", busy)
    with pytest.raises(ClientError, match="Too much"):
        Reader(table, "labels").headers(["7.jpg"])
    assert 60 < sum(naps) < 120


def test_another_refusal_is_final(table):
    with pytest.raises(ClientError, match="no table"):
        Reader(table, "others").headers(["7.jpg"])


def test_a_scan_brings_every_row_once_and_those_of_a_photo_together():
    table = made(2_000)
    reader = Reader(table, "labels")
    rows: list[list[tuple[str, str]]] = [[] for _ in range(SEGMENTS)]
    last = []
    for page in reader.scan():
        rows[page.segment] += [(item["image"]["S"], item["row"]["S"]) for item in page.items]
        last += [page.segment] if page.last else []
    assert sorted(last) == [*range(SEGMENTS)]
    everything = [place for segment in rows for place in segment]
    count = table.describe_table(TableName="labels")["Table"]["ItemCount"]
    assert len(everything) == len(set(everything)) == count > 2_000
    for segment in rows:
        images = [image for image, _ in segment]
        assert len([*dict.fromkeys(images)]) == sum(
            1 for before, image in zip([None, *images], images, strict=False) if before != image
        )
