"""Reading the tables `Photos` and `Labels` (see `contract.schema`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from labelctl.aws.dynamodb import BATCH, ConsumedCapacity, Item, TableReader
from labelctl.aws.threads import pool
from labelctl.contract import schema
from labelctl.labels.stored_item import stored_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["BATCH", "Item", "Reader"]

T = TypeVar("T")


@dataclass(frozen=True)
class PhotoCounts:
    """The numbers of labelled and of failed photos.

    `approximate` has the words for a number that is not exact, by the state: "about" or "more than".
    """

    labelled: int
    failed: int
    approximate: Mapping[str, str] = field(default_factory=dict)


class Reader:
    """Reads both tables. Thread-safe. `spent` is the read capacity used."""

    def __init__(self, client: DynamoDBClient, photos_table: str, labels_table: str) -> None:
        self._tables = TableReader(client, stored_item)
        self._photos_table = photos_table
        self._labels_table = labels_table

    @property
    def spent(self) -> ConsumedCapacity:
        """The read capacity used so far."""
        return self._tables.spent

    def photo(self, image: str) -> Item | None:
        """The photo's item (consistent read), or None."""
        return self._tables.get(self._photos_table, {"image": image})

    def photos(
        self, images: Iterable[str], *attributes: str, consistent: bool = False
    ) -> dict[str, Item]:
        """The items of any number of photos by key, without photos that have none.

        With `attributes`, the items contain only these and `image`. `consistent` makes consistent
        reads.
        """
        names = ("image", *attributes) if attributes else ()
        found = self.decode_photos(images, names, stored_item, consistent=consistent)
        return {item["image"]: item for item in found}

    def scan_photos(self, *attributes: str) -> Iterator[list[Item]]:
        """All photos' items with `image` and these attributes, in pages, in no particular order."""
        return self.scan_and_decode_photos(("image", *attributes), stored_item)

    def decode_photos(
        self,
        images: Iterable[str],
        attributes: Sequence[str],
        decode: Callable[[Any], T],
        *,
        consistent: bool = False,
    ) -> Iterator[T]:
        """As `photos`, but with `decode` called for each item as the API returns it."""
        keys = [{"image": image} for image in dict.fromkeys(images)]
        return self._tables.batch_get(
            self._photos_table, keys, decode, attributes, consistent=consistent
        )

    def scan_and_decode_photos(
        self, attributes: Sequence[str], decode: Callable[[Any], T]
    ) -> Iterator[list[T]]:
        """As `scan_photos`, but with `decode` called for each item as the API returns it."""
        return self._tables.scan(self._photos_table, attributes, decode)

    def photos_by_state(self, status: str, limit: int = 1000) -> Iterator[Item]:
        """The index items of the labelled or failed photos, latest first.

        The index lags slightly behind the table. `limit` is the expected number of items to be read.
        """
        queries = [
            {**_in_shard(shard), "ScanIndexForward": False} for shard in schema.state_shards(status)
        ]
        return self._tables.query_merged(
            self._photos_table, queries, "done_at", descending=True, first=limit
        )

    def count_photos(self, status: str) -> tuple[int, bool]:
        """Count the labelled or failed photos with one request per shard, and say if these are all.

        A request counts index items of up to 1 MB: about 7,000 photos. [DynamoDB API, Query]
        """

        def count(shard: str) -> Any:
            pages = self._tables.query(self._photos_table, **_in_shard(shard), Select="COUNT")
            return next(pages)

        with pool(schema.SHARDS, "count") as threads:
            pages = [*threads.map(count, schema.state_shards(status))]
        return sum(page["Count"] for page in pages), not any(map(_has_more, pages))

    def count_states(self) -> PhotoCounts:
        """Count the labelled and the failed photos, with the same few requests for any number of them.

        If there are more than `count_photos` can count, the number of items in the index, which
        DynamoDB updates about every six hours, replaces the larger count. [DynamoDB API,
        DescribeTable]
        """
        failed, has_all_failed = self.count_photos(schema.FAILED)
        labelled, has_all_labelled = self.count_photos(schema.LABELLED)
        approximate: dict[str, str] = {}
        if not has_all_labelled:
            approximate[schema.LABELLED] = "more than"
        if not has_all_failed:
            approximate[schema.FAILED] = "more than"
        if len(approximate) == 1:
            indexed = self._tables.index_size(self._photos_table, schema.STATE_INDEX) or 0
            if not has_all_labelled and indexed - failed > labelled:
                labelled, approximate[schema.LABELLED] = indexed - failed, "about"
            if not has_all_failed and indexed - labelled > failed:
                failed, approximate[schema.FAILED] = indexed - labelled, "about"
        return PhotoCounts(labelled, failed, approximate)

    def labels_by_confidence(
        self, labels: Sequence[str], min_confidence: Decimal, first: int
    ) -> Iterator[Item]:
        """The index items of these labels with at least `min_confidence`, most confident first.

        `first` is the expected number of items to be read.
        """
        queries = [_from_confidence(label, min_confidence) for label in labels]
        return self._tables.query_merged(
            self._labels_table, queries, "rank", descending=False, first=first
        )

    def labels_by_date(self, labels: Sequence[str], first: int) -> Iterator[Item]:
        """The index items of these labels, latest upload first."""
        queries = [
            {**_with_label(label), "IndexName": schema.DATE_INDEX, "ScanIndexForward": False}
            for label in labels
        ]
        return self._tables.query_merged(
            self._labels_table, queries, "uploaded_at", descending=True, first=first
        )

    def count_labels(
        self, label: str, limit: int, min_confidence: Decimal = Decimal(0)
    ) -> tuple[int, str | None]:
        """Count a label's index items with at least `min_confidence`, up to `limit` (at most 1,000).

        Returns the count, and the rank of the last counted item if there are more, otherwise None.
        """
        query = {**_from_confidence(label, min_confidence), "Select": "COUNT", "Limit": limit}
        page = next(self._tables.query(self._labels_table, **query))
        last = page.get("LastEvaluatedKey")
        return page["Count"], last and last["rank"]["S"]

    def vocabulary(self) -> Iterator[Item]:
        """All vocabulary items, sorted by label."""
        return self._tables.query_merged(
            self._labels_table,
            [_with_label(schema.VOCABULARY)],
            "rank",
            descending=False,
            first=1000,
        )

    def index_items(
        self, index_keys: Iterable[tuple[str, str]], *, consistent: bool = False
    ) -> Iterator[Item]:
        """The items of `Labels` with these keys (label, rank), in no particular order."""
        keys = [{"label": label, "rank": rank} for label, rank in index_keys]
        return self._tables.batch_get(self._labels_table, keys, stored_item, consistent=consistent)

    def scan_index(self) -> Iterator[list[Item]]:
        """Key and photo of all items of `Labels`, in pages, in no particular order."""
        return self._tables.scan(self._labels_table, ("label", "rank", "image"), stored_item)


def _has_more(page: Any) -> bool:
    return "LastEvaluatedKey" in page


def _in_shard(shard: str) -> dict[str, Any]:
    return {
        "IndexName": schema.STATE_INDEX,
        "KeyConditionExpression": "state_shard = :shard",
        "ExpressionAttributeValues": {":shard": {"S": shard}},
    }


def _with_label(label: str) -> dict[str, Any]:
    return {
        "KeyConditionExpression": "label = :label",
        "ExpressionAttributeValues": {":label": {"S": label}},
    }


def _from_confidence(label: str, min_confidence: Decimal) -> dict[str, Any]:
    limit = schema.rank_limit(min_confidence)
    return {
        "KeyConditionExpression": "label = :label AND #rank <= :limit",
        "ExpressionAttributeNames": {"#rank": "rank"},
        "ExpressionAttributeValues": {":label": {"S": label}, ":limit": {"S": limit}},
    }
