"""Building a gallery: reading labels and making pictures of the photos for a static page.

A photo is fetched from S3 only if the folder does not have its pictures yet (see `thumbnails`), so an
interrupted run resumes, and a later run fetches only new photos. The page is written after all
pictures; only then are pictures of removed photos deleted. A photo without a picture becomes a tile
with the reason.

Several photos are fetched concurrently, and each core decodes one. Memory holds at most `WORKERS` files
of 15 MB, a picture of 24 megapixels (100 MB) for each core, and one larger picture (up to 400 MB, or
600 MB as a progressive JPEG).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Semaphore
from typing import TYPE_CHECKING, Any

from labelctl import times
from labelctl.aws.errors import to_user_error
from labelctl.aws.threads import batches, cores, map_in_order, pool
from labelctl.contract import schema
from labelctl.errors import (
    AccessDeniedError,
    Command,
    CredentialsError,
    LabelctlError,
    PhotoNotFoundError,
    PhotosFailedError,
    RefusedError,
)
from labelctl.labels import results
from labelctl.labels.reader import BATCH, Reader
from labelctl.labels.results import Label, Photo
from labelctl.labels.search.query import Query, SearchRequest
from labelctl.labels.search.run import Search
from labelctl.photos import versions
from labelctl.photos.versions import ObjectVersion
from labelctl.render import pictures
from labelctl.render.drawing import palette
from labelctl.render.gallery import date_taken, thumbnails
from labelctl.render.gallery.thumbnails import Folder, Pictures

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

WORKERS = max(8, 2 * cores())
"""Photos processed concurrently: more than are decoded, as fetching one is mostly waiting."""
_AHEAD = 4 * WORKERS  # photos submitted before the first of them must be done

_decoding = Semaphore(cores())


@dataclass(frozen=True)
class Filter(SearchRequest):
    """A search request from the options of `labelctl gallery`."""

    def command(self) -> Command:
        """The equivalent command."""
        searches = [argument for label in self.labels for argument in ("--search", label)]
        return Command("gallery", *searches, *(["--prefix", self.prefix] if self.prefix else []))


@dataclass(frozen=True)
class Tile:
    """A photo as the page shows it.

    `at` is when the photo was uploaded, and `taken` when it was taken, if its EXIF data has a plausible
    date (see `date_taken`). `pictures` is None if there is no picture; `reason` says why, or why there
    are no labels. `link` is a temporary URL of the original. `fetched` is the number of bytes
    downloaded, None if the pictures existed.
    """

    photo: Photo
    at: str | None
    pictures: Pictures | None
    reason: str | None
    taken: str | None = None
    link: str | None = None
    fetched: int | None = None


def list_photos(s3: S3Client, bucket: str, prefix: str) -> Iterator[ObjectVersion]:
    """The bucket's photos whose keys start with `prefix`, in key order, listed lazily.

    Versions are recorded, so that the listed photo is fetched or linked even if it is replaced.
    """
    pages = versions.list_newest(s3, bucket, prefix)
    return (photo for page in pages for photo in page if photo.exists)


def name_of(photo: ObjectVersion) -> str:
    """The name of a photo's picture files, without a suffix."""
    return thumbnails.name_of(photo.key, photo.etag)


def search_photos(
    reader: Reader, s3: S3Client, bucket: str, query: Query, most: int
) -> Iterator[ObjectVersion]:
    """Up to `most` photos that match a query, in the order of the search results."""
    matches = Search(reader, s3, bucket, query).matches(most)
    for images in batches((match.image for match in matches), BATCH):
        yield from _by_key(reader, images)


def _by_key(reader: Reader, images: Sequence[str]) -> Iterator[ObjectVersion]:
    """Labelled photos by key, with the versions in their results."""
    items = reader.photos(images, "status", "version_id", "etag", "size", "uploaded_at")
    for image in images:
        item = items.get(image)
        if item and item["status"] == schema.LABELLED:
            yield ObjectVersion(
                image,
                item.get("version_id"),
                item.get("etag"),
                since=datetime.fromisoformat(item["uploaded_at"]).timestamp(),
                size=int(item["size"]) if "size" in item else None,
            )


def without_pictures(chosen: Iterable[ObjectVersion], folder: Folder) -> list[ObjectVersion]:
    """The photos whose pictures must be fetched."""
    return [
        each
        for each in chosen
        if folder.find(name_of(each)) is None and folder.failure_reason(name_of(each)) is None
    ]


