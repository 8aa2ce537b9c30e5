"""What labelctl reads of its tables, `Photos` and `Labels` (see `schema`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from labelctl.aws.dynamodb import BATCH, Item, Spent, TableReader
from labelctl.aws.threads import pool
from labelctl.contract import schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

__all__ = ["BATCH", "Item", "Reader"]


class Reader:
    """Both tables, read by any number of threads, and the bill: `spent`."""

    def __init__(self, client: DynamoDBClient, photos_table: str, labels_table: str) -> None:
        self._tables = TableReader(client)
        self._photos_table = photos_table
        self._labels_table = labels_table

    @property
    def spent(self) -> Spent:
        """What was read so far."""
        return self._tables.spent

    def photo(self, image: str) -> Item | None:
        """The photo's item as it is now, or None."""
        return self._tables.get(self._photos_table, {"image": image})

    def photos(
        self, images: Iterable[str], *attributes: str, consistent: bool = False
    ) -> dict[str, Item]:
        """The items of any number of photos, by their keys; photos without one are left out.

        With `attributes` only these of each, and its `image`. `consistent`: as they are now.
        """
        keys = [{"image": image} for image in dict.fromkeys(images)]
        wanted = ("image", *attributes) if attributes else ()
        found = self._tables.batch_get(self._photos_table, keys, wanted, consistent=consistent)
        return {item["image"]: item for item in found}

    def scan_photos(self, *attributes: str) -> Iterator[list[Item]]:
        """These attributes of all photos' items, and `image`, a page at a time in no order."""
        return self._tables.scan(self._photos_table, ("image", *attributes))

    def photos_by_state(self, status: str, limit: int = 1000) -> Iterator[Item]:
        """The photos that are labelled, or have failed, the latest first: what the index has of each.

        It is a moment behind the table. `limit` is how many are likely to be wanted.
        """
        queries = [
            {**_in_shard(shard), "ScanIndexForward": False} for shard in schema.state_shards(status)
        ]
        return self._tables.merged(
            self._photos_table, queries, "done_at", descending=True, first=limit
        )

    def count_photos(self, status: str) -> int:
        """How many photos are labelled, or have failed; reads their index items (about 150 bytes)."""

        def count(shard: str) -> int:
            answers = self._tables.query(self._photos_table, **_in_shard(shard), Select="COUNT")
            return sum(answer["Count"] for answer in answers)

        with pool(schema.SHARDS, "count") as threads:
            return sum(threads.map(count, schema.state_shards(status)))

    def labels_by_confidence(
        self, labels: Sequence[str], min_confidence: Decimal, first: int
    ) -> Iterator[Item]:
        """The index items of any of these labels, from that confidence on, the surest first.

        `first` is how many are likely to be wanted.
        """
        queries = [_from_confidence(label, min_confidence) for label in labels]
        return self._tables.merged(
            self._labels_table, queries, "rank", descending=False, first=first
        )

    def labels_by_date(self, labels: Sequence[str], first: int) -> Iterator[Item]:
        """The index items of any of these labels, the photo that was uploaded last first."""
        queries = [
            {**_with_label(label), "IndexName": schema.DATE_INDEX, "ScanIndexForward": False}
            for label in labels
        ]
        return self._tables.merged(
            self._labels_table, queries, "uploaded_at", descending=True, first=first
        )

    def count_labels(
        self, label: str, limit: int, min_confidence: Decimal = Decimal(0)
    ) -> tuple[int, str | None]:
        """How many index items a label has from that confidence on, at most `limit` (up to 1,000).

        And the rank of the last one that was counted, None where there are no more.
        """
        query = {**_from_confidence(label, min_confidence), "Select": "COUNT", "Limit": limit}
        answer = next(self._tables.query(self._labels_table, **query))
        last = answer.get("LastEvaluatedKey")
        return answer["Count"], last and last["rank"]["S"]

    def words(self, labels: Iterable[str]) -> Iterator[Item]:
        """The vocabulary's items for these labels, in no order; those without one are left out."""
        return self.index_items((schema.VOCABULARY, label) for label in labels)

    def vocabulary(self) -> Iterator[Item]:
        """All items of the vocabulary, by their labels."""
        return self._tables.merged(
            self._labels_table,
            [_with_label(schema.VOCABULARY)],
            "rank",
            descending=False,
            first=1000,
        )

    def index_items(
        self, places: Iterable[tuple[str, str]], *, consistent: bool = False
    ) -> Iterator[Item]:
        """The items of `Labels` with these keys (label, rank), in no order."""
        keys = [{"label": label, "rank": rank} for label, rank in places]
        return self._tables.batch_get(self._labels_table, keys, consistent=consistent)

    def scan_index(self) -> Iterator[list[Item]]:
        """All keys of `Labels` and the photo of each, a page at a time in no order."""
        return self._tables.scan(self._labels_table, ("label", "rank", "image"))


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
