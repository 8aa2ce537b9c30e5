"""Photos in a bucket and a table, and galleries that are made of them, counting what S3 is asked."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Generator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

from boto3.dynamodb.types import TypeSerializer
from PIL import Image

from labelctl import contract
from labelctl.gallery import build, thumbnails
from labelctl.gallery.build import Chosen, Tile
from labelctl.gallery.thumbnails import Folder, open_folder
from labelctl.reads import Reader
from labelctl.results import Awaited, Photo
from labelctl.search import plan
from labelctl.vocabulary import Vocabulary
from tests.lambda_runtime import s3_record

DONE_AT = "2030-01-01T00:00:00Z"


def jpeg(width: int = 60, height: int = 40, colour: str = "red", **more: Any) -> bytes:
    """The file of a photo in one colour."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(file, "JPEG", **more)
    return file.getvalue()


class Gallery:
    """Photos in the bucket and the table of `moto`, and one folder in which galleries are made."""

    def __init__(self, s3: Any, dynamodb: Any, bucket: str, table: str, root: Path) -> None:
        self.s3, self.dynamodb, self.bucket, self.table = s3, dynamodb, bucket, table
        self.root = root
        self.asked: Counter[str] = Counter()
        self._sequence = count(1)
        self._serialize = TypeSerializer().serialize
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
    ) -> Awaited:
        """Put a photo into the bucket and, if it has labels (or a reason), its rows into the table."""
        content = jpeg() if content is None else content
        answer = self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)
        version, etag = answer["VersionId"], answer["ETag"].strip('"')
        sequencer = f"{next(self._sequence):x}"
        record = s3_record(key, sequencer, versionId=version, eTag=etag, size=len(content))
        [event] = contract.parse_message(json.dumps({"Records": [record]}))
        stored = contract.version_of(event, "x")
        if labels is not None:
            told = [{"Name": name, "Confidence": sure, **label} for name, sure in labels.items()]
            rows = contract.label_rows(event, stored, told)
            self._write(*rows, *map(contract.word, rows))
            self._write(contract.labelled_header(event, stored, rows, {}, DONE_AT))
        if reason:
            self._write(contract.failed_header(event, stored, "Invalid", reason, DONE_AT))
        return Awaited(key, version, etag)

    def _write(self, *rows: Mapping[str, Any]) -> None:
        for row in rows:
            item = {name: self._serialize(value) for name, value in row.items()}
            self.dynamodb.put_item(TableName=self.table, Item=item)

    def listed(self, prefix: str = "") -> list[Chosen]:
        return list(build.listed(self.s3, self.bucket, prefix))

    def searched(self, *labels: str, prefix: str = "") -> list[Chosen]:
        reader = Reader(self.dynamodb, self.table)
        query = plan(Vocabulary(reader), build.Filter(labels, prefix=prefix))
        return list(build.searched(reader, self.s3, self.bucket, query, 100))

    def make(self, chosen: list[Chosen] | None = None, **more: Any) -> list[Tile]:
        """Make the gallery, of all photos or the chosen ones; with `link` without large pictures."""
        self.asked.clear()
        chosen = self.listed() if chosen is None else chosen
        with open_folder(self.root, thumbs_only="link" in more) as folder:
            tiles = list(self.tiles(chosen, folder, **more))
            folder.sweep({each.name for each in chosen})
        return tiles

    def tiles(
        self, chosen: list[Chosen], folder: Folder, **more: Any
    ) -> Generator[Tile, None, None]:
        """The photos one after the other, as they are done."""
        names = (self.bucket, self.table)
        yield from build.tiles(self.s3, self.dynamodb, *names, chosen, folder, **more)

    def pictures(self) -> list[Path]:
        """All that were made so far."""
        return sorted(self.root.rglob("*.jpg"))


def files(root: Path) -> set[str]:
    """What there is in a folder, by paths within it."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def tile(folder: Folder, image: str = "a.jpg", size: int = 8) -> Tile:
    """A photo of noise whose pictures are in the folder."""
    found = folder.keep(thumbnails.name_of(image, "e"), Image.effect_noise((size, size), 90))
    return Tile(Photo(image, "pending"), None, found, None)
