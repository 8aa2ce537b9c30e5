"""Sending photos: paths in, a stream of results out.

Files are found, read, checked and sent a few at a time: of a folder only the names are held (265
bytes each), and with several paths the keys (207 bytes each). What is refused or fails does not stop
the rest. A photo whose very content is already there under its key is not sent, and so not labelled
and paid for, again.
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

from labelctl.aws.clients import explain, is_missing
from labelctl.aws.threads import pool
from labelctl.contract.s3_events import MAX_KEY, known_version
from labelctl.errors import AccessDeniedError, CredentialsError, LabelctlError
from labelctl.photos import own_files, validation

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 8
"""Photos in flight at once: boto3 gains little from more, as one interpreter signs for all."""

_UNLISTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f\ufffe\uffff]")
"""Characters that XML, in which S3 lists and deletes, has no form for, or (the carriage return) does
not keep. [XML 1.0, 2.2 and 2.11; S3 User Guide, Naming objects, Characters to avoid]"""

Outcome = Literal["uploaded", "replaced", "unchanged", "refused", "failed"]


@dataclass(frozen=True)
class Candidate:
    """A file that may be sent, and the key it would get.

    `clash` is another file that was found before and gets the same key.
    """

    path: Path
    key: str
    clash: Path | None = None


@dataclass(frozen=True)
class Result:
    """What became of one file.

    `replaced`: sent, in place of another photo under that key; `refused`: not fit to be sent;
    `failed`: sending went wrong.

    `version_id` and `etag` are the object's, as S3 told them; `size` is in bytes, None of a file that
    was refused.
    """

    path: Path
    key: str
    outcome: Outcome
    reason: str = ""
    size: int | None = None
    version_id: str | None = None
    etag: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the photo is in the bucket."""
        return self.outcome in ("uploaded", "replaced", "unchanged")


def find(paths: Sequence[Path], prefix: str = "") -> Iterator[Candidate]:
    """The files that the paths stand for: a file by its name, a folder's by their way within it.

    Folders are walked in the order of their names, links to folders are not followed, and files
    that neither are nor claim to be pictures are passed over, as are hidden ones and what labelctl
    itself made of photos (galleries, drawings). A folder that cannot be read is told as a file that
    cannot.
    """
    taken: dict[str, Path] = {}  # one path alone has no two files with one key
    for path in paths:
        folder = _is_folder(path)
        base = path if folder else path.parent
        for file in _walk(path) if folder else (path,):
            key = prefix + file.relative_to(base).as_posix()
            other = taken.get(key) if len(paths) > 1 else None
            if other == file:
                continue  # named twice
            if len(paths) > 1:
                taken.setdefault(key, file)
            yield Candidate(file, key, clash=other)


def is_there(path: Path) -> bool:
    """Whether there is something under that name, be it a link that leads nowhere."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError):  # no right to look, or no name that can be: reading it will tell
        return True
    return True


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no right to look, or a name too long: reading it will tell
        return False


def _walk(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError:
        yield folder
        return
    if any(entry.name == own_files.GALLERY_MARKER for entry in entries):
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path)
        elif validation.looks_like_a_picture(path) and not own_files.is_drawing(path):
            yield path


def upload(s3: S3Client, bucket: str, candidates: Iterable[Candidate]) -> Iterator[Result]:
    """Send the photos, a few at a time; results come in the order of the candidates.

    Raises CredentialsError or AccessDeniedError when AWS will take none of them; other failures are
    results.
    """
    waiting: deque[Future[Result]] = deque()
    with pool(WORKERS, "upload") as threads:
        for candidate in candidates:
            waiting.append(threads.submit(_send, s3, bucket, candidate))
            while len(waiting) > 2 * WORKERS or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _send(s3: S3Client, bucket: str, candidate: Candidate) -> Result:
    path, key = candidate.path, candidate.key
    try:
        if candidate.clash:
            raise validation.PhotoRefusedError(
                f"It would replace {candidate.clash}: both get the key {key}."
            )
        _check_key(key)
        photo = validation.read(path)
    except validation.PhotoRefusedError as error:
        return Result(path, key, "refused", str(error))
    digest = base64.b64encode(hashlib.sha256(photo.content).digest()).decode()
    size = len(photo.content)
    try:
        there = _head(s3, bucket, key)
        if there and _is_same(there, photo.content, digest):
            version, etag = known_version(there.get("VersionId")), there["ETag"]
            return Result(path, key, "unchanged", "", size, version, etag.strip('"'))
        put = s3.put_object(
            Bucket=bucket,
            Key=key,
            Body=photo.content,
            ContentType=photo.media_type,
            ChecksumSHA256=digest,  # S3 refuses what arrives otherwise than it was sent
        )
    except Exception as error:
        told = explain(error)
        if told is None or isinstance(told, CredentialsError | AccessDeniedError):
            raise (told or error) from error  # the other photos would not fare better
        return Result(path, key, "failed", _sentence(told), size)
    outcome: Outcome = "replaced" if there else "uploaded"
    return Result(
        path, key, outcome, "", size, known_version(put.get("VersionId")), put["ETag"].strip('"')
    )


def _sentence(error: LabelctlError) -> str:
    return error.message.splitlines()[0]


def _check_key(key: str) -> None:
    try:
        length = len(key.encode())
    except UnicodeEncodeError:
        raise validation.PhotoRefusedError(
            "Its name is not valid UTF-8, which S3 needs; rename it."
        ) from None
    if odd := _UNLISTABLE.search(key):
        raise validation.PhotoRefusedError(
            f"Its name holds the character {odd[0]!r}, with which S3's tools cannot list it; rename it."
        )
    if length > MAX_KEY:
        raise validation.PhotoRefusedError(
            f"Its key would be {length:,} bytes long; S3 takes at most {MAX_KEY:,}."
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
    """Whether the object holds this very content, by its SHA-256 or else its MD5."""
    if head["ContentLength"] != len(content):
        return False
    if "ChecksumSHA256" in head and head.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT":
        return bool(head["ChecksumSHA256"] == digest)
    # Sent by another tool. An ETag is the MD5 of what was sent in one part; it never is for one
    # that was sent in several, and then the photo is just sent again.
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return bool(head["ETag"].strip('"') == md5)
