"""Reading what is stored: rows are made by the contract's own functions, as the function makes them."""

from __future__ import annotations

import json
import shlex
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from labelctl import contract, results
from labelctl.errors import PhotoNotFoundError, RefusedError
from labelctl.results import Awaited
from tests.unit.photo_rows import NOW, event


@pytest.fixture
def read(dynamodb, table):
    def read_one(key="a.jpg", version_id="v1", etag="e1"):
        return results.read(dynamodb, table, Awaited(key, version_id, etag))

    return read_one


# ---- which photo is meant


@pytest.fixture
def has(s3, bucket):
    def put(*keys):
        return {key: s3.put_object(Bucket=bucket, Key=key, Body=b"x") for key in keys}

    return put


@pytest.mark.parametrize(
    ("image", "key"),
    [
        ("beach.jpg", "beach.jpg"),
        ("summer/beach.jpg", "summer/beach.jpg"),
        ("photos/summer/beach.jpg", "summer/beach.jpg"),
        ("/home/me/photos/summer/beach.jpg", "summer/beach.jpg"),
        ("./summer/beach.jpg", "summer/beach.jpg"),
        ("../beach.jpg", "beach.jpg"),
        ("winter/beach.jpg", "beach.jpg"),
        ("a//b.jpg", "a//b.jpg"),
        ("[bold] a+b%20\n.jpg", "[bold] a+b%20\n.jpg"),
        ("é 💚.jpg", "é 💚.jpg"),
    ],
)
def test_the_longest_trailing_part_that_is_a_key_is_meant(s3, bucket, has, image, key):
    put = has("beach.jpg", "summer/beach.jpg", "a//b.jpg", "[bold] a+b%20\n.jpg", "é 💚.jpg")
    found = results.resolve(s3, bucket, image)
    assert found == Awaited(key, put[key]["VersionId"], put[key]["ETag"].strip('"'))


def test_a_key_may_be_as_long_as_s3_takes_it(s3, bucket, has):
    key = "ü" * 512
    has(key)
    assert results.resolve(s3, bucket, key).key == key
    assert [*results.candidates(key + "x")] == []


@pytest.mark.parametrize("image", ["none.jpg", "", ".", "/", "x/" * 600, "\udcff.jpg"])
def test_a_photo_that_is_not_there(s3, bucket, has, image):
    has("other.jpg")
    with pytest.raises(PhotoNotFoundError) as caught:
        results.resolve(s3, bucket, image)
    assert caught.value.message == f'There is no photo "{image}" in the bucket.'
    assert "IMAGE is the photo's key" in caught.value.hint


@pytest.mark.parametrize("name", ["a.jpg", "a b.jpg", "$(touch owned).jpg", 'it\'s "it".jpg'])
def test_a_photo_that_is_only_here_is_to_be_uploaded(s3, bucket, tmp_path, name):
    """The command can be pasted into a shell, whatever the file is called."""
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(PhotoNotFoundError) as caught:
        results.resolve(s3, bucket, str(path))
    told, _, about_prefixes = caught.value.hint.partition("\n")
    assert "--prefix" in about_prefixes
    first, _, command = told.partition(": ")
    assert first == "Upload it first"
    assert shlex.split(command) == ["labelctl", "upload", str(path)]
    assert command == shlex.join(["labelctl", "upload", str(path)])


def test_a_removed_photo_is_not_there(s3, bucket, has):
    has("a.jpg")
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    with pytest.raises(PhotoNotFoundError):
        results.resolve(s3, bucket, "a.jpg")


def test_a_folder_of_the_console_is_no_photo(s3, bucket, has):
    s3.put_object(Bucket=bucket, Key="day 1/", Body=b"")
    with pytest.raises(PhotoNotFoundError, match='There is no photo "day 1/" in the bucket'):
        results.resolve(s3, bucket, "day 1/")
    has("day 1/")
    assert results.resolve(s3, bucket, "day 1/").key == "day 1/"


# ---- what is stored


