"""The handler: labelled and failed photos, retries, and the log.

The tests put photos into a bucket, pass the messages that S3 would send to the function, and check
the tables (as `labelctl labels` reads them), the response to the queue, and the billed calls.
"""

from __future__ import annotations

import json
import time
from threading import Barrier
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from labelctl.contract import s3_events
from labeller.bucket import Bucket
from labeller.clients import BATCH
from labeller.recognition import REASONS, UNREADABLE, Recognition
from labeller.redelivery import PATIENCE
from tests.fakes.photos import LABELS, PHOTOS
from tests.lambda_runtime import message_body, s3_record
from tests.unit.function_world import names, printed, version_id

PERMANENT = [
    "InvalidImageFormatException",
    "ImageTooLargeException",
    "InvalidParameterException",
]
TEMPORARY = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "InternalServerError",
    "AccessDeniedException",
]


# Labelled


def test_new_photo_is_labelled(work, photos, rekognition, look, tables):
    rekognition.answers["holiday/at sea.jpg"] = ["Sea", "Dog"]
    beach = photos.put("holiday/at sea.jpg")
    assert look(beach).status == "waiting"
    assert work(beach) == []
    photo = look(beach)
    assert (photo.status, names(photo), photo.model_version) == ("labelled", ["Dog", "Sea"], "3.0")
    [item] = tables.photos()
    assert item["version_id"] == version_id(beach)
    assert len(tables.index()) == 2
    tables.assert_indexed()


def test_rekognition_reads_the_version_in_the_event(work, photos, rekognition):
    old = photos.put("a.jpg", b"old")
    photos.put("a.jpg", b"new")
    work(old)
    assert rekognition.photos == [{"Bucket": "photos", "Name": "a.jpg", "Version": version_id(old)}]


def test_rekognition_reads_the_object_in_an_unversioned_bucket(work, rekognition):
    work(s3_record("a.jpg", "1", size=3, eTag="e"))
    assert rekognition.photos == [{"Bucket": "photos", "Name": "a.jpg"}]


def test_settings_are_sent_to_rekognition(clients, environ, rekognition):
    settings = {
        "LABELCTL_MIN_CONFIDENCE": "77.5",
        "LABELCTL_MAX_LABELS": "7",
        "LABELCTL_IMAGE_PROPERTIES": "true",
        "LABELCTL_CALLS_PER_SECOND": "50",
        "LABELCTL_CONCURRENCY": "4",
    }
    [event] = s3_events.parse_message(message_body(s3_record("a.jpg", "1", versionId="v")))
    for environment in (environ, {**environ, **settings}):
        recognition = Recognition(clients.rekognition, Bucket(clients), environment)
        recognition.detect(event, until=time.monotonic() + 60)
    for request in rekognition.requests:
        del request["Image"]
    assert rekognition.requests == [
        {"MinConfidence": 55.0, "MaxLabels": 100, "Features": ["GENERAL_LABELS"]},
        {
            "MinConfidence": 77.5,
            "MaxLabels": 7,
            "Features": ["GENERAL_LABELS", "IMAGE_PROPERTIES"],
        },
    ]


def test_photo_without_labels_is_labelled(work, photos, rekognition, look):
    rekognition.answers["fog.jpg"] = []
    fog = photos.put("fog.jpg")
    assert work(fog) == []
    assert (look(fog).status, look(fog).labels) == ("labelled", ())


def test_a_thousand_labels_are_stored_and_found(work, photos, rekognition, look):
    rekognition.answers["a.jpg"] = [f"Label {number:04}" for number in range(1000)]
    record = photos.put("a.jpg")
    work(record)
    assert len(look(record).labels) == 1000


def test_photos_of_a_batch_are_processed_in_parallel(work, photos, rekognition):
    together = Barrier(10)
    records = [photos.put(f"{number}.jpg") for number in range(10)]
    for number in range(10):
        rekognition.answers[f"{number}.jpg"] = lambda _: [f"Label {together.wait(timeout=20)}"]
    assert work(*records) == []
    assert BATCH == 10


