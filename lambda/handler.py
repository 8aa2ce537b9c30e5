"""The function: takes photos from the queue, asks Rekognition for their labels, stores them.

A batch's photos are worked on side by side, since each waits about half a second for Rekognition.
What went well is acknowledged; what may go well later is handed back to the queue (see
`redelivery`); what never can, ends as *failed* with a reason that a person understands. It writes
one JSON line a photo, which `labelctl tail` reads.

The environment, set by the template: LABELCTL_PHOTOS_TABLE, LABELCTL_LABELS_TABLE, LABELCTL_QUEUE,
LABELCTL_DEAD_LETTERS, and what `recognition` reads.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from threading import Event
from typing import Any

import clients
from bucket import Bucket
from recognition import PhotoGoneError, Recognition, UnlabellableError
from redelivery import NotAnEventError, Redelivery, code, is_bug, reason
from store import Store

from labelctl.contract import s3_events, schema
from labelctl.contract.s3_events import PhotoEvent

SPARE_SECONDS = 10
"""How long before the function's timeout it answers for the photos that are done."""

TOMBSTONE_SECONDS = 30 * 24 * 3600
"""How long a removed photo is remembered: longer than an event waits in both queues (14 days each)."""

_failing = Event()  # the last result could not be stored
_bucket = Bucket(clients.s3)
_recognition = Recognition(clients.rekognition, _bucket)
_store = Store(
    clients.dynamodb, os.environ["LABELCTL_PHOTOS_TABLE"], os.environ["LABELCTL_LABELS_TABLE"]
)
_redelivery = Redelivery(
    clients.sqs, os.environ["LABELCTL_QUEUE"], os.environ["LABELCTL_DEAD_LETTERS"]
)


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lambda's entry: `event` holds up to 10 SQS messages; those to be tried again are returned."""
    messages = event["Records"]
    left = context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
    until = time.monotonic() + left
    pool = ThreadPoolExecutor(max_workers=clients.BATCH)
    working = [pool.submit(_work, message, until) for message in messages]
    # A photo that some service holds up is left behind in time: it comes back alone, and not with
    # its whole batch, as it would after the function's timeout.
    wait(working, timeout=left)
    pool.shutdown(wait=False, cancel_futures=True)
    return {
        "batchItemFailures": [
            {"itemIdentifier": message["messageId"]}
            for message, work in zip(messages, working, strict=True)
            if not _is_done(message, work)
        ]
    }


def _is_done(message: dict[str, Any], work: Future[bool]) -> bool:
    if work.done() and not work.cancelled():
        return work.result()
    images = [event.key for event in s3_events.parse_message(message["body"])]
    late = {"reason": "It took too long.", "message_id": message["messageId"]}
    _log(images[0] if images else None, "retrying", **late)
    return False


def _work(message: dict[str, Any], until: float) -> bool:
    """Whether the message is done with: worked off, or set aside.

    At `until` (by time.monotonic()) the function has answered for all of its batch.
    """
    try:
        events = s3_events.parse_message(message["body"])
    except ValueError as error:
        return _hand_back(message, NotAnEventError(str(error)))
    trouble: tuple[Exception, str] | None = None
    for event in events:
        started = time.monotonic()
        try:
            status, details = _apply(event, until)
        except Exception as error:  # also a bug: the other photos are not to suffer for it
            trouble = (error, event.key)
        else:
            _log(event.key, status, ms=round((time.monotonic() - started) * 1000), **details)
    if trouble and time.monotonic() > until:
        return False  # it was given back meanwhile, and may be in other hands by now
    return _hand_back(message, *trouble) if trouble else True


def _hand_back(message: dict[str, Any], error: Exception, image: str | None = None) -> bool:
    """Put the message off or set it aside; whether it is done with."""
    status, details = _redelivery.hand_back(message, error)
    details |= {"error": code(error), "reason": reason(error)}
    if is_bug(error):
        details["trace"] = "".join(traceback.format_exception(error))
    _log(image, status, message_id=message["messageId"], **details)
    return status == "set_aside"


def _apply(event: PhotoEvent, until: float) -> tuple[str, dict[str, Any]]:
    stored = _store.photo(event.key)
    if stored and stored["sequencer"] >= event.sequencer:
        return "superseded", {}  # the same event twice, or late: nothing to pay for
    requested = event.kind == "requested"
    if (requested or event.kind == "version_removed") and (current := _bucket.current(event)):
        # Somebody asked; or the newest was removed, so that the one before it shows again.
        event = current
    if not requested and stored and _is_result_of(stored, event):
        # Only an old version was removed, or a delete marker whose event has not arrived yet; or a
        # request was quicker than S3.
        confirmed = _store.confirm(stored, event.sequencer)
        return ("superseded", {}) if confirmed else _apply(event, until)
    attempt = schema.new_attempt(time.time())
    if event.kind != "created":
        expires = int(time.time()) + TOMBSTONE_SECONDS
        return _publish(schema.removed_item(event, attempt, _now(), expires), stored), {}
    if _failing.is_set():
        _store.try_writing(event.key)
        _failing.clear()
    try:
        answer = _recognition.detect(event, until)
    except PhotoGoneError:
        return "superseded", {}  # replaced or removed since: that is another event's
    except UnlabellableError as error:
        item = schema.failed_item(event, attempt, error.error, str(error), _now())
        return _publish(item, stored), {"error": error.error, "reason": str(error)}
    item = schema.labelled_item(event, attempt, answer, _now())
    details = {"labels": len(item["labels"]), "top": _top(item)}
    if "left_out" in item:
        details["left_out"] = item["left_out"]
    return _publish(item, stored), details


def _is_result_of(stored: dict[str, Any], event: PhotoEvent) -> bool:
    """Whether the stored result is of the very version that the event is about."""
    shows = event.kind == "created" and stored["status"] != schema.REMOVED
    return shows and event.version_id is not None and stored.get("version_id") == event.version_id


def _top(item: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, float(item["labels"][name])) for name in item["top"]]


def _publish(item: dict[str, Any], previous: dict[str, Any] | None) -> str:
    try:
        stored = _store.publish(item, previous)
    except Exception:
        _failing.set()
        raise
    status: str = item["status"]
    return status if stored else "superseded"


def _log(image: str | None, status: str, **details: Any) -> None:
    # ASCII JSON: a key with a line break or a control character stays one harmless line. In one
    # piece: threads that print would get into each other's lines.
    sys.stdout.write(json.dumps({"image": image, "status": status, **details}) + "\n")
    sys.stdout.flush()


def _now() -> str:
    return s3_events.iso(datetime.now(UTC))
