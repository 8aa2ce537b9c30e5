"""Photos in a bucket and in tables, galleries of them, and a count of S3 requests."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Generator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from PIL import Image

from labelctl.contract import s3_events, schema
from labelctl.labels.results import Photo
from labelctl.labels.search.query import plan
from labelctl.labels.search.vocabulary import Vocabulary
from labelctl.photos.versions import ObjectVersion
from labelctl.render.gallery import build, thumbnails
from labelctl.render.gallery.build import Tile
from labelctl.render.gallery.thumbnails import Folder, open_folder
from tests.fakes.photos import LABELS, PhotoTables
from tests.lambda_runtime import s3_record
from tests.unit.photo_items import failed, labelled, reader_of, store


def jpeg(width: int = 60, height: int = 40, colour: str = "red", **more: Any) -> bytes:
    """The file of a photo in one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG", **more)
    return file.getvalue()


class Gallery:
    """Photos in the bucket of `moto` and in tables, and one folder in which galleries are made."""

    def __init__(self, s3: Any, bucket: str, root: Path) -> None:
        self.s3, self.bucket, self.root = s3, bucket, root
        self.tables = PhotoTables()
        self.reader = reader_of(self.tables)
        self.asked: Counter[str] = Counter()
        self._sequence = count(1)
        s3.meta.events.register("before-call.s3", self._count)

    def _count(self, model: Any, **_: Any) -> None:
        self.asked[model.name] += 1

    def put(
        self,
        key: str,
        content: bytes | None = None,
        labels: Mapping[str, float] | None = None,
        reason: str = "",
        **label: Any,
    ) -> ObjectVersion:
        """Put a photo into the bucket and, if it has labels (or a reason), its item into the table."""
        content = jpeg() if content is None else content
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        version, etag = answer["VersionId"], answer["ETag"].strip('"')
        sequencer = f"{next(self._sequence):x}"
        record = s3_record(key, sequencer, versionId=version, eTag=etag, size=len(content))
        [event] = s3_events.parse_message(json.dumps({"Records": [record]}))
        if labels is not None:
            found = [{"Name": name, "Confidence": sure, **label} for name, sure in labels.items()]
            photo = labelled(event, {"Labels": found})
            store(self.tables, photo)
            for word in schema.vocabulary_items(photo):
                self.tables.put(LABELS, word)
        if reason:
            store(self.tables, failed(event, "Invalid", reason))
        return ObjectVersion(key, version, etag)

    def listed(self, prefix: str = "") -> list[ObjectVersion]:
        return list(build.list_photos(self.s3, self.bucket, prefix))

    def searched(self, *labels: str, prefix: str = "") -> list[ObjectVersion]:
        query = plan(Vocabulary(self.reader), build.Filter(labels, prefix=prefix))
        return list(build.search_photos(self.reader, self.s3, self.bucket, query, 100))

    def make(self, chosen: list[ObjectVersion] | None = None, **more: Any) -> list[Tile]:
        """Make the gallery, of all photos or the chosen ones; with `link` without large pictures."""
        self.asked.clear()
        chosen = self.listed() if chosen is None else chosen
        with open_folder(self.root, thumbs_only="link" in more) as folder:
            tiles = list(self.tiles(chosen, folder, **more))
            folder.sweep({build.name_of(each) for each in chosen})
        return tiles

    def tiles(
        self, chosen: list[ObjectVersion], folder: Folder, **more: Any
    ) -> Generator[Tile, None, None]:
        """The photos one after the other, as they are done."""
        yield from build.build_tiles(self.s3, self.bucket, self.reader, chosen, folder, **more)

    def pictures(self) -> list[Path]:
        """All that were made so far."""
        return sorted(self.root.rglob("*.jpg"))


def files(root: Path) -> set[str]:
    """The relative paths of the files in a folder."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def tile(folder: Folder, image: str = "a.jpg", size: int = 8) -> Tile:
    """A photo of noise whose pictures are in the folder."""
    found = folder.write_pictures(
        thumbnails.name_of(image, "e"), Image.effect_noise((size, size), 90)
    )
    return Tile(Photo(image, "waiting"), None, found, None)
