"""Storing a photo's result. Each step can be interrupted and repeated.

1. Write the index items.
2. Write the photo's item, on the condition that the stored item is not newer.
3. Delete the index items of the replaced result.

Two workers may process the same photo at once. The one whose condition fails deletes its own index
items. A worker that is killed may leave orphaned index items, which a search ignores.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from labelctl.contract import schema

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 25  # maximum number of items in a BatchWriteItem request
_MAX_RETRIES = 20  # about half a minute
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize

Item = dict[str, Any]


class Store:
    """Reads and writes both tables. Thread-safe."""

    def __init__(self, client: DynamoDBClient, photos_table: str, labels_table: str) -> None:
        self._client = client
        self._photos_table = photos_table
        self._labels_table = labels_table
        self._vocabulary: dict[str, Item] | None = None  # as stored; read on first use

    def photo(self, image: str) -> Item | None:
        """Return the photo's current item (strongly consistent), or None."""
        response = self._client.get_item(
            TableName=self._photos_table, Key={"image": {"S": image}}, ConsistentRead=True
        )
        return _deserialize_item(response["Item"]) if "Item" in response else None

    def publish(self, item: Item, previous: Item | None) -> bool:
        """Store `item` as the photo's result, unless the result of the same or a newer event is stored.

        `previous` is the photo's item as read before. Returns False, after deleting the index items
        of this attempt, if another result remains. Raises TimeoutError.
        """
        index = schema.index_items(item)
        vocabulary = self._new_vocabulary(item)
        self._write(
            [
                {"PutRequest": {"Item": _serialize_item(each)}}
                for each in (*vocabulary.values(), *index)
            ]
        )
        if self._vocabulary is not None:
            self._vocabulary = {**self._vocabulary, **vocabulary}
        try:
            response = self._client.put_item(
                TableName=self._photos_table,
                Item=_serialize_item(item),
                ConditionExpression="attribute_not_exists(image) OR sequencer < :sequencer",
                ExpressionAttributeValues={":sequencer": {"S": item["sequencer"]}},
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ReturnConsumedCapacity="TOTAL",
            )
            _check(response)
            replaced = _deserialize_item(response.get("Attributes", {}))
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refusal: Any = error.response
            if refusal["Item"]["attempt"]["S"] != item["attempt"]:
                self._delete(index)
                return False
            # This attempt was stored, but its response was lost and the client retried.
            replaced = previous or {}
        self._delete(schema.index_items(replaced))
        return True

    def _new_vocabulary(self, item: Item) -> dict[str, Item]:
        """Return the vocabulary items of the photo's labels that are new or changed, by label."""
        if "labels" not in item:
            return {}
        if self._vocabulary is None:
            self._vocabulary = self._read_vocabulary()
        return {
            each["rank"]: each
            for each in schema.vocabulary_items(item)
            if self._vocabulary.get(each["rank"]) != each
        }

    def _read_vocabulary(self) -> dict[str, Item]:
        """Return all vocabulary items, by label. Reading them once saves nearly all writes."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._labels_table,
            KeyConditionExpression="label = :vocabulary",
            ExpressionAttributeValues={":vocabulary": {"S": schema.VOCABULARY}},
        )
        return {
            item["rank"]["S"]: _deserialize_item(item) for page in pages for item in page["Items"]
        }

    def confirm(self, item: Item, sequencer: str) -> bool:
        """Set the sequencer of a stored result to that of a later event that did not change the photo.

        Otherwise a late event between the two would seem new. Returns False if another result has
        been stored meanwhile. Raises TimeoutError.
        """
        try:
            response = self._client.put_item(
                TableName=self._photos_table,
                Item=_serialize_item({**item, "sequencer": sequencer}),
                ConditionExpression="attempt = :attempt AND sequencer < :sequencer",
                ExpressionAttributeValues={
                    ":attempt": {"S": item["attempt"]},
                    ":sequencer": {"S": sequencer},
                },
                ReturnConsumedCapacity="TOTAL",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        _check(response)
        return True

    def try_writing(self, image: str) -> None:
        """Send a write that changes nothing to each table; raises what `publish` would.

        This avoids paying for labels that cannot be stored.
        """
        nonexistent = {"label": schema.VOCABULARY, "rank": schema.VOCABULARY}
        self._delete([nonexistent])
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(
                TableName=self._photos_table,
                Item={"image": {"S": image}},
                ConditionExpression="attribute_exists(image) AND attribute_not_exists(image)",
            )

    def _delete(self, index: Iterable[Item]) -> None:
        keys = [{name: {"S": item[name]} for name in ("label", "rank")} for item in index]
        self._write([{"DeleteRequest": {"Key": key}} for key in keys])

    def _write(self, requests: list[dict[str, Any]]) -> None:
        """Write in batches; retry the items that DynamoDB returns unprocessed when it throttles."""
        pause, retries = 0.05, 0
        while requests:
            batch, requests = requests[:_BATCH], requests[_BATCH:]
            response = self._client.batch_write_item(RequestItems={self._labels_table: batch})  # type: ignore[dict-item]
            left: Any = response["UnprocessedItems"].get(self._labels_table, [])
            if left:
                retries += 1
                if retries == _MAX_RETRIES:
                    raise TimeoutError("DynamoDB keeps throttling writes.")
                requests = left + requests
                time.sleep(pause)
                pause = min(pause * 2, 2.0)


def _check(response: Any) -> None:
    """Raise TimeoutError for an empty response to PutItem, so that the photo is retried.

    botocore accepts a success response without content. A valid response to PutItem may be empty,
    too, unless the consumed capacity was requested.
    """
    if "ConsumedCapacity" not in response:
        raise TimeoutError("DynamoDB returned an empty response.")


def _serialize_item(item: Item) -> Item:
    return {name: _serialize(value) for name, value in item.items()}


def _deserialize_item(item: Item) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
