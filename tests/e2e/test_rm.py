"""`labelctl rm`: photos go, with all that is stored of them, and nothing else does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelctl.contract import schema
from tests.e2e.conftest import User, stored_items, until
from tests.lambda_runtime import s3_record

Photo = Callable[..., Path]
Client = Callable[[str], Any]


@pytest.fixture
def rows(stack: User, client: Client) -> Callable[[], set[tuple[str, str]]]:
    """The image and the status, or the label, of each item in the stack's tables."""

    def scan() -> set[tuple[str, str]]:
        photos, index = stored_items(client("dynamodb"), stack.outputs)
        return {
            *((item["image"]["S"], item["status"]["S"]) for item in photos),
            *((item["image"]["S"], item["label"]["S"]) for item in index),
        }

    return scan


def test_removed_photos_leave_nothing_but_items_that_say_so(
    stack: User, photo: Photo, client: Client, rows: Callable[[], set[tuple[str, str]]]
) -> None:
    photo("a.jpg")
    photo("b.jpg")
    stack("upload", "a.jpg", "b.jpg", "--wait", "--quiet")
    refuses_what_is_unclear(stack)

    gone = stack("rm", "a.jpg", "--yes")

    assert gone.rows == [["removed", "a.jpg"]]
    assert gone.err == ("1 photo removed with its labels. S3 keeps the photo for 7 days.\n")
    until(lambda: {row for row in rows() if row[0] == "a.jpg"} == {("a.jpg", schema.REMOVED)})
    stack("labels", "a.jpg", code=3)
    stack("labels", "b.jpg")

    # As after a removal that was cut off: the same command again removes the rest.
    body = json.dumps({"Records": [s3_record("a.jpg", "1", size=3)]})
    client("sqs").send_message(QueueUrl=stack.outputs["DeadLetterQueue"], MessageBody=body)
    again = stack("rm", "a.jpg", "b.jpg", "--yes", code=3)
    assert again.rows == [["removed", "b.jpg"]]
    assert 'There is no photo "a.jpg" in the bucket.' in again.err
    assert "The other photos were removed." in again.err
    assert stack("failures", "-o", "json").json["dead_letters"] == []
    assert stack("rm", "a.jpg", "--for-good", "--yes").rows == [["removed", "a.jpg"]]
    stack("rm", "a.jpg", "--for-good", "--yes", code=3)
    assert stack("upload", "a.jpg", "--wait").rows[0][0] == "a.jpg"


def refuses_what_is_unclear(user: User) -> None:
    """No silence is taken for a yes, and no photo is removed that may not be meant."""
    unanswered = user("rm", "a.jpg", code=2)
    assert unanswered.err.splitlines() == [
        "a.jpg",
        "Error: This needs a confirmation, but there is no terminal.",
        "Add --yes to confirm.",
    ]
    assert "--prefix" in user("rm", code=2).err
    assert "--prefix" in user("rm", "a.jpg", "--prefix", "a", code=2).err
    assert 'there is "a.jpg"' in user("rm", "photos/a.jpg", "--yes", code=3).err
    assert 'starting with "zzz"' in user("rm", "--prefix", "zzz", "--yes").err
    assert "--prefix" in user("rm", "--prefix", "", "--yes", code=2).err
    assert "UTF-8" in user("rm", "--prefix", os.fsdecode(b"\xff"), "--yes", code=2).err
    assert 'no photo ""' in user("rm", "", "--yes", code=3).err
    user("labels", "a.jpg")


def test_all_under_a_prefix_go_for_good_with_their_failures_and_dead_letters(
    stack: User, photo: Photo, client: Client, rows: Callable[[], set[tuple[str, str]]]
) -> None:
    bucket, dead = stack.outputs["PhotosBucket"], stack.outputs["DeadLetterQueue"]
    photo("day 1/a.jpg")
    stack("upload", "day 1", "--prefix", "day 1/", "--wait", "--quiet")
    stack("upload", "day 1", "--wait", "--quiet")
    client("s3").put_object(Bucket=bucket, Key="day 1/bad.jpg", Body=b"no picture")
    stack("labels", "day 1/bad.jpg", "--wait", code=5)
    for key in ("day 1/a.jpg", "a.jpg"):
        body = json.dumps({"Records": [s3_record(key, "1", size=3)]})
        client("sqs").send_message(QueueUrl=dead, MessageBody=body)

    gone = stack("rm", "--prefix", "day 1/", "--for-good", "--yes", "-o", "json")

    answer = [json.loads(line) for line in gone.out.splitlines()]
    assert sorted(each["image"] for each in answer) == ["day 1/a.jpg", "day 1/bad.jpg"]
    assert {each["outcome"] for each in answer} == {"removed"}
    until(lambda: (
        {row for row in rows() if row[0].startswith("day 1/")}
        == {("day 1/a.jpg", "removed"), ("day 1/bad.jpg", "removed")}
    ))  # fmt: skip
    kept = client("s3").list_object_versions(Bucket=bucket)
    assert {each["Key"] for each in kept["Versions"]} == {"a.jpg"}
    assert stack("status", "-o", "json").json["photos"]["failed"] == 0
    letters = stack("failures", "-o", "json").json["dead_letters"]
    assert [letter["images"] for letter in letters] in ([["a.jpg"]], [])
