"""Presigned links to original photos in S3: anyone with a link can view the photo until it expires.

The original may contain metadata such as the location. So links are written only where the user asked
for them, and never logged or printed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labelctl import times
from labelctl.errors import UsageError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.photos.versions import ObjectVersion

MAX_SECONDS = 7 * 24 * 3600
"""Maximum validity in seconds. [S3 User Guide, Download and upload objects with presigned URLs: at most
7 days]"""


def seconds(age: str) -> int:
    """Parse the validity of a link (90s, 12h, 7d) to seconds. Raises UsageError, also above 7 days."""
    length = times.parse_duration(age)
    if not 1 <= length <= MAX_SECONDS:
        raise UsageError(
            f"A link cannot be valid for {age}.", "Choose from 1 second to 7 days: 1s to 7d."
        )
    return int(length)


def linker(signer: S3Client, bucket: str, length: int) -> Callable[[ObjectVersion], str | None]:
    """A function that returns a link to one version of a photo, valid for `length` seconds.

    `signer` is `Aws.presigning_s3`. Signing makes no request and is thread-safe. The result is None for
    keys with `.` or `..` as a path segment, which browsers resolve even if they are escaped. Raises
    UsageError if a link would reveal a password.
    """
    if "@" in urlsplit(signer.meta.endpoint_url).netloc:
        raise UsageError(
            "AWS_ENDPOINT_URL contains a password, which every link would reveal.",
            "Leave out --presign, or use an endpoint without a password.",
        )

    def link(sent: ObjectVersion) -> str | None:
        if {".", ".."} & set(sent.key.split("/")):
            return None
        version = {"VersionId": sent.version_id} if sent.version_id else {}
        return signer.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": sent.key, **version}, ExpiresIn=length
        )

    return link


def host(link: str) -> str:
    """The origin of a link, for a Content-Security-Policy: https://example.com"""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"
