"""Comparing a photo in the bucket with the content of a file."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelctl.aws.errors import is_missing
from labelctl.contract.s3_events import MAX_BYTES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.photos.versions import ObjectVersion


def head(s3: S3Client, bucket: str, key: str) -> Any | None:
    """Return the response of HeadObject with checksums, or None if there is no object."""
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def sha256(content: bytes) -> str:
    """The SHA-256 of a photo, in base64 as S3 has it."""
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def is_same(head: Any, content: bytes, digest: str) -> bool | None:
    """Return whether an object has this content with this SHA-256; None if unknown.

    An object without a SHA-256 was uploaded by another tool. Its ETag is the MD5 of its content, except
    after a multipart upload, and if it is encrypted with a KMS key. [S3 API, Object, ETag]
    """
    if head["ContentLength"] != len(content):
        return False
    if "ChecksumSHA256" in head and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        return bool(head["ChecksumSHA256"] == digest)
    etag = head["ETag"].strip('"')
    if "-" in etag or head.get("ServerSideEncryption", "AES256") != "AES256":
        return None
    return bool(etag == _md5(content))


def is_same_as_listed(listed: ObjectVersion, content: bytes) -> bool | None:
    """Return whether a listed object has this content; None if only its HEAD can tell.

    A listing has neither the SHA-256 nor the encryption, so another ETag may be that of the same
    content after a multipart upload or with a KMS key.
    """
    if listed.size != len(content):
        return False
    return True if listed.etag == _md5(content) else None


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def is_other_photo(s3: S3Client, bucket: str, key: str, path: Path) -> bool:
    """Return whether the photo in the bucket certainly does not have the content of a file."""
    found = head(s3, bucket, key)
    try:
        size = path.stat().st_size
        if found is None or size != found["ContentLength"]:
            return found is not None
        content = path.read_bytes() if size <= MAX_BYTES else None  # larger ones are no photos
    except OSError:
        return False
    return content is not None and is_same(found, content, sha256(content)) is False
