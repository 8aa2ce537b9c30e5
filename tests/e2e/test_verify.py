"""`labelctl verify` at a terminal: what was lost is found and repaired.

Photos are all young here, so that `--overdue 0` says not to wait for them.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import User

Client = Callable[[str], Any]
Photo = Callable[..., Path]
AT_ONCE = ("--overdue", "0")


class Tables:
    """What somebody does to the bucket and the tables by other means than labelctl."""

    def __init__(self, user: User, client: Client) -> None:
        self.bucket = user.outputs["PhotosBucket"]
        self.photos, self.labels = user.outputs["Table"], user.outputs["LabelsTable"]
        self.s3, self.dynamodb = client("s3"), client("dynamodb")

    def photo(self, image: str) -> Any:
        """A photo's item, or None."""
        key = {"image": {"S": image}}
        return self.dynamodb.get_item(TableName=self.photos, Key=key).get("Item")

    def delete_photo(self, image: str) -> None:
        self.dynamodb.delete_item(TableName=self.photos, Key={"image": {"S": image}})

    def index(self) -> list[Any]:
        """All items of the labels' table, in the order of their keys."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.labels)
        items = [item for page in pages for item in page["Items"]]
        return sorted(items, key=lambda item: (item["label"]["S"], item["rank"]["S"]))

    def delete_index(self) -> None:
        for item in self.index():
            key = {name: item[name] for name in ("label", "rank")}
            self.dynamodb.delete_item(TableName=self.labels, Key=key)

    def silently(self, change: Callable[[], None]) -> None:
        """Change the bucket while it sends no events."""
        events = self.s3.get_bucket_notification_configuration(Bucket=self.bucket)
        del events["ResponseMetadata"]
        off: dict[str, Any] = {}
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=off
        )
        change()
        self.s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration=events
        )


def settled(user: User, *words: str) -> Any:
    """The numbers once the function has done what it was asked; it must come to that."""
    deadline = time.monotonic() + 60
    while True:
        said = user("verify", *words, "-o", "json", code=0)
        summary = json.loads(said.out.splitlines()[-1])
        if not summary["waiting"] and not summary["removals"]:
            return summary
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def test_problems_are_found_and_repaired(stack: User, photo: Photo, client: Client) -> None:
    for name in ("gone.jpg", "lost.jpg", "replaced.jpg", "well.jpg"):
        photo(f"album/{name}")
    stack("upload", "album", "--wait", "--quiet")
    said = stack("verify", "--index")
    assert (said.out, said.err) == ("", "4 photos: 4 labelled, 0 failed. No problems found.\n")

    tables = Tables(stack, client)
    body = photo("other.png", "coffee.png").read_bytes()

    def change() -> None:
        for key in ("new/a b+c.png", "replaced.jpg"):
            tables.s3.put_object(Bucket=tables.bucket, Key=key, Body=body)
        tables.s3.delete_object(Bucket=tables.bucket, Key="gone.jpg")

    tables.silently(change)
    tables.delete_photo("lost.jpg")
    problems = {
        "gone.jpg": "orphaned",
        "lost.jpg": "missing",
        "new/a b+c.png": "missing",
        "replaced.jpg": "stale",
    }

    young = json.loads(stack("verify", "-o", "json", code=0).out.splitlines()[-1])
    assert (young["waiting"], young["removals"], young["problems"]) == (3, 1, {})

    said = stack("verify", *AT_ONCE, code=5)
    assert {image: kind for kind, image, _ in said.rows} == problems
    assert "Error: Problems: 2 missing, 1 stale, 1 orphaned.\n" in said.err
    assert "Repair them: labelctl verify --overdue 0 --repair" in said.err
    some = stack("verify", *AT_ONCE, "--prefix", "new/", "-o", "json", code=5)
    finding, summary = map(json.loads, some.out.splitlines())
    assert (finding["kind"], finding["image"]) == ("missing", "new/a b+c.png")
    assert (summary["photos"], summary["problems"]) == (1, {"missing": 1})

    repaired = stack("verify", *AT_ONCE, "--repair", "-o", "json")
    *findings, summary = map(json.loads, repaired.out.splitlines())
    assert {each["image"]: each["kind"] for each in findings} == problems
    assert all(each["repaired"] for each in findings)
    assert summary["repaired"] == len(problems)
    assert "Check again when the queue is empty" in repaired.err

    nobody = stack("verify", "--prefix", "typo/")
    assert nobody.err == 'No photo has a key starting with "typo/".\n'
    summary = settled(stack)
    assert (summary["photos"], summary["labelled"], summary["problems"]) == (4, 4, {})
    said = stack("verify", *AT_ONCE)
    assert (said.out, said.err) == ("", "4 photos: 4 labelled, 0 failed. No problems found.\n")
    assert tables.photo("gone.jpg")["status"]["S"] == "removed"
    stack("labels", "new/a b+c.png")


def test_the_index_is_rebuilt_also_after_an_interrupted_check(
    stack: User, photo: Photo, client: Client
) -> None:
    for name in ("a.jpg", "b.jpg"):
        photo(f"album/{name}")
    stack("upload", "album", "--wait", "--quiet")
    stops_at_ctrl_c(stack)
    tables = Tables(stack, client)
    before = tables.index()
    label = stack("labels", "a.jpg", "-o", "json").json["labels"][0]["name"]
    found = stack("search", label).rows
    assert {row[0] for row in found} >= {"a.jpg", "b.jpg"}

    tables.delete_index()
    stack("search", label, code=3)
    said = stack("verify", "--index", code=5)
    assert [row[:2] for row in sorted(said.rows)] == [
        ["unindexed", "a.jpg"],
        ["unindexed", "b.jpg"],
    ]
    assert tables.index() == []
    repaired = stack("verify", "--index", "--repair")
    assert "2 problems repaired" in repaired.err
    assert stack("search", label).rows == found
    assert tables.index() == before

    # An attempt that was killed long ago, at a photo that is gone.
    left = {
        "label": {"S": "beach"},
        "rank": {"S": f"001.000 gone.jpg {int(time.time()) - 3600:08x}{'0' * 8}"},
        "image": {"S": "gone.jpg"},
        "uploaded_at": {"S": "2026-01-01T00:00:00.000Z"},
    }
    tables.dynamodb.put_item(TableName=tables.labels, Item=left)
    assert [row[:2] for row in stack("verify", "--index", code=5).rows] == [["unused", "gone.jpg"]]
    stack("verify", "--index", "--repair")
    assert tables.index() == before


def stops_at_ctrl_c(user: User) -> None:
    """An interrupted `verify` leaves nothing behind."""
    scratch = user.folder / "scratch"
    scratch.mkdir()
    places = {"TMPDIR": str(scratch), "SQLITE_TMPDIR": str(scratch)}
    running = User(user.env | places, user.folder).start("verify", "--verbose")
    assert running.stderr
    for line in running.stderr:  # as it comes
        if b"ListObjectVersions" in line:
            break
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode in (0, 130)  # it may have been done already
    assert b"Traceback" not in err
    assert list(scratch.iterdir()) == []