def test_the_documented_json(label, read):
    label(event())
    told = read().as_json()
    plain = {"categories": (), "parents": (), "aliases": (), "boxes": ()}
    assert told == {
        "image": "a.jpg",
        "status": "labelled",
        "reason": None,
        "labels": (
            {"name": "Beach", "confidence": 99.0, **plain},
            {
                "name": "Dog",
                "confidence": 98.25,
                "categories": ("Animals and Pets",),
                "parents": ("Animal", "Pet"),
                "aliases": ("Hound",),
                "boxes": (
                    {
                        "left": 0.25,
                        "top": 0.5,
                        "width": 0.125,
                        "height": 0.0625,
                        "confidence": 97.5,
                    },
                ),
            },
            {"name": "Pet", "confidence": 98.25, **plain},
        ),
        "properties": {"Quality": {"Brightness": Decimal("61.5")}},
        "model_version": "3.0",
        "labelled_at": NOW,
    }
    # The names come in this order, and nothing but the properties needs help to become JSON.
    assert list(told) == [
        *("image", "status", "reason", "labels", "properties", "model_version", "labelled_at"),
    ]
    json.dumps({**told, "properties": None})


def test_what_was_stored_a_moment_ago_is_read(label, read, dynamodb):
    asked = []
    dynamodb.meta.events.register(
        "before-parameter-build.dynamodb.Query", lambda params, **_: asked.append(params)
    )
    label(event())
    assert read().status == "labelled"
    assert all(request["ConsistentRead"] for request in asked)


def test_a_photo_without_labels(label, read):
    label(event(), {"Labels": []})
    photo = read()
    assert (photo.status, photo.labels, photo.properties, photo.model_version) == (
        *("labelled", (), None, ""),
    )


def test_a_failed_photo_tells_why(stored, read):
    stored(contract.failed_header(event(), "v.aa", "TooLarge", "It is too large.", NOW))
    photo = read()
    assert (photo.status, photo.reason, photo.labelled_at) == ("failed", "It is too large.", NOW)


def test_a_photo_without_a_row_is_pending(table, read):
    assert read() == results.Photo("a.jpg", "pending")


@pytest.mark.parametrize("version_id", [None, "v1"])
def test_a_removed_photo_that_came_back_is_pending(stored, read, version_id):
    gone = event(kind="removed", version_id=version_id, etag=None)
    stored(contract.tombstone(gone, "v.aa", NOW, 1))
    assert read().status == "pending"


def test_labels_of_another_version_are_not_this_photos(label, read):
    label(event(version_id="v1", etag="same"))
    assert read(version_id="v2", etag="same").status == "pending"


@pytest.mark.parametrize(("etag", "status"), [("e1", "labelled"), ("e2", "pending")])
def test_without_versions_the_etag_tells(label, read, etag, status):
    label(event(version_id=None))
    assert read(version_id="v1", etag=etag).status == status
    assert read(version_id=None, etag=etag).status == status


def test_rows_of_other_attempts_are_left_out(label, stored, read):
    label(event(number=2, version_id="v2"), attempt="aa")
    old = event(number=1)
    cut_off = {"Labels": [{"Name": "Ghost", "Confidence": 100.0}]}
    for each, attempt in ((old, "bb"), (event(number=2), "bb"), (event(number=3), "cc")):
        stored(*contract.label_rows(each, contract.version_of(each, attempt), cut_off["Labels"]))
    names = [label.name for label in read(version_id="v2").labels]
    assert names == ["Beach", "Dog", "Pet"]


def test_another_photos_labels_are_left_out(label, read):
    label(event("a.jpg"))
    label(event("a.jpg.jpg"), {"Labels": [{"Name": "Cat", "Confidence": 100.0}]})
    assert "Cat" not in [label.name for label in read().labels]


