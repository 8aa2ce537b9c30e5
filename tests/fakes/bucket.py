"""The photos' bucket in memory, as far as it is listed."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from types import SimpleNamespace
from typing import Any


class FakeBucket:
    """ListObjectsV2 of S3: keys in the order of their UTF-8. `calls` counts requests."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self._objects: dict[str, Any] = {}
        self._sorted: list[str] | None = None

    def put(
        self, key: str, content: str, at: str = "2026-05-01T12:00:00.000Z", size: int = 1000
    ) -> str:
        """Put an object into the bucket; returns its ETag."""
        etag = hashlib.md5(content.encode(), usedforsecurity=False).hexdigest()
        moment = datetime.fromisoformat(at)
        self._objects[key] = {"Key": key, "ETag": f'"{etag}"', "Size": size, "LastModified": moment}
        self._sorted = None
        return etag

    def drop(self, key: str) -> None:
        """Remove an object, if there is one."""
        if self._objects.pop(key, None):
            self._sorted = None

    def keys(self) -> list[str]:
        """All keys, in their order."""
        if self._sorted is None:
            self._sorted = sorted(self._objects)
        return self._sorted

    def list_objects_v2(
        self,
        *,
        Bucket: str,  # noqa: N803
        Prefix: str = "",  # noqa: N803
        MaxKeys: int = 1000,  # noqa: N803
        ContinuationToken: str = "",  # noqa: N803
        StartAfter: str = "",  # noqa: N803
        Delimiter: str = "",  # noqa: N803
    ) -> Any:
        self.calls["ListObjectsV2"] += 1
        keys, after = self.keys(), ContinuationToken or StartAfter
        low = max(bisect_left(keys, Prefix), bisect_right(keys, after) if after else 0)
        high = max(low, bisect_left(keys, Prefix + chr(0x10FFFF)))
        page = keys[low : min(high, low + min(MaxKeys, 1000))]
        answer: Any = {"KeyCount": len(page), "IsTruncated": high - low > len(page)}
        if Delimiter:  # without a next page
            rests = {key: key[len(Prefix) :] for key in keys[low:high]}
            entries = dict.fromkeys(
                Prefix + rest.partition(Delimiter)[0] + Delimiter * (Delimiter in rest)
                for rest in rests.values()
            )
            entries = dict.fromkeys(list(entries)[: min(MaxKeys, 1000)])
            page = [key for key in entries if key in rests]
            folders = [entry for entry in entries if entry not in rests]
            answer["CommonPrefixes"] = [{"Prefix": folder} for folder in folders]
        if page:
            answer["Contents"] = [dict(self._objects[key]) for key in page]
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = page[-1]
        return answer

    def get_paginator(self, name: str) -> Any:
        """boto3's paginator of `list_objects_v2`."""
        assert name == "list_objects_v2"

        def paginate(PaginationConfig: Any = None, **request: Any) -> Iterator[Any]:  # noqa: N803
            if "PageSize" in (PaginationConfig or {}):
                request["MaxKeys"] = PaginationConfig["PageSize"]
            while True:
                page = self.list_objects_v2(**request)
                yield page
                if not page["IsTruncated"]:
                    return
                request["ContinuationToken"] = page["NextContinuationToken"]

        return SimpleNamespace(paginate=paginate)
