"""Removing photos: exactly those that were meant, and in a bucket that moto keeps."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from labelctl import remove
from labelctl.errors import PhotoNotFoundError, RefusedError
from tests.lambda_runtime import message_body, s3_record
from tests.unit.conftest import REGION


@pytest.fixture
def put(s3, bucket):
    def stored(*keys):
        for key in keys:
            s3.put_object(Bucket=bucket, Key=key, Body=b"x")

    return stored


@pytest.fixture
def left(s3, bucket):
    """The keys that show, and those of which anything is kept."""

    def look():
        shown = [each["Key"] for each in s3.list_objects_v2(Bucket=bucket).get("Contents", ())]
        page = s3.list_object_versions(Bucket=bucket)
        kept = {each["Key"] for each in [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]}
        return shown, sorted(kept)

    return look


def test_a_photo_is_hidden_and_its_versions_are_kept(s3, bucket, put, left):
    put("a.jpg", "a.jpg", "a.jpg.jpg")
    assert list(remove.remove(s3, bucket, ["a.jpg"], for_good=False)) == ["a.jpg"]
    assert left() == (["a.jpg.jpg"], ["a.jpg", "a.jpg.jpg"])


def test_for_good_nothing_of_it_is_kept_and_its_neighbours_stay(s3, bucket, put, left):
    put("a.jpg", "a.jpg", "a.jpg.jpg", "a.jpf")
    s3.delete_object(Bucket=bucket, Key="a.jpg")
    assert list(remove.remove(s3, bucket, ["a.jpg"], for_good=True)) == ["a.jpg"]
    assert left() == (["a.jpf", "a.jpg.jpg"], ["a.jpf", "a.jpg.jpg"])


@pytest.mark.parametrize("for_good", [False, True])
def test_all_photos_with_a_prefix_go_and_no_other(for_good, s3, bucket, put, left):
    keys = [f"day 1/{number:04}.jpg" for number in range(1050)]  # more than one page
    put("day", "day 1", *keys, "day 2/0.jpg")
    assert list(remove.under(s3, bucket, "day 1/", for_good=for_good)) == keys
    shown = ["day", "day 1", "day 2/0.jpg"]
    assert left()[0] == shown
    if for_good:
        assert left()[1] == shown


@pytest.mark.parametrize("key", ["a\tb.jpg", "ä & <b>.jpg", "a+b c.jpg"])
def test_odd_names_are_no_obstacle(key, s3, bucket, put, left):
    put(key)
    assert list(remove.remove(s3, bucket, [key], for_good=True)) == [key]
    assert left() == ([], [])


def test_a_key_must_be_given_exactly(s3, bucket, put):
    put("a.jpg", "holiday/b.jpg")
    assert remove.check(s3, bucket, "holiday/b.jpg") == "holiday/b.jpg"
    with pytest.raises(PhotoNotFoundError, match=r'there is "a\.jpg"'):
        remove.check(s3, bucket, "photos/a.jpg")
    with pytest.raises(PhotoNotFoundError) as told:
        remove.check(s3, bucket, "b.jpg")
    assert "verify --repair" in told.value.hint


def test_what_s3_will_not_remove_is_told(s3, bucket, put, left):
    put("a.jpg")

    def refuse(**_: Any) -> Any:
        errors = [{"Key": "a.jpg", "Code": "AccessDenied", "Message": "Access Denied"}]
        return SimpleNamespace(status_code=200), {"Errors": errors}

    s3.meta.events.register("before-call.s3.DeleteObjects", refuse)
    with pytest.raises(RefusedError, match=r"a\.jpg: Access Denied"):
        list(remove.remove(s3, bucket, ["a.jpg"], for_good=False))
    assert left()[0] == ["a.jpg"]


@pytest.fixture
def dead(moto):
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    for body in (
        message_body(s3_record("day 1/a.jpg", "1")),
        json.dumps({"Records": [s3_record("day 1/a.jpg", "2"), s3_record("b.jpg", "2")]}),
        message_body(s3_record("b.jpg", "1")),
        "hello",
    ):
        sqs.send_message(QueueUrl=url, MessageBody=body)
    return sqs, url


@pytest.mark.parametrize(
    ("gone", "count"),
    [("day 1/", 1), (["day 1/a.jpg"], 1), (["b.jpg", "day 1/a.jpg"], 3), ("", 3), (["c.jpg"], 0)],
)
def test_dead_letters_of_removed_photos_go_with_them(gone, count, dead):
    sqs, url = dead
    assert remove.drop_dead_letters(sqs, url, gone) == count
    answer = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)
    assert len(answer["Messages"]) == 4 - count
