"""Uploading photos: takes files and keys, yields a result per file.

One thread reads and validates the files, and does not wait while they are sent. Memory holds those on
their way and all file names (265 bytes each) or, with several paths, file names and keys (771 bytes).
Files that are skipped or fail do not stop the others. A photo that is already in the bucket with the
same content is not sent again, so it is not labelled and billed again.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelctl.aws.errors import to_user_error
from labelctl.aws.threads import pool
from labelctl.contract.s3_events import MAX_KEY
from labelctl.errors import AccessDeniedError, CredentialsError, LabelctlError
from labelctl.photos import content, validation, versions
from labelctl.photos.discovery import Candidate
from labelctl.photos.existing import PAGE_COST, Existing
from labelctl.photos.versions import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from labelctl.aws.transfer import ManyPuts

WORKERS = 32
"""Number of concurrent uploads, which hide the latency of the network."""

_MEMORY = 32 * 1024 * 1024
"""Maximum bytes of photos in memory, beside the one that is read. awscrt has copies."""

_UNLISTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Characters that XML, and so S3's listings, cannot represent or (carriage return) do not preserve.
[XML 1.0, 2.2 and 2.11; S3 User Guide, Naming objects, Characters to avoid]"""

_SENT = ("uploaded", "replaced")

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
    puts: ManyPuts | None = None,
) -> Iterator[Result]:
    """Upload files, many at a time; yields results in the order of the candidates.

    If there are more than a few files, a listing of the bucket answers which of them are there already,
    and `puts` sends the others. Otherwise, and for what the listing cannot answer, HEADs ask for single
    photos. With `dry_run`, files are only validated and compared with the photos in the bucket. Raises
    CredentialsError or AccessDeniedError, which would affect every photo. Other errors are reported as
    results.
    """
    remaining = iter(candidates)
    first = list(islice(remaining, PAGE_COST))
    existing = Existing(s3, bucket) if puts and len(first) == PAGE_COST else None
    pending: deque[_Pending] = deque()
    in_memory = 0
    with pool(WORKERS, "upload") as threads:
        uploader = _Uploader(s3, bucket, dry_run, threads, existing, puts)
        for candidate in chain(first, remaining):
            pending.append(uploader.start(candidate))
            in_memory += pending[-1].size
            while pending and (
                len(pending) > 2 * WORKERS or in_memory > _MEMORY or pending[0].is_done()
            ):
                in_memory -= pending[0].size
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


@dataclass(frozen=True)
class _Pending:
    """A file whose upload has begun. `size` is what it takes in memory; `result` waits for the end."""

    size: int
    is_done: Callable[[], bool]
    result: Callable[[], Result]


@dataclass(frozen=True)
class _Uploader:
    """Begins to upload files, one after the other."""

    s3: S3Client
    bucket: str
    dry_run: bool
    threads: Executor
    existing: Existing | None
    puts: ManyPuts | None

    def start(self, candidate: Candidate) -> _Pending:
        """Read a file and begin to upload it, if its content is not in the bucket."""
        path, key = candidate.path, candidate.key
        if refused := _refusal(candidate):
            return _finished(Result(path, key, "skipped", refused))
        try:
            photo = validation.read(path)
        except validation.PhotoRefusedError as error:
            return _finished(Result(path, key, "skipped", str(error)))
        size = len(photo.content)
        request = {
            "Bucket": self.bucket,
            "Key": key,
            "Body": photo.content,
            "ContentType": photo.media_type,
            "ChecksumSHA256": content.sha256(photo.content),  # S3 rejects other content
        }
        listed = self.existing.find(key) if self.existing else None
        same = content.is_same_as_listed(listed, photo.content) if listed else None
        if self.puts is None or same is None:
            asked = self.threads.submit(self._ask_and_send, path, request)
            return _Pending(size, asked.done, asked.result)
        there = listed if listed and listed.exists else None
        outcome = self._outcome(there, same)
        if outcome not in _SENT:
            return _finished(Result(path, key, outcome, size=size, version=there if same else None))
        put = self.puts.put(path, request, self.threads)
        return _Pending(size, put.done, partial(_result, path, key, size, outcome, put.result))

    def _ask_and_send(self, path: Path, request: Any) -> Result:
        """Ask for the photo in the bucket and replace it if the file has another; in a thread."""
        key, photo, size = request["Key"], request["Body"], len(request["Body"])
        try:
            head = content.head(self.s3, self.bucket, key)
            there = versions.of_response(key, head) if head else None
            same = bool(head and content.is_same(head, photo, request["ChecksumSHA256"]))
            outcome = self._outcome(there, same)
            if outcome in _SENT:
                there = versions.of_response(key, self.s3.put_object(**request))
        except Exception as error:
            return _failed(path, key, size, error)
        version = there if same or outcome in _SENT else None
        return Result(path, key, outcome, size=size, version=version)

    def _outcome(self, there: ObjectVersion | None, same: bool) -> Outcome:
        if same:
            return "unchanged"
        if self.dry_run:
            return "changed" if there else "new"
        return "replaced" if there else "uploaded"


def _finished(result: Result) -> _Pending:
    return _Pending(0, lambda: True, lambda: result)


def _result(path: Path, key: str, size: int, outcome: Outcome, put: Callable[[], Any]) -> Result:
    """The result of a photo that `put` sends."""
    try:
        version = versions.of_response(key, put())
    except Exception as error:
        return _failed(path, key, size, error)
    return Result(path, key, outcome, size=size, version=version)


def _failed(path: Path, key: str, size: int, error: Exception) -> Result:
    explained = to_user_error(error)
    if explained is None or isinstance(explained, CredentialsError | AccessDeniedError):
        raise (explained or error) from error
    return Result(path, key, "failed", _sentence(explained), size)


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
