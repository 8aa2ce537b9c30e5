"""Keys, and starts of keys, that the user may mean by one that no photo has.

In a bucket of any size this takes at most `MAX_REQUESTS` listing requests, and one if there are up to
1,000 photos.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import PurePath
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from labelctl.photos.versions import is_key

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SUGGESTIONS = 5

MAX_REQUESTS = 40
"""Listing requests for suggestions. All together cost 0.0002 USD. [S3 pricing, us-east-1]"""


def similar_keys(s3: S3Client, bucket: str, image: str) -> list[str]:
    """Return up to five keys, the most similar first.

    These are keys that are equal but for case and Unicode form, keys with the same file name, and keys
    that start with `image`.
    """
    wanted, name = _fold(image), _fold(PurePath(image).name)
    ranked: dict[str, int] = {}
    bucket_pages = _Pages(s3, bucket)
    for search in (bucket_pages.spelled_like(image), bucket_pages.named(PurePath(image).name)):
        for key in search:
            folded = _fold(key)
            if folded == wanted:
                ranked[key] = 0
            elif folded.rpartition("/")[2] == name:
                ranked[key] = 1
            elif folded.startswith(wanted):
                ranked[key] = 2
    ranked.pop(image, None)  # a folder
    return sorted(ranked, key=lambda key: (ranked[key], key))[:MAX_SUGGESTIONS]


def similar_prefixes(s3: S3Client, bucket: str, prefix: str) -> list[str]:
    """Return up to five starts of keys that are equal to `prefix` but for case and Unicode form."""
    wanted, found = _fold(prefix), set()
    for key in _Pages(s3, bucket).spelled_like(prefix):
        if _fold(key).startswith(wanted):
            ends = range(len(key) + 1)
            found.update([key[:end] for end in ends if _fold(key[:end]) == wanted][-1:])
    return sorted(found - {prefix})[:MAX_SUGGESTIONS]


def question(keys: list[str], asked: str) -> str:
    """The question whether one of these keys is meant; empty if there are none."""
    names = [f'"{key}"' + " in another Unicode form" * looks_equal(key, asked) for key in keys]
    *first, last = names or [""]
    text = " or ".join(filter(None, (", ".join(first), last)))
    return text and f"Did you mean {text}?"


def looks_equal(one: str, other: str) -> bool:
    """Return whether two names differ at most in their Unicode form."""
    return normalize("NFC", one) == normalize("NFC", other)


class _Pages:
    """Keys on at most `MAX_REQUESTS` pages of a bucket's listing; none if listing is denied."""

    def __init__(self, s3: S3Client, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket
        self._left = MAX_REQUESTS
        self._all_seen = False

    def spelled_like(self, text: str) -> Iterator[str]:
        """Keys that start as the text does, in any case and Unicode form, and other keys.

        Those with the same first letter are listed, in both cases, then those with the same two
        letters, and so on until all fit on a page.
        """
        starts = deque([("", normalize("NFC", text))] if text and is_key(text) else [])
        while starts and self._left:
            prefix, rest = starts.popleft()
            page = self._page(prefix)
            yield from _keys(page)
            self._all_seen = self._all_seen or not (prefix or page["IsTruncated"])
            if page["IsTruncated"] and rest:
                cases = (rest[0].lower(), rest[0].upper())
                letters = {normalize(form, case) for case in cases for form in ("NFC", "NFD")}
                starts.extend((prefix + letter, rest[1:]) for letter in sorted(letters))

    def named(self, name: str) -> Iterator[str]:
        """Keys with exactly this file name in any folder, unless all keys have been seen before.

        Of each folder, those subfolders are searched that are among its first 1,000 entries.
        """
        folders = deque([""] if name and is_key(name) else [])
        while folders and self._left > 1 and not self._all_seen:
            folder = folders.popleft()
            yield from _keys(self._page(folder + name, MaxKeys=MAX_SUGGESTIONS))
            page = self._page(folder, Delimiter="/")
            folders.extend(each["Prefix"] for each in page.get("CommonPrefixes", ()))

    def _page(self, prefix: str, **request: Any) -> Any:
        from botocore.exceptions import ClientError

        self._left -= 1
        try:
            return self._s3.list_objects_v2(Bucket=self._bucket, Prefix=prefix, **request)
        except ClientError:
            self._left = 0
            return {"IsTruncated": False}


def _keys(page: Any) -> Iterator[str]:
    return (each["Key"] for each in page.get("Contents", ()))


def _fold(text: str) -> str:
    """The text without differences of case and Unicode form. [Unicode Standard, 3.13, D145]"""
    return normalize("NFC", normalize("NFD", text).casefold())
