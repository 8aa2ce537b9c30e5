"""What the bucket and the table hold, read with boto3 alone, and whether they agree.

This is a second opinion: it shares no code with labelctl beyond the names of the rows' attributes,
reads everything into memory, and wants the pipeline to be at rest.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from tests.bench.cloud import Trial

HEADER = "#"
_deserialize = TypeDeserializer().deserialize


@dataclass(frozen=True)
class Expected:
    """What must become of a photo: its status, and a label that only its newest version gets."""

    status: str
    label: str = ""


def check(cloud: Trial, expected: Mapping[str, Expected]) -> tuple[Counter[str], list[str]]:
    """How many photos have each status, and all that is amiss, as sentences."""
    there = dict(_newest(cloud))
    rows = _rows(cloud)
    amiss = [f"{key}: was uploaded and is not in the bucket" for key in set(expected) - set(there)]
    amiss += [f"{key}: is in the bucket, but nobody sent it" for key in set(there) - set(expected)]
    counts: Counter[str] = Counter()
    for key in set(there) | set(rows):
        found = rows.get(key, [])
        headers = [row for row in found if row["row"] == HEADER]
        labels = [row for row in found if row["row"] != HEADER]
        if not headers:
            amiss.append(f"{key}: no header, {len(labels)} label rows")
            continue
        header = headers[0]
        counts[header["status"]] += 1
        amiss += [
            f"{key}: {wrong}"
            for wrong in _faults(header, labels, there.get(key), expected.get(key))
        ]
    return counts, sorted(amiss)


def _faults(
    header: dict[str, Any],
    labels: list[dict[str, Any]],
    version: str | None,
    wanted: Expected | None,
) -> Iterator[str]:
    ours = [row for row in labels if row["row"].startswith(header["version"] + "#")]
    if len(ours) != len(labels):
        yield f"{len(labels) - len(ours)} rows of another version than {header['version']}"
    if len(ours) != header.get("label_count", 0):
        yield f"{len(ours)} label rows, the header says {header.get('label_count', 0)}"
    if {row["name"]: row["confidence"] for row in ours} != header.get("labels", {}):
        yield "the header names other labels than the rows"
    if version is None:
        if header["status"] != "removed":
            yield f"it is gone, but {header['status']}"
        return
    if header.get("version_id") != version:
        yield f"the header is of version {header.get('version_id')}, the photo is {version}"
    if wanted and header["status"] != wanted.status:
        yield f"{header['status']} ({header.get('reason')}), should be {wanted.status}"
    if wanted and wanted.label and wanted.label not in {row["name"] for row in ours}:
        yield f"no label {wanted.label}: they are of another version"


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


def _rows(cloud: Trial) -> dict[str, list[dict[str, Any]]]:
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    pages = (
        cloud.client("dynamodb")
        .get_paginator("scan")
        .paginate(TableName=cloud.outputs["Table"], ConsistentRead=True)
    )
    for page in pages:
        for item in page["Items"]:
            row = {name: _deserialize(value) for name, value in item.items()}
            if not row["row"].startswith("~"):  # the vocabulary, which is of no photo
                rows[row["image"]].append(row)
    return rows
