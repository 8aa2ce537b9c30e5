"""The function and the versions of a photo: events twice and late, photos replaced and removed."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from labelctl import contract
from tests.unit.function_world import headers, names, printed, version_id

# Twice, late, replaced


def test_the_same_event_twice_is_paid_for_once(work, photos, rekognition, rows):
    record = photos.put("a.jpg")
    work(record)
    before = rows()
    assert work(record) == []
    assert work(record, receives=[2]) == []
    assert len(rekognition.requests) == 1
    assert rows() == before


def test_a_new_version_replaces_the_labels_of_the_old_one(work, photos, rekognition, look, rows):
    answers = iter([["Dog", "Pet"], ["Cat"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    work(photos.put("a.jpg"))
    new = photos.put("a.jpg", b"new")
    work(new)
    assert names(look(new)) == ["Cat"]
    assert len(rows()) == 2


def test_a_late_event_of_an_older_version_changes_nothing(work, photos, rekognition, look, rows):
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(new)
    before = rows()
    assert work(old) == []
    assert rows() == before
    assert look(new).status == "labelled"
    assert len(rekognition.requests) == 1


def test_a_newer_version_that_finishes_first_stays(work, photos, rekognition, look, rows):
    """The old one is with Rekognition while the new one is labelled and stored."""
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")

    def answer(request):
        if request["Image"]["S3Object"]["Version"] == version_id(new):
            return ["Cat"]
        assert work(new) == []
        return ["Dog", "Pet"]

    rekognition.answers["a.jpg"] = answer
    assert work(old) == []
    assert names(look(new)) == ["Cat"]
    assert len(rows()) == 2


# Removed


def test_a_removed_photo_leaves_a_tombstone_for_thirty_days(work, photos, rekognition, rows):
    work(photos.put("a.jpg"))
    before = int(time.time())
    assert work(photos.remove("a.jpg")) == []
    [stone] = rows()
    assert stone["status"] == "removed"
    assert 0 <= stone["expires"] - before - 30 * 24 * 3600 <= 60
    assert len(rekognition.requests) == 1


def test_a_late_event_does_not_bring_a_removed_photo_back(work, photos, rekognition, rows):
    born, gone = photos.put("a.jpg"), photos.remove("a.jpg")
    work(gone)
    work(born)
    assert [row["status"] for row in rows()] == ["removed"]
    assert rekognition.requests == []


def test_a_photo_that_comes_again_is_labelled_and_never_expires(work, photos, look, rows):
    work(photos.put("a.jpg"))
    work(photos.remove("a.jpg"))
    again = photos.put("a.jpg")
    work(again)
    assert look(again).status == "labelled"
    assert "expires" not in headers(rows())[0]


def test_removing_an_old_version_for_good_changes_nothing(work, photos, rekognition, rows):
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(old)
    work(new)
    before = rows()
    gone = photos.remove_version("a.jpg", version_id(old))
    assert work(gone) == []
    [header] = headers(before)
    header["sequencer"] = gone["s3"]["object"]["sequencer"].rjust(32, "0")  # the last one heard of
    assert rows() == before
    assert len(rekognition.requests) == 2


def test_removing_the_newest_version_for_good_labels_the_one_before_it(
    work, photos, rekognition, look, rows
):
    rekognition.answers["a.jpg"] = lambda request: [request["Image"]["S3Object"]["Version"]]
    old, new = photos.put("a.jpg"), photos.put("a.jpg", b"new")
    work(old)
    work(new)
    assert work(photos.remove_version("a.jpg", version_id(new))) == []
    assert names(look(old)) == [version_id(old)]
    assert len(rows()) == 2


def test_removing_a_delete_marker_labels_what_it_hid(work, photos, look):
    born, gone = photos.put("a.jpg"), photos.remove("a.jpg")
    work(born)
    work(gone)
    assert look(born).status == "pending"
    work(photos.remove_version("a.jpg", version_id(gone)))
    assert look(born).status == "labelled"


def test_removing_the_only_version_for_good_removes_the_labels(work, photos, rows):
    record = photos.put("a.jpg")
    work(record)
    work(photos.remove_version("a.jpg", version_id(record)))
    assert [row["status"] for row in rows()] == ["removed"]


@pytest.mark.parametrize("versioned", [True, False])
def test_a_photo_that_goes_before_it_is_looked_at_is_no_failure(
    versioned, work, photos, rekognition, rows, capsys
):
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    record = photos.put("a.jpg")
    photos.remove_version("a.jpg", version_id(record))
    if not versioned:
        del record["s3"]["object"]["versionId"]
    assert work(record) == []
    assert rows() == []
    assert [line["status"] for line in printed(capsys)] == ["superseded"]


def test_a_photo_that_is_replaced_while_it_is_read_waits_for_its_own_event(
    s3, work, photos, rekognition, rows, look, capsys
):
    """In a bucket without versions Rekognition reads whatever lies there."""
    old = photos.put("a.jpg", b"old")
    del old["s3"]["object"]["versionId"]
    old["eventTime"] = datetime.now(UTC).isoformat()  # S3's 412 is a proof in a young bucket, too

    def replace(_):
        photos.put("a.jpg", b"new")
        return ["Dog"]

    rekognition.answers["a.jpg"] = replace
    assert work(old) == []
    assert rows() == []
    assert [line["status"] for line in printed(capsys)] == ["superseded"]


def test_a_photo_that_stays_while_it_is_read_is_labelled(work, photos, look):
    record = photos.put("a.jpg")
    del record["s3"]["object"]["versionId"]
    assert work(record) == []
    assert look(record).status == "labelled"


@pytest.mark.parametrize("status", [400, 403, 405, 503])
def test_that_a_photo_is_gone_is_not_guessed(status, function, work, photos, rekognition, rows):
    """S3 that refuses or does not answer is no proof."""

    def refuse(**_):
        return SimpleNamespace(status_code=status), {
            "Error": {"Code": str(status), "Message": ""},
            "ResponseMetadata": {"HTTPStatusCode": status},
        }

    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    function.clients.s3().meta.events.register("before-call.s3.HeadObject", refuse)
    assert work(photos.put("a.jpg")) == ["m0"]
    assert rows() == []


def test_a_version_that_is_gone_is_not_mixed_up_with_the_one_in_its_place(
    work, photos, rekognition, rows
):
    old = photos.put("a.jpg", b"old")
    photos.put("a.jpg", b"new")
    photos.remove_version("a.jpg", version_id(old))
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    assert work(old) == []
    assert rows() == []


@pytest.mark.parametrize(("minutes", "left"), [(-1, ["m0"]), (14, ["m0"]), (21, [])])
def test_a_young_bucket_may_deny_a_photo_that_is_there(
    minutes, left, work, photos, rekognition, rows
):
    """A photo that it denies is taken for removed only when the bucket's youth is over."""
    record = photos.put("a.jpg")
    photos.remove_version("a.jpg", version_id(record))  # now S3 answers 404
    record["eventTime"] = (datetime.now(UTC) - timedelta(minutes=minutes)).isoformat()
    rekognition.answers["a.jpg"] = "InvalidS3ObjectException"
    assert work(record) == left
    assert rows() == []


