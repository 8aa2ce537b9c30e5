"""Reading the results of photos."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from labelctl.contract import schema
from labelctl.labels import results
from labelctl.photos import versions
from labelctl.photos.versions import ObjectVersion
from tests.fakes.photos import PHOTOS, PhotoTables
from tests.unit.photo_items import NOW, event, failed, labelled, reader_of, removed, store


@pytest.fixture
def tables():
    return PhotoTables()


@pytest.fixture
def read(tables):
    def read_one(key="a.jpg", version_id="v1", etag="e1"):
        return results.read(reader_of(tables), ObjectVersion(key, version_id, etag))

    return read_one


# ---- what is stored


def test_the_documented_json(tables, read):
    store(tables, labelled(event()))
    value = read().as_json()
    plain = {"categories": (), "parents": (), "aliases": (), "boxes": ()}
    assert value == {
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
        "left_out": None,
    }
    # The names come in this order, and nothing but the properties needs help to become JSON.
    assert list(value) == [
        *("image", "status", "reason", "labels", "properties", "model_version", "labelled_at"),
        "left_out",
    ]
    json.dumps({**value, "properties": None})


def test_a_photo_is_read_as_it_is_now_by_one_request(tables, read):
    tables.lag()
    store(tables, labelled(event()))
    assert read().status == "labelled"
    assert tables.calls == {"GetItem": 1}
    assert tables.reads == {(PHOTOS, None): 1}


def test_a_photo_without_labels(tables, read):
    store(tables, labelled(event(), {"Labels": []}))
    photo = read()
    assert (photo.status, photo.labels, photo.properties, photo.model_version) == (
        *("labelled", (), None, ""),
    )


def test_a_failed_photo_has_a_reason(tables, read):
    store(tables, failed(event()))
    photo = read()
    assert (photo.status, photo.reason, photo.labelled_at) == ("failed", "It is too large.", NOW)
    assert photo.labels == ()


def test_a_photo_without_an_item_is_waiting(read):
    assert read() == results.Photo("a.jpg", "waiting")


@pytest.mark.parametrize("version_id", [None, "v1"])
def test_a_removed_photo_that_came_back_is_waiting(tables, read, version_id):
    store(tables, removed(event(kind="removed", version_id=version_id, etag=None)))
    assert read().status == "waiting"


def test_labels_of_another_version_are_not_this_photos(tables, read):
    store(tables, labelled(event(version_id="v1", etag="same")))
    assert read(version_id="v2", etag="same").status == "waiting"


@pytest.mark.parametrize(("etag", "status"), [("e1", "labelled"), ("e2", "waiting")])
def test_without_versions_the_etag_decides(tables, read, etag, status):
    store(tables, labelled(event(version_id=None)))
    assert read(version_id="v1", etag=etag).status == status
    assert read(version_id=None, etag=etag).status == status


def test_labels_are_sorted_by_confidence_then_name():
    photo = {
        "labels": {"b": Decimal(90), "c": Decimal("90.5"), "a": Decimal(90), "B": Decimal(90)},
        "details": {"a": {"boxes": []}},
    }
    assert [label.name for label in results.labels(photo)] == ["c", "B", "a", "b"]


def test_details_that_a_label_has_none_of_are_empty():
    photo = {
        "labels": {"Dog": Decimal("90.5"), "Cat": Decimal(80)},
        "details": {"Dog": {"parents": ["Animal"]}},
    }
    assert [*results.labels(photo)] == [
        results.Label("Dog", 90.5, (), ("Animal",), (), ()),
        results.Label("Cat", 80.0, (), (), (), ()),
    ]


def test_dropped_labels_and_boxes_are_counted(tables, read):
    """An item can have 400 KB; the boxes of the least confident labels are dropped first."""
    box = {"BoundingBox": {"Left": 0.123456789, "Top": 0.2, "Width": 0.3, "Height": 0.4}}
    many = {
        "Labels": [
            {"Name": f"Label {number:03}", "Confidence": 99 - number / 10, "Instances": [box] * 100}
            for number in range(100)
        ]
    }
    store(tables, labelled(event(), many))
    photo = read()
    assert len(photo.labels) == 100
    assert photo.left_out == {
        "labels": 0,
        "boxes": 10_000 - sum(len(x.boxes) for x in photo.labels),
    }
    assert photo.left_out["boxes"] > 100
    assert len(photo.labels[0].boxes) == 100
    assert photo.labels[-1].boxes == ()
    json.dumps(photo.as_json())


def test_at_least_keeps_confident_labels(tables, read):
    store(tables, labelled(event()))
    photo = read()
    assert [label.name for label in photo.at_least(99).labels] == ["Beach"]
    assert [label.name for label in photo.at_least(98.25).labels] == ["Beach", "Dog", "Pet"]
    assert (photo.at_least(100).labels, photo.at_least(100).status) == ((), "labelled")


@pytest.mark.parametrize(
    ("stored", "sent", "is_answer"),
    [
        ({}, {}, True),
        ({"status": "failed"}, {}, True),
        ({"status": "removed"}, {}, False),
        ({}, {"version_id": "v2"}, False),
        ({}, {"etag": "e2"}, True),  # versions decide, where both have one
        ({"version_id": None}, {"etag": "e2"}, False),
        ({"version_id": None}, {"version_id": "v2"}, True),
        ({}, {"version_id": None, "etag": "e2"}, False),
        ({"sequencer": "5"}, {"sequencer": "5"}, True),
        ({"sequencer": "4"}, {"sequencer": "5"}, False),
        ({"sequencer": "5:00000001"}, {"sequencer": "5"}, True),
    ],
)
def test_which_item_is_the_result_of_a_version(stored, sent, is_answer):
    item = {"status": "labelled", "sequencer": "1", "version_id": "v1", "etag": "e1", **stored}
    item = {name: value for name, value in item.items() if value is not None}
    photo = ObjectVersion(**{"key": "a.jpg", "version_id": "v1", "etag": "e1", **sent})
    assert versions.is_result_of(item, photo) is is_answer


# ---- several photos


def test_results_keep_the_requested_order(tables):
    sent = [ObjectVersion(f"{number}.jpg", "v1", "e1") for number in (3, 1, 2, 3)]
    store(tables, labelled(event("3.jpg")), failed(event("1.jpg")))
    photos = list(results.read_many(reader_of(tables), sent))
    assert [(photo.image, photo.status) for photo in photos] == [
        ("3.jpg", "labelled"),
        ("1.jpg", "failed"),
        ("2.jpg", "waiting"),
        ("3.jpg", "labelled"),
    ]
    assert photos[0].labels[0].name == "Beach"


def test_many_photos_are_read_as_they_are_now_a_hundred_at_a_time(tables):
    tables.lag()
    sent = [ObjectVersion(f"{number}.jpg", "v1", "e1") for number in range(250)]
    store(tables, *(labelled(event(each.key)) for each in sent))
    photos = [*results.read_many(reader_of(tables), iter(sent))]
    assert [photo.image for photo in photos] == [each.key for each in sent]
    assert Counter(photo.status for photo in photos) == {schema.LABELLED: 250}
    assert tables.calls == {"BatchGetItem": 3}


def test_reading_ahead_is_limited(tables):
    """However slowly the results of a million photos are consumed."""
    asked = []

    def sent():
        for number in range(2000):
            asked.append(number)
            yield ObjectVersion(f"{number}.jpg", "v1", "e1")

    photos = results.read_many(reader_of(tables), sent())
    assert [next(photos).image for _ in range(5)] == [f"{number}.jpg" for number in range(5)]
    photos.close()
    assert 5 <= len(asked) <= 400


def test_the_null_version_is_identified_by_its_etag(s3, monkeypatch):
    about = {"LastModified": datetime(2030, 1, 1, tzinfo=UTC), "ContentLength": 9}
    head = {"VersionId": "null", "ETag": '"new"', **about}
    monkeypatch.setattr(s3, "head_object", lambda **_: head)
    there = versions.current_photo(s3, "photos", "a.jpg")
    assert there == ObjectVersion("a.jpg", None, "new")
    old = {"status": "labelled", "sequencer": "1", "etag": "old"}
    assert not versions.is_result_of(old, there)
