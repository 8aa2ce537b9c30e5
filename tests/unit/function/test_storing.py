"""Results that are hard to store: too large, interrupted, or rejected by the tables."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from labelctl.contract import schema
from tests.fakes import capacity
from tests.unit.function_world import names, printed

# A response that does not fit into an item


def crowd(**_):
    """A response with 20 labels of 5 boxes each."""
    box = dict.fromkeys(("Left", "Top", "Width", "Height"), 0.123456789012)
    instances = [{"BoundingBox": box, "Confidence": 90.123456}] * 5
    found = [
        {"Name": f"Label {number:04}", "Confidence": 99 - number / 1000, "Instances": instances}
        for number in range(20)
    ]
    return {"Labels": found, "LabelModelVersion": "3.0"}


def test_too_large_response_is_stored_partly_and_logged(
    function, work, photos, look, tables, capsys, monkeypatch
):
    """With a smaller limit, because moto needs half a minute for 400 KB."""
    monkeypatch.setattr(schema, "_MAX_ITEM", 5000)
    function._recognition._client = SimpleNamespace(detect_labels=crowd)
    record = photos.put("a.jpg")
    assert work(record) == []
    [item] = tables.photos()
    assert 4000 < capacity.size(item) < 5050
    photo, [line] = look(record), printed(capsys)
    assert photo.status == "labelled"
    assert len(photo.labels) == line["labels"] == 20
    left = 5 * sum(not label.boxes for label in photo.labels)
    assert photo.left_out == line["left_out"] == {"labels": 0, "boxes": left}
    assert left > 0
    tables.assert_indexed()


def test_complete_response_logs_nothing_left_out(work, photos, look, capsys):
    record = photos.put("a.jpg")
    work(record)
    assert look(record).left_out is None
    assert "left_out" not in printed(capsys)[0]


# An attempt that was interrupted


def killed(**_):
    raise KeyboardInterrupt


def test_killed_attempt_leaves_only_index_items(
    function, work, photos, rekognition, look, tables, monkeypatch
):
    record = photos.put("a.jpg")
    rekognition.answers["a.jpg"] = ["Dog", "Pet"]
    with monkeypatch.context() as patch:
        patch.setattr(function._store._client, "put_item", killed)
        with pytest.raises(KeyboardInterrupt):
            work(record)
    assert (len(tables.index()), tables.photos()) == (2, [])
    assert look(record).status == "waiting"
    rekognition.answers["a.jpg"] = ["Cat"]
    assert work(record, receives=[2]) == []
    assert names(look(record)) == ["Cat"]
    assert sorted(item["label"] for item in tables.index()) == ["cat", "dog", "pet"]


def test_failed_deletion_of_index_items_is_completed_by_a_retry(
    function, work, photos, rekognition, look, tables, monkeypatch
):
    work(photos.put("a.jpg"))
    new = photos.put("a.jpg", b"new")
    client = function._store._client
    write = client.batch_write_item

    def refuse_deletion(*, RequestItems):  # noqa: N803
        if any("DeleteRequest" in each for [*some] in RequestItems.values() for each in some):
            raise TimeoutError
        return write(RequestItems=RequestItems)

    with monkeypatch.context() as patch:
        patch.setattr(client, "batch_write_item", refuse_deletion)
        assert work(new) == ["m0"]
    assert look(new).status == "labelled"
    assert work(new, receives=[2]) == []
    assert len(rekognition.requests) == 2
    assert len(tables.index()) == 2  # one is orphaned


# Tables that do not respond


def test_empty_response_of_the_table_is_rejected(
    function, work, photos, rekognition, look, monkeypatch
):
    """A success response without content, such as from a proxy, whether or not the item was stored."""
    work(photos.put("a.jpg"))
    new = photos.put("a.jpg", b"new")
    client = function._store._client
    with monkeypatch.context() as patch:
        put = client.put_item
        patch.setattr(client, "put_item", lambda **request: put(**request) and {})
        assert work(new) == ["m0"]
    assert work(new, receives=[2]) == []
    assert look(new).status == "labelled"
    assert len(rekognition.requests) == 2


def test_persistently_throttled_table_returns_the_photo_to_the_queue(
    function, work, photos, rekognition, look, tables, naps, monkeypatch
):
    client = function._store._client
    with monkeypatch.context() as patch:
        busy = lambda *, RequestItems: {"UnprocessedItems": RequestItems}  # noqa: E731, N803
        patch.setattr(client, "batch_write_item", busy)
        patch.setattr("labeller.store.time.sleep", naps)
        record = photos.put("a.jpg")
        assert work(record) == ["m0"]
    assert tables.all() == []
    assert max(naps) == 2
    assert sum(naps) < 40
    assert work(record, receives=[2]) == []
    assert look(record).status == "labelled"
    tables.assert_indexed()
