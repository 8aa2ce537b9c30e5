"""What the function writes and the command line reads: the one module that both carry.

It knows how S3 tells of a photo (and how labelctl itself asks for one to be worked on again), how a
photo's result is laid out in the table, and how versions of a photo are ordered. It imports the
standard library only, makes no calls, and rides in the function's zip, so that the two sides can
never disagree.

The table, partition key `image` (the S3 key), sort key `row`:

    image      row                        what
    a.jpg      #                          the header: status, version, labels, reason, counts, when
    a.jpg      00..6A1F.9c0d2e4b#dog      one label of the version 00..6A1F.9c0d2e4b
    a.jpg      00..6A1F.9c0d2e4b#pet      another
    #labels    ~dog                       a label that some photo has or had: the vocabulary

A *version* is the event's sequencer and a random attempt, so that two workers (or one that was
killed and its successor) never write into each other's rows. Rows are written first and the header
after them, on the condition that the one there is older; a reader takes only the rows whose version
the header names. So a photo's labels are those of one answer about one version of it, always.

Two indexes of the label rows, surest and newest first, lead from a label to photos. What they tell
may be old by now; the header names all labels that count, so that one look at it settles a query.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Literal
from urllib.parse import quote_plus, unquote_plus

HEADER = "#"
"""The sort key of a photo's header row: before every label row, as those begin with a digit."""

STATUS_INDEX = "by-status"
"""The index of the header rows: partition key `status`, sort key `done_at`."""

CONFIDENCE_INDEX = "by-confidence"
"""An index of the label rows: partition key `label`, sort key `confidence`."""

DATE_INDEX = "by-date"
"""The other index of the label rows: partition key `label`, sort key `uploaded_at`."""

VOCABULARY = "#labels"
"""The partition of the vocabulary. A photo may be called the same: its rows are told by `WORD`."""

WORD = "~"
"""How the sort key of a row of the vocabulary begins, and that of no other row."""

LABELLED = "labelled"
FAILED = "failed"
REMOVED = "removed"

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
_TOP = 3


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


def decimals(value: Any) -> Any:
    """The same JSON-like value with Decimal for float: DynamoDB takes no floats."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def version_of(event: PhotoEvent, attempt: str) -> str:
    """The version under which one attempt (a short random text) at one event stores its rows."""
    return f"{event.sequencer}.{attempt}"


def rows_up_to(event: PhotoEvent) -> tuple[str, str]:
    """The range of sort keys of all label rows that are not of a newer event than this one.

    A request's rows ("6A1F:00000001.…") sort behind those of the event before it ("6A1F.…").
    """
    return "0", event.sequencer + ".~"


def version_of_row(row: str) -> str:
    """The version a label row belongs to, from its sort key."""
    return row.partition("#")[0]


def sequencer_of_row(row: str) -> str:
    """The sequencer of the event that a label row was written for, from its sort key."""
    return version_of_row(row).partition(".")[0]


def label_of(name: str) -> str:
    """A label's name as it is searched for: case and surplus spaces do not matter."""
    return " ".join(name.split()).casefold()


def label_rows(
    event: PhotoEvent, version: str, labels: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One row for each label in a DetectLabels answer.

    A label can lack every list (the service leaves out what is empty); a row always has them all. Of
    two labels with one name the surer stands: a row's key has room for one.
    Boxes are ratios of the upright picture, 0 to 1; confidence is 0 to 100.
    """
    rows = []
    by_label = {
        label_of(label["Name"]): label
        for label in sorted(labels, key=lambda each: each["Confidence"])
    }
    for key, label in by_label.items():
        name = label["Name"]
        boxes = [
            {
                **{side.lower(): instance["BoundingBox"].get(side, 0.0) for side in _SIDES},
                "confidence": instance.get("Confidence", label["Confidence"]),
            }
            for instance in label.get("Instances", ())
            if instance.get("BoundingBox")
        ]
        rows.append(
            {
                "image": event.key,
                "row": f"{version}#{key}",
                "label": key,
                "name": name,
                "confidence": decimals(float(label["Confidence"])),
                "uploaded_at": event.at,
                "categories": _names(label.get("Categories", ())),
                "parents": _names(label.get("Parents", ())),
                "aliases": _names(label.get("Aliases", ())),
                "boxes": decimals(boxes),
            }
        )
    return rows


_SIDES = ("Left", "Top", "Width", "Height")


def _names(values: Iterable[Mapping[str, str]]) -> list[str]:
    return [value["Name"] for value in values]


def word(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row of the vocabulary that tells of a label row's label: its name and relations.

    By it a search finds a label by its aliases, and labels that are spelt alike, or in a category,
    without looking at photos. A word stays when the last photo with the label goes.
    """
    known = {name: row[name] for name in ("name", "categories", "parents", "aliases")}
    return {"image": VOCABULARY, "row": WORD + row["label"], **known}


def surest(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Label rows in the order in which people read them: surest first, equals by name."""
    return sorted(rows, key=lambda row: (-row["confidence"], row["name"]))


def labelled_header(
    event: PhotoEvent,
    version: str,
    rows: list[dict[str, Any]],
    answer: Mapping[str, Any],
    now: str,
) -> dict[str, Any]:
    """The header of a photo whose labels are stored. `now` is ISO 8601 in UTC."""
    header = _header(event, version, LABELLED, now)
    header["model_version"] = answer.get("LabelModelVersion", "")
    header["label_count"] = len(rows)
    header["labels"] = {row["name"]: row["confidence"] for row in surest(rows)}
    header["top"] = list(header["labels"])[:_TOP]
    if properties := answer.get("ImageProperties"):
        header["properties"] = decimals(properties)
    return header


def failed_header(
    event: PhotoEvent, version: str, error: str, reason: str, now: str
) -> dict[str, Any]:
    """The header of a photo that cannot be labelled: `error` is a code, `reason` a sentence."""
    return {**_header(event, version, FAILED, now), "error": error, "reason": reason}


def tombstone(event: PhotoEvent, version: str, now: str, expires: int) -> dict[str, Any]:
    """The header of a photo that is gone, kept so that a late event does not bring it back.

    `expires` is when DynamoDB may drop it, in seconds since 1970.
    """
    return {**_header(event, version, REMOVED, now), "expires": expires}


def _header(event: PhotoEvent, version: str, status: str, now: str) -> dict[str, Any]:
    header = {
        "image": event.key,
        "row": HEADER,
        "status": status,
        "version": version,
        "sequencer": event.sequencer,
        "version_id": event.version_id,
        "etag": event.etag,
        "size": event.size,
        "uploaded_at": event.at,
        "done_at": now,
    }
    return {name: value for name, value in header.items() if value is not None}
