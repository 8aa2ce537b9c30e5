"""Messages in the queue: S3 event notifications, and labelctl's own requests to process a photo."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import NoneType
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

MAX_BYTES = 15 * 1024 * 1024
"""Maximum size of an image in S3, in bytes. [Rekognition, Guidelines and quotas]"""

MAX_KEY = 1024
"""Maximum length of a key, in bytes of UTF-8. [S3 User Guide, Naming objects]"""

MIN_SIDE = 80
MAX_SIDE = 10_000
"""Minimum and maximum width and height, in pixels. [Rekognition, Guidelines and quotas]"""

ERROR_ATTRIBUTE = "error"
REASON_ATTRIBUTE = "reason"
"""Message attributes of a dead letter: an error code, and a sentence saying why it failed."""

_REQUESTED = "labelctl:Requested"
_SEQUENCER_LENGTH = 32
_SEQUENCER = re.compile(r"([0-9A-Fa-f]{1,32})(:[0-9A-F]{8})?")


Kind = Literal["created", "removed", "version_removed", "unordered", "requested"]


@dataclass(frozen=True)
class PhotoEvent:
    """An event of one photo.

    `kind` is one of:
    - `created`: a new version was uploaded;
    - `removed`: the photo was deleted;
    - `version_removed`: one version, not necessarily the newest, was deleted permanently;
    - `unordered`: one of the above without a sequencer, so that only the bucket shows the latest state;
    - `requested`: labelctl asked to process the photo as it is now (see `request`).

    `sequencer` is padded: comparing two sequencers of the same photo as text gives their order. It is
    empty if the event is unordered.
    `version_id` and `etag` are None where S3 omits them (unversioned bucket, removal). `size` is in
    bytes. `at` is ISO 8601 in UTC.
    """

    bucket: str
    key: str
    kind: Kind
    sequencer: str
    version_id: str | None
    etag: str | None
    size: int | None
    at: str


def pad_sequencer(sequencer: str) -> str:
    """Return a sequencer that can be compared as text: upper case, zero-padded to 32 characters.

    Source: S3 User Guide, "Event message structure". The suffix added by `next_sequencer` is kept.
    Raises ValueError for text that is not a sequencer.
    """
    match = _SEQUENCER.fullmatch(sequencer)
    if not match:
        raise ValueError(f"not a sequencer: {sequencer!r}")
    return match[1].upper().rjust(_SEQUENCER_LENGTH, "0") + (match[2] or "")


def next_sequencer(last: str) -> str:
    """Return the sequencer of a request: it follows `last` and precedes every later S3 event.

    `last` is the padded sequencer stored for the photo, or "" if there is none. Two requests made
    before the first is processed get the same sequencer, so the second costs nothing.
    """
    base, _, count = last.partition(":")
    return f"{pad_sequencer(base or '0')}:{int(count or '0', 16) + 1:08X}"


def request(bucket: str, key: str, sequencer: str, at: str) -> str:
    """Return the body of a message that makes the function process one photo again.

    The function labels the object stored under `key` at that time, or removes the result if the
    object is gone. `sequencer` comes from `next_sequencer`; `at` is ISO 8601 in UTC.
    """
    record = {
        "eventVersion": "2.1",
        "eventSource": "labelctl",
        "eventName": _REQUESTED,
        "eventTime": at,
        "s3": {
            "bucket": {"name": bucket},
            "object": {"key": quote_plus(key), "sequencer": sequencer},
        },
    }
    return json.dumps({"Records": [record]})


def parse_message(body: str) -> list[PhotoEvent]:
    """Return the photo events in one queue message.

    Events other than creation and removal are ignored, and so are new folders and the test event
    that S3 sends when notifications are configured. Keys arrive URL-encoded, with `+` for a space.
    Only the major number of `eventVersion` is checked, because S3 keeps minor versions compatible.
    [S3 User Guide, "Event message structure"] S3 may send events through an SNS topic, which wraps
    them unless raw message delivery is enabled. [SNS Developer Guide, "Fanout to Amazon SQS queues"]

    Raises ValueError for a body that is not an S3 notification.
    """
    message = _parse_object(body)
    if message.get("Type") == "Notification":
        message = _parse_object(message.get("Message"))
    if message.get("Event") == "s3:TestEvent":
        return []
    if message.get("source") == "aws.s3" and "detail" in message:
        raise ValueError(
            "not an S3 notification: events of EventBridge are not supported. "
            "Configure the bucket to notify the queue, or an SNS topic."
        )
    records = message.get("Records")
    if not isinstance(records, list):
        raise ValueError("not an S3 notification: no Records")
    try:
        events = [_parse_record(record) for record in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an S3 notification: {error!r}") from error
    return [event for event in events if event is not None]


def _parse_object(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        raise ValueError("not an S3 notification: not text")
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ValueError(f"not an S3 notification: not JSON ({error})") from error
    except RecursionError as error:
        raise ValueError("not an S3 notification: nested too deeply") from error
    if not isinstance(value, dict):
        raise ValueError("not an S3 notification: not an object")
    return value


def _parse_record(record: Mapping[str, Any]) -> PhotoEvent | None:
    if record["eventVersion"].split(".")[0] != "2":
        raise ValueError(
            f"eventVersion {record['eventVersion']} is not supported. If there is a newer labelctl, "
            "install it, deploy, and retry."
        )
    photo = record["s3"]["object"]
    family, _, event = record["eventName"].removeprefix("s3:").partition(":")
    kind: Kind
    if record["eventName"] == _REQUESTED:
        kind = "requested"
    elif family not in ("ObjectCreated", "ObjectRemoved", "LifecycleExpiration"):
        return None
    elif photo.get("sequencer") is None:
        kind = "unordered"
    elif event == "Delete" and photo.get("versionId"):
        kind = "version_removed"
    else:
        kind = "created" if family == "ObjectCreated" else "removed"
    parsed = PhotoEvent(
        bucket=_checked(record["s3"]["bucket"]["name"], str),
        key=_key(unquote_plus(photo["key"])),
        kind=kind,
        sequencer="" if kind == "unordered" else pad_sequencer(photo["sequencer"]),
        version_id=normalize_version_id(_checked(photo.get("versionId"), str, NoneType)),
        etag=_checked(photo.get("eTag"), str, NoneType),
        size=_checked(photo.get("size"), int, NoneType),
        at=_checked(record["eventTime"], str),
    )
    return None if kind == "created" and is_folder(parsed.key, parsed.size) else parsed


def _key(key: str) -> str:
    # encode() raises UnicodeEncodeError, a ValueError, for an invalid key.
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise ValueError(f"not an S3 notification: the key is not 1 to {MAX_KEY:,} bytes long")
    return key


def _checked(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"{value!r} is not {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def normalize_version_id(version_id: str | None) -> str | None:
    """Return a version id, or None for "null", which S3 uses for objects without versioning.

    Uploads replace the "null" version, so such objects are distinguished by their ETag.
    """
    return None if version_id == "null" else version_id


def is_folder(key: str, size: int | None) -> bool:
    """Return whether an object is a folder created in the S3 console, and so not a photo.

    "Create folder" makes an empty object whose key ends with a slash. [S3 User Guide, "Organizing
    objects in the Amazon S3 console by using folders"] An object of unknown size is not a folder.
    """
    return size == 0 and key.endswith("/")


def format_time(moment: datetime) -> str:
    """Format a time as S3 does in events: ISO 8601 in UTC, with milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
