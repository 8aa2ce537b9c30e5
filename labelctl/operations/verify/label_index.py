"""Whether the index of the labels agrees with the photos' items, and putting it right.

A search finds a photo by an index item, so one that is missing hides the photo; one too many only
costs a look. Items are missing if the table was lost or changed by hand. Too many are there after the
function was killed between two of its steps. Both are settled by the photos' items, so the index can
be made again from nothing, and without asking Rekognition.

The whole index is scanned: for 1,000,000 photos of 20 labels 20,000,000 items of 150 bytes, 370,000
read units at 0.125 USD a million, 0.05 USD. [DynamoDB pricing, on demand, us-east-1]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from labelctl.aws import dynamodb
from labelctl.aws.threads import batches
from labelctl.contract import schema
from labelctl.labels.tables import BATCH
from labelctl.operations.verify.findings import Finding, Progress
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

    from labelctl.labels.tables import Item, Reader
    from labelctl.operations.verify.inventory import Inventory

_RUNNING = 15 * 60  # seconds after which no attempt of the function still runs [Lambda quotas]


class IndexCheck:
    """One check of the index against an inventory, of the photos whose keys begin with `prefix`.

    With `repair` index items are added and deleted at once.
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
        self._words: set[str] = set()  # labels whose vocabulary items were written

    def run(self) -> Iterator[Progress | Finding]:
        """What is wrong with the index, photo by photo, and how far the check is, in index items."""
        scanned = 0
        for page in self._reader.scan_index():
            scanned += len(page)
            self._count(
                [
                    item
                    for item in page
                    if item["label"] != schema.VOCABULARY and item["image"].startswith(self._prefix)
                ]
            )
            yield Progress("Reading the index", scanned)
        for photos in batches(self._inventory.odd(), BATCH):
            yield from self._unused([*chain.from_iterable(photos)])
        for images in batches(self._inventory.not_indexed(), BATCH):
            yield from self._unindexed(images)

    def _count(self, items: list[Item]) -> None:
        """Count the items of stored results; keep the others, but for those of running attempts."""
        attempts = self._inventory.attempts(item["image"] for item in items)
        indexed: Counter[str] = Counter()
        odd = []
        for item in items:
            attempt = schema.attempt_of(item["rank"])
            if attempt == attempts.get(item["image"]):
                indexed[item["image"]] += 1
            elif not self._may_run(attempt):
                odd.append(item)
        self._inventory.count_indexed(indexed.items())
        self._inventory.add_odd(odd)

    def _unused(self, items: list[Item]) -> Iterator[Finding]:
        """The items among these that belong to no result as they are now.

        A photo may have another result since its items were scanned. The attempt that replaced one
        deletes the index items of that, and may be about to.
        """
        images = (item["image"] for item in items)
        photos = self._reader.photos(images, "attempt", consistent=True)
        stored = {image: photo["attempt"] for image, photo in photos.items()}
        settled = [item for item in items if not self._may_run(stored.get(item["image"]))]
        unused = [
            item for item in settled if stored.get(item["image"]) != schema.attempt_of(item["rank"])
        ]
        if self._repair:
            self._write(delete=unused)
        for image, count in Counter(item["image"] for item in unused).items():
            detail = f"The index has {counted(count, 'item')} of an earlier result."
            yield Finding("unused", image, detail, self._repair)

    def _may_run(self, attempt: str | None) -> bool:
        return attempt is not None and schema.attempt_time(attempt) >= self._clock() - _RUNNING

    def _unindexed(self, images: Iterable[str]) -> Iterator[Finding]:
        """The photos that lack index items, by their own items as they are now."""
        for photo in self._reader.photos(images, consistent=True).values():
            wanted = {(item["label"], item["rank"]): item for item in schema.index_items(photo)}
            for item in self._reader.index_items(wanted, consistent=True):
                del wanted[item["label"], item["rank"]]
            if not wanted:
                continue
            if self._repair:
                words = schema.vocabulary_items(photo)
                new = [word for word in words if word["rank"] not in self._words]
                self._words.update(word["rank"] for word in new)
                self._write(put=[*new, *wanted.values()])
            labels = counted(len(photo["labels"]), "label")
            detail = f"A search does not find it by {len(wanted):,} of its {labels}."
            yield Finding("unindexed", photo["image"], detail, self._repair)

    def _write(self, *, put: Iterable[Item] = (), delete: Iterable[Item] = ()) -> None:
        keys = ({name: item[name] for name in ("label", "rank")} for item in delete)
        dynamodb.write(self._client, self._table, put=put, delete=keys)