# A folder of the S3 console


def test_a_folder_costs_nothing_and_leaves_nothing(work, photos, rekognition, rows, capsys):
    assert work(photos.put("x/", b""), photos.put("x/a.jpg")) == []
    assert [row["image"] for row in headers(rows())] == ["x/a.jpg"]
    assert [photo["Name"] for photo in rekognition.photos] == ["x/a.jpg"]
    assert [line["image"] for line in printed(capsys)] == ["x/a.jpg"]


def test_a_photo_may_be_called_like_a_folder(work, photos, look):
    record = photos.put("x/")
    assert work(record) == []
    assert look(record).status == "labelled"


def asked_about(photos, old):
    return contract.request(
        "photos", "x/", contract.next_sequencer("F" * 24), "2026-01-02T03:04:05Z"
    )


def an_old_version_removed(photos, old):
    return photos.remove_version("x/", version_id(old))


@pytest.mark.parametrize("happens", [asked_about, an_old_version_removed])
def test_a_folder_in_the_place_of_a_photo_takes_its_labels(
    happens, work, photos, rekognition, rows
):
    first, second = photos.put("x/", b"old"), photos.put("x/")
    work(second)
    assert work(photos.put("x/", b"")) == []
    assert work(happens(photos, first)) == []
    assert [row["status"] for row in rows()] == ["removed"]
    assert len(rekognition.requests) == 1


