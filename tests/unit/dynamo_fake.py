"""DynamoDB's reading calls in memory, on a table that is laid out as labelctl's, and what they cost.

`query` (the table and its indexes), `scan`, `batch_get_item`, `describe_table`, and `get_paginator` of
the first two, with plain items put in by `put`. `ConsumedCapacity` follows the documented sizes of
items, and pages end at 1 MB. Held against moto in test_table_fake.py.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from threading import RLock
from types import SimpleNamespace
from typing import Any

from boto3.dynamodb.types import TypeDeserializer
from botocore.exceptions import ClientError

from labelctl import contract
from tests.unit.expressions import bounds, condition

Item = dict[str, Any]
Key = tuple[str, str]

PAGE = 1024 * 1024
"""Bytes of items after which a page of a query or a scan ends. [Developer Guide, Query]"""
BATCH = 16 * 1024 * 1024
"""Bytes of items that one BatchGetItem gives out. [API Reference, BatchGetItem]"""


def size(item: Mapping[str, Any]) -> int:
    """An item's size in bytes. [Developer Guide, DynamoDB item sizes and formats]"""
    return sum(len(name.encode()) + _size(value) for name, value in item.items())


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, Decimal | int):
        digits = Decimal(value).normalize().as_tuple().digits
        return (len(digits) + 1) // 2 + 1
    if isinstance(value, Mapping):
        return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in value.items())
    return 3 + sum(1 + _size(each) for each in value)


