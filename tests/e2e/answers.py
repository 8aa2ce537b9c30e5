"""The right answers to what somebody asks about their photos, found by looking at everything.

A second opinion, as `tests.bench.books` is: bucket and table are read with boto3 alone, wholly and into
memory, without an index; no code is shared with labelctl, only the names of the rows' attributes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

Row = Mapping[str, Any]
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Entry:
    """A photo of the bucket: how it stands, since when, its header, and its labels, surest first."""

    image: str
    status: str
    at: str
    header: Row
    labels: tuple[Row, ...] = ()

    def sure(self, least: float = 0) -> dict[str, Decimal]:
        """Its labels of at least that confidence."""
        return {
            row["name"]: row["confidence"]
            for row in self.labels
            if row["confidence"] >= Decimal(str(least))
        }


def look(s3: Any, dynamodb: Any, bucket: str, table: str) -> list[Entry]:
    """Every photo of the bucket, in the order of the keys."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for page in dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        for item in page["Items"]:
            row = {name: _deserialize(value) for name, value in item.items()}
            rows[row["image"]].append(row)
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    there = [each for page in pages for each in page.get("Contents", ())]
    entries = [_entry(each, rows[each["Key"]]) for each in there]
    return sorted(entries, key=lambda entry: entry.image.encode())


def _entry(there: Mapping[str, Any], rows: Iterable[Row]) -> Entry:
    headers = [row for row in rows if row["row"] == "#"]
    if not headers or headers[0].get("etag") != there["ETag"].strip('"'):
        return Entry(there["Key"], "pending", f"{there['LastModified']:%Y-%m-%dT%H:%M:%SZ}", {})
    [header] = headers
    own = [row for row in rows if row["row"].startswith(f"{header['version']}#")]
    own.sort(key=lambda row: (-row["confidence"], row["name"]))
    assert {row["name"]: row["confidence"] for row in own} == header.get("labels", {})
    return Entry(there["Key"], header["status"], header["done_at"], header, tuple(own))


@dataclass(frozen=True)
class Question:
    """What `labelctl search` may be asked, in its own words."""

    labels: tuple[str, ...] = ()
    any_label: bool = False
    without: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    least: float = 0
    prefix: str = ""
    sort: str = "surest"
    limit: int = 1000

    def words(self) -> list[str]:
        """The command line."""
        words = ["search", *self.labels, *(["--any"] if self.any_label else [])]
        words += [word for each in self.without for word in ("--not", each)]
        words += [word for each in self.categories for word in ("--category", each)]
        words += ["--min-confidence", str(self.least)] if self.least else []
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
        sure = entry.sure(question.least)
        if not entry.image.startswith(question.prefix) or without & sure.keys():
            continue
        hits = [{name: float(sure[name]) for name in group & sure.keys()} for group in groups]
        if all(hits):
            surest = min(max(hit.values()) for hit in hits)
            labels = {name: each for hit in hits for name, each in hit.items()}
            found[entry.image] = Hit(entry.header["uploaded_at"], surest, labels)
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
    entries: Iterable[Entry], prefix: str = "", least: float = 0
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
            "uploaded_at": row["uploaded_at"],
            "labelled_at": entry.header["done_at"],
            "model_version": entry.header["model_version"],
        }
        for entry in entries
        if entry.image.startswith(prefix)
        for row in entry.labels
        if row["name"] in entry.sure(least)
    }


def counts(entries: Iterable[Entry]) -> dict[str, Any]:
    """What stats counts, each sorted as it is told of; a failure without its reason."""
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
    errors = Counter(entry.header["error"] for entry in entries if entry.status == "failed")
    days = Counter(entry.at[:10] for entry in labelled)
    return {
        "photos": {
            "all": len(entries),
            **{state: states[state] for state in ("labelled", "failed", "pending")},
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
