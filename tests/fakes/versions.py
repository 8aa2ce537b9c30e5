"""The photos' bucket in memory with all versions of its objects, as far as `verify` lists them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any


class VersionedBucket:
    """ListObjectVersions of S3. `calls` counts requests; `before` is called with each.

    `page` is how many versions come with one answer. Without `versions` a new object takes the place
    of the old one, under the version "null".
    """

    def __init__(self, page: int = 1000, *, versions: bool = True) -> None:
        self.calls: Counter[str] = Counter()
        self.before: Callable[[str, Any], Any] | None = None
        self.page = page
        self._has_versions = versions
        self._count = 0
        self._versions: dict[str, list[dict[str, Any]]] = {}  # newest first

    def put(self, key: str, content: str, at: datetime, size: int = 9) -> tuple[str, str]:
        """Put an object into the bucket; returns its version and its ETag."""
        etag = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        version = self._add(key, at, ETag=f'"{etag}"', Size=size)
        return version, etag

    def remove(self, key: str, at: datetime) -> str:
        """Hide an object by a delete marker, as DeleteObject does; returns the marker's version."""
        if not self._has_versions:
            self._versions.pop(key, None)
            return "null"
        return self._add(key, at)

    def purge(self, key: str) -> str:
        """Remove an object with all its versions; returns the version that was the newest."""
        return str(self._versions.pop(key)[0]["VersionId"])

    def newest(self, key: str) -> dict[str, Any] | None:
        """The newest version of a key as ListObjectVersions describes it, or None."""
        return self._versions[key][0] if self._versions.get(key) else None

    def keys(self) -> list[str]:
        """All keys with a version or a marker, in their order."""
        return sorted(self._versions)

    def _add(self, key: str, at: datetime, **more: Any) -> str:
        self._count += 1
        version = f"v{self._count}" if self._has_versions else "null"
        older = self._versions.get(key, []) if self._has_versions else []
        new = {"Key": key, "VersionId": version, "LastModified": at, **more}
        self._versions[key] = [new, *older]
        return version

    def list_object_versions(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        MaxKeys: int = 1000,  # noqa: N803
        KeyMarker: str = "",  # noqa: N803
        VersionIdMarker: str = "",  # noqa: N803
    ) -> Any:
        if self.before:
            self.before("ListObjectVersions", {"Prefix": Prefix, "MaxKeys": MaxKeys})
        self.calls["ListObjectVersions"] += 1
        found = [
            {**version, "IsLatest": number == 0}
            for key in list(self.keys())
            if key.startswith(Prefix) and key >= KeyMarker
            for number, version in enumerate(self._versions.get(key, ()))
        ]
        versions = [(each["Key"], each["VersionId"]) for each in found]
        if (KeyMarker, VersionIdMarker) in versions:
            found = found[versions.index((KeyMarker, VersionIdMarker)) + 1 :]
        elif KeyMarker:  # it was removed since: S3 goes on with the next key
            found = [each for each in found if each["Key"] > KeyMarker]
        size = min(MaxKeys, self.page)
        page = found[:size]
        answer: Any = {
            "IsTruncated": len(found) > size,
            "Versions": [each for each in page if "ETag" in each],
            "DeleteMarkers": [each for each in page if "ETag" not in each],
        }
        if answer["IsTruncated"]:
            answer["NextKeyMarker"] = page[-1]["Key"]
            answer["NextVersionIdMarker"] = page[-1]["VersionId"]
        return answer

    def get_paginator(self, name: str) -> Any:
        """boto3's paginator of `list_object_versions`."""
        assert name == "list_object_versions"

        def paginate(**request: Any) -> Iterator[Any]:
            while True:
                page = self.list_object_versions(**request)
                yield page
                if not page["IsTruncated"]:
                    return
                request["KeyMarker"] = page["NextKeyMarker"]
                request["VersionIdMarker"] = page["NextVersionIdMarker"]

        return SimpleNamespace(paginate=paginate)