def build_tiles(
    s3: S3Client,
    bucket: str,
    reader: Reader,
    chosen: Sequence[ObjectVersion],
    folder: Folder,
    link: Callable[[ObjectVersion], str | None] | None = None,
) -> Iterator[Tile]:
    """Read the labels and make the pictures of the photos, several at a time; yields them in order.

    `link` returns the URL of an original. Raises CredentialsError or AccessDeniedError if S3 denies
    access, RefusedError if the folder cannot be written to.
    """
    _return_freed_memory()
    photos = results.read_many(reader, chosen)

    def work(pair: tuple[ObjectVersion, Photo]) -> Tile:
        each, photo = pair
        tile = _with_pictures(s3, bucket, each, photo, folder)
        linked = link and tile.pictures and not tile.pictures.full
        return replace(tile, link=link(each)) if link and linked else tile

    with pool(WORKERS, "gallery") as threads:
        yield from map_in_order(threads, work, zip(chosen, photos, strict=True), _AHEAD)


def _return_freed_memory() -> None:
    """Make Pillow allocate pixels in blocks that the C library returns to the system when freed.

    Its default blocks of 16 MB stay with the thread that freed them. Measured with five large photos in
    five threads: 1.6 GB stayed allocated, and 0.6 GB with these blocks. [Pillow, Block Allocator;
    mallopt(3), M_MMAP_THRESHOLD]
    """
    from PIL import Image

    Image.core.set_block_size(64 * 2**20)  # type: ignore[attr-defined]


def _with_pictures(
    s3: S3Client, bucket: str, chosen: ObjectVersion, photo: Photo, folder: Folder
) -> Tile:
    at = times.utc(chosen.since) if chosen.since else None

    def tile(found: Pictures | None, reason: str | None = None, fetched: int | None = None) -> Tile:
        taken = found.taken if found else None
        if taken and not date_taken.is_before(taken, chosen.since):
            taken = None
        return Tile(photo, at, found, photo.reason or reason, taken, fetched=fetched)

    name = name_of(chosen)
    if found := folder.find(name):
        return tile(found)
    if reason := folder.failure_reason(name):
        return tile(None, reason)
    content = b""
    try:
        content = pictures.fetch(s3, bucket, chosen)
        linkable = not pictures.is_rotated_by_browsers(content)
        with _decoding:
            image = pictures.decode(content, folder.longest(linkable=linkable))
        taken = date_taken.of_file(content)
    except PhotosFailedError as error:
        folder.record_failure(name, error.message)  # the next run would fail in the same way
        return tile(None, error.message, len(content))
    except (PhotoNotFoundError, RefusedError) as error:
        return tile(None, error.message)
    except Exception as error:
        explained = to_user_error(error)
        if explained is None or isinstance(explained, CredentialsError | AccessDeniedError):
            raise (explained or error) from error  # the other photos would fail as well
        return tile(None, _first_line(explained))
    found = folder.write_pictures(name, image, linkable=linkable, taken=taken)
    return tile(found, fetched=len(content))


def _first_line(error: LabelctlError) -> str:
    return error.message.splitlines()[0]


def page_data(
    tiles: Iterable[Tile],
    about: Mapping[str, Any],
    place: Callable[[str], Any] = str,
) -> dict[str, Any]:
    """The page's data (see `labelctl.render.gallery.page`).

    `about` has the page's general properties; `place` returns how the page refers to a picture file.
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
                "taken": tile.taken,
                "thumb": place(found.thumb) if found else None,
                "full": full,
                "width": found.width if found else None,
                "height": found.height if found else None,
                "labels": _labels(tile.photo, labels),
                "specific": [labels[label.name][0] for label in tile.photo.specific_labels],
            }
        )
    used = [label for _, label in labels.values()]
    categories = list(dict.fromkeys(each for label in used for each in label.categories))
    positions = {name: position for position, name in enumerate(categories)}
    return {
        **about,
        "labels": list(labels),
        "categories": categories,
        "label_categories": [[positions[each] for each in label.categories] for label in used],
        "label_aliases": [list(label.aliases) for label in used],
        "palette": palette.css_colors(),
        "photos": photos,
    }


def _labels(photo: Photo, positions: Mapping[str, tuple[int, Label]]) -> list[list[Any]]:
    """Each label as [position, confidence, boxes], with the position of its colour if it has boxes."""
    colors = palette.assign([label.name for label in photo.labels if label.boxes])
    return [
        [positions[label.name][0], round(label.confidence, 2), _boxes(label)]
        + ([colors[label.name]] if label.boxes else [])
        for label in photo.labels
    ]


def _boxes(label: Label) -> list[list[float]]:
    return [
        [round(side, 4) for side in (box.left, box.top, box.width, box.height)]
        for box in label.boxes
    ]
