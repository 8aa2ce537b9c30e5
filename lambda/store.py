"""Writing a photo's result into the table, so that every step can be repeated and interrupted.

The order of the steps is the whole trick, told in `labelctl.contract`: rows, then the header on the
condition that it is not older than the one there, then away with what the new header replaced. Two
workers may do this at once for two versions of one photo, or for the same one.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from labelctl import contract
from labelctl.contract import PhotoEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_BATCH = 25  # BatchWriteItem's limit
_ROUNDS = 20  # in which it hands something back, half a minute, before it is left for later
_NOWHERE = "!"  # a row that there never is: below all label rows, above the header
_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


class Store:
    """The table, as the function writes it. Safe to share between threads."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table
        self._words: dict[str, dict[str, Any]] | None = None  # what the vocabulary has, once read

    def header(self, image: str) -> dict[str, Any] | None:
        """The photo's header as it stands now, or None."""
        answer = self._client.get_item(
            TableName=self._table,
            Key={"image": {"S": image}, "row": {"S": contract.HEADER}},
            ConsistentRead=True,
        )
        return _plain(answer["Item"]) if "Item" in answer else None

    def put(self, event: PhotoEvent, header: dict[str, Any], rows: list[dict[str, Any]]) -> bool:
        """Make `header` and its rows the photo's result, unless a newer or equal one stands.

        Whatever older attempts left goes. Returns False, and leaves nothing of this version, where
        another result stands. Raises TimeoutError.
        """
        # A label is in the vocabulary before a photo shows it.
        known = self._vocabulary() if self._words is None else self._words
        words = {word["row"]: word for word in map(contract.word, rows)}
        new = {row: word for row, word in words.items() if known.get(row) != word}
        self._write([{"PutRequest": {"Item": _wire(item)}} for item in (*new.values(), *rows)])
        self._words = known | new
        try:
            answer = self._client.put_item(
                TableName=self._table,
                Item=_wire(header),
                ConditionExpression="attribute_not_exists(image) OR sequencer < :sequencer",
                ExpressionAttributeValues={":sequencer": {"S": event.sequencer}},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                ReturnConsumedCapacity="TOTAL",
            )
            _check(answer)
        except self._client.exceptions.ConditionalCheckFailedException as error:
            refusal: Any = error.response
            # Ours stands: its first answer was lost, and the client asked again.
            if refusal["Item"]["version"]["S"] != header["version"]:
                self._delete(event.key, [row["row"] for row in rows])
                return False
        self.sweep(event, keep=header["version"])
        return True

    def _vocabulary(self) -> dict[str, dict[str, Any]]:
        """All words, by their sort keys: one request, so that many new processes write next to none."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="image = :image AND begins_with(#row, :word)",
            ExpressionAttributeNames={"#row": "row"},
            ExpressionAttributeValues={
                ":image": {"S": contract.VOCABULARY},
                ":word": {"S": contract.WORD},
            },
        )
        return {item["row"]["S"]: _plain(item) for page in pages for item in page["Items"]}

    def confirm(self, event: PhotoEvent, header: dict[str, Any]) -> bool:
        """Make the result that stands that of `event`, which left the photo as it was.

        Otherwise a late event from before this one would pass for news. Returns False where another
        result stands by now. Raises TimeoutError.
        """
        try:
            answer = self._client.put_item(
                TableName=self._table,
                Item=_wire({**header, "sequencer": event.sequencer}),
                ConditionExpression="#version = :version AND sequencer < :sequencer",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={
                    ":version": {"S": header["version"]},
                    ":sequencer": {"S": event.sequencer},
                },
                ReturnConsumedCapacity="TOTAL",
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        _check(answer)
        self.sweep(event, keep=header["version"])
        return True

    def try_writing(self, image: str) -> None:
        """Write what changes nothing, in the two ways of `put`; raises what a `put` would.

        So that nothing is paid for which could not be stored.
        """
        self._delete(image, [_NOWHERE])
        with suppress(self._client.exceptions.ConditionalCheckFailedException):
            self._client.put_item(
                TableName=self._table,
                Item={"image": {"S": image}, "row": {"S": _NOWHERE}},
                ConditionExpression="attribute_exists(image)",
            )

    def sweep(self, event: PhotoEvent, keep: str) -> None:
        """Remove the label rows of this event and older ones, but for the version `keep`."""
        low, high = contract.rows_up_to(event)
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="image = :image AND #row BETWEEN :low AND :high",
            ProjectionExpression="#row",
            ExpressionAttributeNames={"#row": "row"},
            ExpressionAttributeValues={
                ":image": {"S": event.key},
                ":low": {"S": low},
                ":high": {"S": high},
            },
            ConsistentRead=True,
        )
        for page in pages:
            rows = [item["row"]["S"] for item in page["Items"]]
            self._delete(event.key, [row for row in rows if contract.version_of_row(row) != keep])

    def _delete(self, image: str, rows: Iterable[str]) -> None:
        key = {"S": image}
        self._write([{"DeleteRequest": {"Key": {"image": key, "row": {"S": row}}}} for row in rows])

    def _write(self, requests: list[dict[str, Any]]) -> None:
        """BatchWriteItem until nothing is left: it may hand back a part when it is throttled."""
        pause, rounds = 0.05, 0
        while requests:
            batch, requests = requests[:_BATCH], requests[_BATCH:]
            answer = self._client.batch_write_item(RequestItems={self._table: batch})  # type: ignore[dict-item]
            left: Any = answer["UnprocessedItems"].get(self._table, [])
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
    is asked to tell what it cost.
    """
    if "ConsumedCapacity" not in answer:
        raise TimeoutError("DynamoDB did not answer.")


def _wire(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _serialize(value) for name, value in item.items()}


def _plain(item: dict[str, Any]) -> dict[str, Any]:
    return {name: _deserialize(value) for name, value in item.items()}
