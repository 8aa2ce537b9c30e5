"""Looking up photos in the bucket."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from labelctl.photos.versions import ObjectVersion, current_photo


@pytest.fixture
def put(s3: Any, bucket: str) -> Any:
    """Put an object into the bucket; returns its version id and ETag."""

    def upload(key: str, body: bytes = b"a picture") -> tuple[str, str]:
        response = s3.put_object(Bucket=bucket, Key=key, Body=body)
        return response["VersionId"], response["ETag"].strip('"')

    return upload


@pytest.fixture
def head_is_404(s3: Any) -> None:
    """HeadObject does not find existing objects, as it may happen in a new bucket."""

    def not_found(**_: Any) -> Any:
        wrong = {"Error": {"Code": "404", "Message": "Not Found"}}
        answer = {**wrong, "ResponseMetadata": {"HTTPStatusCode": 404}}
        return SimpleNamespace(status_code=404), answer

    s3.meta.events.register("before-call.s3.HeadObject", not_found)


def test_current_version(s3: Any, put: Any) -> None:
    put("a.jpg", b"old")
    version, etag = put("a.jpg", b"new")
    assert current_photo(s3, "photos", "a.jpg") == ObjectVersion("a.jpg", version, etag)


@pytest.mark.usefixtures("head_is_404")
@pytest.mark.parametrize("key", ["a.jpg", "a+b %41\n\u00e9.jpg"])
def test_a_404_does_not_hide_a_photo_that_is_listed(s3: Any, put: Any, key: str) -> None:
    _, etag = put(key)
    found = current_photo(s3, "photos", key)
    assert found
    assert (found.key, found.version_id, found.etag) == (key, None, etag)


@pytest.mark.usefixtures("head_is_404")
@pytest.mark.parametrize("others", [[], ["a.jpg.jpg"], ["A.jpg"]])
def test_a_photo_that_is_not_listed_either_is_gone(s3: Any, put: Any, others: list[str]) -> None:
    put("a.jpg")
    for other in others:
        put(other)
    s3.delete_object(Bucket="photos", Key="a.jpg")
    assert current_photo(s3, "photos", "a.jpg") is None


@pytest.mark.usefixtures("head_is_404")
def test_a_listed_folder_is_no_photo(s3: Any, put: Any) -> None:
    put("x/", b"")
    put("x/a.jpg")
    assert current_photo(s3, "photos", "x/") is None