def test_more_rows_than_one_page_holds(label, read, dynamodb):
    """DynamoDB reads 1 MB at a time."""
    many = [
        {
            "Name": f"Label {number}",
            "Confidence": number / 10,
            "Aliases": [{"Name": "x" * 4000}],
        }
        for number in range(400)
    ]
    label(event(), {"Labels": many})
    queries = []
    dynamodb.meta.events.register("before-call.dynamodb.Query", lambda **_: queries.append(1))
    photo = read()
    assert len(photo.labels) == 400
    assert len(queries) > 1
    assert photo.labels[0].name == "Label 399"


class Replaced:
    """A table whose photo is replaced while its first page has been read and the next has not."""

    def __init__(self, dynamodb, replace):
        self._dynamodb, self._replace, self.reads = dynamodb, replace, 0

    def get_paginator(self, name):
        return self

    def paginate(self, **query):
        self.reads += 1
        (page,) = self._dynamodb.get_paginator("query").paginate(**query)
        items = page["Items"]
        yield {"Items": items[:2]}  # the header, and a row
        if self.reads == 1:
            self._replace()
            (page,) = self._dynamodb.get_paginator("query").paginate(**query)
            items = [*items[:2], *page["Items"][2:]]
        yield {"Items": items[2:]}


def test_labels_of_two_versions_are_never_mixed(label, dynamodb, table):
    def replace():
        dynamodb.delete_item(TableName=table, Key={"image": {"S": "a.jpg"}, "row": {"S": row}})
        label(event(number=2, version_id="v1"), {"Labels": [{"Name": "Cat", "Confidence": 90.0}]})

    label(event())
    row = f"{contract.version_of(event(), 'aa')}#pet"
    torn = Replaced(dynamodb, replace)
    photo = results.read(torn, table, Awaited("a.jpg", "v1", "e1"))
    assert [label.name for label in photo.labels] == ["Cat"]
    assert torn.reads == 2


def test_a_photo_whose_rows_are_lost_is_not_read_for_ever(label, read, dynamodb, table):
    label(event())
    row = f"{contract.version_of(event(), 'aa')}#pet"
    dynamodb.delete_item(TableName=table, Key={"image": {"S": "a.jpg"}, "row": {"S": row}})
    with pytest.raises(RefusedError, match=r'"a\.jpg" are not whole'):
        read()


def test_at_least_keeps_what_is_sure_enough(label, read):
    label(event())
    photo = read()
    assert [label.name for label in photo.at_least(99).labels] == ["Beach"]
    assert [label.name for label in photo.at_least(98.25).labels] == ["Beach", "Dog", "Pet"]
    assert (photo.at_least(100).labels, photo.at_least(100).status) == ((), "labelled")


def test_several_photos_come_in_the_order_they_were_asked_for(label, dynamodb, table):
    sent = [Awaited(f"{number}.jpg", "v1", "e1") for number in (3, 1, 2)]
    for each in sent[:2]:
        label(event(each.key))
    told = list(results.read_many(dynamodb, table, sent))
    assert [(photo.image, photo.status) for photo in told] == [
        ("3.jpg", "labelled"),
        ("1.jpg", "labelled"),
        ("2.jpg", "pending"),
    ]


def test_no_more_photos_are_read_ahead_than_can_be_held(label, dynamodb, table):
    """However slow the reader of a million is."""
    asked = []

    def sent():
        for number in range(1000):
            asked.append(number)
            yield Awaited(f"{number}.jpg", "v1", "e1")

    told = results.read_many(dynamodb, table, sent())
    assert [next(told).image for _ in range(5)] == [f"{number}.jpg" for number in range(5)]
    told.close()
    assert 5 <= len(asked) < 50


def test_what_lies_under_the_version_null_is_told_apart_by_its_etag(s3, monkeypatch):

    about = {"LastModified": datetime(2030, 1, 1, tzinfo=UTC), "ContentLength": 9}
    head = {"VersionId": "null", "ETag": '"new"', **about}
    monkeypatch.setattr(s3, "head_object", lambda **_: head)
    there = results.current(s3, "photos", "a.jpg")
    assert there == Awaited("a.jpg", None, "new")
    old = {"status": "labelled", "sequencer": "1", "etag": "old"}
    assert not results.answers(old, there)
