"""Reading and writing DynamoDB tables: pages, batches, parallel scans and queries, consumed capacity.

Reads are eventually consistent, at half the price, unless stated otherwise, so results may be
slightly out of date. This module does not depend on what the tables contain.
"""

from __future__ import annotations

import heapq
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from operator import itemgetter
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from labelctl.aws.threads import batches, pool
from labelctl.aws.throttling import PAUSE, call_with_backoff, next_pause
from labelctl.text import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

T = TypeVar("T")

Item = dict[str, Any]
"""An item as Python values, with Decimal for numbers."""

BATCH = 100
"""Maximum number of keys in a BatchGetItem request."""

_MAX_WRITES = 25  # items in a BatchWriteItem request
_SEGMENTS = 4  # segments of a table that are scanned in parallel
_PAGES_AT_ONCE = 2  # of a scan: a page of photos takes 20 MB until it is decoded
_QUERIES = 8  # queries whose first pages are requested in parallel
_MIN_PAGE = 32  # index items: about what one read unit pays for
_MAX_PAGE = 1000
_BINARY = (b'"B":', b'"BS":')
_USAGE: Any = {"ReturnConsumedCapacity": "TOTAL"}


@dataclass
class ConsumedCapacity:
    """Number of read requests so far, and the read units that AWS charges for them.

    `is_known` is false if a response did not state its units, as an emulator's may not.
    """

    requests: int = 0
    units: float = 0.0
    is_known: bool = True

    def __str__(self) -> str:
        units = f"{self.units:,.1f} read units" if self.is_known else "read units unknown"
        return f"{counted(self.requests, 'request')}, {units}"


