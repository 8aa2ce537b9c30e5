"""The photos in the bucket in key order, each with the item that holds its result.

Keys come from the bucket and states from the table, so waiting photos are included. The cost is one
listing request per 1,000 photos and one BatchGetItem per 100, at half a read unit per photo (more for
items over 4 KB). Several batches are read ahead to hide latency; memory use is limited to those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from labelctl.aws.threads import batches, map_in_order, pool
from labelctl.labels import results
from labelctl.labels.reader import BATCH, Item, Reader
from labelctl.photos import versions
from labelctl.photos.versions import ObjectVersion

_AHEAD = 8  # batches of items read concurrently


@dataclass(frozen=True)
class PhotoWithItem:
    """A photo in the bucket and its item; the item is None while the photo is waiting."""

    object: ObjectVersion
    item: Item | None

    @property
    def status(self) -> str:
        """labelled, failed or waiting."""
        return str(self.item["status"]) if self.item else results.WAITING


def photos(
    reader: Reader, objects: Iterator[ObjectVersion], *attributes: str
) -> Iterator[list[PhotoWithItem]]:
    """The photos with these attributes of their items, in the given order, in batches of up to 100."""
    names = dict.fromkeys((*versions.RESULT_ATTRIBUTES, *attributes))

    def read(batch: list[ObjectVersion]) -> list[PhotoWithItem]:
        items = reader.photos((each.key for each in batch), *names)
        return [
            PhotoWithItem(each, item if item and versions.is_result_of(item, each) else None)
            for each in batch
            for item in [items.get(each.key)]
        ]

    with pool(_AHEAD, "photos") as threads:
        yield from map_in_order(threads, read, batches(objects, BATCH), _AHEAD)
