"""The function: takes photos from the queue, asks Rekognition for their labels, stores them.

A batch's photos are worked on side by side, since each waits about half a second for Rekognition.
What went well is acknowledged; what may go well later is handed back to the queue (see
`redelivery`); what never can, ends as *failed* with a reason that a person understands. It writes
one JSON line a photo, which `labelctl tail` reads.

The environment, set by the template: LABELCTL_TABLE, LABELCTL_QUEUE, LABELCTL_DEAD_LETTERS,
LABELCTL_MIN_CONFIDENCE, LABELCTL_MAX_LABELS, LABELCTL_IMAGE_PROPERTIES.
"""

from __future__ import annotations

import json
import os
import secrets
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from redelivery import NotAnEventError, Redelivery, code, reason
from store import Store

from labelctl import contract
from labelctl.contract import PhotoEvent

if TYPE_CHECKING:
    from mypy_boto3_rekognition import RekognitionClient
    from mypy_boto3_s3 import S3Client

BATCH = 10
"""The photos that are worked on at once: the event source mapping's batch size."""

TOMBSTONE_SECONDS = 30 * 24 * 3600
"""How long a removed photo is remembered: longer than an event waits in both queues (14 days each)."""

REASONS = {
    "InvalidImageFormatException": "It is not a JPEG or PNG picture, or it is damaged.",
    "ImageTooLargeException": "It is too large: at most 15 MB and 10,000 pixels a side.",
    "InvalidParameterException": "Its size is not allowed: at least 80 pixels a side.",
    "InvalidS3ObjectException": "Rekognition cannot read it, although it is in the bucket.",
    "TooLarge": "It is too large: at most 15 MB.",
    "Empty": "It is empty.",
}
"""Errors that no repetition mends, in words. [Rekognition, DetectLabels, Errors] A right that is
missing is not among them: it is mended by whoever owns the stack, and the photo waits for that."""


class PhotoGoneError(Exception):
    """The version that an event tells of is no longer there."""


class UnlabellableError(Exception):
    """This photo can never be labelled: `error` is the code, the message a sentence."""

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(REASONS[error] + (f" ({detail})" if detail else ""))
        self.error = error


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry: `event` holds up to 10 SQS messages; those to be tried again are returned."""
    messages = event["Records"]
    working = [_pool.submit(_work, message) for message in messages]
    # A photo that some service holds up is left behind in time: it comes back alone, and not with
    # its whole batch, as it would after the function's timeout.
    wait(working, timeout=context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS)
    return {
        "batchItemFailures": [
            {"itemIdentifier": message["messageId"]}
            for message, work in zip(messages, working, strict=True)
            if not _is_done(message, work)
        ]
    }


def _is_done(message: dict[str, Any], work: Future[bool]) -> bool:
    if work.done():
        return work.result()
    work.cancel()
    _log(None, "retrying", reason="It took too long.", message_id=message["messageId"])
    return False


def _work(message: dict[str, Any]) -> bool:
    """Whether the message is done with: worked off, or set aside."""
    try:
        events = contract.parse_message(message["body"])
    except ValueError as error:
        return _hand_back(message, NotAnEventError(str(error)))
    repeated = int(message["attributes"]["ApproximateReceiveCount"]) > 1
    trouble: tuple[Exception, str] | None = None
    for event in events:
        started = time.monotonic()
        try:
            status, details = _apply(event, repeated)
        except Exception as error:  # also a bug: the other photos are not to suffer for it
            trouble = (error, event.key)
        else:
            _log(event.key, status, ms=round((time.monotonic() - started) * 1000), **details)
    return _hand_back(message, *trouble) if trouble else True


def _hand_back(message: dict[str, Any], error: Exception, image: str | None = None) -> bool:
    """Put the message off or set it aside; whether it is done with."""
    status, details = _redelivery().hand_back(message, error)
    details |= {"error": code(error), "reason": reason(error)}
    if not isinstance(error, NotAnEventError | ClientError | BotoCoreError):
        details["trace"] = "".join(traceback.format_exception(error))
    _log(image, status, message_id=message["messageId"], **details)
    return status == "set_aside"


def _apply(event: PhotoEvent, repeated: bool) -> tuple[str, dict[str, Any]]:
    repeated = repeated or event.kind == "requested"
    header = _store.header(event.key)
    if header and header["sequencer"] >= event.sequencer:
        # The same event twice, or late: nothing to pay for. An attempt that was cut off after its
        # header may have left rows.
        _store.sweep(event, keep=header["version"])
        return "superseded", {}
    version = contract.version_of(event, secrets.token_hex(4))
    if event.kind in ("version_removed", "requested") and (current := _current(event)):
        known = header and header.get("version_id") == current.version_id
        if header and known and event.kind == "version_removed":
            # Only an old version was removed, or a delete marker that nobody had heard of yet.
            confirmed = _store.confirm(event, header)
            return ("superseded", {}) if confirmed else _apply(event, repeated)
        event = (
            current  # the newest was removed, so that the one before it shows again; or asked for
        )
    if event.kind != "created":
        expires = int(time.time()) + TOMBSTONE_SECONDS
        stone = contract.tombstone(event, version, _now(), expires)
        stored = _store.put(event, stone, [], repeated=repeated)
        return (contract.REMOVED if stored else "superseded"), {}
    try:
        answer = _detect(event)
    except PhotoGoneError:
        return "superseded", {}  # replaced or removed since: that is another event's
    except UnlabellableError as error:
        failed = contract.failed_header(event, version, error.error, str(error), _now())
        stored = _store.put(event, failed, [], repeated=repeated)
        return (contract.FAILED if stored else "superseded"), {
            "error": error.error,
            "reason": str(error),
        }
    rows = contract.label_rows(event, version, answer["Labels"])
    labelled = contract.labelled_header(event, version, rows, answer, _now())
    stored = _store.put(event, labelled, rows, repeated=repeated)
    top = [[row["name"], float(row["confidence"])] for row in contract.surest(rows)[:3]]
    return (contract.LABELLED if stored else "superseded"), {"labels": len(rows), "top": top}


def _detect(event: PhotoEvent) -> Any:
    """Rekognition's answer about exactly the version that the event tells of."""
    if event.size is not None and event.size > contract.MAX_BYTES:
        raise UnlabellableError("TooLarge")
    if event.size == 0:
        raise UnlabellableError("Empty")
    photo = {"Bucket": event.bucket, "Name": event.key}
    if event.version_id:
        photo["Version"] = event.version_id
    features = ["GENERAL_LABELS"]
    if os.environ["LABELCTL_IMAGE_PROPERTIES"] == "true":
        features.append("IMAGE_PROPERTIES")
    try:
        answer = _rekognition.detect_labels(
            Image={"S3Object": photo},  # type: ignore[typeddict-item]
            MinConfidence=float(os.environ["LABELCTL_MIN_CONFIDENCE"]),
            MaxLabels=int(os.environ["LABELCTL_MAX_LABELS"]),
            Features=features,  # type: ignore[arg-type]
        )
    except ClientError as error:
        wrong = code(error)
        if wrong == "InvalidS3ObjectException" and not _exists(event):
            raise PhotoGoneError from error
        if wrong in REASONS:
            raise UnlabellableError(wrong, error.response["Error"]["Message"]) from error
        raise
    if not event.version_id and not _exists(event):
        raise PhotoGoneError  # what was read may have been another object
    return answer


