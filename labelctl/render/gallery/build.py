"""A gallery: photos with their labels as one static page, and pictures of them in a folder.

Of each photo the labels are read, and its picture is fetched from S3 unless the folder has it (see
`thumbnails`). So a run that was cut off goes on, and a later one fetches what is new. The page is
written when all pictures are there, and only then those of photos that are gone are removed.
A photo whose picture cannot be had is a tile that says why; it stops nothing.

Some photos are fetched at once, as most of that time goes by waiting for S3, and as many decoded as
there are processors, up to four: memory is for 8 files of at most 15 MB, 4 pictures of at most 24
megapixels, and one larger one (400 MB at the most).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from labelctl.aws.clients import explain
from labelctl.aws.threads import batches, in_order, pool
from labelctl.contract import s3_events, schema
from labelctl.errors import (
    AccessDeniedError,
    CredentialsError,
    LabelctlError,
    PhotoNotFoundError,
    PhotosFailedError,
    RefusedError,
)
from labelctl.labels import results
from labelctl.labels.results import Label, Photo
from labelctl.labels.search.query import Query, SearchRequest
from labelctl.labels.search.run import Search
from labelctl.labels.tables import BATCH, Reader
from labelctl.photos.versions import Awaited
from labelctl.render import pictures
from labelctl.render.gallery import thumbnails
from labelctl.render.gallery.thumbnails import Folder, Pictures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = 8
"""Photos in work at once."""
_AHEAD = 4 * WORKERS  # photos that are begun before the first of them is done

_decoding = Semaphore(min(os.cpu_count() or 1, 4))


@dataclass(frozen=True)
class Chosen:
    """A photo that is to be shown: the very version, since when it is there, and its size in bytes.

    `at` is ISO 8601 in UTC; `size` is None where nothing tells.
    """

    sent: Awaited
    at: str | None
    size: int | None

    @property
    def name(self) -> str:
        """What its files are called."""
        return thumbnails.name_of(self.sent.key, self.sent.etag)


@dataclass(frozen=True)
class Filter(SearchRequest):
    """What a gallery is to show: as of a search, but asked for by another command line."""

    def command(self, word: str = "", instead: str = "") -> str:
        """The command line that asks for it, with another word in one's place."""
        labels = [instead if each == word else each for each in self.labels]
        parts = ["labelctl gallery", *(f"--search {shlex.quote(each)}" for each in labels)]
        if self.prefix:
            parts.append(f"--prefix {shlex.quote(self.prefix)}")
        return " ".join(parts)


@dataclass(frozen=True)
class Tile:
    """A photo as the page shows it.

    `pictures` is None for one whose picture cannot be had; `reason` says why not, or why there are no
    labels. `link` is where the original can be seen, for a while. `fetched` is how many bytes were
    fetched for it, None if its pictures were there.
    """

    photo: Photo
    at: str | None
    pictures: Pictures | None
    reason: str | None
    link: str | None = None
    fetched: int | None = None


def listed(s3: S3Client, bucket: str, prefix: str) -> Iterator[Chosen]:
    """The bucket's photos under a prefix, in the order of their keys, listed as far as it is taken.

    With versions: what is fetched (or linked) is what was listed, whatever is uploaded meanwhile.
    """
    pages: Any = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix)
    for page in pages:
        for each in page.get("Versions", ()):
            if each["IsLatest"] and not s3_events.is_folder(each["Key"], each["Size"]):
                version = s3_events.known_version(each["VersionId"])
                sent = Awaited(each["Key"], version, each["ETag"].strip('"'))
                yield Chosen(sent, f"{each['LastModified']:%Y-%m-%dT%H:%M:%SZ}", each["Size"])


def searched(
    reader: Reader, s3: S3Client, bucket: str, query: Query, most: int
) -> Iterator[Chosen]:
    """The photos that answer a query, surest first, up to `most`, as a search finds them."""
    matches = Search(reader, s3, bucket, query).matches(most)
    for images in batches((match.image for match in matches), BATCH):
        yield from _named(reader, images)


def _named(reader: Reader, images: Sequence[str]) -> Iterator[Chosen]:
    """Labelled photos by their keys, as their results name them."""
    items = reader.photos(images, "status", "version_id", "etag", "size", "uploaded_at")
    for image in images:
        item = items.get(image)
        if item and item["status"] == schema.LABELLED:
            sent = Awaited(image, item.get("version_id"), item.get("etag"))
            yield Chosen(sent, item["uploaded_at"], int(item["size"]) if "size" in item else None)