def units(sizes: int, consistent: bool = False) -> float:
    """Read units for bytes that are read together: one for 4 KB, or half of it if not consistent."""
    return max(1, -(-sizes // 4096)) * (1 if consistent else 0.5)


def wire(value: Any) -> Any:
    """A value as DynamoDB writes it."""
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, bool):
        return {"BOOL": value}
    if value is None:
        return {"NULL": True}
    if isinstance(value, Decimal | int):
        return {"N": str(value)}
    if isinstance(value, Mapping):
        return {"M": {name: wire(each) for name, each in value.items()}}
    return {"L": [wire(each) for each in value]}


def wired(item: Mapping[str, Any]) -> Item:
    """An item as DynamoDB writes it."""
    return {name: wire(value) for name, value in item.items()}


_value = TypeDeserializer().deserialize


class _Order:
    """The table, or an index of it: partitions by one attribute, each in the order of another.

    Entries are (sort key, image, row), so that those with one sort key have an order, too.
    """

    def __init__(self, partition: str, sort: str, projected: Iterable[str] | None = None) -> None:
        self.partition, self.sort = partition, sort
        self.keys = tuple(dict.fromkeys((partition, sort, "image", "row")))
        self._shown = None if projected is None else {*self.keys, *projected}
        self._items: dict[str, dict[Key, Item]] = {}
        self._sorted: dict[str, list[tuple[Any, str, str]]] = {}
        self._sizes: dict[Key, int] = {}

    def put(self, key: Key, item: Item) -> None:
        if self.partition in item and self.sort in item:
            self._items.setdefault(item[self.partition], {})[key] = item
            if known := self._sorted.get(item[self.partition]):
                insort(known, (item[self.sort], *key))

    def drop(self, key: Key, item: Item) -> None:
        if self.partition in item and self.sort in item:
            partition = item[self.partition]
            del self._items[partition][key]
            self._sizes.pop(key, None)
            if known := self._sorted.get(partition):
                del known[bisect_left(known, (item[self.sort], *key))]
            if not self._items[partition]:
                del self._items[partition]
                self._sorted.pop(partition, None)

    def entries(self, partition: str) -> list[tuple[Any, str, str]]:
        if partition not in self._sorted:
            items = self._items.get(partition, {})
            found = sorted((item[self.sort], *key) for key, item in items.items())
            if not found:
                return []
            self._sorted[partition] = found
        return self._sorted[partition]

    def partitions(self) -> Iterable[str]:
        return self._items.keys()

    def get(self, partition: str, key: Key) -> Item | None:
        """An entry with what the index shows of it."""
        item = self._items.get(partition, {}).get(key)
        if item is None or self._shown is None:
            return item
        return {name: value for name, value in item.items() if name in self._shown}

    def size(self, key: Key, item: Item) -> int:
        if key not in self._sizes:
            self._sizes[key] = size(item)
        return self._sizes[key]

    def key_of(self, item: Item) -> Item:
        return wired({name: item[name] for name in self.keys})


class DynamoFake:
    """See the module. `calls` counts the requests by operation, `units` what they read."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: Counter[str] = Counter()
        self.units = 0.0
        self.refuse: Callable[[int], int] = lambda keys: 0
        """How many of a BatchGetItem's keys are left unprocessed."""
        self._table = _Order("image", "row")
        self._orders = {
            None: self._table,
            contract.STATUS_INDEX: _Order(
                "status", "done_at", ("error", "reason", "label_count", "top")
            ),
            contract.CONFIDENCE_INDEX: _Order("label", "confidence", ()),
            contract.DATE_INDEX: _Order("label", "uploaded_at", ("confidence",)),
        }
        self._count = 0
        self._scanned: list[tuple[int, str]] | None = None
        self._lock = RLock()

    # ---- what is in it

    def put(self, item: Item) -> None:
        """Write one item of plain values."""
        key = (item["image"], item["row"])
        self.drop(*key)
        for order in self._orders.values():
            order.put(key, item)
        self._count += 1
        self._scanned = None

    def drop(self, image: str, row: str) -> None:
        """Remove one item, if there is one."""
        old = self._table.get(image, (image, row))
        if old is not None:
            for order in self._orders.values():
                order.drop((image, row), old)
            self._count -= 1
            self._scanned = None

    def rows(self, image: str) -> list[Item]:
        """All items of one photo, as plain values."""
        found = [self._table.get(image, (image, row)) for row, *_ in self._table.entries(image)]
        return [item for item in found if item is not None]

    # ---- the client's calls

    def query(
        self,
        *,
        TableName: str,  # noqa: N803
        KeyConditionExpression: str,  # noqa: N803
        IndexName: str | None = None,  # noqa: N803
        ScanIndexForward: bool = True,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
        **request: Any,
    ) -> Any:
        with self._lock:
            self.calls["Query"] += 1
            self._check(TableName)
            order = self._orders[IndexName]
            if IndexName and ConsistentRead:
                raise _invalid("Consistent reads are not supported on global secondary indexes")
            names, values = _names_and_values(request)
            partition, test = bounds(KeyConditionExpression, names, values, order.partition)
            entries = order.entries(partition)
            # The test holds of one stretch of the order, as DynamoDB only allows such.
            chosen = _stretch(entries, lambda entry: bool(test({order.sort: entry[0]})))
            start = request.get("ExclusiveStartKey")
            low, high = chosen
            if start:
                place = tuple(_value(start[name]) for name in (order.sort, "image", "row"))
                if ScanIndexForward:
                    low = max(low, bisect_right(entries, place))
                else:
                    high = min(high, bisect_left(entries, place))
            walk = range(low, high) if ScanIndexForward else range(high - 1, low - 1, -1)
            found = ((entries[at][1], entries[at][2]) for at in walk)
            return self._page(order, ((partition, key) for key in found), ConsistentRead, request)

    def scan(
        self,
        *,
        TableName: str,  # noqa: N803
        Segment: int = 0,  # noqa: N803
        TotalSegments: int = 1,  # noqa: N803
        ConsistentRead: bool = False,  # noqa: N803
        **request: Any,
    ) -> Any:
        with self._lock:
            self.calls["Scan"] += 1
            self._check(TableName)
            if self._scanned is None:
                self._scanned = sorted((_hash(name), name) for name in self._table.partitions())
            places = self._scanned
            low = bisect_left(places, (Segment * 2**32 // TotalSegments, ""))
            high = bisect_left(places, ((Segment + 1) * 2**32 // TotalSegments, ""))
            image, row = "", ""
            if start := request.get("ExclusiveStartKey"):
                image, row = _value(start["image"]), _value(start["row"])
                low = bisect_left(places, (_hash(image), image))

            def walk() -> Iterator[tuple[str, Key]]:
                for _, name in places[low:high]:
                    entries = self._table.entries(name)
                    first = bisect_right(entries, (row, name, row)) if name == image else 0
                    for each in entries[first:]:
                        yield name, (each[1], each[2])

            return self._page(self._table, walk(), ConsistentRead, request)

    def batch_get_item(
        self,
        *,
        RequestItems: Any,  # noqa: N803
        ReturnConsumedCapacity: str = "NONE",  # noqa: N803
    ) -> Any:
        with self._lock:
            self.calls["BatchGetItem"] += 1
            [(name, request)] = RequestItems.items()
            self._check(name)
            keys, consistent = request["Keys"], request.get("ConsistentRead", False)
            places = [(_value(key["image"]), _value(key["row"])) for key in keys]
            if not 1 <= len(keys) <= 100:
                raise _invalid("Too many items requested for the BatchGetItem call")
            if len(set(places)) < len(places):
                raise _invalid("Provided list of item keys contains duplicates")
            taken = len(keys) - self.refuse(len(keys))
            shown = _shown(request)
            found, total, cost = [], 0, 0.0
            for number, place in enumerate(places[:taken]):
                item = self._table.get(place[0], place)
                bytes_ = self._table.size(place, item) if item else 0
                if total + bytes_ > BATCH:
                    taken = number
                    break
                total += bytes_
                cost += units(bytes_, consistent)
                if item:
                    found.append(wired(shown(item)))
            self.units += cost
            left = {name: {**request, "Keys": keys[taken:]}} if taken < len(keys) else {}
            answer: Item = {"Responses": {name: found}, "UnprocessedKeys": left}
            if ReturnConsumedCapacity == "TOTAL":
                answer["ConsumedCapacity"] = [{"TableName": name, "CapacityUnits": cost}]
            return answer

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        self._check(TableName)
        return {"Table": {"TableName": TableName, "ItemCount": self._count}}

    def get_paginator(self, name: str) -> Any:
        """boto3's paginator of `query` or `scan`."""
        call: Any = {"query": self.query, "scan": self.scan}[name]

        def paginate(PaginationConfig: Any = None, **request: Any) -> Iterator[Any]:  # noqa: N803
            if "PageSize" in (PaginationConfig or {}):
                request["Limit"] = PaginationConfig["PageSize"]
            while True:
                page = call(**request)
                yield page
                if "LastEvaluatedKey" not in page:
                    return
                request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

        return SimpleNamespace(paginate=paginate)

    def _check(self, name: str) -> None:
        if name != self.name:
            told = {"Code": "ResourceNotFoundException", "Message": f"no table {name}"}
            raise ClientError({"Error": told}, "Query")

    def _page(
        self, order: _Order, walk: Iterator[tuple[str, Key]], consistent: bool, request: Item
    ) -> Any:
        """One page of a query or a scan: what is filtered out, or only counted, costs all the same."""
        names, values = _names_and_values(request)
        limit = request.get("Limit", 2**63)
        if limit < 1:
            raise _invalid("Limit must be 1 at least")
        text = request.get("FilterExpression")
        wanted = condition(text, names, values) if text else None
        shown, counting = _shown(request), request.get("Select") == "COUNT"
        items, last, scanned, total, count, more = [], None, 0, 0, 0, False
        for partition, key in walk:
            item = order.get(partition, key)
            assert item is not None
            total += order.size(key, item)
            scanned += 1
            last = item
            if wanted is None or wanted(item):
                count += 1
                if not counting:
                    items.append(wired(shown(item)))
            if scanned == limit or total >= PAGE:
                more = True  # or so it says: DynamoDB does not look whether anything follows
                break
        self.units += units(total, consistent)
        answer: Item = {"Count": count, "ScannedCount": scanned}
        if not counting:
            answer["Items"] = items
        if more and last:
            answer["LastEvaluatedKey"] = order.key_of(last)
        if request.get("ReturnConsumedCapacity") == "TOTAL":
            told = {"TableName": self.name, "CapacityUnits": units(total, consistent)}
            answer["ConsumedCapacity"] = told
        return answer


def _names_and_values(request: Item) -> tuple[dict[str, str], Item]:
    values = request.get("ExpressionAttributeValues", {})
    return request.get("ExpressionAttributeNames", {}), {
        name: _value(value) for name, value in values.items()
    }


def _shown(request: Item) -> Callable[[Item], Item]:
    """What a ProjectionExpression leaves of an item."""
    text = request.get("ProjectionExpression")
    if not text:
        return lambda item: item
    names = request.get("ExpressionAttributeNames", {})
    wanted = [names.get(name, name) for name in (each.strip() for each in text.split(","))]
    return lambda item: {name: item[name] for name in wanted if name in item}


def _stretch(entries: list[Any], test: Callable[[Any], bool]) -> tuple[int, int]:
    """Where the entries that pass begin and end, as they lie together; found by halving at the ends.

    Falls back on looking at all, where neither end is inside.
    """
    if not entries or (test(entries[0]) and test(entries[-1])):
        return 0, len(entries)
    if test(entries[0]):
        return 0, bisect_left(entries, True, key=lambda each: not test(each))
    if test(entries[-1]):
        return bisect_left(entries, True, key=test), len(entries)
    found = [at for at, each in enumerate(entries) if test(each)]
    return (found[0], found[-1] + 1) if found else (0, 0)


def _hash(image: str) -> int:
    return zlib.crc32(image.encode())


def _invalid(message: str) -> ClientError:
    return ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "Query")
