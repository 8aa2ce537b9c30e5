"""Uploading photos: takes files and keys, yields a result per file.

Files are found, read, validated and uploaded a few at a time, so memory holds only file names (265
bytes each) or, with several paths, file names and keys (771 bytes). Files that are skipped or fail do
not stop the others. A photo that is already in the bucket with the same content is not sent again, so
it is not labelled and billed again.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labelctl.aws.errors import to_user_error
from labelctl.aws.threads import pool
from labelctl.contract.s3_events import MAX_KEY
from labelctl.errors import AccessDeniedError, CredentialsError, LabelctlError
from labelctl.photos import content, validation, versions
from labelctl.photos.discovery import Candidate
from labelctl.photos.versions import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 8
"""Number of concurrent uploads. More would gain little, because Python signs them on one core."""

_UNLISTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Characters that XML, and so S3's listings, cannot represent or (carriage return) do not preserve.
[XML 1.0, 2.2 and 2.11; S3 User Guide, Naming objects, Characters to avoid]"""

Outcome = Literal["uploaded", "replaced", "new", "changed", "unchanged", "skipped", "failed"]


@dataclass(frozen=True)
class Result:
    """The outcome of uploading one file.

    `unchanged`: the same content was already there; `replaced`: uploaded over another photo with
    this key; `new` and `changed`: a dry run did not upload or replace it; `skipped`: an
    unsuitable file; `failed`: the upload failed. `reason` is a sentence.

    `version` is the photo in the bucket, None if there is none; `size` is in bytes, None for a skipped
    file.
    """

    path: Path
    key: str
    outcome: Outcome
    reason: str = ""
    size: int | None = None
    version: ObjectVersion | None = None


def upload(
    s3: S3Client, bucket: str, candidates: Iterable[Candidate], *, dry_run: bool = False
) -> Iterator[Result]:
    """Upload files a few at a time; yields results in the order of the candidates.

    With `dry_run`, files are only validated and compared with the photos in the bucket. Raises
    CredentialsError or AccessDeniedError, which would affect every photo. Other errors are reported as
    results.
    """
    pending: deque[Future[Result]] = deque()
    with pool(WORKERS, "upload") as threads:
        for candidate in candidates:
            pending.append(threads.submit(_send, s3, bucket, candidate, dry_run))
            while len(pending) > 2 * WORKERS or (pending and pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _send(s3: S3Client, bucket: str, candidate: Candidate, dry_run: bool) -> Result:
    path, key = candidate.path, candidate.key
    try:
        if candidate.clash:
            raise validation.PhotoRefusedError(f"It has the same key as {candidate.clash}: {key}.")
        _check_key(key)
        photo = validation.read(path)
    except validation.PhotoRefusedError as error:
        return Result(path, key, "skipped", str(error))
    digest = content.sha256(photo.content)
    size = len(photo.content)
    try:
        existing = content.head(s3, bucket, key)
        if existing and content.is_same(existing, photo.content, digest):
            version = versions.of_response(key, existing)
            return Result(path, key, "unchanged", size=size, version=version)
        if dry_run:
            return Result(path, key, "changed" if existing else "new", size=size)
        put = s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=photo.content,
            ContentType=photo.media_type,
            ChecksumSHA256=digest,  # S3 rejects content that was corrupted on the way
        )
    except Exception as error:
        explained = to_user_error(error)
        if explained is None or isinstance(explained, CredentialsError | AccessDeniedError):
            raise (explained or error) from error
        return Result(path, key, "failed", _sentence(explained), size)
    outcome: Outcome = "replaced" if existing else "uploaded"
    return Result(path, key, outcome, size=size, version=versions.of_response(key, put))


def _sentence(error: LabelctlError) -> str:
    return error.message.splitlines()[0]


def _check_key(key: str) -> None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise validation.PhotoRefusedError("Its name is not valid UTF-8. Rename it.") from None
    if invalid := _UNLISTABLE.search(key):
        raise validation.PhotoRefusedError(
            f"Its name contains {invalid[0]!r}, which S3 cannot list. Rename it."
        )
    if length > MAX_KEY:
        raise validation.PhotoRefusedError(
            f"Its key would be {length:,} bytes long; the maximum is {MAX_KEY:,}."
        )
