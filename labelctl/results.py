"""Reading what is stored of photos: their labels, or why there are none, or that they still wait.

A photo's rows are read with one query. Those of the version that its header names are its labels;
a header that names another object than the one in the bucket is not this photo's result yet.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.aws import is_missing
from labelctl.errors import PhotoNotFoundError, RefusedError, WaitTimeoutError
from labelctl.reads import BATCH, Reader
from labelctl.threads import pool
from labelctl.words import counted, quoted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client

PENDING = "pending"
ANSWERING = ("status", "sequencer", "version_id", "etag")
"""The attributes of a header that `answers` looks at."""
_READS = 5  # fewer rows than counted so often in a row is no coincidence
_AHEAD = 32  # photos that are read at once, or lie ready: labels can be large
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between two looks
_HURRIED = 1000  # photos of which a look a second is enough; for fewer it looks more often
_ASKED = 20  # photos whose object is looked at, once nothing has moved for that long


@dataclass(frozen=True)
class Box:
    """Where a label was seen: ratios (0 to 1) of the upright picture; confidence 0 to 100."""

    left: float
    top: float
    width: float
    height: float
    confidence: float


@dataclass(frozen=True)
class Label:
    """One label of a photo; confidence 0 to 100."""

    name: str
    confidence: float
    categories: tuple[str, ...]
    parents: tuple[str, ...]
    aliases: tuple[str, ...]
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Photo:
    """A photo's state and labels, surest first.

    `status` is labelled, failed (with `reason`) or pending. `labelled_at` is ISO 8601, in UTC, and
    for a failed photo when it failed.
    """

    image: str
    status: str
    reason: str | None = None
    labels: tuple[Label, ...] = ()
    properties: Any = None
    model_version: str | None = None
    labelled_at: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The documented JSON form."""
        return asdict(self)

    def at_least(self, confidence: float) -> Photo:
        """The same photo with only the labels of at least this confidence."""
        kept = tuple(label for label in self.labels if label.confidence >= confidence)
        return Photo(**{**self.__dict__, "labels": kept})


@dataclass(frozen=True)
class Awaited:
    """A photo that was sent, as S3 named the version.

    With a `sequencer` only a result that is not older than this one counts: that of a request.
    """

    key: str
    version_id: str | None
    etag: str | None
    sequencer: str = ""


@dataclass(frozen=True)
class Look:
    """What one look at the table found: the photos that are done, and how many still wait."""

    done: list[Awaited]
    waiting: int


def resolve(s3: S3Client, bucket: str, image: str) -> Awaited:
    """The photo that the user means: a key, or the longest trailing part of a path that is one.

    Raises PhotoNotFoundError.
    """
    for key in candidates(image):
        if found := current(s3, bucket, key):
            return found
    raise PhotoNotFoundError(
        f'There is no photo "{image}" in the bucket.',
        f"Upload it first: labelctl upload {quoted(image)}\n"
        "After an upload with --prefix its key begins with that: `labelctl images` shows the keys."
        if Path(image).is_file()
        else "IMAGE is the photo's key, such as holiday/beach.jpg, or the path that was uploaded."
        "\n`labelctl images` shows the keys.",
    )


def candidates(image: str) -> Iterator[str]:
    """Keys that the user may mean: the text itself, then ever shorter trailing parts of the path."""
    seen = set()
    parts = [part for part in PurePath(image).parts if part not in ("/", ".", "..")]
    for key in (image, *("/".join(parts[start:]) for start in range(len(parts)))):
        if key and key not in seen and is_key(key):
            seen.add(key)
            yield key


def is_key(key: str) -> bool:
    """Whether S3 takes the text as a key at all."""
    try:
        return 0 < len(key.encode()) <= contract.MAX_KEY
    except UnicodeEncodeError:  # the name of a file that is not UTF-8
        return False


def current(s3: S3Client, bucket: str, key: str) -> Awaited | None:
    """The photo as it lies in the bucket now, or None; a folder is none."""
    from botocore.exceptions import ClientError

    try:
        head = s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if is_missing(error):
            return None
        raise
    if contract.is_folder(key, head["ContentLength"]):
        return None
    version = contract.known_version(head.get("VersionId"))
    return Awaited(key, version, head["ETag"].strip('"'))


def read(dynamodb: DynamoDBClient, table: str, sent: Awaited) -> Photo:
    """What is stored of one version of a photo: its labels, its failure, or that it is pending."""
    for _ in range(_READS):
        found = _rows(dynamodb, table, sent.key)
        header = next((row for row in found if row["row"] == contract.HEADER), None)
        if header is None or not answers(header, sent):
            return Photo(sent.key, PENDING)
        if header["status"] == contract.FAILED:
            return Photo(sent.key, "failed", reason=header["reason"], labelled_at=header["done_at"])
        current = [row for row in found if contract.version_of_row(row["row"]) == header["version"]]
        # Fewer rows than the header counts: it was replaced while the pages were read.
        if len(current) == header["label_count"]:
            return _photo(header, current)
    raise RefusedError(
        f'The labels of the photo "{sent.key}" are not whole in the table.',
        "Try again in a moment; if they stay so, remove the photo and upload it anew.",
    )


def answers(header: Any, sent: Awaited) -> bool:
    """Whether a header is the result of this version of the photo."""
    if header["status"] == contract.REMOVED or header["sequencer"] < sent.sequencer:
        return False
    if sent.version_id and header.get("version_id"):
        return bool(header["version_id"] == sent.version_id)
    return bool(header.get("etag") == sent.etag)


