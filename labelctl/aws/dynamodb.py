"""Reading DynamoDB by pages, batches, segments and several queries at once, with the bill; writing it.

Everything is read eventually consistent, at half the price, unless it says otherwise: what is returned
may be a moment old. Nothing here knows what the tables hold.
"""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelctl.aws.threads import batches, pool
from labelctl.aws.throttling import PAUSE, next_pause, patiently
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""An item as plain values, with Decimal for numbers."""

BATCH = 100
"""BatchGetItem's limit."""

_WRITES = 25  # BatchWriteItem's limit

_SEGMENTS = 4  # pages of a table that are scanned at once: most of the time goes by waiting for AWS
_QUERIES = 8  # queries whose first pages are asked for at once
_SMALLEST_PAGE, _LARGEST_PAGE = (
    32,
    1000,
)  # index items; so many of the smallest are billed as one unit
_USAGE: Any = {"ReturnConsumedCapacity": "TOTAL"}


@dataclass
class Spent:
    """What was read so far: requests, and read units, which AWS charges for.

    `is_known`: whether each answer stated its units. An emulator's may not.
    """

    requests: int = 0
    units: float = 0.0
    is_known: bool = True

    def __str__(self) -> str:
        units = f"{self.units:,.1f} read units" if self.is_known else "read units unknown"
        return f"{counted(self.requests, 'request')}, {units}"


class TableReader:
    """DynamoDB's tables, read by any number of threads, and the bill."""

    def __init__(self, client: DynamoDBClient) -> None:
        self.spent = Spent()
        self._client = client
        self._lock = Lock()

    def get(self, table: str, key: Item) -> Item | None:
        """The item of this key as it is now, or None."""
        answer = self._ask(
            self._client.get_item, TableName=table, Key=_typed(key), ConsistentRead=True
        )
        return _plain(answer["Item"]) if "Item" in answer else None

    def batch_get(
        self, table: str, keys: Sequence[Item], attributes: Sequence[str] = (), *, consistent: bool
    ) -> Iterator[Item]:
        """The items of these keys, or these attributes of each, in no order; others are left out."""
        request = {**_projection(attributes), "ConsistentRead": consistent}
        for batch in batches(map(_typed, keys), BATCH):
            left, pause = batch, PAUSE
            while left:
                answer = self._ask(
                    self._client.batch_get_item, RequestItems={table: {"Keys": left, **request}}
                )
                yield from map(_plain, answer["Responses"].get(table, ()))
                left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if left:  # it is throttled, or the items are very large
                    time.sleep(pause)
                    pause = next_pause(pause)

    def query(self, table: str, **request: Any) -> Iterator[Any]:
        """The answers to a query, a page each, each asked for when it is wanted."""
        start: Any = {}
        while start is not None:
            answer = self._ask(self._client.query, TableName=table, **request, **start)
            last = answer.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
            yield answer

    def merged(
        self,
        table: str,
        queries: Sequence[Mapping[str, Any]],
        by: str,
        *,
        descending: bool,
        first: int,
    ) -> Iterator[Item]:
        """The items of queries that are each in the order of the attribute `by`, in that order.

        `first` is how many are likely to be wanted.
        """
        size = max(_SMALLEST_PAGE, min(first * 5 // 4 // len(queries), _LARGEST_PAGE))
        walks = [self._growing(table, query, size) for query in queries]
        # All begin at once, since nothing is known to come first before each has its first page.
        with pool(min(_QUERIES, len(walks)), "query") as threads:
            begun: list[list[Item]] = [*threads.map(lambda walk: next(walk, []), walks)]
        whole = (
            chain(page, chain.from_iterable(rest)) for page, rest in zip(begun, walks, strict=True)
        )
        return heapq.merge(*whole, key=itemgetter(by), reverse=descending)

    def _growing(self, table: str, query: Mapping[str, Any], size: int) -> Iterator[list[Item]]:
        """The pages of a query, of `size` items and then each four times the one before."""
        start: Any = {}
        while start is not None:
            answer = next(self.query(table, **query, **start, Limit=size))
            last = answer.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
            size = min(size * 4, _LARGEST_PAGE)
            yield [_plain(item) for item in answer["Items"]]

    def scan(self, table: str, attributes: Sequence[str]) -> Iterator[list[Item]]:
        """These attributes of all items, a page at a time in no order, some segments at once.

        DynamoDB bills all of each item.
        """

        def read(segment: int, start: Any) -> Any:
            begin = {"ExclusiveStartKey": start} if start else {}
            part = {"Segment": segment, "TotalSegments": _SEGMENTS, **_projection(attributes)}
            return self._ask(self._client.scan, TableName=table, **begin, **part)

        with pool(_SEGMENTS, "scan") as threads:
            reading = {threads.submit(read, segment, None): segment for segment in range(_SEGMENTS)}
            while reading:
                for done in wait(reading, return_when=FIRST_COMPLETED).done:
                    segment, answer = reading.pop(done), done.result()
                    if last := answer.get("LastEvaluatedKey"):
                        # The next page is on its way while this one is taken in.
                        reading[threads.submit(read, segment, last)] = segment
                    yield [_plain(item) for item in answer["Items"]]

    def _ask(self, operation: Callable[..., Any], **request: Any) -> Any:
        answer = patiently(operation, **request, **_USAGE)
        usage = answer.get("ConsumedCapacity")
        parts = usage if isinstance(usage, list) else [usage]
        with self._lock:
            self.spent.requests += 1
            self.spent.units += sum(part["CapacityUnits"] for part in parts if part)
            self.spent.is_known &= all(parts)
        return answer


def write(
    client: DynamoDBClient, table: str, *, put: Iterable[Item] = (), delete: Iterable[Item] = ()
) -> None:
    """Put items into a table, and delete those of some keys; while it is throttled it waits."""
    from boto3.dynamodb.types import TypeSerializer

    def typed(item: Item) -> Item:
        return {name: TypeSerializer().serialize(value) for name, value in item.items()}

    writes: list[Any] = [
        *({"PutRequest": {"Item": typed(item)}} for item in put),
        *({"DeleteRequest": {"Key": typed(key)}} for key in delete),
    ]
    for batch in batches(writes, _WRITES):
        left, pause = batch, PAUSE
        while left:
            answer = patiently(client.batch_write_item, RequestItems={table: left})
            left = answer["UnprocessedItems"].get(table, [])
            if left:
                time.sleep(pause)
                pause = next_pause(pause)


def _projection(attributes: Sequence[str]) -> dict[str, Any]:
    if not attributes:
        return {}
    names = {f"#{name}": name for name in dict.fromkeys(attributes)}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _typed(key: Item) -> Item:
    return {name: {"S": value} for name, value in key.items()}


def _plain(item: Mapping[str, Any]) -> Item:
    """An item's values, from what DynamoDB writes."""
    return {name: _value(*each.items()) for name, each in item.items()}


def _value(typed: tuple[str, Any]) -> Any:
    """One value, from its type and its text.

    boto3's TypeDeserializer takes more than twice as long, most of an export's time; it is left what
    the function never writes.
    """
    kind, value = typed
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return Decimal(value)
        case "M":
            return {name: _value(*each.items()) for name, each in value.items()}
        case "L":
            return [_value(*each.items()) for each in value]
    from boto3.dynamodb.types import TypeDeserializer

    other: Any = {kind: value}
    return TypeDeserializer().deserialize(other)
