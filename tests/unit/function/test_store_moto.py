"""The in-memory DynamoDB behaves like moto's for the store."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from labelctl.contract import s3_events, schema
from labeller.store import Store
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables
from tests.fakes.wire import from_wire
from tests.unit.photo_events import event

sequencers = st.sampled_from("123f")
operations = st.one_of(
    st.tuples(st.just("label"), sequencers, st.sampled_from([0, 1, 27])),
    st.tuples(st.just("fail"), sequencers),
    st.tuples(st.just("remove"), sequencers),
    st.tuples(st.just("confirm"), sequencers),
    st.tuples(st.just("try")),
)


def perform(store: Any, number: int, operation: tuple[Any, ...]) -> Any:
    """Perform an operation on a photo in a store; returns the store's result."""
    name, *arguments = operation
    known = store.photo("a.jpg")
    if name == "try":
        return store.try_writing("a.jpg")
    sequencer = s3_events.pad_sequencer(arguments[0])
    if name == "confirm":
        return known and store.confirm(known, sequencer)
    happened, attempt = event(sequencer=sequencer), f"6a1f9c0d{number:08x}"
    if name == "fail":
        return store.publish(schema.failed_item(happened, attempt, "E", "Why.", "now"), known)
    if name == "remove":
        return store.publish(schema.removed_item(happened, attempt, "now", 2**31), known)
    found = [
        {"Name": f"{arguments[0]} {each}", "Confidence": 90.25} for each in range(arguments[1])
    ]
    item = schema.labelled_item(happened, attempt, {"Labels": found}, "now")
    return store.publish(item, known)


def items_in(dynamodb: Any, table: str) -> list[Any]:
    found = dynamodb.scan(TableName=table, ConsistentRead=True)["Items"]
    return sorted(map(from_wire, found), key=repr)


@pytest.mark.usefixtures("tables")
@settings(max_examples=settings().max_examples // 4)  # moto is slow
@given(st.lists(operations, min_size=1, max_size=6))
@example([("label", "2", 27), ("label", "1", 1), ("try",), ("confirm", "3"), ("remove", "f")])
def test_store_behaves_the_same_with_moto_and_in_memory(dynamodb, operations):
    for table, names in ((PHOTOS, ["image"]), (LABELS, ["label", "rank"])):
        for item in dynamodb.scan(TableName=table)["Items"]:
            dynamodb.delete_item(TableName=table, Key={name: item[name] for name in names})
    memory = PhotoTables()
    stores = [Store(client, PHOTOS, LABELS) for client in (dynamodb, memory)]
    for number, operation in enumerate(operations):
        with_moto, in_memory = (perform(store, number, operation) for store in stores)
        assert with_moto == in_memory
        for table in (PHOTOS, LABELS):
            assert items_in(dynamodb, table) == sorted(memory.items(table), key=repr)
