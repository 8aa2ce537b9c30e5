"""The vocabulary: the function stores each new label before it publishes the photo."""

from __future__ import annotations

import pytest

from labelctl.contract import schema
from tests.fakes.photos import LABELS


@pytest.fixture
def words(tables):
    """The labels in the vocabulary."""
    return lambda: {word["name"] for word in tables.words()}


@pytest.fixture
def written(function, monkeypatch):
    """The keys (label, rank) of all items written to the index."""
    client, keys = function._store._client, []
    write = client.batch_write_item

    def spy(*, RequestItems):  # noqa: N803
        items = [
            each["PutRequest"]["Item"] for each in RequestItems[LABELS] if "PutRequest" in each
        ]
        keys.extend((item["label"]["S"], item["rank"]["S"]) for item in items)
        return write(RequestItems=RequestItems)

    monkeypatch.setattr(client, "batch_write_item", spy)
    return keys


def new(written):
    """The labels written to the vocabulary."""
    return [rank for label, rank in written if label == schema.VOCABULARY]


def test_each_label_is_added_once_and_kept(work, photos, rekognition, words, written):
    rekognition.answers["a.jpg"] = ["Dog", "Sea"]
    rekognition.answers["b.jpg"] = ["Dog", "Cat"]
    work(photos.put("a.jpg"))
    assert words() == {"Dog", "Sea"}
    work(photos.put("b.jpg"))
    work(photos.remove("a.jpg"))
    assert words() == {"Dog", "Sea", "Cat"}
    assert sorted(new(written)) == ["cat", "dog", "sea"]


def test_missing_items_are_written_by_the_next_attempt(function, work, photos, words, monkeypatch):
    record = photos.put("a.jpg")
    with monkeypatch.context() as patch:

        def down(**_):
            raise ConnectionError

        patch.setattr(function._store._client, "batch_write_item", down)
        assert work(record) == ["m0"]
    assert words() == set()
    assert work(record, receives=[2]) == []
    assert words() == {"Dog"}


def test_photo_named_like_the_vocabulary_partition(work, photos, look, tables, words):
    record = photos.put(schema.VOCABULARY)
    work(record)
    assert [label.name for label in look(record).labels] == ["Dog"]
    tables.assert_indexed()
    work(photos.remove(schema.VOCABULARY))
    assert tables.statuses() == ["removed"]
    assert words() == {"Dog"}


def test_label_named_like_the_vocabulary_partition(work, photos, rekognition, look, tables, words):
    rekognition.answers["a.jpg"] = [schema.VOCABULARY]
    record = photos.put("a.jpg")
    work(record)
    assert [label.name for label in look(record).labels] == [schema.VOCABULARY]
    tables.assert_indexed()
    assert words() == {schema.VOCABULARY}
    work(photos.remove("a.jpg"))
    assert tables.index() == []


def test_new_process_writes_only_missing_items(work, photos, function, written, rekognition):
    rekognition.answers["b.jpg"] = ["Dog", "Cat"]
    work(photos.put("a.jpg"))
    function._store._vocabulary = None  # as in a new process
    written.clear()
    work(photos.put("b.jpg"))
    assert new(written) == ["cat"]


def test_vocabulary_of_many_pages_is_read_completely(
    work, photos, rekognition, function, written, words
):
    names = [f"Label {number:04} {'x' * 900}" for number in range(700)]  # 1.4 MB; a page has 1 MB
    rekognition.answers["a.jpg"] = names[:300]
    rekognition.answers["b.jpg"] = names[300:]
    work(photos.put("a.jpg"))
    work(photos.put("b.jpg"))
    assert len(words()) == 700
    function._store._vocabulary = None
    written.clear()
    rekognition.answers["c.jpg"] = [names[0], names[-1]]
    work(photos.put("c.jpg"))
    assert new(written) == []


def test_relations_of_labels_are_updated(work, photos, tables, dynamodb):
    """They change when Rekognition's model is updated."""
    place = {"label": {"S": schema.VOCABULARY}, "rank": {"S": "dog"}}
    dynamodb.put_item(TableName=LABELS, Item={**place, "name": {"S": "DOG"}})
    work(photos.put("a.jpg"))
    [word] = tables.words()
    assert word["name"] == "Dog"
