"""Versions of a photo: duplicate and late events, replaced and removed photos."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from labelctl.contract import s3_events
from tests.unit.function_world import names, printed, version_id

# Duplicate and late events, replaced photos


def test_duplicate_event_is_billed_once(work, photos, rekognition, tables):
    record = photos.put("a.jpg")
    work(record)
    before = tables.all()
    assert work(record) == []
    assert work(record, receives=[2]) == []
    assert len(rekognition.requests) == 1
    assert tables.all() == before


def test_new_version_replaces_the_old_labels(work, photos, rekognition, look, tables):
    answers = iter([["Dog", "Pet"], ["Cat"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    work(photos.put("a.jpg"))
    new = photos.put("a.jpg", b"new")
    work(new)
    assert names(look(new)) == ["Cat"]
    tables.assert_indexed()


def test_late_event_of_an_older_version_changes_nothing(work, photos, rekognition, look, tables):
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(new)
    before = tables.all()
    assert work(old) == []
    assert tables.all() == before
    assert look(new).status == "labelled"
    assert len(rekognition.requests) == 1


def test_newer_version_that_finishes_first_is_kept(work, photos, rekognition, look, tables):
    """Rekognition processes the old version while the new one is labelled and stored."""
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")

    def answer(request):
        if request["Image"]["S3Object"]["Version"] == version_id(new):
            return ["Cat"]
        assert work(new) == []
        return ["Dog", "Pet"]

    rekognition.answers["a.jpg"] = answer
    assert work(old) == []
    assert names(look(new)) == ["Cat"]
    tables.assert_indexed()


# Removed


def test_removed_photo_leaves_a_tombstone_for_30_days(work, photos, rekognition, tables):
    work(photos.put("a.jpg"))
    before = int(time.time())
    assert work(photos.remove("a.jpg")) == []
    [tombstone] = tables.photos()
    assert tombstone["status"] == "removed"
    assert tables.index() == []
    assert 0 <= tombstone["expires"] - before - 30 * 24 * 3600 <= 60
    assert len(rekognition.requests) == 1


def test_late_event_does_not_restore_a_removed_photo(work, photos, rekognition, tables):
    created, gone = photos.put("a.jpg"), photos.remove("a.jpg")
    work(gone)
    work(created)
    assert tables.statuses() == ["removed"]
    assert rekognition.requests == []


def test_photo_uploaded_again_is_labelled_and_does_not_expire(work, photos, look, tables):
    work(photos.put("a.jpg"))
    work(photos.remove("a.jpg"))
    again = photos.put("a.jpg")
    work(again)
    assert look(again).status == "labelled"
    assert "expires" not in tables.photos()[0]


def test_deleting_an_old_version_changes_nothing(work, photos, rekognition, tables):
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(old)
    work(new)
    before = tables.all()
    gone = photos.remove_version("a.jpg", version_id(old))
    assert work(gone) == []
    before[0]["sequencer"] = gone["s3"]["object"]["sequencer"].rjust(32, "0")  # the latest event
    assert tables.all() == before
    assert len(rekognition.requests) == 2


def test_deleting_the_newest_version_labels_the_previous_one(
    work, photos, rekognition, look, tables
):
    rekognition.answers["a.jpg"] = lambda request: [request["Image"]["S3Object"]["Version"]]
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(old)
    work(new)
    assert work(photos.remove_version("a.jpg", version_id(new))) == []
    assert names(look(old)) == [version_id(old)]
    tables.assert_indexed()


def test_deleting_a_delete_marker_labels_the_photo(work, photos, look):
    created, gone = photos.put("a.jpg"), photos.remove("a.jpg")
    work(created)
    work(gone)
    assert look(created).status == "waiting"
    work(photos.remove_version("a.jpg", version_id(gone)))
    assert look(created).status == "labelled"


def test_deleting_the_only_version_removes_the_labels(work, photos, tables):
    record = photos.put("a.jpg")
    work(record)
    work(photos.remove_version("a.jpg", version_id(record)))
    assert tables.statuses() == ["removed"]


@pytest.mark.parametrize("versioned", [True, False])
def test_photo_removed_before_processing_is_not_a_failure(
    versioned, work, photos, rekognition, tables, capsys
):
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    record = photos.put("a.jpg")
    photos.remove_version("a.jpg", version_id(record))
    if not versioned:
        del record["s3"]["object"]["versionId"]
    assert work(record) == []
    assert tables.all() == []
    assert [line["status"] for line in printed(capsys)] == ["superseded"]


def test_photo_replaced_during_processing_waits_for_its_own_event(
    s3, work, photos, rekognition, tables, look, capsys
):
    """In an unversioned bucket, Rekognition reads the current object."""
    old = photos.put("a.jpg", b"old")
    del old["s3"]["object"]["versionId"]
    old["eventTime"] = datetime.now(UTC).isoformat()  # 412 is reliable in a new bucket, too

    def replace(_):
        photos.put("a.jpg", b"new")
        return ["Dog"]

    rekognition.answers["a.jpg"] = replace
    assert work(old) == []
    assert tables.all() == []
    assert [line["status"] for line in printed(capsys)] == ["superseded"]


def test_unchanged_photo_in_an_unversioned_bucket_is_labelled(work, photos, look):
    record = photos.put("a.jpg")
    del record["s3"]["object"]["versionId"]
    assert work(record) == []
    assert look(record).status == "labelled"


@pytest.mark.parametrize("status", [400, 403, 405, 503])
def test_errors_of_s3_do_not_count_as_removal(status, clients, work, photos, rekognition, tables):
    """An error of S3 does not prove that the photo was removed."""

    def refuse(**_):
        return SimpleNamespace(status_code=status), {
            "Error": {"Code": str(status), "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    clients.s3.meta.events.register("before-call.s3.HeadObject", refuse)
    assert work(photos.put("a.jpg")) == ["m0"]
    assert tables.all() == []


def test_removed_version_is_not_confused_with_its_successor(work, photos, rekognition, tables):
    old = photos.put("a.jpg", b"old")
    photos.put("a.jpg", b"new")
    photos.remove_version("a.jpg", version_id(old))
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    assert work(old) == []
    assert tables.all() == []


@pytest.mark.parametrize(("minutes", "left"), [(-1, ["m0"]), (14, ["m0"]), (21, [])])
def test_new_bucket_may_return_404_for_an_existing_photo(
    minutes, left, work, photos, rekognition, tables
):
    """A 404 only counts as removal when the photo is older than SETTLING."""
    record = photos.put("a.jpg")
    photos.remove_version("a.jpg", version_id(record))  # now S3 returns 404
    record["eventTime"] = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    assert work(record) == left
    assert tables.all() == []


# Events without a sequencer


def unordered(record):
    del record["s3"]["object"]["sequencer"]
    return record


def test_photo_is_labelled_without_a_sequencer(work, photos, rekognition, look, queues):
    record = unordered(photos.put("a.jpg"))
    assert work(record) == []
    assert look(record).status == "labelled"
    assert work(record) == []
    assert len(rekognition.requests) == 1
    assert queues.dead_letter() == []


def test_without_a_sequencer_the_bucket_decides(work, photos, rekognition, look, tables):
    """Such events may arrive in any order."""
    rekognition.answers["a.jpg"] = lambda request: [request["Image"]["S3Object"]["Version"]]
    first, second = unordered(photos.put("a.jpg")), unordered(photos.put("a.jpg", b"new"))
    work(second)
    work(first)
    assert names(look(second)) == [version_id(second)]
    gone = unordered(photos.remove("a.jpg"))
    work(gone)
    work(second)
    assert tables.statuses() == ["removed"]
    assert tables.index() == []
    assert len(rekognition.requests) == 1


def test_ordinary_event_after_one_without_a_sequencer_is_processed(work, photos, look):
    work(unordered(photos.put("a.jpg")))
    new = photos.put("a.jpg", b"new")
    work(new)
    assert look(new).status == "labelled"


# A folder of the S3 console


def test_folder_is_ignored(work, photos, rekognition, tables, capsys):
    assert work(photos.put("x/", b""), photos.put("x/a.jpg")) == []
    assert [item["image"] for item in tables.photos()] == ["x/a.jpg"]
    assert [photo["Name"] for photo in rekognition.photos] == ["x/a.jpg"]
    assert [line["image"] for line in printed(capsys)] == ["x/a.jpg"]


def test_photo_with_a_key_like_a_folder_is_labelled(work, photos, look):
    record = photos.put("x/")
    assert work(record) == []
    assert look(record).status == "labelled"


def request_photo(photos, old):
    return s3_events.request(
        "photos", "x/", s3_events.next_sequencer("F" * 24), "2026-01-02T03:04:05Z"
    )


def remove_old_version(photos, old):
    return photos.remove_version("x/", version_id(old))


@pytest.mark.parametrize("happens", [request_photo, remove_old_version])
def test_folder_that_replaces_a_photo_removes_its_labels(
    happens, work, photos, rekognition, tables
):
    first, second = photos.put("x/", b"old"), photos.put("x/")
    work(second)
    assert work(photos.put("x/", b"")) == []
    assert work(happens(photos, first)) == []
    assert tables.statuses() == ["removed"]
    assert len(rekognition.requests) == 1


def test_photo_is_labelled_again_when_the_folder_is_removed(work, photos, look, tables):
    photo, folder = photos.put("x/"), photos.put("x/", b"")
    work(photo)
    work(request_photo(photos, photo))
    assert tables.statuses() == ["removed"]
    gone = photos.remove_version("x/", version_id(folder))
    gone["s3"]["object"]["sequencer"] = "F" * 25
    assert work(gone) == []
    assert look(photo).status == "labelled"
