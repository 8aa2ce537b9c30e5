"""`labelctl verify` at a terminal: what was lost behind its back is told, and comes back.

Photos are all young here, so that `--overdue 0` says not to wait for them.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import User
from tests.e2e.test_session import assert_soon

Client = Callable[[str], Any]
Photo = Callable[..., Path]
AT_ONCE = ("--overdue", "0")


class Behind:
    """What somebody does to the bucket and the table behind labelctl's back."""

    def __init__(self, user: User, client: Client) -> None:
        self.bucket, self.table = user.outputs["PhotosBucket"], user.outputs["Table"]
        self.s3, self.dynamodb = client("s3"), client("dynamodb")

    def rows(self, image: str) -> list[str]:
        answer = self.dynamodb.query(
            TableName=self.table,
            KeyConditionExpression="image = :image",
            ExpressionAttributeValues={":image": {"S": image}},
        )
        return [item["row"]["S"] for item in answer["Items"]]

    def delete(self, image: str, row: str) -> None:
        key = {"image": {"S": image}, "row": {"S": row}}
        self.dynamodb.delete_item(TableName=self.table, Key=key)

    def put(self, image: str, row: str) -> None:
        key = {"image": {"S": image}, "row": {"S": row}}
        self.dynamodb.put_item(TableName=self.table, Item=key)

    def silently(self, change: Callable[[], None]) -> None:
        """Change the bucket while it tells nobody."""
        told = self.s3.get_bucket_notification_configuration(Bucket=self.bucket)
        del told["ResponseMetadata"]
        off: dict[str, Any] = {}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=off
        )
        change()
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=told
        )


def settled(user: User, *words: str) -> Any:
    """What `verify` says once the function has done what it was asked; it must come to that."""
    deadline = time.monotonic() + 60
    while True:
        told = user("verify", *words, "-o", "json", code=0)
        summary = json.loads(told.out.splitlines()[-1])
        if not summary["waiting"] and not summary["cleanups"]:
            return summary
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def test_what_is_amiss_is_told_and_mended(stack: User, photo: Photo, client: Client) -> None:
    names = ["gone.jpg", "header.jpg", "label.jpg", "replaced.jpg", "stray.jpg", "well.jpg"]
    for name in names:
        photo(f"album/{name}")
    stack("upload", "album", "--wait", "--quiet")
    told = stack("verify")
    assert (told.out, told.err) == ("", "6 photos: 6 labelled, 0 failed. Nothing is amiss.\n")

    behind = Behind(stack, client)
    body = photo("other.png", "coffee.png").read_bytes()

    def change() -> None:
        for key in ("new/a b+c.png", "replaced.jpg"):
            behind.s3.put_object(Bucket=behind.bucket, Key=key, Body=body)
        behind.s3.delete_object(Bucket=behind.bucket, Key="gone.jpg")

    behind.silently(change)
    behind.delete("header.jpg", "#")
    behind.delete("label.jpg", behind.rows("label.jpg")[-1])
    behind.put("stray.jpg", f"{'0' * 32}.cafe#Dog")
    amiss = {
        "gone.jpg": "orphaned",
        "header.jpg": "missing",
        "label.jpg": "incomplete",
        "new/a b+c.png": "missing",
        "replaced.jpg": "outdated",
        "stray.jpg": "leftovers",
    }

    young = json.loads(stack("verify", "-o", "json", code=5).out.splitlines()[-1])
    assert (young["waiting"], young["cleanups"]) == (3, 1)
    assert young["amiss"] == {"incomplete": 1, "leftovers": 1}

    told = stack("verify", *AT_ONCE, code=5)
    assert {image: kind for kind, image, _ in told.rows} == amiss
    kinds = "2 missing, 1 outdated, 1 incomplete, 1 orphaned, 1 with left-overs"
    assert f"Error: Amiss: {kinds}.\nMend it: labelctl verify --overdue 0 --repair" in told.err
    some = stack("verify", *AT_ONCE, "--prefix", "new/", "-o", "json", code=5)
    finding, summary = map(json.loads, some.out.splitlines())
    assert (finding["kind"], finding["image"]) == ("missing", "new/a b+c.png")
    assert (summary["photos"], summary["amiss"]) == (1, {"missing": 1})

    mended = stack("verify", *AT_ONCE, "--repair", "-o", "json")
    *findings, summary = map(json.loads, mended.out.splitlines())
    assert {each["image"]: each["kind"] for each in findings} == amiss
    assert all(each["repaired"] for each in findings)
    assert summary["repaired"] == len(amiss)
    assert "Check again when the queue is empty" in mended.err

    nobody = stack("verify", "--prefix", "typo/")
    assert nobody.err == 'There is no photo whose key begins with "typo/".\n'
    summary = settled(stack)
    assert (summary["photos"], summary["labelled"], summary["amiss"]) == (6, 6, {})
    told = stack("verify", *AT_ONCE)
    assert (told.out, told.err) == ("", "6 photos: 6 labelled, 0 failed. Nothing is amiss.\n")
    assert behind.rows("gone.jpg") == ["#"]  # a tombstone
    assert len({row.partition("#")[0] for row in behind.rows("stray.jpg")}) == 2
    stack("labels", "new/a b+c.png")


