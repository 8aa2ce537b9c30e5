"""The right answers to what somebody asks about their photos, found by looking at everything.

A second opinion, as `tests.bench.consistency` is: bucket and table are read with boto3 alone, into
memory, without an index; no code is shared with labelctl, only the names of the items' attributes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

Row = Mapping[str, Any]
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Entry:
    """A photo of the bucket: how it stands, since when, its item, and its labels, confidence first."""

    image: str
    status: str
    at: str
    item: Row
    labels: tuple[Row, ...] = ()

    def sure(self, min_confidence: float = 0) -> dict[str, Decimal]:
        """Its labels of at min_confidence that confidence."""
        return {
            row["name"]: row["confidence"]
            for row in self.labels
            if row["confidence"] >= Decimal(str(min_confidence))
        }


def look(s3: Any, dynamodb: Any, bucket: str, table: str) -> list[Entry]:
    """Every photo of the bucket, in the order of the keys."""
    items: dict[str, Row] = {}
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for each in page["Items"]:
            item = {name: _deserialize(value) for name, value in each.items()}
            items[item["image"]] = item
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = [each for page in pages for each in page.get("Contents", ())]
    entries = [_entry(each, items.get(each["Key"], {})) for each in there]
    return sorted(entries, key=lambda entry: entry.image.encode())


def _entry(there: Mapping[str, Any], item: Row) -> Entry:
    if item.get("etag") != there["ETag"].strip('"'):
        return Entry(there["Key"], "waiting", f"{there['LastModified']:%Y-%m-%dT%H:%M:%SZ}", {})
    nothing: Row = {"categories": [], "parents": [], "aliases": [], "boxes": []}
    labels = [
        {"name": name, "confidence": confidence, **nothing, **item["details"].get(name, {})}
        for name, confidence in item.get("labels", {}).items()
    ]
    labels.sort(key=lambda label: (-label["confidence"], label["name"]))
    return Entry(there["Key"], item["status"], item["done_at"], item, tuple(labels))


@dataclass(frozen=True)
class Question:
    """What `labelctl search` may be asked, in its own words."""

    labels: tuple[str, ...] = ()
    any_label: bool = False
    without: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    min_confidence: float = 0
    prefix: str = ""
    sort: str = "confidence"
    limit: int = 1000

    def words(self) -> list[str]:
        """The command line."""
        words = ["search", *self.labels, *(["--any"] if self.any_label else [])]
        words += [word for each in self.without for word in ("--not", each)]
        words += [word for each in self.categories for word in ("--category", each)]
        words += ["--min-confidence", str(self.min_confidence)] if self.min_confidence else []
        words += ["--prefix", self.prefix] if self.prefix else []
        return [*words, "--sort", self.sort, "--limit", str(self.limit)]


@dataclass(frozen=True)
class Hit:
    """A photo that answers: its labels that were asked for, and the confidence that ranks it."""

    uploaded_at: str
    confidence: float
    labels: Mapping[str, float] = field(default_factory=dict)


def find(entries: Iterable[Entry], question: Question) -> dict[str, Hit]:
    """All photos that answer, whatever the limit."""
    entries = list(entries)
    groups = [_meant(entries, text) for text in question.labels]
    if question.any_label:
        groups = [set().union(*groups)]
    groups += [_in_category(entries, text) for text in question.categories]
    without = {name for text in question.without for name in _meant(entries, text)}
    found = {}
    for entry in entries:
        sure = entry.sure(question.min_confidence)
        if not entry.image.startswith(question.prefix) or without & sure.keys():
            continue
        hits = [{name: float(sure[name]) for name in group & sure.keys()} for group in groups]
        if all(hits):
            confidence = min(max(hit.values()) for hit in hits)
            labels = {name: each for hit in hits for name, each in hit.items()}
            found[entry.image] = Hit(entry.item["uploaded_at"], confidence, labels)
    return found


def _labels(entries: Iterable[Entry]) -> Iterator[Row]:
    return (row for entry in entries for row in entry.labels)


def _meant(entries: Iterable[Entry], text: str) -> set[str]:
    """The label of that name, else those with that alias."""
    wanted, entries = text.casefold(), list(entries)
    named = {row["name"] for row in _labels(entries) if row["name"].casefold() == wanted}
    return named or {
        row["name"]
        for row in _labels(entries)
        if wanted in (alias.casefold() for alias in row["aliases"])
    }


def _in_category(entries: Iterable[Entry], text: str) -> set[str]:
    return {
        row["name"]
        for row in _labels(entries)
        if text.casefold() in (category.casefold() for category in row["categories"])
    }


def records(
    entries: Iterable[Entry], prefix: str = "", min_confidence: float = 0
) -> dict[tuple[str, str], dict[str, Any]]:
    """What an export has: a record for each label of each photo."""
    return {
        (entry.image, row["name"]): {
            "image": entry.image,
            "label": row["name"],
            "confidence": float(row["confidence"]),
            "categories": row["categories"],
            "parents": row["parents"],
            "aliases": row["aliases"],
            "boxes": [{side: float(at) for side, at in box.items()} for box in row["boxes"]],
            "uploaded_at": entry.item["uploaded_at"],
            "labelled_at": entry.item["done_at"],
            "model_version": entry.item["model_version"],
        }
        for entry in entries
        if entry.image.startswith(prefix)
        for row in entry.labels
        if row["name"] in entry.sure(min_confidence)
    }


def counts(entries: Iterable[Entry]) -> dict[str, Any]:
    """What stats counts, each in the order of the output; a failure without its reason."""
    entries = list(entries)
    labelled = [entry for entry in entries if entry.status == "labelled"]
    states = Counter(entry.status for entry in entries)
    labels = Counter(name for entry in labelled for name in entry.sure())
    spread = Counter(min(int(row["confidence"] / 10), 9) for row in _labels(labelled))
    categories = Counter(
        name
        for entry in labelled
        for name in {name for row in entry.labels for name in row["categories"]}
    )
    errors = Counter(entry.item["error"] for entry in entries if entry.status == "failed")
    days = Counter(entry.at[:10] for entry in labelled)
    return {
        "photos": {
            "all": len(entries),
            **{state: states[state] for state in ("labelled", "failed", "waiting")},
        },
        "labels": _commonest("name", labels),
        "confidence": [
            {"from": 10 * number, "to": 10 * number + 10, "labels": spread[number]}
            for number in range(10)
        ],
        "categories": _commonest("name", categories),
        "failures": _commonest("error", errors),
        "days": [{"day": day, "photos": days[day]} for day in sorted(days)],
    }


def _commonest(what: str, counts: Counter[str]) -> list[dict[str, Any]]:
    names = sorted(counts, key=lambda name: (-counts[name], name))
    return [{what: name, "photos": counts[name]} for name in names]