class TableReader:
    """Reads tables and counts the consumed capacity. Thread-safe.

    `decode` converts items from the form of the API, where a method has no function of its own for it.
    """

    def __init__(self, client: DynamoDBClient, decode: Callable[[Any], Item] | None = None) -> None:
        self._decode = decode or deserialize
        self.spent = ConsumedCapacity()
        self._client = client
        self._lock = Lock()

    def get(self, table: str, key: Item) -> Item | None:
        """Return the current item with this key (strongly consistent), or None."""
        response = self._call(
            self._client.get_item, TableName=table, Key=_serialize_key(key), ConsistentRead=True
        )
        return self._decode(response["Item"]) if "Item" in response else None

    def batch_get(
        self,
        table: str,
        keys: Sequence[Item],
        decode: Callable[[Any], T],
        attributes: Sequence[str] = (),
        *,
        consistent: bool = False,
    ) -> Iterator[T]:
        """Yield the items with these keys, in any order; missing items are skipped.

        `decode` converts an item from the form of the API. `attributes` selects attributes; by default
        items are complete.
        """
        request = {**_projection(attributes), "ConsistentRead": consistent}
        for batch in batches(map(_serialize_key, keys), BATCH):
            left, pause = batch, PAUSE
            while left:
                response = self._call(
                    self._client.batch_get_item, RequestItems={table: {"Keys": left, **request}}
                )
                yield from map(decode, response["Responses"].get(table, ()))
                left = response.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if left:  # throttled, or the response reached its 16 MB limit
                    time.sleep(pause)
                    pause = next_pause(pause)

    def query(self, table: str, **request: Any) -> Iterator[Any]:
        """Yield the responses to a query, one per page, each requested when needed."""
        start: Any = {}
        while start is not None:
            response = self._call(self._client.query, TableName=table, **request, **start)
            last = response.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
            yield response

    def query_merged(
        self,
        table: str,
        queries: Sequence[Mapping[str, Any]],
        by: str,
        *,
        descending: bool,
        first: int,
    ) -> Iterator[Item]:
        """Merge the items of several queries, each of which returns them ordered by the attribute `by`.

        `first` is the number of items likely to be needed; it determines the page size.
        """
        size = max(_MIN_PAGE, min(first * 5 // 4 // len(queries), _MAX_PAGE))
        paged = [self._growing_pages(table, query, size) for query in queries]
        # The merge needs the first page of every query, so they are requested in parallel.
        with pool(min(_QUERIES, len(paged)), "query") as threads:
            first_pages: list[list[Item]] = [*threads.map(lambda pages: next(pages, []), paged)]
        items = (
            chain(page, chain.from_iterable(rest))
            for page, rest in zip(first_pages, paged, strict=True)
        )
        return heapq.merge(*items, key=itemgetter(by), reverse=descending)

    def _growing_pages(
        self, table: str, query: Mapping[str, Any], size: int
    ) -> Iterator[list[Item]]:
        """Yield the pages of a query: first `size` items, then four times as many each time."""
        start: Any = {}
        while start is not None:
            response = self._call(self._client.query, TableName=table, **query, **start, Limit=size)
            last = response.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
            size = min(size * 4, _MAX_PAGE)
            yield [self._decode(item) for item in response["Items"]]

    def scan(
        self, table: str, attributes: Sequence[str], decode: Callable[[Any], T]
    ) -> Iterator[list[T]]:
        """Yield these attributes of all items, one page at a time, in any order.

        `decode` converts an item from the form of the API, in the thread that reads the page: decoded
        items take much less memory. Segments are scanned in parallel, two pages at a time. DynamoDB
        bills complete items.
        """
        request = {"TableName": table, "TotalSegments": _SEGMENTS, **_projection(attributes)}

        def read(**page: Any) -> tuple[list[T], Any]:
            response = self._call(self._client.scan, **request, **page)
            return [decode(item) for item in response["Items"]], response.get("LastEvaluatedKey")

        with pool(_PAGES_AT_ONCE, "scan") as threads:
            reading = {threads.submit(read, Segment=number): number for number in range(_SEGMENTS)}
            while reading:
                for done in wait(reading, return_when=FIRST_COMPLETED).done:
                    segment, (items, last) = reading.pop(done), done.result()
                    if last:
                        # Request the next page while the caller processes this one.
                        next_page = threads.submit(read, Segment=segment, ExclusiveStartKey=last)
                        reading[next_page] = segment
                    yield items

    def index_size(self, table: str, index: str) -> int | None:
        """Return the number of an index's items, updated every few hours; None if unknown."""
        from botocore.exceptions import ClientError

        try:
            described = self._client.describe_table(TableName=table)["Table"]
        except ClientError:
            return None
        indexes = described.get("GlobalSecondaryIndexes", ())
        return next((each.get("ItemCount") for each in indexes if each["IndexName"] == index), None)

    def _call(self, operation: Callable[..., Any], **request: Any) -> Any:
        response = call_with_backoff(operation, **request, **_USAGE)
        usage = response.get("ConsumedCapacity")
        parts = usage if isinstance(usage, list) else [usage]
        with self._lock:
            self.spent.requests += 1
            self.spent.units += sum(part["CapacityUnits"] for part in parts if part)
            self.spent.is_known &= all(parts)
        return response


def write(
    client: DynamoDBClient, table: str, *, put: Iterable[Item] = (), delete: Iterable[Item] = ()
) -> None:
    """Put items into a table and delete items by key. Backs off while DynamoDB throttles."""
    from boto3.dynamodb.types import TypeSerializer

    def serialize(item: Item) -> Item:
        return {name: TypeSerializer().serialize(value) for name, value in item.items()}

    writes: list[Any] = [
        *({"PutRequest": {"Item": serialize(item)}} for item in put),
        *({"DeleteRequest": {"Key": serialize(key)}} for key in delete),
    ]
    for batch in batches(writes, _MAX_WRITES):
        left, pause = batch, PAUSE
        while left:
            response = call_with_backoff(client.batch_write_item, RequestItems={table: left})
            left = response["UnprocessedItems"].get(table, [])
            if left:
                time.sleep(pause)
                pause = next_pause(pause)


def keep_items_as_json(response_dict: Any, customized_response_dict: Any, **_: Any) -> None:
    """Take a response's items as they are in its JSON, instead of having botocore copy each value.

    A handler of botocore's event before-parse. botocore's parser takes ten times as long as the `json`
    module. The results are equal, except for binary values, which botocore therefore still parses.
    """
    body = response_dict["body"]
    if response_dict["status_code"] != 200 or any(kind in body for kind in _BINARY):
        return
    try:
        parsed = json.loads(body)
    except ValueError:
        return  # botocore reports what is wrong
    if isinstance(parsed, dict):
        items = {name: parsed.pop(name) for name in ("Items", "Responses") if name in parsed}
        customized_response_dict.update(items)
        response_dict["body"] = json.dumps(parsed).encode()


def _projection(attributes: Sequence[str]) -> dict[str, Any]:
    if not attributes:
        return {}
    names = {f"#{name}": name for name in dict.fromkeys(attributes)}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _serialize_key(key: Item) -> Item:
    return {name: {"S": value} for name, value in key.items()}


def deserialize(item: Mapping[str, Any]) -> Item:
    """Return an item as Python values, from the form of the API: {"image": {"S": "a.jpg"}}."""
    return {name: _deserialize_value(*each.items()) for name, each in item.items()}


def _deserialize_value(typed: tuple[str, Any]) -> Any:
    """Convert a value from its DynamoDB type and representation, such as ("N", "1").

    boto3's TypeDeserializer takes more than twice as long, which would be most of the time of an
    export. It is only used for types that the function does not write.
    """
    kind, value = typed
    match kind:
        case "S" | "BOOL":
            return value
        case "N":
            return Decimal(value)
        case "M":
            return {name: _deserialize_value(*each.items()) for name, each in value.items()}
        case "L":
            return [_deserialize_value(*each.items()) for each in value]
    from boto3.dynamodb.types import TypeDeserializer

    other: Any = {kind: value}
    return TypeDeserializer().deserialize(other)
