"""Storing a photo's result, so that every step can be repeated, and cut off anywhere.

First the index items, then the photo's item on the condition that it replaces nothing newer, then the
index items of the result that it replaced are deleted. Two workers may do this at once for two
versions of one photo, or for the same one: whoever loses the condition deletes its own index items.
What a worker that was killed leaves behind are index items that a search passes over.
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

_BATCH = 25  # BatchWriteItem's limit
_ROUNDS = 20  # in which it hands something back, half a minute, before it is left for later
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize

Item = dict[str, Any]


class Store:
    """Both tables, as the function writes them. Safe to share between threads."""

    def __init__(self, client: DynamoDBClient, photos_table: str, labels_table: str) -> None:
        self._client = client
        self._photos_table = photos_table
        self._labels_table = labels_table
        self._vocabulary: dict[str, Item] | None = None  # as it is stored, once it was read

    def photo(self, image: str) -> Item | None:
        """The photo's item as it is now, or None."""
        answer = self._client.get_item(
            TableName=self._photos_table, Key={"image": {"S": image}}, ConsistentRead=True
        )
        return _plain(answer["Item"]) if "Item" in answer else None

    def publish(self, item: Item, previous: Item | None) -> bool:
        """Make `item` the photo's result, unless that of a newer or the same event is stored.

        `previous` is the photo's item as it was read before. Returns False, and leaves nothing of
        this attempt, where another result stays. Raises TimeoutError.
        """
        index = schema.index_items(item)
        words = self._new_words(item)
        self._write([{"PutRequest": {"Item": _wire(each)}} for each in (*words.values(), *index)])
        if self._vocabulary is not None:
            self._vocabulary = {**self._vocabulary, **words}
        try:
            answer = self._client.put_item(
                TableName=self._photos_table,
                Item=_wire(item),
                ConditionExpression="attribute_not_exists(image) OR sequencer < :sequencer",
                ExpressionAttributeValues={":sequencer": {"S": item["sequencer"]}},
                ReturnValues="ALL_OLD",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ReturnConsumedCapacity="TOTAL",
            )
            _check(answer)
            replaced = _plain(answer.get("Attributes", {}))
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refusal: Any = error.response
            if refusal["Item"]["attempt"]["S"] != item["attempt"]:
                self._delete(index)
                return False
            # This attempt is stored: its first answer was lost, and the client asked again.
            replaced = previous or {}
        self._delete(schema.index_items(replaced))
        return True

    def _new_words(self, item: Item) -> dict[str, Item]:
        """The items that the vocabulary lacks for the photo's labels, or has otherwise."""
        if "labels" not in item:
            return {}
        if self._vocabulary is None:
            self._vocabulary = self._read_vocabulary()
        words = {word["rank"]: word for word in schema.vocabulary_items(item)}
        return {label: word for label, word in words.items() if self._vocabulary.get(label) != word}

    def _read_vocabulary(self) -> dict[str, Item]:
        """All of it, by the labels: one request, so that many new processes write next to nothing."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._labels_table,
            KeyConditionExpression="label = :vocabulary",
            ExpressionAttributeValues={":vocabulary": {"S": schema.VOCABULARY}},
        )
        return {item["rank"]["S"]: _plain(item) for page in pages for item in page["Items"]}

    def confirm(self, item: Item, sequencer: str) -> bool:
        """Make the stored result that of a later event, which left the photo as it was.

        Otherwise an event between the two, arriving late, would pass for news. Returns False where
        another result is stored by now. Raises TimeoutError.
        """
        try:
            answer = self._client.put_item(
                TableName=self._photos_table,
                Item=_wire({**item, "sequencer": sequencer}),
                ConditionExpression="attempt = :attempt AND sequencer < :sequencer",
                ExpressionAttributeValues={
                    ":attempt": {"S": item["attempt"]},
                    ":sequencer": {"S": sequencer},
                },
                ReturnConsumedCapacity="TOTAL",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        _check(answer)
        return True

    def try_writing(self, image: str) -> None:
        """Write to both tables what changes nothing; raises what `publish` would.

        So that nothing is paid for which could not be stored.
        """
        nothing = {"label": schema.VOCABULARY, "rank": schema.VOCABULARY}  # of no label
        self._delete([nothing])
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
        """BatchWriteItem until nothing is left: it may hand back a part when it is throttled."""
        pause, rounds = 0.05, 0
        while requests:
            batch, requests = requests[:_BATCH], requests[_BATCH:]
            answer = self._client.batch_write_item(RequestItems={self._labels_table: batch})  # type: ignore[dict-item]
            left: Any = answer["UnprocessedItems"].get(self._labels_table, [])
            if left:
                rounds += 1
                if rounds == _ROUNDS:
                    raise TimeoutError("DynamoDB is too busy to write.")
                requests = left + requests
                time.sleep(pause)
                pause = min(pause * 2, 2.0)


def _check(answer: Any) -> None:
    """Raise TimeoutError for an answer to PutItem that is none, so that the photo is tried again.

    botocore takes a success without content for an empty answer, and PutItem's may be empty, unless it
    is asked what the call cost.
    """
    if "ConsumedCapacity" not in answer:
        raise TimeoutError("DynamoDB did not answer.")


def _wire(item: Item) -> Item:
    return {name: _serialize(value) for name, value in item.items()}


def _plain(item: Item) -> Item:
    return {name: _deserialize(value) for name, value in item.items()}
