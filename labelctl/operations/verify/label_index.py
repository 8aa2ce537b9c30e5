"""Check the label index against the photos' items, and repair it.

A search finds photos through index items: a missing item hides a photo, a superfluous one only costs a
read. Items are missing if the table was lost or changed by hand; superfluous items remain if the
function was killed between two steps. The photos' items are authoritative, so the index can be rebuilt
from nothing, without calling Rekognition.

The check scans the whole index. For 1,000,000 photos with 20 labels, that is 20,000,000 items of 150
bytes: 370,000 read units at 0.125 USD per million, or 0.05 USD. [DynamoDB pricing, on demand,
us-east-1]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from labelctl.aws import dynamodb
from labelctl.aws.threads import batches
from labelctl.contract import schema
from labelctl.labels.reader import BATCH
from labelctl.operations.verify.findings import Finding, Progress
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from labelctl.labels.reader import Item, Reader
    from labelctl.operations.verify.inventory import Inventory

_MAX_RUNTIME = 15 * 60  # seconds an attempt of the function can run [Lambda quotas]


class IndexCheck:
    """One check of the index against an inventory, for photos whose keys start with `prefix`.

    With `repair`, index items are added and deleted during the check.
    """

    def __init__(
        self,
        reader: Reader,
        client: DynamoDBClient,
        table: str,
        inventory: Inventory,
        prefix: str,
        clock: Callable[[], float],
        *,
        repair: bool,
    ) -> None:
        self._reader, self._inventory, self._prefix = reader, inventory, prefix
        self._client, self._table, self._clock = client, table, clock
        self._repair = repair
        self._vocabulary: set[str] = set()  # ranks of the vocabulary items already written

    def run(self) -> Iterator[Progress | Finding]:
        """Yield findings, one per photo and kind, and progress in index items."""
        scanned, labels = 0, self._inventory.count_labels()
        for page in self._reader.scan_index():
            scanned += len(page)
            self._count(
                [
                    item
                    for item in page
                    if item["label"] != schema.VOCABULARY and item["image"].startswith(self._prefix)
                ]
            )
            # The index holds an item for each label, and a few for the vocabulary.
            yield Progress("Reading the index", scanned, max(labels, scanned))
        for photos in batches(self._inventory.unmatched(), BATCH):
            yield from self._unused([*chain.from_iterable(photos)])
        for images in batches(self._inventory.incompletely_indexed(), BATCH):
            yield from self._unindexed(images)

    def _count(self, items: list[Item]) -> None:
        """Count the items of stored results; keep the others, except those of running attempts."""
        attempts = self._inventory.attempts(item["image"] for item in items)
        indexed: Counter[str] = Counter()
        unmatched = []
        for item in items:
            attempt = schema.attempt_of(item["rank"])
            if attempt == attempts.get(item["image"]):
                indexed[item["image"]] += 1
            elif not self._may_be_running(attempt):
                unmatched.append(item)
        self._inventory.count_indexed(indexed.items())
        self._inventory.add_unmatched(unmatched)

    def _unused(self, items: list[Item]) -> Iterator[Finding]:
        """Report those of the items that belong to no current result.

        A photo may have a new result since its items were scanned. The attempt that stored it may be
        about to delete the old index items, so photos with a recent attempt are passed over.
        """
        images = (item["image"] for item in items)
        photos = self._reader.photos(images, "attempt", consistent=True)
        stored = {image: photo["attempt"] for image, photo in photos.items()}
        settled = [item for item in items if not self._may_be_running(stored.get(item["image"]))]
        unused = [
            item for item in settled if stored.get(item["image"]) != schema.attempt_of(item["rank"])
        ]
        if self._repair:
            self._write(delete=unused)
        for image, count in Counter(item["image"] for item in unused).items():
            detail = f"The index has {counted(count, 'item')} of an earlier result."
            yield Finding("unused", image, detail, self._repair)

    def _may_be_running(self, attempt: str | None) -> bool:
        return attempt is not None and schema.attempt_time(attempt) >= self._clock() - _MAX_RUNTIME

    def _unindexed(self, images: Iterable[str]) -> Iterator[Finding]:
        """Report the photos that lack index items according to their current items."""
        for photo in self._reader.photos(images, consistent=True).values():
            missing = {(item["label"], item["rank"]): item for item in schema.index_items(photo)}
            for item in self._reader.index_items(missing, consistent=True):
                del missing[item["label"], item["rank"]]
            if not missing:
                continue
            if self._repair:
                vocabulary = schema.vocabulary_items(photo)
                new = [item for item in vocabulary if item["rank"] not in self._vocabulary]
                self._vocabulary.update(item["rank"] for item in new)
                self._write(put=[*new, *missing.values()])
            labels = counted(len(photo["labels"]), "label")
            detail = f"A search misses it for {len(missing):,} of its {labels}."
            yield Finding("unindexed", photo["image"], detail, self._repair)

    def _write(self, *, put: Iterable[Item] = (), delete: Iterable[Item] = ()) -> None:
        keys = ({name: item[name] for name in ("label", "rank")} for item in delete)
        dynamodb.write(self._client, self._table, put=put, delete=keys)
