"""Links to originals in S3, which anybody who has them can open for a while, and nobody changes.

A link is as good as the right that signed it: who has it sees the photo as it was uploaded, with the
place that it may tell. So links are written where the user asked for them, and told nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from labelctl.errors import UsageError
from labelctl.operations import function_log

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.photos.versions import Awaited

LONGEST = 7 * 24 * 3600
"""Seconds. [S3 User Guide, Download and upload objects with presigned URLs: at most 7 days]"""


def seconds(age: str) -> int:
    """How long a link is to be good for: 90s, 12h, 7d. Raises UsageError for more than 7 days."""
    length = function_log.seconds(age)
    if not 1 <= length <= LONGEST:
        raise UsageError(
            f"A link cannot be good for {age}.", "AWS signs for 1 second to 7 days: 1s to 7d."
        )
    return int(length)


def linker(signer: S3Client, bucket: str, length: int) -> Callable[[Awaited], str | None]:
    """What makes a link to one version of a photo, good for `length` seconds from then on.

    `signer` is `Aws.signer`. It asks nobody, and may be used by several threads. None for a key that
    no link can hold: browsers resolve `.` and `..` in an address, however they are written. Raises
    UsageError where a link would reveal a password.
    """
    if "@" in urlsplit(signer.meta.endpoint_url).netloc:
        raise UsageError(
            "AWS_ENDPOINT_URL holds a password, which every link would reveal.",
            "Leave out --presign, or use an endpoint without a password.",
        )

    def link(sent: Awaited) -> str | None:
        if {".", ".."} & set(sent.key.split("/")):
            return None
        which = {"VersionId": sent.version_id} if sent.version_id else {}
        return signer.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": sent.key, **which}, ExpiresIn=length
        )

    return link


def host(link: str) -> str:
    """The part of a link that a page's Content-Security-Policy names: https://example.com"""
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}"
