"""Uploading photos: takes files and keys, yields a result per file.

Files are found, read, validated and uploaded a few at a time, so memory holds only file names (265
bytes each) or, with several paths, file names and keys (771 bytes). Files that are skipped or fail do
not stop the others. A photo that is already in the bucket with the same content is not sent again, so
it is not labelled and billed again.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelctl.aws.errors import to_user_error
from labelctl.aws.threads import Budget, pool
from labelctl.contract.s3_events import MAX_KEY
from labelctl.errors import AccessDeniedError, CredentialsError, LabelctlError
from labelctl.photos import content, validation, versions
from labelctl.photos.discovery import Candidate
from labelctl.photos.existing import PAGE_COST, Existing
from labelctl.photos.versions import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 32
"""Number of concurrent uploads, which hide the latency of the network."""

_MEMORY = 32 * 1024 * 1024
"""Maximum bytes of photos in memory. awscrt copies each photo that it sends."""

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
    s3: S3Client,
    bucket: str,
    candidates: Iterable[Candidate],
    *,
    dry_run: bool = False,
    put_many: Callable[..., Any] | None = None,
) -> Iterator[Result]:
    """Upload files a few at a time; yields results in the order of the candidates.

    With `dry_run`, files are only validated and compared with the photos in the bucket. `put_many` puts
    objects as `s3.put_object` does, and takes its place if there are more than a few files. Raises
    CredentialsError or AccessDeniedError, which would affect every photo. Other errors are reported as
    results.
    """
    remaining = iter(candidates)
    first = list(islice(remaining, PAGE_COST))
    many = len(first) == PAGE_COST
    sender = _Sender(s3, bucket, dry_run, (many and put_many) or s3.put_object)
    existing = Existing(s3, bucket) if many else None
    pending: deque[Future[Result]] = deque()
    with pool(WORKERS, "upload") as threads:
        for candidate in chain(first, remaining):
            refused = _refusal(candidate)
            listed = existing.find(candidate.key) if existing and not refused else None
            pending.append(threads.submit(sender.send, candidate, refused, listed))
            while len(pending) > 2 * WORKERS or (pending and pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


class _Sender:
    """Sends one file after the other; for several threads."""

    def __init__(
        self, s3: S3Client, bucket: str, dry_run: bool, put_object: Callable[..., Any]
    ) -> None:
        self._s3, self._bucket, self._dry_run, self._put = s3, bucket, dry_run, put_object
        self._memory = Budget(_MEMORY)

    def send(self, candidate: Candidate, refused: str, listed: ObjectVersion | None) -> Result:
        """Upload a file if its content is not in the bucket; see `Existing.find` for `listed`."""
        if refused:
            return Result(candidate.path, candidate.key, "skipped", refused)
        with self._memory.taken(_size(candidate.path)):
            return self._send(candidate.path, candidate.key, listed)

    def _send(self, path: Path, key: str, listed: ObjectVersion | None) -> Result:
        try:
            photo = validation.read(path)
        except validation.PhotoRefusedError as error:
            return Result(path, key, "skipped", str(error))
        digest = content.sha256(photo.content)
        size = len(photo.content)
        try:
            existing, same = self._compare(key, photo.content, digest, listed)
            if same:
                return Result(path, key, "unchanged", size=size, version=existing)
            if self._dry_run:
                return Result(path, key, "changed" if existing else "new", size=size)
            put = self._put(
                Bucket=self._bucket,
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

    def _compare(
        self, key: str, photo: bytes, digest: str, listed: ObjectVersion | None
    ) -> tuple[ObjectVersion | None, bool]:
        """Return the object with this key, and whether it certainly has this content."""
        if listed and not listed.exists:
            return None, False
        same = content.is_same_as_listed(listed, photo) if listed else None
        if same is not None:
            return listed, same
        head = content.head(self._s3, self._bucket, key)
        if head is None:
            return None, False
        return versions.of_response(key, head), bool(content.is_same(head, photo, digest))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return 0  # reading it reports the error


def _sentence(error: LabelctlError) -> str:
    return error.message.splitlines()[0]


def _refusal(candidate: Candidate) -> str:
    """Why a file cannot have its key, as a sentence; "" if it can."""
    key = candidate.key
    if candidate.clash:
        return f"It has the same key as {candidate.clash}: {key}."
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        return "Its name is not valid UTF-8. Rename it."
    if invalid := _UNLISTABLE.search(key):
        return f"Its name contains {invalid[0]!r}, which S3 cannot list. Rename it."
    if length > MAX_KEY:
        return f"Its key would be {length:,} bytes long; the maximum is {MAX_KEY:,}."
    return ""