def test_a_folder_of_the_console_is_no_photo(stack: User, photo: Photo, client: Client) -> None:
    """The console's "Create folder" makes an object of 0 bytes whose key ends with a slash."""
    behind = Behind(stack, client)
    stack("upload", photo("a.jpg"), "--prefix", "folder/", "--wait", "--quiet")
    for key, body in (("folder/", b""), ("odd/", photo("b.png", "coffee.png").read_bytes())):
        behind.s3.put_object(Bucket=behind.bucket, Key=key, Body=body)
    stack("labels", "odd/", "--wait")
    assert_soon(lambda: not any(stack("status", "-o", "json").json["queue"].values()))

    assert [row[0] for row in stack("images").rows] == ["folder/a.jpg", "odd/"]
    assert stack("failures").out == ""
    assert stack("verify").err == "2 photos: 2 labelled, 0 failed. Nothing is amiss.\n"
    assert stack("stats", "-o", "json").json["photos"]["all"] == 2
    assert stack("gallery", "--output", "json").json["photos"] == 2
    assert 'There is no photo "folder/"' in stack("labels", "folder/", code=3).err
    assert behind.rows("folder/") == []

    behind.s3.put_object(Bucket=behind.bucket, Key="odd/", Body=b"")
    told = stack("verify", *AT_ONCE, "--repair")
    assert [row[:2] for row in told.rows] == [["orphaned", "odd/"]]
    assert settled(stack)["photos"] == 1
    assert behind.rows("odd/") == ["#"]  # a tombstone
    stack("rm", "--prefix", "folder/", "--yes")
    assert "Contents" not in behind.s3.list_objects_v2(Bucket=behind.bucket, Prefix="folder/")


def test_an_interrupted_verify_leaves_nothing_behind(
    stack: User, photo: Photo, tmp_path: Path
) -> None:
    photo("a.jpg")
    stack("upload", "a.jpg", "--wait", "--quiet")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    places = {"TMPDIR": str(scratch), "SQLITE_TMPDIR": str(scratch)}
    running = User(stack.env | places, stack.folder).start("verify", "--verbose")
    assert running.stderr
    for line in running.stderr:  # told as it comes
        if b"ListObjectVersions" in line:
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode in (0, 130)  # it may have been done already
    assert b"Traceback" not in err
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("words", [["--overdue", "-1"], ["a.jpg"]])
def test_usage(user: User, words: list[str]) -> None:
    assert "labelctl verify --help" in user("verify", *words, code=2).err
    assert "nan is no number." in user("verify", "--overdue", "nan", code=2).err