def test_a_photo_shows_again_when_the_folder_over_it_goes(work, photos, look, rows):
    photo, folder = photos.put("x/"), photos.put("x/", b"")
    work(photo)
    work(asked_about(photos, photo))
    assert [row["status"] for row in rows()] == ["removed"]
    gone = photos.remove_version("x/", version_id(folder))
    gone["s3"]["object"]["sequencer"] = "F" * 25
    assert work(gone) == []
    assert look(photo).status == "labelled"


# An interrupted attempt


def test_the_rows_of_an_attempt_that_was_cut_off_are_swept(
    function, work, photos, rekognition, look, rows, monkeypatch
):
    record = photos.put("a.jpg")

    def killed(**_):
        raise KeyboardInterrupt

    rekognition.answers["a.jpg"] = ["Dog", "Pet"]
    with monkeypatch.context() as patch:
        patch.setattr(function._store._client, "put_item", killed)
        with pytest.raises(KeyboardInterrupt):
            work(record)
    assert len(rows()) == 2
    assert look(record).status == "pending"
    rekognition.answers["a.jpg"] = ["Cat"]
    assert work(record, receives=[2]) == []
    assert names(look(record)) == ["Cat"]
    assert len(rows()) == 2


def test_what_dynamodb_hands_back_is_written_again(
    function, work, photos, rekognition, look, naps, monkeypatch
):
    rekognition.answers["a.jpg"] = [f"Label {number}" for number in range(60)]
    client = function._store._client
    write = client.batch_write_item

    def throttled(*, RequestItems):  # noqa: N803
        [(table, requests)] = RequestItems.items()
        assert 1 <= len(requests) <= 25
        write(RequestItems={table: requests[:10]})
        return {"UnprocessedItems": {table: requests[10:]} if requests[10:] else {}}

    monkeypatch.setattr(client, "batch_write_item", throttled)
    monkeypatch.setattr("store.time.sleep", naps)
    record = photos.put("a.jpg")
    assert work(record) == []
    assert len(look(record).labels) == 60
    assert naps == sorted(naps)
    assert len(naps) == 11  # 60 labels and their words, 10 at a time
    assert 0 < naps[0] < naps[-1]


def test_an_answer_of_the_table_that_is_none_is_not_believed(
    function, work, photos, rekognition, look, rows, monkeypatch
):
    """A success without content, from whatever stands in between; the header may be written or not."""
    work(photos.put("a.jpg"))
    new = photos.put("a.jpg", b"new")
    client = function._store._client
    with monkeypatch.context() as patch:
        put = client.put_item
        patch.setattr(client, "put_item", lambda **request: put(**request) and {})
        assert work(new) == ["m0"]
    assert work(new, receives=[2]) == []
    assert look(new).status == "labelled"
    assert len(rows()) == 2, "rows of the old version are left"
    assert len(rekognition.requests) == 2


def test_a_table_that_hands_everything_back_is_left_for_later(
    function, work, photos, rekognition, look, naps, monkeypatch
):
    client = function._store._client
    busy = {"UnprocessedItems": {"labels": [{"DeleteRequest": {}}]}}
    with monkeypatch.context() as patch:
        patch.setattr(client, "batch_write_item", lambda **_: busy)
        patch.setattr("store.time.sleep", naps)
        record = photos.put("a.jpg")
        assert work(record) == ["m0"]
    assert max(naps) == 2
    assert sum(naps) < 40
    assert work(record, receives=[2]) == []
    assert look(record).status == "labelled"
