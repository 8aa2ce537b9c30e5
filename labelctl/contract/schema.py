"""The items of the tables `Photos` and `Labels`: the function writes them, the command line reads them.

`Photos` has one item per photo (partition key `image`, the S3 key) with its complete result, so that
one conditional PutItem publishes it and one GetItem reads it:

    image         holiday/beach.jpg
    status        labelled, failed or removed
    labels        {"Beach": 99.2, "Dog": 98.1}
    details       {"Dog": {"parents": ["Animal"], "boxes": [...]}}, for labels that have any
    sequencer     the event that led to this result
    attempt       the attempt that produced it (see `new_attempt`)

`Labels` is an index with one small item per label of a photo. It can be rebuilt from `Photos`:

    label         dog (partition key)
    rank          001.900 holiday/beach.jpg 6a1f9c0d2e4b7788 (sort key: by confidence, then by photo)
    image         holiday/beach.jpg
    uploaded_at   2030-01-01T12:00:00.000Z (sort key of the index `by-date`)

Index items are only hints: a search reads the photo's item before it shows a photo. The index items
of an attempt are written before the photo's item, so every published label can be found. The index
items of the replaced result are deleted afterwards.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from labelctl.contract.s3_events import PhotoEvent

STATE_INDEX = "by-state"
"""Index of `Photos` by state: partition key `state_shard`, sort key `done_at`."""

DATE_INDEX = "by-date"
"""Index of `Labels` by upload time: partition key `label`, sort key `uploaded_at`."""

SHARDS = 4
"""The number of partition keys that the photos of one state are spread over in `STATE_INDEX`.

One key accepts 1,000 writes a second, and relabelling a photo takes two. [DynamoDB Developer Guide,
"Understanding GSI write throttling and back pressure"]
"""

VOCABULARY = "VOCABULARY"
"""The partition of `Labels` with one item for each label ever found (sort key: the label).

It cannot be confused with a label, because labels are stored in lower case (see `label_of`).
"""

LABELLED = "labelled"
FAILED = "failed"
REMOVED = "removed"


COLORS = "Colors and Visual Composition"
"""The category of colours. [Rekognition Developer Guide, "Label categories"]"""

_TOP = 3
_MAX_ITEM = 400_000
"""Maximum size of an item, in bytes. [DynamoDB Developer Guide, "Constraints": 400 KB]"""
_MAX_RANK_KEY = 900  # bytes of a photo's key in a sort key, which may have 1,024


def decimals(value: Any) -> Any:
    """Return a JSON-like value with each float replaced by a Decimal, as DynamoDB requires."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def new_attempt(now: float) -> str:
    """Return a unique id for an attempt to label a photo, from its start in seconds since 1970.

    The time distinguishes orphaned index items from those of an attempt that is still running.
    """
    return f"{int(now):08x}{secrets.token_hex(4)}"


def attempt_time(attempt: str) -> int:
    """Return the start time of an attempt, in seconds since 1970."""
    return int(attempt[:8], 16)


def label_of(name: str) -> str:
    """Return the form of a label's name that is stored and searched: lower case, single spaces."""
    return " ".join(name.split()).casefold()