def _exists(event: PhotoEvent) -> bool:
    """Whether the version (in a bucket without versions: the object) is still there."""
    if event.version_id:
        which = {"VersionId": event.version_id}
    else:
        which = {"IfMatch": f'"{event.etag}"'} if event.etag else {}
    try:
        _s3().head_object(Bucket=event.bucket, Key=event.key, **which)  # type: ignore[arg-type]
    except ClientError as error:
        # 400 for a version id that S3 does not know; 405 for one that is a delete marker; 412 for
        # another object in its place.
        if error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 404, 405, 412):
            return False
        raise
    return True


def _current(event: PhotoEvent) -> PhotoEvent | None:
    """The photo as it lies in the bucket now, under the event's sequencer; None if it is gone.

    In a bucket with versions, removing one that is not the newest changes nothing, and removing the
    newest (or a delete marker) shows the one before it, for which S3 sends no event of its own.
    """
    try:
        head = _s3().head_object(Bucket=event.bucket, Key=event.key)
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            return None
        raise
    return replace(
        event,
        kind="created",
        version_id=head.get("VersionId"),
        etag=head["ETag"].strip('"'),
        size=head["ContentLength"],
        at=_iso(head["LastModified"]),
    )


def _log(image: str | None, status: str, **details: Any) -> None:
    # ASCII JSON: a key with a line break or a control character stays one harmless line.
    print(json.dumps({"image": image, "status": status, **details}), flush=True)


def _now() -> str:
    return _iso(datetime.now(UTC))


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


# A call to a service that hangs gives up after ATTEMPTS x (2 + 10) s, well within the function's
# timeout: so the photos that it holds up go back to the queue one by one, and not their whole batch.
ATTEMPTS = 3
CONNECT_SECONDS = 2
READ_SECONDS = 10
SPARE_SECONDS = 10
"""How long before the function's timeout it answers for the photos that are done."""
_config = Config(
    # Adaptive: when Rekognition throttles, slow down, rather than fail and use up the receives.
    retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS},
    connect_timeout=CONNECT_SECONDS,
    read_timeout=READ_SECONDS,
    max_pool_connections=BATCH,
)
_pool = ThreadPoolExecutor(max_workers=BATCH)
# Made while Lambda starts the process, before the first photo and outside any thread.
_rekognition: RekognitionClient = boto3.client("rekognition", config=_config)
_store = Store(boto3.client("dynamodb", config=_config), os.environ["LABELCTL_TABLE"])
_clients = Lock()


@cache
def _s3() -> S3Client:
    client: S3Client = _client("s3")
    return client


@cache
def _redelivery() -> Redelivery:
    queues = (os.environ["LABELCTL_QUEUE"], os.environ["LABELCTL_DEAD_LETTERS"])
    return Redelivery(_client("sqs"), *queues)


def _client(service: str) -> Any:
    """Needed for few photos, so made for the first of them; boto3 makes clients one at a time."""
    with _clients:
        return boto3.client(service, config=_config)  # type: ignore[call-overload]
