"""How results are stored: the items of the tables `Photos` and `Labels`.

The function writes them and the command line reads them. The standard library is all it imports, it
makes no calls, and it is part of the function's zip, as is `contract`.

`Photos` has one item per photo (partition key `image`, the S3 key) with its whole result, so that one
conditional PutItem publishes it and one GetItem reads it:

    image         holiday/beach.jpg
    status        labelled, failed or removed
    labels        {"Beach": 99.2, "Dog": 98.1}
    details       {"Dog": {"parents": ["Animal"], "boxes": [...]}}, for labels that have any
    sequencer     the event that it answers
    attempt       who answered it, and when

`Labels` is an index of them, one small item per label of a photo, which can be rebuilt from `Photos`:

    label         dog (partition key)
    rank          001.900 holiday/beach.jpg 6a1f9c0d2e4b7788 (sort key: surest first, then by photo)
    image         holiday/beach.jpg
    uploaded_at   2030-01-01T12:00:00.000Z (sort key of the index `by-date`)

Index items are hints: a search reads the photo's item before it shows anything. They belong to one
attempt and are written before its photo's item, so a photo that shows a label can be found by it;
those of the result that it replaces are deleted afterwards.
"""

from __future__ import annotations

import json
import secrets
import zlib
from collections.abc import Iterable, Mapping
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from labelctl.contract import PhotoEvent

STATE_INDEX = "by-state"
"""The index of `Photos` by state: partition key `state_shard`, sort key `done_at`."""

DATE_INDEX = "by-date"
"""The index of `Labels` by time: partition key `label`, sort key `uploaded_at`."""

SHARDS = 4
"""The keys that the photos of one state are spread over in `STATE_INDEX`.

One key takes 1,000 writes a second, a photo labelled again takes two. [DynamoDB Developer Guide,
"Understanding GSI write throttling and back pressure"]
"""

VOCABULARY = "VOCABULARY"
"""The partition of `Labels` with one item per label that some photo has or had (sort key: the label).

No label is written like this: see `label_of`.
"""

LABELLED = "labelled"
FAILED = "failed"
REMOVED = "removed"


_TOP = 3
_MAX_ITEM = 400_000
"""Bytes of an item. DynamoDB takes 400 KB. [Developer Guide, "Constraints"]"""
_LONGEST_RANK = 900  # bytes of a photo's key in a sort key, which takes 1,024


def decimals(value: Any) -> Any:
    """The same JSON-like value with Decimal for float: DynamoDB takes no floats."""
    return json.loads(json.dumps(value), parse_float=Decimal)


def new_attempt(now: float) -> str:
    """The name of one attempt at labelling a photo: when it began (seconds since 1970), and at random.

    The time distinguishes index items that belong to no photo from those of an attempt in progress.
    """
    return f"{int(now):08x}{secrets.token_hex(4)}"


def attempt_time(attempt: str) -> int:
    """When an attempt began, in seconds since 1970."""
    return int(attempt[:8], 16)


def label_of(name: str) -> str:
    """A label's name as it is stored and searched for: case and surplus spaces do not matter."""
    return " ".join(name.split()).casefold()


def labelled_item(
    event: PhotoEvent, attempt: str, answer: Mapping[str, Any], now: str
) -> dict[str, Any]:
    """The item of a photo with the labels of a DetectLabels answer. `now` is ISO 8601 in UTC.

    Confidence is 0 to 100; boxes are ratios (0 to 1) of the upright picture. Of two labels with one
    name the surer stays. Lists that are empty are left out. What does not fit into an item is left
    out too, the boxes of the least sure labels first, and `left_out` counts it.
    """
    found = {label_of(each["Name"]): each for each in sorted(answer["Labels"], key=_confidence)}
    labels = sorted(found.values(), key=lambda each: (-each["Confidence"], each["Name"]))
    item = {
        **_item(event, attempt, LABELLED, now),
        "model_version": answer.get("LabelModelVersion", ""),
        "label_count": len(labels),
        "top": [each["Name"] for each in labels[:_TOP]],
        "labels": {each["Name"]: each["Confidence"] for each in labels},
        "details": {each["Name"]: details for each in labels if (details := _details(each))},
    }
    if properties := answer.get("ImageProperties"):
        item["properties"] = properties
    stored: dict[str, Any] = decimals(item)
    _fit(stored)
    return stored


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
    """Leave out what an item has no room for: boxes of the least sure labels, then those labels."""
    size, labels, boxes = size_of(item), 0, 0
    for name in reversed(item["labels"]):
        if size <= _MAX_ITEM:
            break
        if some := item["details"].get(name, {}).pop("boxes", ()):
            size -= size_of({"boxes": some}) + 1
            boxes += len(some)
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
        item["top"] = [*item["labels"]][:_TOP]


def size_of(item: Mapping[str, Any]) -> int:
    """An item's size in bytes. [DynamoDB Developer Guide, "DynamoDB item sizes and formats"]"""
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
    """The item of a photo that cannot be labelled: `error` is a code, `reason` a sentence."""
    return {**_item(event, attempt, FAILED, now), "error": error, "reason": reason}


def removed_item(event: PhotoEvent, attempt: str, now: str, expires: int) -> dict[str, Any]:
    """The item of a photo that is gone, kept so that a late event does not bring it back.

    DynamoDB may delete it at `expires`, in seconds since 1970.
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
    """The keys of `STATE_INDEX` under which the photos of a state are."""
    return [f"{status}#{number}" for number in range(SHARDS)]


def state_shard(status: str, image: str) -> str:
    """The key of `STATE_INDEX` for one photo."""
    return state_shards(status)[zlib.crc32(image.encode()) % SHARDS]


def index_items(photo: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of `Labels` that lead to a photo, from its own item; none unless it is labelled."""
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
    """The sort key of an index item: the surest first, of equals in the order of their keys.

    It begins with how much the confidence lacks to 100, rounded down, so that `confidence_of` is
    never less than the label's. A long key is cut.
    """
    shown = image.encode()[:_LONGEST_RANK].decode(errors="ignore")
    return f"{_lacking(confidence)} {shown} {attempt}"


def rank_limit(confidence: Decimal) -> str:
    """What no rank of a label of at least this confidence exceeds."""
    return f"{_lacking(confidence)}~"


def confidence_of(rank: str) -> Decimal:
    """The most confidence that a label of this rank can have."""
    return 100 - Decimal(rank[:7])


def attempt_of(rank: str) -> str:
    """The attempt that an index item belongs to."""
    return rank.rpartition(" ")[2]


def _lacking(confidence: Decimal) -> str:
    lacking = (Decimal(100) - confidence).quantize(Decimal("0.001"), rounding=ROUND_FLOOR)
    return f"{max(lacking, Decimal(0)):07.3f}"


def vocabulary_items(photo: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The items of the vocabulary for a photo's labels: how each is written, and its relations.

    By them a search finds a label by its aliases, and labels that are spelt alike, or in a category,
    without looking at photos. An item stays when the last photo with the label goes.
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