def _photo(header: Any, rows: Iterable[Any]) -> Photo:
    return Photo(
        image=header["image"],
        status=contract.LABELLED,
        labels=tuple(
            Label(
                name=row["name"],
                confidence=float(row["confidence"]),
                categories=tuple(row["categories"]),
                parents=tuple(row["parents"]),
                aliases=tuple(row["aliases"]),
                boxes=tuple(
                    Box(**{side: float(value) for side, value in box.items()})
                    for box in row["boxes"]
                ),
            )
            for row in contract.surest(rows)
        ),
        properties=header.get("properties"),
        model_version=header["model_version"],
        labelled_at=header["done_at"],
    )


def _rows(dynamodb: DynamoDBClient, table: str, image: str) -> list[dict[str, Any]]:
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="image = :image",
        ExpressionAttributeValues={":image": {"S": image}},
        ConsistentRead=True,
    )
    return [
        {name: deserialize(value) for name, value in item.items()}
        for page in pages
        for item in page["Items"]
    ]


def wait(
    dynamodb: DynamoDBClient,
    table: str,
    sent: Sequence[Awaited],
    *,
    patience: float,
    now: Callable[[str], Awaited | None],
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Look]:
    """Look for the photos that are labelled or have failed, until all are; each is found once.

    A look that finds none is yielded as well, before each pause.

    The queue works roughly in the order of arrival. So a look asks about the first batch in line,
    goes on at once while most of a batch is done, and leaves the few that are not for the end; and it
    asks about one other batch in turn, which takes the first place where more is done. The more
    photos are left, the longer it pauses: up to 2 s.

    `now` tells how a key stands in the bucket (see `current`). Of a photo that keeps waiting it is
    asked: one that was replaced meanwhile is told of as what it is now, and one that was removed is
    not told of. Raises WaitTimeoutError when nothing has been told for `patience` seconds, and a last
    look at all of them finds nothing either.
    """
    line = deque([*sent[start : start + BATCH]] for start in range(0, len(sent), BATCH))
    last, pause, other = clock(), _SHORTEST_PAUSE, 0
    while left := sum(map(len, line)):
        asked = len(line[0])
        done = yield from _told(dynamodb, table, line, 0)
        if 2 * done >= asked:
            _send_back(line)
            last, pause = clock(), _SHORTEST_PAUSE
            continue
        other = (other + 1) % len(line)
        over = not done and clock() - last > patience
        for place in range(1, len(line)) if over else {other} - {0}:
            found = yield from _told(dynamodb, table, line, place)
            if found > done:
                line.rotate(-place)
                done, other = found, 0
                break
        if done:
            last, pause = clock(), _SHORTEST_PAUSE
        else:
            if over or pause >= _LONGEST_PAUSE:
                line[other] = _as_they_are(line[other], now)
                left = sum(map(len, line))
            if over and left:
                raise WaitTimeoutError(
                    f"{counted(left, 'photo')} still waiting after {patience:g} s without news.",
                    "`labelctl status` shows how things stand, "
                    "`labelctl verify` whether any was missed.",
                )
        if left:
            if not done:
                yield Look([], left)
            sleep(min(max(pause, left / _HURRIED), _LONGEST_PAUSE))
            pause = min(pause * 1.5, _LONGEST_PAUSE)


def _told(
    dynamodb: DynamoDBClient, table: str, line: deque[list[Awaited]], place: int
) -> Generator[Look, None, int]:
    """Find those of one batch whose result stands, which leave the line; how many there are."""
    batch = line[place]
    # As of now for the few who notice; for many it need not be, at half the price.
    headers = Reader(dynamodb, table).headers(
        (photo.key for photo in batch), *ANSWERING, consistent=len(line) == 1
    )
    done = {each for each in batch if each.key in headers and answers(headers[each.key], each)}
    if not done:
        return 0
    line[place] = [photo for photo in batch if photo not in done]
    found = [photo for photo in batch if photo in done]
    yield Look(found, sum(map(len, line)))
    return len(found)


def _send_back(line: deque[list[Awaited]]) -> None:
    """What is left of the first batch, if anything, goes to the end, where it may join the last."""
    rest = line.popleft()
    if line and len(line[-1]) + len(rest) <= BATCH:
        line[-1] = [*line[-1], *rest]
    elif rest:
        line.append(rest)


def _as_they_are(batch: list[Awaited], now: Callable[[str], Awaited | None]) -> list[Awaited]:
    """The batch without those that are not there any more, after the first few were asked for."""
    asked, rest = batch[:_ASKED], batch[_ASKED:]  # which come last then: all have their turn
    return [*rest, *filter(None, (_as_it_is(photo, now(photo.key)) for photo in asked))]


def _as_it_is(photo: Awaited, there: Awaited | None) -> Awaited | None:
    same = there and (there.version_id, there.etag) == (photo.version_id, photo.etag)
    return photo if same else there


def read_many(
    dynamodb: DynamoDBClient, table: str, sent: Iterable[Awaited], workers: int = 8
) -> Iterator[Photo]:
    """What is stored of several photos, in their order; a few are read ahead of who takes them."""
    ahead: deque[Future[Photo]] = deque()
    with pool(workers, "read") as threads:
        for each in sent:
            ahead.append(threads.submit(read, dynamodb, table, each))
            if len(ahead) == _AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
