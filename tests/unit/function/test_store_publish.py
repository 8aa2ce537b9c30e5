"""Storing one result: the calls, their order, and the resulting items."""

from __future__ import annotations

from typing import Any

import pytest

from labelctl.contract import s3_events, schema
from labeller.store import Store
from tests.fakes.dynamodb import AGAIN
from tests.fakes.photos import LABELS, PHOTOS, PhotoTables, detected
from tests.unit.photo_events import event

LONGEST_KEY = "ä" * (s3_events.MAX_KEY // 2)


@pytest.fixture
def tables() -> PhotoTables:
    return PhotoTables()


@pytest.fixture
def calls(tables: PhotoTables) -> list[tuple[str, Any]]:
    """The calls to DynamoDB, in order."""
    made: list[tuple[str, Any]] = []
    tables.before = lambda operation, request: made.append((operation, request))
    return made


@pytest.fixture
def store(tables: PhotoTables) -> Store:
    client: Any = tables
    return Store(client, PHOTOS, LABELS)


def result(number: int, *names: str, attempt: int = 1, key: str = "a.jpg") -> Any:
    """The item of a photo, for the event with this number."""
    happened = event(sequencer=s3_events.pad_sequencer(f"{number:x}"), key=key)
    labels = detected(dict.fromkeys(names, 90.5), {}, {})
    return schema.labelled_item(happened, f"6a1f9c0d{attempt:08x}", labels, "2026-01-02T03:04:06Z")


def assert_indexed(tables: PhotoTables) -> None:
    """Check that the index contains exactly the items of the stored results."""
    wanted = [each for photo in tables.items(PHOTOS) for each in schema.index_items(photo)]
    index = [item for item in tables.items(LABELS) if item["label"] != schema.VOCABULARY]
    assert index == sorted(wanted, key=lambda each: (each["label"], each["rank"]))


def written(request: Any) -> list[tuple[str, str]]:
    """The keys that a BatchWriteItem request wrote."""
    items = [each["PutRequest"]["Item"] for each in request["RequestItems"][LABELS]]
    return [(item["label"]["S"], item["rank"]["S"]) for item in items]


def deleted(request: Any) -> list[str]:
    """The labels whose items a BatchWriteItem request deleted."""
    keys = [each["DeleteRequest"]["Key"] for each in request["RequestItems"][LABELS]]
    return [key["label"]["S"] for key in keys]


# The calls


def test_vocabulary_index_and_photo_are_written_in_this_order(store, tables, calls):
    dog = result(1, "Dog")
    assert store.publish(dog, None)
    assert [operation for operation, _ in calls] == ["Query", "BatchWriteItem", "PutItem"]
    assert written(calls[1][1]) == [
        (schema.VOCABULARY, "dog"),
        ("dog", "009.500 a.jpg 6a1f9c0d00000001"),
    ]
    assert store.photo("a.jpg") == tables.item(PHOTOS, "a.jpg") == dog
    assert_indexed(tables)


def test_old_index_items_are_deleted_last(store, tables, calls):
    old, new = result(1, "Dog", "Pet"), result(2, "Cat", attempt=2)
    store.publish(old, None)
    calls.clear()
    assert store.publish(new, old)
    assert [operation for operation, _ in calls] == ["BatchWriteItem", "PutItem", "BatchWriteItem"]
    assert deleted(calls[2][1]) == ["dog", "pet"]
    assert_indexed(tables)


def test_index_items_of_the_replaced_result_are_deleted(store, tables):
    old, between, new = result(1, "Dog"), result(2, "Pet", attempt=2), result(3, "Cat", attempt=3)
    store.publish(old, None)
    store.publish(between, old)
    assert store.publish(new, old)
    assert_indexed(tables)


def test_result_without_labels_costs_one_call(store, tables, calls):
    failed = schema.failed_item(event(), "6a1f9c0d00000001", "Empty", "It is empty.", "now")
    assert store.publish(failed, None)
    assert [operation for operation, _ in calls] == ["PutItem"]
    assert tables.items(LABELS) == []


@pytest.mark.parametrize("number", [1, 2])
def test_outdated_result_leaves_nothing(number, store, tables):
    stored = result(2, "Dog")
    store.publish(stored, None)
    assert not store.publish(result(number, "Dog", "Pet", attempt=2), None)
    assert tables.items(PHOTOS) == [stored]
    assert_indexed(tables)


def test_lost_response_does_not_prevent_cleanup(store, tables):
    old, new = result(1, "Dog"), result(2, "Dog", attempt=2)
    store.publish(old, None)
    tables.before = lambda operation, _: AGAIN if operation == "PutItem" else None
    assert store.publish(new, old)
    assert tables.items(PHOTOS) == [new]
    assert_indexed(tables)


def test_longest_key_and_label_are_stored(store, tables):
    for number, end in enumerate("ab", start=1):
        key = LONGEST_KEY[:-1] + end * 2
        assert len(key.encode()) == s3_events.MAX_KEY
        assert store.publish(result(number, "L" * 1024, "Dog", attempt=number, key=key), None)
    assert len(tables.items(PHOTOS)) == 2
    assert len([item for item in tables.items(LABELS) if item["label"] == "dog"]) == 2
    assert_indexed(tables)


def test_thousand_labels_are_written_and_deleted_in_batches(store, tables, calls):
    old = result(1, *(f"Label {number}" for number in range(1000)))
    store.publish(old, None)
    assert tables.calls["BatchWriteItem"] == 80  # 1,000 items and 1,000 of the vocabulary
    calls.clear()
    store.publish(result(2, attempt=2), old)
    assert [operation for operation, _ in calls] == ["PutItem", *["BatchWriteItem"] * 40]
    assert_indexed(tables)


def test_too_large_response_is_stored_partly(store, tables):
    """The in-memory table enforces the limits of DynamoDB."""
    box = dict.fromkeys(("Left", "Top", "Width", "Height"), 0.123456789012)
    found = [
        {
            "Name": f"Label {number}",
            "Confidence": 99 - number / 1000,
            "Instances": [{"BoundingBox": box, "Confidence": 90.123456}] * 20,
        }
        for number in range(1000)
    ]
    key = "k" * s3_events.MAX_KEY
    item = schema.labelled_item(event(key=key), "6a1f9c0d00000001", {"Labels": found}, "now")
    assert store.publish(item, None)
    assert tables.items(PHOTOS)[0]["left_out"]["boxes"] > 10_000
    assert_indexed(tables)


# Errors


def test_failing_index_leaves_the_photo_unchanged(store, tables, naps, monkeypatch):
    monkeypatch.setattr("labeller.store.time.sleep", naps)
    old = result(1, "Dog")
    store.publish(old, None)
    tables.before = lambda operation, _: 0 if operation == "BatchWriteItem" else None
    with pytest.raises(TimeoutError):
        store.publish(result(2, "Cat"), old)
    assert tables.items(PHOTOS) == [old]
    assert_indexed(tables)
    assert max(naps) == 2
    assert sum(naps) < 40


def test_unprocessed_items_are_retried(store, tables, naps, monkeypatch):
    monkeypatch.setattr("labeller.store.time.sleep", naps)
    tables.before = lambda operation, _: 10 if operation == "BatchWriteItem" else None
    store.publish(result(1, *(f"Label {number}" for number in range(60))), None)
    assert_indexed(tables)
    assert naps == sorted(naps)
    assert len(naps) == 11  # 60 labels and the vocabulary's items, 10 at a time
    assert 0 < naps[0] < naps[-1]


@pytest.mark.parametrize("is_stored", [True, False])
def test_empty_response_to_putitem_is_rejected(is_stored, store, tables, monkeypatch):
    """A success response without content, such as from a proxy."""
    old, new = result(1, "Dog"), result(2, "Cat", attempt=2)
    store.publish(old, None)
    put = tables.put_item

    def say_nothing(**request: Any) -> Any:
        if is_stored:
            put(**request)
        return {}

    monkeypatch.setattr(tables, "put_item", say_nothing)
    with pytest.raises(TimeoutError):
        store.publish(new, old)
    with pytest.raises(TimeoutError):
        store.confirm(new if is_stored else old, s3_events.pad_sequencer("9"))


# A later event that changes nothing


def test_confirming_changes_only_the_sequencer(store, tables):
    stored = result(1, "Dog")
    store.publish(stored, None)
    later = s3_events.pad_sequencer("5")
    assert store.confirm(stored, later)
    assert tables.items(PHOTOS) == [{**stored, "sequencer": later}]
    assert_indexed(tables)


def test_replaced_result_is_not_confirmed(store, tables):
    old, new = result(1, "Dog"), result(2, "Cat", attempt=2)
    store.publish(old, None)
    store.publish(new, old)
    assert not store.confirm(old, s3_events.pad_sequencer("5"))
    assert tables.items(PHOTOS) == [new]


def test_later_confirmation_is_kept(store, tables):
    stored = result(1, "Dog")
    store.publish(stored, None)
    assert store.confirm(stored, s3_events.pad_sequencer("9"))
    assert not store.confirm(stored, s3_events.pad_sequencer("5"))
    assert tables.items(PHOTOS)[0]["sequencer"] == s3_events.pad_sequencer("9")


# Test writes


@pytest.mark.parametrize("is_there", [True, False])
def test_test_write_changes_neither_table(is_there, store, tables, calls):
    if is_there:
        store.publish(result(1, "Dog"), None)
    before = tables.items(PHOTOS), tables.items(LABELS)
    calls.clear()
    store.try_writing("a.jpg")
    assert (tables.items(PHOTOS), tables.items(LABELS)) == before
    assert [operation for operation, _ in calls] == ["BatchWriteItem", "PutItem"]


@pytest.mark.parametrize("refused", ["BatchWriteItem", "PutItem"])
def test_test_write_fails_like_publishing(refused, store, tables):
    def refuse(operation, _):
        if operation == refused:
            raise ConnectionError

    tables.before = refuse
    with pytest.raises(ConnectionError):
        store.try_writing("a.jpg")