def missing(chosen: Iterable[Chosen], folder: Folder) -> list[Chosen]:
    """Those of the photos whose pictures have to be fetched."""
    return [
        each
        for each in chosen
        if folder.find(each.name) is None and folder.why_not(each.name) is None
    ]


def tiles(
    s3: S3Client,
    bucket: str,
    reader: Reader,
    chosen: Sequence[Chosen],
    folder: Folder,
    link: Callable[[Awaited], str | None] | None = None,
) -> Iterator[Tile]:
    """Read the photos' labels and make their pictures, a few at a time; they come in their order.

    With `link` the originals are linked by it. Raises CredentialsError or AccessDeniedError when S3
    will hand out none of them, RefusedError when the folder cannot be written to.
    """
    _have_memory_given_back()
    photos = results.read_many(reader, (each.sent for each in chosen))

    def work(both: tuple[Chosen, Photo]) -> Tile:
        each, photo = both
        tile = _with_pictures(s3, bucket, each, photo, folder)
        return replace(tile, link=link(each.sent)) if link and tile.pictures else tile

    with pool(WORKERS, "gallery") as threads:
        yield from in_order(threads, work, zip(chosen, photos, strict=True), _AHEAD)


def _have_memory_given_back() -> None:
    """Have Pillow take pixels in blocks that the C library returns to the system when they are freed.

    Those of its own 16 MB stay with the thread that freed them: five large photos in five threads
    kept 1.6 GB, and keep 0.6 GB with these. [Pillow, Block Allocator; mallopt(3), M_MMAP_THRESHOLD]
    """
    from PIL import Image

    Image.core.set_block_size(64 * 2**20)  # type: ignore[attr-defined]


def _with_pictures(s3: S3Client, bucket: str, chosen: Chosen, photo: Photo, folder: Folder) -> Tile:
    def tile(found: Pictures | None, reason: str | None = None, fetched: int | None = None) -> Tile:
        return Tile(photo, chosen.at, found, photo.reason or reason, fetched=fetched)

    name = chosen.name
    if found := folder.find(name):
        return tile(found)
    if reason := folder.why_not(name):
        return tile(None, reason)
    content = b""
    try:
        content = pictures.get(s3, bucket, chosen.sent)
        with _decoding:
            image = pictures.upright(content, folder.longest())
    except PhotosFailedError as error:
        folder.give_up(name, error.message)  # it will be no other the next time
        return tile(None, error.message, len(content))
    except (PhotoNotFoundError, RefusedError) as error:
        return tile(None, error.message)
    except Exception as error:
        told = explain(error)
        if told is None or isinstance(told, CredentialsError | AccessDeniedError):
            raise (told or error) from error  # the other photos would not fare better
        return tile(None, _sentence(told))
    return tile(folder.keep(name, image), fetched=len(content))


def _sentence(error: LabelctlError) -> str:
    return error.message.splitlines()[0]


def data(
    tiles: Iterable[Tile],
    about: Mapping[str, Any],
    place: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """What the page shows, in the form that it reads (see `labelctl.render.gallery.page`).

    `about` is what it tells of itself; `place` says how it finds a file of the folder.
    """
    labels: dict[str, tuple[int, Label]] = {}
    photos = []
    for tile in tiles:
        found = tile.pictures
        full = tile.link or (found and found.full and place(found.full))
        for label in tile.photo.labels:
            labels.setdefault(label.name, (len(labels), label))
        photos.append(
            {
                "image": tile.photo.image,
                "status": tile.photo.status,
                "reason": tile.reason,
                "at": tile.at,
                "thumb": place(found.thumb) if found else None,
                "full": full,
                "width": found.width if found else None,
                "height": found.height if found else None,
                "labels": [_label(label, labels[label.name][0]) for label in tile.photo.labels],
            }
        )
    some = [label for _, label in labels.values()]
    categories = list(dict.fromkeys(each for label in some for each in label.categories))
    number = {name: position for position, name in enumerate(categories)}
    return {
        **about,
        "labels": list(labels),
        "categories": categories,
        "label_categories": [[number[each] for each in label.categories] for label in some],
        "label_aliases": [list(label.aliases) for label in some],
        "photos": photos,
    }


def _label(label: Label, position: int) -> list[Any]:
    boxes = [
        [round(side, 4) for side in (box.left, box.top, box.width, box.height)]
        for box in label.boxes
    ]
    return [position, round(label.confidence, 2), boxes]
