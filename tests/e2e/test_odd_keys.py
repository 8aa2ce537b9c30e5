"""Another tool may put keys into the bucket that XML cannot hold: all commands work there as well."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.e2e.conftest import User, stored_items, until

KEYS = ["a\x01b.jpg", "c\rd.jpg", "e\ufffe.jpg", "f\x0b/g.jpg", "plain.jpg"]


def test_keys_that_xml_cannot_hold(
    stack: User, photo: Callable[..., Path], client: Callable[[str], Any]
) -> None:
    s3, bucket = client("s3"), stack.outputs["PhotosBucket"]
    content = photo("photo.jpg").read_bytes()
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=content)
    until(lambda: len(stored_items(client("dynamodb"), stack.outputs)[0]) == len(KEYS))

    assert f"{len(KEYS)} photos: {len(KEYS)} labelled" in stack("verify").err
    images = stack("images", "-o", "json").json["images"]
    assert [image["image"] for image in images] == sorted(KEYS)
    stack("gallery", "-o", "gallery")
    assert len([*(stack.folder / "gallery" / "thumbs").glob("*.jpg")]) == len(KEYS)
    stack("labels", KEYS[0])
    stack("retry", KEYS[0], "--wait")
    stack("rm", KEYS[1], "--yes")
    stack("rm", KEYS[2], "--yes", "--for-good")
    left = s3.list_object_versions(Bucket=bucket)
    assert {each["Key"] for each in left["Versions"]} == {*KEYS} - {KEYS[2]}
    assert [each["Key"] for each in left["DeleteMarkers"]] == [KEYS[1]]

    stack("destroy", "--yes")
    assert bucket not in {each["Name"] for each in s3.list_buckets()["Buckets"]}
