"""Handling a batch of messages: labels the photos with Rekognition and stores the results.

The photos of a batch are processed in parallel, because each call to Rekognition takes about half a
second. Messages that may succeed later return to the queue (see `redelivery`). Photos that can never
be labelled are stored as failed, with a reason. The function logs one JSON line per photo, which
`labelctl tail` reads.

Environment variables, set by the template: LABELCTL_PHOTOS_TABLE, LABELCTL_LABELS_TABLE,
LABELCTL_QUEUE, LABELCTL_DEAD_LETTERS, and those of `recognition`.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from threading import Event
from typing import Any

from labelctl.contract import s3_events, schema
from labelctl.contract.s3_events import PhotoEvent
from labeller.bucket import Bucket
from labeller.clients import BATCH, Clients
from labeller.recognition import PhotoGoneError, Recognition, UnlabellableError
from labeller.redelivery import (
    NotAnEventError,
    Redelivery,
    code,
    is_bug,
    is_last_attempt,
    reason,
)
from labeller.store import Store

SPARE_SECONDS = 10
"""Seconds before the function's timeout at which it returns, even if photos are unfinished."""

TOMBSTONE_SECONDS = 30 * 24 * 3600
"""Seconds to keep the item of a removed photo: longer than an event waits in both queues (28 days)."""


class Handler:
    """Handles the batches of one process of the function. Thread-safe.

    `environ` are the environment variables. Raises KeyError if one is missing.
    """

    def __init__(self, clients: Clients, environ: Mapping[str, str]) -> None:
        self._bucket = Bucket(clients)
        self._recognition = Recognition(clients.rekognition, self._bucket, environ)
        self._store = Store(
            clients.dynamodb, environ["LABELCTL_PHOTOS_TABLE"], environ["LABELCTL_LABELS_TABLE"]
        )
        self._redelivery = Redelivery(
            clients, environ["LABELCTL_QUEUE"], environ["LABELCTL_DEAD_LETTERS"]
        )
        self._store_failing = Event()  # set while results cannot be stored

    def handle(self, event: dict[str, Any], context: Any) -> dict[str, Any]:
        """Process up to 10 SQS messages; returns those to retry as partial batch failures."""
        messages = event["Records"]
        seconds = context.get_remaining_time_in_millis() / 1000 - SPARE_SECONDS
        deadline = time.monotonic() + seconds
        pool = ThreadPoolExecutor(max_workers=BATCH)
        results = [pool.submit(self._process, message, deadline) for message in messages]
        # Return before the function's timeout, after which the whole batch would be retried.
        wait(results, timeout=seconds)
        pool.shutdown(wait=False, cancel_futures=True)
        return {
            "batchItemFailures": [
                {"itemIdentifier": message["messageId"]}
                for message, result in zip(messages, results, strict=True)
                if not _is_done(message, result)
            ]
        }

    def _process(self, message: dict[str, Any], deadline: float) -> bool:
        """Process a message; returns whether it can be deleted from the queue.

        At `deadline` (time.monotonic()) the handler has returned.
        """
        try:
            events = s3_events.parse_message(message["body"])
        except ValueError as error:
            return self._handle_failure(message, NotAnEventError(str(error)))
        failure: tuple[Exception, str] | None = None
        is_last = is_last_attempt(message)
        for event in events:
            started = time.monotonic()
            try:
                status, details = self._apply(event, deadline, is_last)
            except Exception as error:  # also a bug, which must not affect the other photos
                failure = (error, event.key)
            else:
                _log(event.key, status, ms=round((time.monotonic() - started) * 1000), **details)
        if failure and time.monotonic() > deadline:
            # The message is back in the queue, and another worker may have received it.
            return False
        return self._handle_failure(message, *failure) if failure else True

    def _handle_failure(
        self, message: dict[str, Any], error: Exception, image: str | None = None
    ) -> bool:
        """Back off or dead-letter the message; returns whether it can be deleted from the queue."""
        status, details = self._redelivery.handle_failure(message, error)
        details |= {"error": code(error), "reason": reason(error)}
        if is_bug(error):
            details["trace"] = "".join(traceback.format_exception(error))
        _log(image, status, message_id=message["messageId"], **details)
        return status == "dead_letter"

    def _apply(
        self, event: PhotoEvent, deadline: float, is_last: bool
    ) -> tuple[str, dict[str, Any]]:
        """Process an event; returns the status and details to log."""
        stored = self._store.photo(event.key)
        if event.kind == "unordered":
            last = stored["sequencer"] if stored else ""
            event = replace(event, sequencer=s3_events.next_sequencer(last))
        if stored and stored["sequencer"] >= event.sequencer:
            return "superseded", {}  # a duplicate or late event
        requested = event.kind == "requested"
        if requested or event.kind in ("version_removed", "unordered"):
            # A removed version may make the previous version current.
            event = self._bucket.current(event) or event
        if not requested and stored and _is_result_of(stored, event):
            # An old version was removed, or a delete marker whose event has not arrived yet; or a
            # request overtook S3's event.
            confirmed = self._store.confirm(stored, event.sequencer)
            return ("superseded", {}) if confirmed else self._apply(event, deadline, is_last)
        attempt = schema.new_attempt(time.time())
        if event.kind != "created":
            expires = int(time.time()) + TOMBSTONE_SECONDS
            return self._publish(schema.removed_item(event, attempt, _now(), expires), stored), {}
        if self._store_failing.is_set():
            self._store.try_writing(event.key)
            self._store_failing.clear()
        try:
            response = self._recognition.detect(event, deadline, is_last=is_last)
        except PhotoGoneError:
            return "superseded", {}  # replaced or removed since, for which there is another event
        except UnlabellableError as error:
            item = schema.failed_item(event, attempt, error.error, str(error), _now())
            return self._publish(item, stored), {"error": error.error, "reason": str(error)}
        item = schema.labelled_item(event, attempt, response, _now())
        details = {"labels": len(item["labels"]), "top": _top(item)}
        if "left_out" in item:
            details["left_out"] = item["left_out"]
        return self._publish(item, stored), details

    def _publish(self, item: dict[str, Any], previous: dict[str, Any] | None) -> str:
        try:
            stored = self._store.publish(item, previous)
        except Exception:
            self._store_failing.set()
            raise
        status: str = item["status"]
        return status if stored else "superseded"


def _is_done(message: dict[str, Any], result: Future[bool]) -> bool:
    if result.done() and not result.cancelled():
        return result.result()
    late = {"reason": "It took too long.", "message_id": message["messageId"]}
    _log(_image(message), "retrying", **late)
    return False


def _image(message: dict[str, Any]) -> str | None:
    try:
        return next((each.key for each in s3_events.parse_message(message["body"])), None)
    except ValueError:
        return None


def _is_result_of(stored: dict[str, Any], event: PhotoEvent) -> bool:
    """Return whether the stored result belongs to the version in the event."""
    has_result = event.kind == "created" and stored["status"] != schema.REMOVED
    return (
        has_result and event.version_id is not None and stored.get("version_id") == event.version_id
    )


def _top(item: dict[str, Any]) -> list[tuple[str, float]]:
    return [(name, float(item["labels"][name])) for name in item["top"]]


def _log(image: str | None, status: str, **details: Any) -> None:
    # ASCII JSON: line breaks and control characters in a key are escaped. A single write: the lines
    # of several threads do not mix.
    sys.stdout.write(json.dumps({"image": image, "status": status, **details}) + "\n")
    sys.stdout.flush()


def _now() -> str:
    return s3_events.format_time(datetime.now(UTC))