def labelled_item(
    event: PhotoEvent, attempt: str, response: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """Return the item of a labelled photo, from a DetectLabels response. `now` is ISO 8601 in UTC.

    Confidence is 0 to 100; boxes are ratios (0 to 1) of the upright image. If two labels have the
    same name, the more confident one is kept. Empty lists are omitted. If the item would exceed
    DynamoDB's limit, boxes and then labels are dropped, the least confident first; `left_out`
    counts them.
    """
    found = {label_of(each["Name"]): each for each in sorted(response["Labels"], key=_confidence)}
    labels = sorted(found.values(), key=lambda each: (-each["Confidence"], each["Name"]))
    item = {
        **_item(event, attempt, LABELLED, now),
        "model_version": response.get("LabelModelVersion", ""),
        "label_count": len(labels),
        "labels": {each["Name"]: each["Confidence"] for each in labels},
        "details": {each["Name"]: details for each in labels if (details := _details(each))},
    }
    item["top"] = _top(item)
    if properties := response.get("ImageProperties"):
        item["properties"] = properties
    stored: dict[str, Any] = decimals(item)
    _fit(stored)
    return stored


def _top(item: Mapping[str, Any]) -> list[str]:
    details = item["details"]
    return specific_labels({name: details.get(name, {}) for name in item["labels"]})[:_TOP]


def specific_labels(labels: Mapping[str, Mapping[str, Sequence[str]]]) -> list[str]:
    """Return the labels that say most, from labels with their `parents` and `categories`.

    These are no other label's parent, and colours only if there is nothing else: "Cat" says more
    than "Animal" and "Gray".
    """
    parents = {parent for about in labels.values() for parent in about.get("parents", ())}
    specific = [name for name in labels if name not in parents] or list(labels)
    subjects = [name for name in specific if COLORS not in labels[name].get("categories", ())]
    return subjects or specific


def _confidence(label: Mapping[str, Any]) -> float:
    return float(label["Confidence"])


def _details(label: Mapping[str, Any]) -> dict[str, Any]:
    details = {
        "categories": _names(label.get("Categories", ())),
        "parents": _names(label.get("Parents", ())),
        "aliases": _names(label.get("Aliases", ())),
        "boxes": [
            {
                **{side.lower(): instance["BoundingBox"].get(side, 0.0) for side in _SIDES},
                "confidence": instance.get("Confidence", label["Confidence"]),
            }
            for instance in label.get("Instances", ())
            if instance.get("BoundingBox")
        ],
    }
    return {name: value for name, value in details.items() if value}


_SIDES = ("Left", "Top", "Width", "Height")


def _names(values: Iterable[Mapping[str, str]]) -> list[str]:
    return [value["Name"] for value in values]


def _fit(item: dict[str, Any]) -> None:
    """Drop boxes, then labels, the least confident first, until the item fits."""
    size, labels, boxes = size_of(item), 0, 0
    for name in reversed(item["labels"]):
        if size <= _MAX_ITEM:
            break
        if dropped := item["details"].get(name, {}).pop("boxes", ()):
            size -= size_of({"boxes": dropped}) + 1
            boxes += len(dropped)
    for name in reversed([*item["labels"]]):
        if size <= _MAX_ITEM:
            break
        size -= size_of({name: item["labels"].pop(name)}) + 1
        if name in item["details"]:
            size -= size_of({name: item["details"].pop(name)}) + 1
        labels += 1
    if labels or boxes:
        item["left_out"] = {"labels": labels, "boxes": boxes}
        item["label_count"] = len(item["labels"])
        item["top"] = _top(item)


def size_of(item: Mapping[str, Any]) -> int:
    """Return the size of an item in bytes. [Developer Guide, "DynamoDB item sizes and formats"]"""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return 3 + len(value) + size_of(value)
    if isinstance(value, list):
        return 3 + len(value) + sum(map(_size, value))
    if value is None or isinstance(value, bool):
        return 1
    return (len(Decimal(value).normalize().as_tuple().digits) + 1) // 2 + 1


def failed_item(
    event: PhotoEvent, attempt: str, error: str, reason: str, now: str
) -> dict[str, Any]:
    """Return the item of a photo that cannot be labelled: `error` is a code, `reason` a sentence."""
    return {**_item(event, attempt, FAILED, now), "error": error, "reason": reason}


def removed_item(event: PhotoEvent, attempt: str, now: str, expires: int) -> dict[str, Any]:
    """Return the item of a removed photo, kept so that a late event does not restore its result.

    DynamoDB deletes it after `expires`, in seconds since 1970.
    """
    return {**_item(event, attempt, REMOVED, now), "expires": expires}


def _item(event: PhotoEvent, attempt: str, status: str, now: str) -> dict[str, Any]:
    item = {
        "image": event.key,
        "status": status,
        "state_shard": None if status == REMOVED else state_shard(status, event.key),
        "sequencer": event.sequencer,
        "attempt": attempt,
        "version_id": event.version_id,
        "etag": event.etag,
        "size": event.size,
        "uploaded_at": event.at,
        "done_at": now,
    }
    return {name: value for name, value in item.items() if value is not None}


def state_shards(status: str) -> list[str]:
    """Return the partition keys of `STATE_INDEX` for all photos in a state."""
    return [f"{status}#{number}" for number in range(SHARDS)]


def state_shard(status: str, image: str) -> str:
    """Return the partition key of `STATE_INDEX` for one photo."""
    return state_shards(status)[zlib.crc32(image.encode()) % SHARDS]


def index_items(photo: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the items of `Labels` for a photo's item; none unless it is labelled."""
    return [
        {
            "label": label_of(name),
            "rank": rank(confidence, photo["image"], photo["attempt"]),
            "image": photo["image"],
            "uploaded_at": photo["uploaded_at"],
        }
        for name, confidence in photo.get("labels", {}).items()
    ]


def rank(confidence: Decimal, image: str, attempt: str) -> str:
    """Return the sort key of an index item: most confident first, then by the photo's key.

    It starts with 100 minus the confidence, rounded down so that `confidence_of` is never less than
    the label's confidence. A long key is truncated.
    """
    key = image.encode()[:_MAX_RANK_KEY].decode(errors="ignore")
    return f"{_inverted(confidence)} {key} {attempt}"


def rank_limit(confidence: Decimal) -> str:
    """Return an upper bound for the ranks of labels with at least this confidence."""
    return f"{_inverted(confidence)}~"


def confidence_of(rank: str) -> Decimal:
    """Return the maximum confidence of a label with this rank."""
    return 100 - Decimal(rank[:7])


def attempt_of(rank: str) -> str:
    """Return the attempt that wrote the index item with this rank."""
    return rank.rpartition(" ")[2]


def _inverted(confidence: Decimal) -> str:
    inverted = (Decimal(100) - confidence).quantize(Decimal("0.001"), rounding=ROUND_FLOOR)
    return f"{max(inverted, Decimal(0)):07.3f}"


def vocabulary_items(photo: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the vocabulary items of a photo's labels: the spelling and relations of each.

    A search uses them to find labels by alias, category or similar spelling without reading photos.
    An item remains when the last photo with the label is removed.
    """
    return [
        {
            "label": VOCABULARY,
            "rank": label_of(name),
            "name": name,
            **{
                relation: photo["details"].get(name, {}).get(relation, [])
                for relation in ("categories", "parents", "aliases")
            },
        }
        for name in photo["labels"]
    ]
