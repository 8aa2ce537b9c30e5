"""Which photo the user means by a key or a path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import TYPE_CHECKING
from unicodedata import normalize

from labelctl.errors import Command, PhotoNotFoundError
from labelctl.photos import content, suggestions, versions
from labelctl.photos.versions import ObjectVersion
from labelctl.text import path_argument

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def resolve(s3: S3Client, bucket: str, image: str) -> ObjectVersion:
    """Return the photo that `find` finds. Raises PhotoNotFoundError."""
    found, other = _search(s3, bucket, image)
    if found:
        return found
    raise _not_found(s3, bucket, image, other)


def find(s3: S3Client, bucket: str, image: str) -> ObjectVersion | None:
    """Return the photo for `image`: a key, or a path that ends with a key; None if there is none.

    If `image` is not the key itself but a file on this computer, a photo with other content is not
    the photo of that file: cameras use the same names in each folder.
    """
    return _search(s3, bucket, image)[0]


def _search(s3: S3Client, bucket: str, image: str) -> tuple[ObjectVersion | None, str | None]:
    """The photo, or None and the first key of a photo with other content than the file `image`."""
    other = None
    for key in key_candidates(image):
        if photo := versions.current_photo(s3, bucket, key):
            local = key != image and is_local_file(image)
            if not (local and content.is_other_photo(s3, bucket, key, Path(image))):
                return photo, None
            other = other or key
    return None, other


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


def not_found(s3: S3Client, bucket: str, image: str) -> PhotoNotFoundError:
    """The error for a photo that `find` does not find, with hints."""
    return _not_found(s3, bucket, image, _search(s3, bucket, image)[1])


def _not_found(s3: S3Client, bucket: str, image: str, other: str | None) -> PhotoNotFoundError:
    message = f'There is no photo "{image}" in the bucket.'
    list_keys = ("Run `", Command("images"), "` to list the keys.")
    similar = suggestions.similar_keys(s3, bucket, image)
    did_you_mean = suggestions.question(similar, image)
    if not is_local_file(image):
        key_or_path = "the photo's key, such as holiday/beach.jpg, or the path that was uploaded"
        return PhotoNotFoundError(
            message, did_you_mean or f"IMAGE is {key_or_path}.", "\n", *list_keys
        )
    upload = Command("upload", path_argument(image))
    if other:
        return PhotoNotFoundError(
            message,
            f'The photo with the key "{other}" has other content. To replace it: ',
            Command(*upload.arguments, *_prefix_option(other, Path(image).name)),
            "\nTo keep both, use another --prefix. ",
            *list_keys,
        )
    about_prefix = "If you uploaded it with --prefix, its key starts with that prefix."
    return PhotoNotFoundError(
        message, "Upload it first: ", upload, "\n", did_you_mean or about_prefix, " ", *list_keys
    )


def _prefix_option(key: str, name: str) -> list[str]:
    """The option of `upload` that gives a file with this name this key."""
    prefix = key.removesuffix(name)
    return ["--prefix", prefix] if prefix and prefix != key else []
