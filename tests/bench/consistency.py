"""What the bucket and both tables hold, read with boto3 alone, and whether they agree.

This is a second opinion: it shares no code with labelctl beyond the names of the items' attributes,
reads everything into memory, and wants the pipeline to be at rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.bench.cloud import Trial

VOCABULARY = "VOCABULARY"
Item = Mapping[str, Any]


@dataclass(frozen=True)
class Expected:
    """What must become of a photo: its status, and a label that only its newest version gets."""

    status: str
    label: str = ""


@dataclass
class Books:
    """How many photos have each status, what is wrong (sentences that begin with a photo's key), and
    how many index items lead nowhere: killed workers leave some, and searches pass over them."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unused: int = 0


def check(cloud: Trial, expected: Mapping[str, Expected]) -> Books:
    """Compare what is there with what is expected, and the tables with each other."""
    there = dict(_newest(cloud))
    items = {item["image"]: item for item in cloud.items("Table")}
    index: dict[str, list[Item]] = defaultdict(list)
    words = set()
    for item in cloud.items("LabelsTable"):
        if item["label"] == VOCABULARY:
            words.add(item["name"])
        else:
            index[item["image"]].append(item)
    books = Books()
    books.wrong += [
        f"{key}: was uploaded and is not in the bucket" for key in set(expected) - set(there)
    ]
    books.wrong += [
        f"{key}: is in the bucket, but nobody sent it" for key in set(there) - set(expected)
    ]
    for key in set(there) | set(items) | set(index):
        if key not in items:
            books.unused += len(index[key])
            if key in there:
                books.wrong.append(f"{key}: has no item")
            continue
        item = items[key]
        books.statuses[item["status"]] += 1
        ours = [each for each in index[key] if each["rank"].endswith(f" {item['attempt']}")]
        books.unused += len(index[key]) - len(ours)
        faults = [
            *_faults(item, there.get(key), expected.get(key)),
            *_index_faults(item, ours),
            *(f"the vocabulary lacks {name}" for name in item.get("labels", {}).keys() - words),
        ]
        books.wrong += [f"{key}: {fault}" for fault in faults]
    books.wrong.sort()
    return books


def _faults(item: Item, version: str | None, wanted: Expected | None) -> Iterator[str]:
    labels = item.get("labels", {})
    if len(labels) != item.get("label_count", 0):
        yield f"{len(labels)} labels, but it counts {item.get('label_count', 0)}"
    if bool(labels) > (item["status"] == "labelled"):
        yield f"it is {item['status']} and has labels"
    if version is None:
        if item["status"] != "removed":
            yield f"it is gone, but {item['status']}"
        return
    if item.get("version_id") != version:
        yield f"the item is of version {item.get('version_id')}, the photo is {version}"
    if wanted and item["status"] != wanted.status:
        yield f"{item['status']} ({item.get('reason')}), should be {wanted.status}"
    if wanted and wanted.label and wanted.label not in labels:
        yield f"no label {wanted.label}: they are of another version"


def _index_faults(item: Item, ours: list[Item]) -> Iterator[str]:
    """What is wrong with the index items of a photo's own attempt."""
    labels = {name.lower(): confidence for name, confidence in item.get("labels", {}).items()}
    found = {each["label"]: each for each in ours}
    if len(found) != len(ours):
        yield "two index items for one label"
    if labels.keys() - found.keys():
        yield f"a search misses it by {', '.join(sorted(labels.keys() - found.keys()))}"
    if found.keys() - labels.keys():
        yield f"a search finds it by {', '.join(sorted(found.keys() - labels.keys()))}"
    for label in labels.keys() & found.keys():
        ranked = 100 - Decimal(found[label]["rank"][:7])
        if not labels[label] <= ranked < labels[label] + Decimal("0.001"):
            yield f"{label} has confidence {labels[label]} and ranks as {ranked}"
        if found[label]["uploaded_at"] != item["uploaded_at"]:
            yield f"{label} has another date in the index: {found[label]['uploaded_at']}"


def _newest(cloud: Trial) -> Iterator[tuple[str, str]]:
    pages = (
        cloud.client("s3")
        .get_paginator("list_object_versions")
        .paginate(Bucket=cloud.outputs["PhotosBucket"])
    )
    for page in pages:
        for version in page.get("Versions", []):
            if version["IsLatest"]:
                yield version["Key"], version["VersionId"]
