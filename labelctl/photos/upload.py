"""Uploading photos: takes paths, yields a result per file.

Files are found, read, validated and uploaded a few at a time, so memory holds only file names (265
bytes each) and, with several paths, keys (207 bytes each). Files that are skipped or fail do not
stop the others. A photo that is already in the bucket with the same content is not sent again, so
it is not labelled and billed again.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelctl.aws.errors import is_missing, to_user_error
from labelctl.aws.threads import pool
from labelctl.contract.s3_events import MAX_KEY
from labelctl.errors import AccessDeniedError, CredentialsError, LabelctlError
from labelctl.photos import generated_files, validation, versions
from labelctl.photos.versions import ObjectVersion

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 8
"""Number of concurrent uploads. More would gain little, because Python signs them on one core."""

_UNLISTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Characters that XML, and so S3's listings, cannot represent or (carriage return) do not preserve.
[XML 1.0, 2.2 and 2.11; S3 User Guide, Naming objects, Characters to avoid]"""

Outcome = Literal["uploaded", "replaced", "unchanged", "refused", "failed"]


@dataclass(frozen=True)
class Candidate:
    """A file to upload, and its key. `clash` is an earlier file with the same key."""

    path: Path
    key: str
    clash: Path | None = None


@dataclass(frozen=True)
class Result:
    """The outcome of uploading one file.

    `unchanged`: the same content was already there; `replaced`: uploaded over another photo with
    this key; `refused`: skipped as unsuitable; `failed`: the upload failed. `reason` is a sentence.

    `version` is the photo in the bucket, None if there is none; `size` is in bytes, None for a skipped
    file.
    """

    path: Path
    key: str
    outcome: Outcome
    reason: str = ""
    size: int | None = None
    version: ObjectVersion | None = None


def find(paths: Sequence[Path], prefix: str = "") -> Iterator[Candidate]:
    """Yield the files to upload, for paths of files and folders.

    The key of a file is its name; that of a file in a folder is its path relative to the folder.
    Folders are walked in alphabetical order, without following links to folders. Skipped are hidden
    files, files that are not images by name or content, and galleries and drawings made by labelctl.
    A folder that cannot be read is yielded as a file, so that uploading it reports the error.
    """
    seen: dict[str, Path] = {}  # only needed for several paths: keys within one path are unique
    for path in paths:
        folder = _is_folder(path)
        base = path if folder else path.parent
        for file in _walk(path) if folder else (path,):
            key = prefix + file.relative_to(base).as_posix()
            other = seen.get(key) if len(paths) > 1 else None
            if other == file:
                continue  # given twice
            if len(paths) > 1:
                seen.setdefault(key, file)
            yield Candidate(file, key, clash=other)


def path_exists(path: Path) -> bool:
    """Return whether a path exists, even as a broken link."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # no permission, or an invalid name: reading it reports the error
        return True
    return True


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission, or a name too long: reading it reports the error
        return False


def _walk(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    if any(entry.name == generated_files.GALLERY_MARKER for entry in entries):
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif validation.looks_like_image(path) and not generated_files.is_drawing(path):
            yield path


def upload(s3: S3Client, bucket: str, candidates: Iterable[Candidate]) -> Iterator[Result]:
    """Upload files a few at a time; yields results in the order of the candidates.

    Raises CredentialsError or AccessDeniedError, which would affect every photo. Other errors are
    reported as results.
    """
    pending: deque[Future[Result]] = deque()
    with pool(WORKERS, "upload") as threads:
        for candidate in candidates:
            pending.append(threads.submit(_send, s3, bucket, candidate))
            while len(pending) > 2 * WORKERS or (pending and pending[0].done()):
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _send(s3: S3Client, bucket: str, candidate: Candidate) -> Result:
    path, key = candidate.path, candidate.key
    try:
        if candidate.clash:
            raise validation.PhotoRefusedError(f"It has the same key as {candidate.clash}: {key}.")
        _check_key(key)
        photo = validation.read(path)
    except validation.PhotoRefusedError as error:
        return Result(path, key, "refused", str(error))
    digest = base64.b64encode(hashlib.sha256(photo.content).digest()).decode()
    size = len(photo.content)
    try:
        existing = _head(s3, bucket, key)
        if existing and _is_same(existing, photo.content, digest):
            version = versions.of_response(key, existing)
            return Result(path, key, "unchanged", size=size, version=version)
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


def _head(s3: S3Client, bucket: str, key: str) -> Any | None:
    from botocore.exceptions import ClientError

    try:
        return s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
    except ClientError as error:
        if is_missing(error):
            return None
        raise


def _is_same(head: Any, content: bytes, digest: str) -> bool:
    """Return whether the object has this content, by its SHA-256 or its MD5."""
    if head["ContentLength"] != len(content):
        return False
    if "ChecksumSHA256" in head and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        return bool(head["ChecksumSHA256"] == digest)
    # Uploaded by another tool. The ETag of a single-part upload is the MD5 of its content. That of a
    # multipart upload never is, so such a photo is sent again.
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return bool(head["ETag"].strip('"') == md5)
