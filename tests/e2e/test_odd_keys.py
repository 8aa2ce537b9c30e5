"""Another tool may put odd keys into the bucket: all commands work there as well.

They are keys that XML cannot hold, and folders: the S3 console's "Create folder" makes an object of 0
bytes whose key ends with a slash.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import User, stored_items, until

KEYS = ["a\x01b.jpg", "c\rd.jpg", "e\ufffe.jpg", "f\x0b/g.jpg", "odd/"]
FOLDER = "folder/"


def test_keys_that_xml_cannot_hold_and_folders_of_the_console(
    stack: User, photo: Callable[..., Path], client: Callable[[str], Any]
) -> None:
    s3, bucket = client("s3"), stack.outputs["PhotosBucket"]

    def statuses() -> dict[str, str]:
        photos, _ = stored_items(client("dynamodb"), stack.outputs)
        return {item["image"]["S"]: item["status"]["S"] for item in photos}

    content = photo("photo.jpg").read_bytes()
    s3.put_object(Bucket=bucket, Key=FOLDER, Body=b"")
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    until(lambda: statuses() == dict.fromkeys(KEYS, "labelled"))

    assert f"{len(KEYS)} photos: {len(KEYS)} labelled" in stack("verify").err
    assert stack("failures").out == ""
    assert stack("stats", "-o", "json").json["photos"]["all"] == len(KEYS)
    assert f'There is no photo "{FOLDER}"' in stack("labels", FOLDER, code=3).err
    images = stack("images", "-o", "json").json["images"]
    assert [image["image"] for image in images] == sorted(KEYS)
    stack("gallery", "-o", "gallery")
    assert len([*(stack.folder / "gallery" / "thumbs").glob("*.jpg")]) == len(KEYS)
    stack("labels", KEYS[0])
    stack("retry", KEYS[0], "--wait")
    stack("rm", KEYS[1], "--yes")
    stack("rm", KEYS[2], "--yes", "--for-good")
    stack("rm", "--prefix", FOLDER, "--yes")
    left = s3.list_object_versions(Bucket=bucket)
    assert {each["Key"] for each in left["Versions"]} == {*KEYS, FOLDER} - {KEYS[2]}
    assert [each["Key"] for each in left["DeleteMarkers"]] == [KEYS[1], FOLDER]

    until(lambda: statuses()[KEYS[1]] == statuses()[KEYS[2]] == "removed")
    s3.put_object(Bucket=bucket, Key="odd/", Body=b"")  # it is no photo any more
    repaired = stack("verify", "--overdue", "0", "--repair")
    assert [row[:2] for row in repaired.rows] == [["orphaned", "odd/"]]
    until(lambda: statuses()["odd/"] == "removed")

    stack("destroy", "--yes")
    assert bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}