# Permanent failures


@pytest.mark.parametrize("code", PERMANENT)
def test_permanent_error_costs_one_call_and_stores_a_reason(
    code, work, photos, rekognition, look, tables
):
    rekognition.answers["a.jpg"] = code
    record = photos.put("a.jpg")
    assert work(record) == []
    assert len(rekognition.requests) == 1
    photo = look(record)
    assert photo.status == "failed"
    assert photo.reason == f"{REASONS[code]} (said Rekognition)"
    assert [item["error"] for item in tables.photos()] == [code]
    assert tables.index() == []


@pytest.mark.parametrize("details", [{}, {"Message": None}])
def test_permanent_error_without_a_message(details, work, photos, rekognition, look):
    def fail(_):
        raise ClientError({"Error": {"Code": "InvalidImageFormatException", **details}}, "x")

    rekognition.answers["a.jpg"] = fail
    record = photos.put("a.jpg")
    assert work(record) == []
    assert look(record).reason == REASONS["InvalidImageFormatException"]


def test_photo_that_rekognition_cannot_read_yet_is_labelled(work, photos, rekognition, look):
    """New permissions and new buckets need minutes until Rekognition can read photos."""
    answers = iter(["InvalidS3ObjectException", "InvalidS3ObjectException", ["Dog"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    record = photos.put("a.jpg")
    for receives in (1, 2):
        assert work(record, receives=[receives]) == ["m0"]
        assert look(record).status == "waiting"
    assert work(record, receives=[3]) == []
    assert names(look(record)) == ["Dog"]


def test_photo_that_rekognition_can_never_read_fails_with_a_reason(
    work, photos, rekognition, look, tables, queues
):
    rekognition.answers["a.jpg"] = UNREADABLE
    record = photos.put("a.jpg")
    assert work(record, receives=[PATIENCE - 1]) == ["m0"]
    assert tables.all() == []
    assert work(record, receives=[PATIENCE]) == []
    assert (look(record).status, look(record).reason) == (
        "failed",
        f"{REASONS[UNREADABLE]} (said Rekognition)",
    )
    assert queues.dead_letter() == []


@pytest.mark.parametrize(
    ("size", "reason"),
    [(0, "It is empty."), (15 * 1024**2 + 1, "It is too large (maximum 15 MB).")],
)
def test_invalid_size_costs_no_call(size, reason, work, photos, rekognition, look):
    record = photos.put("a.jpg")
    record["s3"]["object"]["size"] = size
    assert work(record) == []
    assert rekognition.requests == []
    assert (look(record).status, look(record).reason) == ("failed", reason)


def test_photo_of_the_maximum_size_is_sent_to_rekognition(work, photos, rekognition):
    record = photos.put("a.jpg")
    record["s3"]["object"]["size"] = 15 * 1024**2
    work(record)
    assert len(rekognition.requests) == 1


def test_replaced_failed_photo_is_labelled(work, photos, rekognition, look, tables):
    answers = iter(["InvalidImageFormatException", ["Dog"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    work(photos.put("a.jpg"))
    better = photos.put("a.jpg", b"better")
    work(better)
    assert look(better).status == "labelled"
    assert "reason" not in tables.photos()[0]


# Retries


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("code", TEMPORARY)
def test_temporary_error_returns_only_this_photo_to_the_queue(
    code, work, photos, rekognition, look, tables
):
    rekognition.answers["b.jpg"] = code
    records = [photos.put(key) for key in ("a.jpg", "b.jpg", "c.jpg")]
    assert work(*records) == ["m1"]
    assert [look(record).status for record in records] == ["labelled", "waiting", "labelled"]
    assert not [item for item in tables.all() if item.get("image") == "b.jpg"]


def test_throttled_photo_is_labelled_in_the_end(work, photos, rekognition, look):
    answers = iter(["ThrottlingException", ["Dog"]])
    rekognition.answers["a.jpg"] = lambda _: next(answers)
    record = photos.put("a.jpg")
    assert work(record) == []
    assert names(look(record)) == ["Dog"]
    assert len(rekognition.requests) == 2


@pytest.mark.parametrize("name", [PHOTOS, LABELS])
def test_missing_table_returns_the_photo_to_the_queue(name, work, photos, dynamodb):
    record = photos.put("a.jpg")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    dynamodb.delete_table(TableName=name)
    assert work(record) == ["m0"]


def test_bug_affects_only_one_photo(work, photos, rekognition, look, capsys):
    def crash(_):
        raise ZeroDivisionError("a bug")

    rekognition.answers["b.jpg"] = crash
    records = [photos.put(key) for key in ("a.jpg", "b.jpg", "c.jpg")]
    assert work(*records) == ["m1"]
    assert look(records[2]).status == "labelled"
    [logged] = [line for line in printed(capsys) if line["image"] == "b.jpg"]
    assert logged["status"] == "retrying"
    assert logged["reason"] == "ZeroDivisionError('a bug')"
    assert "in crash" in logged["trace"]


def test_test_event_is_only_acknowledged(work, rekognition, tables, capsys):
    assert work('{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "photos"}') == []
    assert (rekognition.requests, tables.all(), printed(capsys)) == ([], [], [])


def test_message_returns_to_the_queue_if_one_record_fails(work, photos, rekognition):
    rekognition.answers["a.jpg"] = "AccessDeniedException"
    records = [photos.put("a.jpg"), photos.put("b.jpg")]
    assert work(json.dumps({"Records": records})) == ["m0"]
    assert [photo["Name"] for photo in rekognition.photos] == ["a.jpg", "b.jpg"]


# The log


def test_each_photo_logs_one_line_of_json(work, photos, rekognition, capsys):
    rekognition.answers["a.jpg"] = ["Dog", "Pet", "Sea", "Sky"]
    work(photos.put("a.jpg"))
    [logged] = printed(capsys)
    assert logged.pop("ms") >= 0
    assert logged == {
        "image": "a.jpg",
        "status": "labelled",
        "labels": 4,
        "top": [["Dog", 90.5], ["Pet", 90.5], ["Sea", 90.5]],
    }


@pytest.mark.usefixtures("patience")
def test_every_photo_of_a_batch_is_logged(work, photos, rekognition, capsys):
    rekognition.answers["bad.jpg"] = "InvalidImageFormatException"
    rekognition.answers["busy.jpg"] = "ThrottlingException"
    work(*(photos.put(key) for key in ("good.jpg", "bad.jpg", "busy.jpg")))
    work(photos.remove("good.jpg"))
    assert sorted((line["image"], line["status"]) for line in printed(capsys)) == [
        ("bad.jpg", "failed"),
        ("busy.jpg", "retrying"),
        ("good.jpg", "labelled"),
        ("good.jpg", "removed"),
    ]


@pytest.mark.parametrize("key", ["line\nbreak.jpg", "\x1b[31mred\r.jpg", "ä\u2028ö😀.jpg"])
def test_keys_cannot_break_log_lines(key, work, photos, capsys):
    work(photos.put(key))
    out = capsys.readouterr().out
    assert out.isascii()
    assert len(out.splitlines()) == 1
    assert not set(map(ord, out.rstrip("\n"))) & set(range(32))
    assert json.loads(out)["image"] == key


def test_log_line_is_written_at_once(work, photos, monkeypatch):
    """The lines of several threads must not mix."""
    pieces = []
    out = SimpleNamespace(write=pieces.append, flush=lambda: pieces.append("flushed"))
    monkeypatch.setattr("labeller.handler.sys.stdout", out)
    work(photos.put("a.jpg"))
    assert len(pieces) == 2
    assert pieces[0].endswith("}\n")
    assert pieces[1] == "flushed"


def test_each_instance_starts_at_its_share_of_the_quota(clients, environ):
    environ |= {"LABELCTL_CALLS_PER_SECOND": "200", "LABELCTL_CONCURRENCY": "16"}
    recognition = Recognition(clients.rekognition, Bucket(clients), environ)
    assert recognition._pacer._pace.rate == 12.5
