"""The vocabulary: the function writes down each label that it meets, before a photo shows it."""

from __future__ import annotations

import pytest

from labelctl import contract
from labelctl.reads import plain


@pytest.fixture
def words(dynamodb, table):
    """The labels in the vocabulary."""

    def read():
        items = plain(dynamodb.scan(TableName=table, ConsistentRead=True)["Items"])
        return {item["name"] for item in items if item["row"].startswith(contract.WORD)}

    return read


@pytest.fixture
def written(function, monkeypatch):
    """The sort keys of all that the function wrote."""
    client, keys = function._store._client, []
    write = client.batch_write_item

    def spy(*, RequestItems):  # noqa: N803
        [requests] = RequestItems.values()
        keys.extend(each["PutRequest"]["Item"]["row"]["S"] for each in requests)
        return write(RequestItems=RequestItems)

    monkeypatch.setattr(client, "batch_write_item", spy)
    return keys


def test_every_label_is_in_it_once_and_stays(work, photos, rekognition, words, written):
    rekognition.answers["a.jpg"] = ["Dog", "Sea"]
    rekognition.answers["b.jpg"] = ["Dog", "Cat"]
    work(photos.put("a.jpg"))
    assert words() == {"Dog", "Sea"}
    work(photos.put("b.jpg"))
    work(photos.remove("a.jpg"))
    assert words() == {"Dog", "Sea", "Cat"}
    assert sorted(row for row in written if row.startswith("~")) == ["~cat", "~dog", "~sea"]


def test_a_word_comes_before_the_labels(work, photos, written):
    work(photos.put("a.jpg"))
    assert written[0] == "~dog"
    assert written[1].endswith("#dog")


def test_a_word_that_was_not_written_is_written_with_the_next_attempt(
    function, work, photos, words, monkeypatch
):
    record = photos.put("a.jpg")
    with monkeypatch.context() as patch:

        def down(**_):
            raise ConnectionError

        patch.setattr(function._store._client, "batch_write_item", down)
        assert work(record) == ["m0"]
    assert words() == set()
    assert work(record, receives=[2]) == []
    assert words() == {"Dog"}


def test_a_photo_that_has_the_vocabulary_s_name_is_a_photo(work, photos, look, rows, words):
    record = photos.put(contract.VOCABULARY)
    work(record)
    assert [label.name for label in look(record).labels] == ["Dog"]
    work(photos.remove(contract.VOCABULARY))
    assert [row["status"] for row in rows()] == ["removed"]
    assert words() == {"Dog"}


def test_a_new_process_writes_only_what_is_not_there(work, photos, function, written, rekognition):
    rekognition.answers["b.jpg"] = ["Dog", "Cat"]
    work(photos.put("a.jpg"))
    function._store._words = None  # as a new process has it
    written.clear()
    work(photos.put("b.jpg"))
    assert [row for row in written if row.startswith("~")] == ["~cat"]


def test_what_is_told_of_a_label_is_kept_up_to_date(work, photos, rekognition, dynamodb, table):
    """As it is after Rekognition has learnt more."""
    dynamodb.put_item(
        TableName=table,
        Item={"image": {"S": "#labels"}, "row": {"S": "~dog"}, "name": {"S": "DOG"}},
    )
    work(photos.put("a.jpg"))
    word = dynamodb.get_item(
        TableName=table, Key={"image": {"S": "#labels"}, "row": {"S": "~dog"}}
    )["Item"]
    assert word["name"] == {"S": "Dog"}
