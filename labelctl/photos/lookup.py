"""Which photo the user means by a key or a path, and which keys to suggest if there is none."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from labelctl.errors import Command, PhotoNotFoundError
from labelctl.photos import content, versions
from labelctl.photos.versions import ObjectVersion
from labelctl.text import path_argument

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MAX_SUGGESTIONS = 5

MAX_REQUESTS = 40
"""Listing requests for suggestions. All together cost 0.0002 USD. [S3 pricing, us-east-1]"""


def resolve(s3: S3Client, bucket: str, image: str) -> ObjectVersion:
    """Return the photo that `find` finds. Raises PhotoNotFoundError."""
    if found := find(s3, bucket, image):
        return found
    raise not_found(s3, bucket, image)


def find(s3: S3Client, bucket: str, image: str) -> ObjectVersion | None:
    """Return the photo for `image`: a key, or a path that ends with a key; None if there is none.

    If `image` is not the key itself but a file on this computer, a photo with other content is not
    the photo of that file: cameras use the same names in each folder.
    """
    for key in key_candidates(image):
        if photo := versions.current_photo(s3, bucket, key):
            local = key != image and is_local_file(image)
            if not (local and content.is_other_photo(s3, bucket, key, Path(image))):
                return photo
    return None


def is_local_file(image: str) -> bool:
    """Return whether a file on this computer has this path."""
    return os.path.isfile(image)  # noqa: PTH113 - Path.is_file raises an error for a long name


def key_candidates(image: str) -> Iterator[str]:
    """Yield possible keys for `image`: the text itself, then shorter and shorter ends of the path.

    Each also in the Unicode forms NFC and NFD, which look the same: file names of a Mac are often
    NFD, and what people type is NFC. [Unicode Standard Annex 15]
    """
    seen = set()
    parts = [part for part in PurePath(image).parts if part not in ("/", ".", "..")]
    for text in (image, *("/".join(parts[start:]) for start in range(len(parts)))):
        for key in (text, normalize("NFC", text), normalize("NFD", text)):
            if key and key not in seen and versions.is_key(key):
                seen.add(key)
                yield key


def looks_equal(one: str, other: str) -> bool:
    """Return whether two names differ at most in their Unicode form."""
    return normalize("NFC", one) == normalize("NFC", other)


def not_found(s3: S3Client, bucket: str, image: str) -> PhotoNotFoundError:
    """The error for a photo that `find` does not find, with hints."""
    message = f'There is no photo "{image}" in the bucket.'
    list_keys = ("Run `", Command("images"), "` to list the keys.")
    did_you_mean = question(suggest(s3, bucket, image))
    if not is_local_file(image):
        key_or_path = "the photo's key, such as holiday/beach.jpg, or the path that was uploaded"
        return PhotoNotFoundError(
            message, did_you_mean or f"IMAGE is {key_or_path}.", "\n", *list_keys
        )
    upload = Command("upload", path_argument(image))
    keys = key_candidates(image)
    if other := next((key for key in keys if versions.current_photo(s3, bucket, key)), None):
        return PhotoNotFoundError(
            message,
            f'The photo with the key "{other}" has other content. To replace it: ',
            upload,
            "\nTo keep both, add --prefix TEXT, or upload the folder above. ",
            *list_keys,
        )
    about_prefix = "If you uploaded it with --prefix, its key starts with that prefix."
    return PhotoNotFoundError(
        message, "Upload it first: ", upload, "\n", did_you_mean or about_prefix, " ", *list_keys
    )


def question(keys: list[str]) -> str:
    """The question whether one of these keys is meant; empty if there are none."""
    *first, last = [f'"{key}"' for key in keys] or [""]
    names = " or ".join(filter(None, (", ".join(first), last)))
    return names and f"Did you mean {names}?"


# ---- suggestions


def suggest(s3: S3Client, bucket: str, image: str) -> list[str]:
    """Return up to five keys that the user may mean, the most similar first.

    These are keys that are equal but for case and Unicode form, keys with the same file name, and keys
    that start with `image`. In a bucket of any size this takes at most `MAX_REQUESTS` requests, and one
    if there are up to 1,000 photos.
    """
    from botocore.exceptions import ClientError

    wanted, name = _fold(image), _fold(PurePath(image).name)

    def rank(key: str) -> int | None:
        folded = _fold(key)
        if folded == wanted:
            return 0
        if folded.rpartition("/")[2] == name:
            return 1
        return 2 if folded.startswith(wanted) else None

    ranked: dict[str, int] = {}
    try:
        for key in _similar_keys(s3, bucket, image) if wanted and versions.is_key(image) else ():
            if (place := rank(key)) is not None:
                ranked[key] = place
    except ClientError:  # the user may not list the keys
        pass
    return sorted(ranked, key=lambda key: (ranked[key], key))[:MAX_SUGGESTIONS]


def _similar_keys(s3: S3Client, bucket: str, image: str) -> Iterator[str]:
    """Keys among which those to suggest are.

    Keys that start as `image` does are listed letter by letter, in both cases, until all fit on a page.
    Then folders are searched for the exact file name, those that are among the first 1,000 entries of
    the folder above.
    """
    left = MAX_REQUESTS

    def page(prefix: str, **request: Any) -> Any:
        nonlocal left
        left -= 1
        return s3.list_objects_v2(Bucket=bucket, Prefix=prefix, **request)

    starts = deque([("", normalize("NFC", image))])
    complete = False
    while starts and left > 0:
        prefix, rest = starts.popleft()
        found = page(prefix)
        yield from _keys(found)
        if found["IsTruncated"] and rest:
            letters = {form for case in (rest[0].lower(), rest[0].upper()) for form in _forms(case)}
            starts.extend((prefix + letter, rest[1:]) for letter in sorted(letters))
        complete = complete or not (prefix or found["IsTruncated"])
    folders, name = deque([""]), PurePath(image).name
    while folders and left > 1 and not complete:
        folder = folders.popleft()
        yield from _keys(page(folder + name, MaxKeys=MAX_SUGGESTIONS))
        found = page(folder, Delimiter="/")
        folders.extend(each["Prefix"] for each in found.get("CommonPrefixes", ()))


def _keys(page: Any) -> Iterator[str]:
    return (each["Key"] for each in page.get("Contents", ()))


def _forms(text: str) -> set[str]:
    return {normalize("NFC", text), normalize("NFD", text)}


def _fold(text: str) -> str:
    """The text without differences of case and Unicode form. [Unicode Standard, 3.13, D145]"""
    return normalize("NFC", normalize("NFD", text).casefold())
