"""The messages in the queue: what S3 says of photos, and what labelctl itself asks for.

The function and the command line both use it, so it imports the standard library only, makes no
calls, and is part of the function's zip, as is `schema`.
"""

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
"""The largest image that Rekognition reads from S3, in bytes [Rekognition, Guidelines and quotas]."""

MAX_KEY = 1024
"""The longest key, in bytes of UTF-8. [S3 User Guide, Naming objects]"""

MIN_SIDE = 80
MAX_SIDE = 10_000
"""The least and the greatest width and height, in pixels [the same page]."""

ERROR_ATTRIBUTE = "error"
REASON_ATTRIBUTE = "reason"
"""The message attributes of a dead letter that tell why the function gave it up: a code, a sentence."""

_REQUESTED = "labelctl:Requested"
_SEQUENCER_LENGTH = 32
_SEQUENCER = re.compile(r"([0-9A-Fa-f]{1,32})(:[0-9A-F]{8})?")


Kind = Literal["created", "removed", "version_removed", "requested"]


@dataclass(frozen=True)
class PhotoEvent:
    """One thing that happened to one photo, as S3 tells it.

    `version_removed`: one version was removed for good, which may or may not have been the newest.
    `requested`: nothing happened, but somebody wants the photo worked on as it lies in the bucket now
    (see `request`). `sequencer` is padded, so that comparing two of the same photo as text orders
    them. `version_id` and `etag` are None where S3 leaves them out (a bucket without versions; a
    removal).
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
    """A sequencer that can be compared as text: upper case, zeros to the left up to 32 characters.

    Source: S3 User Guide, "Event message structure": right of equal length, else pad to the left.
    A request's keeps the part that `next_sequencer` put behind. Raises ValueError for one that cannot
    be ordered so.
    """
    found = _SEQUENCER.fullmatch(sequencer)
    if not found:
        raise ValueError(f"not a sequencer: {sequencer!r}")
    return found[1].upper().rjust(_SEQUENCER_LENGTH, "0") + (found[2] or "")


def next_sequencer(last: str) -> str:
    """The sequencer of a request: right after `last`, and before whatever S3 tells later.

    `last` is the greatest (padded) sequencer that the table knows of the photo, "" for none. Asking
    twice before the first request is worked off gives the same one, and so costs nothing more.
    """
    base, _, count = last.partition(":")
    return f"{pad_sequencer(base or '0')}:{int(count or '0', 16) + 1:08X}"


def request(bucket: str, key: str, sequencer: str, at: str) -> str:
    """The body of a message that has the function look at one photo again.

    It labels the photo that lies in the bucket under `key` by then, or removes what is stored of one
    that is gone. `sequencer` is from `next_sequencer`, `at` ISO 8601 in UTC.
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
    """The photo events in one queue message; none for the test event S3 sends at configuration.

    Keys arrive URL-encoded with `+` for a space. Of `eventVersion` only the major number is checked:
    within it S3 promises compatibility. Events other than created and removed are passed over, and so
    is a folder that was created.

    Raises ValueError for a body that is not an S3 notification.
    """
    try:
        message = json.loads(body)
    except ValueError as error:
        raise ValueError(f"not an S3 notification: no JSON ({error})") from error
    except RecursionError as error:
        raise ValueError("not an S3 notification: nested too deeply") from error
    if not isinstance(message, dict):
        raise ValueError("not an S3 notification: no object")
    if message.get("Event") == "s3:TestEvent":
        return []
    records = message.get("Records")
    if not isinstance(records, list):
        raise ValueError("not an S3 notification: no Records")
    try:
        events = [_parse_record(record) for record in records]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not an S3 notification: {error!r}") from error
    return [event for event in events if event is not None]


def _parse_record(record: Mapping[str, Any]) -> PhotoEvent | None:
    if record["eventVersion"].split(".")[0] != "2":
        raise ValueError(f"eventVersion {record['eventVersion']} is not known")
    photo = record["s3"]["object"]
    family, _, event = record["eventName"].removeprefix("s3:").partition(":")
    kind: Kind
    if record["eventName"] == _REQUESTED:
        kind = "requested"
    elif family == "ObjectCreated":
        kind = "created"
    elif family not in ("ObjectRemoved", "LifecycleExpiration"):
        return None
    elif event == "Delete" and photo.get("versionId"):
        kind = "version_removed"
    else:
        kind = "removed"
    told = PhotoEvent(
        bucket=_checked(record["s3"]["bucket"]["name"], str),
        key=_key(unquote_plus(photo["key"])),
        kind=kind,
        sequencer=pad_sequencer(photo["sequencer"]),
        version_id=known_version(_checked(photo.get("versionId"), str, NoneType)),
        etag=_checked(photo.get("eTag"), str, NoneType),
        size=_checked(photo.get("size"), int, NoneType),
        at=_checked(record["eventTime"], str),
    )
    return None if kind == "created" and is_folder(told.key, told.size) else told


def _key(key: str) -> str:
    # What cannot be encoded raises a ValueError, too.
    if not 0 < len(key.encode()) <= MAX_KEY:
        raise ValueError(f"not an S3 notification: no key of 1 to {MAX_KEY:,} bytes")
    return key


def _checked(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise TypeError(f"{value!r} is not {' or '.join(kind.__name__ for kind in kinds)}")
    return value


def known_version(version_id: str | None) -> str | None:
    """A version's id, and None for "null": what S3 calls the one version of a key without versions.

    What lies under "null" changes, so that it is the ETag which tells one from another.
    """
    return None if version_id == "null" else version_id


def is_folder(key: str, size: int | None) -> bool:
    """Whether an object of so many bytes is a folder of the S3 console, and so no photo.

    "Create folder" makes an object of 0 bytes whose key ends with a slash. [S3 User Guide, "Organizing
    objects in the Amazon S3 console by using folders"] Where no size is told, it is none.
    """
    return size == 0 and key.endswith("/")


def iso(moment: datetime) -> str:
    """A moment as S3 writes it in events: ISO 8601 in UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
