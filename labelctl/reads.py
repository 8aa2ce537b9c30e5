"""Reading the table, and what that costs: the way in for whatever looks at many photos.

Everything is read eventually consistent, at half the price, unless it is said otherwise: what is told
may be a moment old.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from decimal import Decimal
from threading import Lock
from typing import TYPE_CHECKING, Any

from labelctl import contract
from labelctl.threads import pool
from labelctl.words import counted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

Item = dict[str, Any]
"""An item as plain values, with Decimal for numbers."""

BATCH = 100
"""BatchGetItem's limit."""

SEGMENTS = 4
"""Pages of the table that are scanned at once: most of the time goes by waiting for AWS."""

_TELL: Any = {"ReturnConsumedCapacity": "TOTAL"}
_LARGEST_PAGE = 1000  # index entries, of about 130 bytes

_PAUSE, _LONGEST_PAUSE = 0.05, 5.0  # seconds before AWS is asked again
_PATIENCE = 20  # times in a row, a minute and a half, beside what the client itself tries
_THROTTLED = (
    "ProvisionedThroughputExceededException",
    "ThrottlingException",
    "RequestLimitExceeded",
    "SlowDown",  # S3's words for it
    "ServiceUnavailable",
)


@dataclass
class Spent:
    """What was read so far: requests, and read units, of which AWS asks a price.

    `is_told`: whether each answer told its units. An emulator's may not.
    """

    requests: int = 0
    units: float = 0.0
    is_told: bool = True

    def __str__(self) -> str:
        units = f"{self.units:,.1f} read units" if self.is_told else "read units not told"
        return f"{counted(self.requests, 'request')}, {units}"


@dataclass(frozen=True)
class Page:
    """A page of a scan: items of one segment, as DynamoDB writes them (see `plain`); its `last` or not.

    Whoever only counts does not pay for making values of them.
    """

    segment: int
    items: Sequence[Any]
    last: bool


class Reader:
    """The table, read by any number of threads, and the bill."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self.spent = Spent()
        self._client = client
        self._table = table
        self._lock = Lock()

    def query(self, grow: int = 1, **request: Any) -> Iterator[list[Item]]:
        """The pages of a query, each asked for when it is wanted; `request` as for boto3's `query`.

        With a `Limit` each page has `grow` times as many items as the one before it, up to 1,000.
        """
        for items in self.pages(grow, **request):
            yield plain(items)

    def pages(self, grow: int = 1, **request: Any) -> Iterator[Sequence[Any]]:
        """The same with the items as DynamoDB writes them."""
        start: Any = {}
        while start is not None:
            answer = self._ask(self._client.query, **request, **start)
            last = answer.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
            if grow > 1:
                request["Limit"] = min(request["Limit"] * grow, _LARGEST_PAGE)
            yield answer.get("Items", ())

    def count(self, most: int, **request: Any) -> int:
        """How many items a query would find, counted no further than to `most`."""
        found = 0
        start: Any = {}
        while start is not None and found < most:
            limit = {"Select": "COUNT", "Limit": most - found}
            answer = self._ask(self._client.query, **request, **start, **limit)
            found += answer["Count"]
            last = answer.get("LastEvaluatedKey")
            start = {"ExclusiveStartKey": last} if last else None
        return found

    def headers(
        self, images: Iterable[str], *attributes: str, consistent: bool = False
    ) -> dict[str, Item]:
        """The headers of any number of photos, by their keys; photos without one are left out.

        With `attributes` only these of each, and its `image`. `consistent`: as they are now.
        """
        keys = ((image, contract.HEADER) for image in dict.fromkeys(images))
        found = self.items(keys, *attributes, consistent=consistent)
        return {item["image"]: item for item in found}

    def items(
        self, places: Iterable[tuple[str, str]], *attributes: str, consistent: bool = False
    ) -> Iterator[Item]:
        """The items with these keys (image, row), each of them once, in no order; see `headers`."""
        keys: list[Any] = [{"image": {"S": image}, "row": {"S": row}} for image, row in places]
        wanted: Any = {"ConsistentRead": consistent}
        if attributes:
            names = {f"#{name}": name for name in ("image", *attributes)}
            wanted["ProjectionExpression"] = ", ".join(names)
            wanted["ExpressionAttributeNames"] = names
        pause = _PAUSE
        while keys:
            batch, keys = keys[:BATCH], keys[BATCH:]
            request = {"RequestItems": {self._table: {"Keys": batch, **wanted}}}
            answer = patiently(self._client.batch_get_item, **request, **_TELL)
            self._bill(*answer.get("ConsumedCapacity") or (None,))
            yield from plain(answer["Responses"].get(self._table, ()))
            if left := answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys"):
                keys = [*left, *keys]
                time.sleep(pause)  # 100 headers are no full answer: it is throttled
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _PAUSE

    def scan(self, **request: Any) -> Iterator[Page]:
        """All of the table, a page at a time, some segments at once; `request` as for boto3's `scan`.

        Within a segment the rows of one photo come together and in the order of their sort keys, the
        header first. DynamoDB bills all that it reads, whatever a filter leaves.
        """

        def read(segment: int, start: Any) -> Any:
            begin = {"ExclusiveStartKey": start} if start else {}
            part = {"Segment": segment, "TotalSegments": SEGMENTS}
            return self._ask(self._client.scan, **request, **begin, **part)

        with pool(SEGMENTS, "scan") as threads:
            reading = {threads.submit(read, segment, None): segment for segment in range(SEGMENTS)}
            while reading:
                for done in wait(reading, return_when=FIRST_COMPLETED).done:
                    segment, answer = reading.pop(done), done.result()
                    last = answer.get("LastEvaluatedKey")
                    if last:  # the next page is on its way while this one is taken in
                        reading[threads.submit(read, segment, last)] = segment
                    yield Page(segment, answer["Items"], last is None)

    def _ask(self, operation: Callable[..., Any], **request: Any) -> Any:
        answer = patiently(operation, TableName=self._table, **request, **_TELL)
        self._bill(answer.get("ConsumedCapacity"))
        return answer

    def _bill(self, *parts: Any) -> None:
        with self._lock:
            self.spent.requests += 1
            self.spent.units += sum(part["CapacityUnits"] for part in parts if part)
            self.spent.is_told &= all(parts)


def patiently(operation: Callable[..., Any], **request: Any) -> Any:
    """The answer of DynamoDB or S3; while they are too busy they are asked again, for some time."""
    from botocore.exceptions import ClientError

    pause = _PAUSE
    for _ in range(_PATIENCE):
        try:
            return operation(**request)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _THROTTLED:
                raise
        time.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
    return operation(**request)


def plain(items: Iterable[Any]) -> list[Item]:
    """Items as values, from what DynamoDB writes."""
    return [{name: _value(*told.items()) for name, told in item.items()} for item in items]


def _value(told: tuple[str, Any]) -> Any:
    """One value, from its type and its text.

    boto3's TypeDeserializer takes more than twice as long, most of an export's time; it is left what
    the function never writes.
    """
    kind, value = told
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
