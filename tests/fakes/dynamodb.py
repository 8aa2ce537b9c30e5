"""DynamoDB in memory: the calls of boto3's client that labelctl makes, and what they cost.

    client = FakeDynamoDB({"labels-table": template["Resources"]["LabelsTable"]["Properties"]})
    client.put_item(TableName="labels-table", Item={"label": {"S": "dog"}, ...})
    client.put("labels-table", {"label": "dog", ...})   # plain values; costs nothing
    client.items("labels-table")                        # plain values; costs nothing

Requests are checked against botocore's description of the service, answers and errors are as AWS
documents them. Held against moto in tests/unit/testing/test_fake_dynamodb.py. Items must not be changed
once `put` has them.
"""

from __future__ import annotations

import copy
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from threading import RLock
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from tests.fakes.api import (
    check_batch,
    check_filter,
    consumed,
    consumed_by_all,
    exceptions,
    invalid,
    names_and_values,
    projection,
    validate,
)
from tests.fakes.capacity import read_units, size, write_units
from tests.fakes.expressions import condition, key_range
from tests.fakes.ordered_table import Item, Order, Place, Table
from tests.fakes.wire import from_wire, to_wire

AGAIN = -1
"""What `before` returns for a call that is carried out twice: the first answer is lost."""

Source = tuple[str, str | None]
"""A table's name, and the name of its index or None for the table itself."""

PAGE = 1024 * 1024
"""Bytes of items after which a page of a query or a scan ends. [Developer Guide, Query]"""
BATCH = 16 * 1024 * 1024
"""The most bytes of items in one answer. [API Reference, BatchGetItem]"""
LARGEST_ITEM = 400 * 1024
MOST_READS, MOST_WRITES = 100, 25
"""Keys of a BatchGetItem, requests of a BatchWriteItem. [API Reference]"""


class FakeDynamoDB:
    """See the module. Safe to share between threads.

    `calls` counts requests by operation ("PutItem"); `reads` and `writes` sum read and write units by
    table and index. `before` is called with an operation and its request, outside of any lock; it may
    raise, return AGAIN, or return how many of a batch's keys or requests are taken: the rest comes
    back unprocessed. `page_items` limits the items that a page of a query or scan reads.
    """

    def __init__(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        self.calls: Counter[str] = Counter()
        self.reads: Counter[Source] = Counter()
        self.writes: Counter[Source] = Counter()
        self.before: Callable[[str, Any], Any] | None = None
        self.page_items: int | None = None
        self.exceptions = exceptions()
        self._tables = {name: Table(name, described) for name, described in tables.items()}
        self._older: dict[str, Table] | None = None
        self._lock = RLock()

    @property
    def read_units(self) -> float:
        return sum(self.reads.values())

    @property
    def write_units(self) -> int:
        return sum(self.writes.values())

    # ---- what is in the tables, for tests

    def put(self, table: str, item: Item) -> None:
        """Write an item of plain values."""
        with self._lock:
            found = self._tables[table]
            found.replace(found.place(item), item)

    def drop(self, table: str, *place: Any) -> None:
        """Remove the item with these key values, if there is one."""
        with self._lock:
            self._tables[table].replace(place, None)

    def item(self, table: str, *place: Any) -> Item | None:
        """The item with these key values as it is now, or None."""
        with self._lock:
            return self._tables[table].get(place)

    def items(self, table: str, index: str | None = None) -> list[Item]:
        """All items of a table, or what an index shows of them, in the order of their keys."""
        with self._lock:
            return list(self._tables[table].orders[index])

    def lag(self) -> None:
        """From now on eventually consistent reads and indexes show the present state."""
        with self._lock:
            self._older = copy.deepcopy(self._tables)

    def catch_up(self) -> None:
        """End `lag`."""
        self._older = None

    # ---- the client's calls

    def get_item(self, **request: Any) -> Any:
        return self._call("GetItem", request, self._get_item)

    def put_item(self, **request: Any) -> Any:
        return self._call("PutItem", request, self._put_item)

    def delete_item(self, **request: Any) -> Any:
        return self._call("DeleteItem", request, self._delete_item)

    def batch_get_item(self, **request: Any) -> Any:
        return self._call("BatchGetItem", request, self._batch_get_item)

    def batch_write_item(self, **request: Any) -> Any:
        return self._call("BatchWriteItem", request, self._batch_write_item)

    def query(self, **request: Any) -> Any:
        return self._call("Query", request, self._query)

    def scan(self, **request: Any) -> Any:
        return self._call("Scan", request, self._scan)

    def describe_table(self, **request: Any) -> Any:
        return self._call("DescribeTable", request, self._describe_table)

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

    def _call(self, operation: str, request: Any, run: Callable[..., Any]) -> Any:
        validate(operation, request)
        taken = self.before(operation, request) if self.before else None
        with self._lock:
            try:
                if taken == AGAIN:
                    with suppress(ClientError):
                        self._count(operation, run, request)
                return self._count(operation, run, request, None if taken == AGAIN else taken)
            except ValueError as error:  # from an expression
                raise invalid(str(error)) from error

    def _count(self, operation: str, run: Any, request: Any, taken: int | None = None) -> Any:
        self.calls[operation] += 1
        answer = run(request, taken) if operation.startswith("Batch") else run(request)
        return {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    # ---- single items

    def _get_item(self, request: Any) -> Any:
        consistent = request.get("ConsistentRead", False)
        table = self._table(request["TableName"], consistent)
        item = table.get(self._key(table, request["Key"]))
        cost = self._read(table.name, None, table.items.size(item) if item else 0, consistent)
        found = {"Item": to_wire(projection(request, table.items)(item))} if item else {}
        return {**found, **consumed(request, table.name, {None: cost})}

    def _put_item(self, request: Any) -> Any:
        table = self._table(request["TableName"])
        item = from_wire(request["Item"])
        self._check_item(table, item)
        return self._write("PutItem", table, table.place(item), item, request)

    def _delete_item(self, request: Any) -> Any:
        table = self._table(request["TableName"])
        return self._write("DeleteItem", table, self._key(table, request["Key"]), None, request)

    def _write(self, name: str, table: Table, place: Place, new: Item | None, request: Any) -> Any:
        old = table.get(place)
        names, values = names_and_values(request)
        text = request.get("ConditionExpression")
        if text and not condition(text, names, values)(old or {}):
            # It costs by the size of the item that is there. [Developer Guide, "Conditional writes"]
            self.writes[table.name, None] += write_units(size(old or {}))
            error = {
                "Error": {
                    "Code": "ConditionalCheckFailedException",
                    "Message": "The conditional request failed",
                },
                "ResponseMetadata": {"HTTPStatusCode": 400},
            }
            if old and request.get("ReturnValuesOnConditionCheckFailure") == "ALL_OLD":
                error["Item"] = to_wire(old)
            raise self.exceptions.ConditionalCheckFailedException(error, name)
        costs = self._store(table, place, new)
        returned = old and request.get("ReturnValues") == "ALL_OLD"
        answer = {"Attributes": to_wire(old)} if old and returned else {}
        return {**answer, **consumed(request, table.name, costs)}

    def _store(self, table: Table, place: Place, new: Item | None) -> dict[str | None, int]:
        costs = table.cost(place, new)
        for index, units in costs.items():
            if units:
                self.writes[table.name, index] += units
        table.replace(place, new)
        return costs

    # ---- batches

    def _batch_write_item(self, request: Any, taken: int | None) -> Any:
        writes: list[tuple[Table, Place, Item | None, Any]] = []
        for name, requests in request["RequestItems"].items():
            table = self._table(name)
            for each in requests:
                if "PutRequest" in each:
                    item = from_wire(each["PutRequest"]["Item"])
                    self._check_item(table, item)
                    writes.append((table, table.place(item), item, each))
                else:
                    place = self._key(table, each["DeleteRequest"]["Key"])
                    writes.append((table, place, None, each))
        check_batch([(table.name, place) for table, place, *_ in writes], MOST_WRITES)
        costs: dict[str, Any] = {}
        for table, place, new, _ in writes[:taken]:
            costs.setdefault(table.name, Counter()).update(self._store(table, place, new))
        left: dict[str, list[Any]] = {}
        for table, _, _, each in writes[len(writes) if taken is None else taken :]:
            left.setdefault(table.name, []).append(copy.deepcopy(each))
        return {"UnprocessedItems": left, **consumed_by_all(request, costs)}

    def _batch_get_item(self, request: Any, taken: int | None) -> Any:
        reads = [
            (name, key) for name, asked in request["RequestItems"].items() for key in asked["Keys"]
        ]
        places = [(name, self._key(self._table(name), key)) for name, key in reads]
        check_batch(places, MOST_READS)
        found: dict[str, list[Item]] = {name: [] for name in request["RequestItems"]}
        costs: dict[str, Any] = {}
        total, done = 0, 0
        for name, place in places[:taken]:
            asked = request["RequestItems"][name]
            consistent = asked.get("ConsistentRead", False)
            table = self._table(name, consistent)
            item = table.get(place)
            bytes_ = table.items.size(item) if item else 0
            total += bytes_
            if total > BATCH:
                break
            done += 1
            cost = self._read(name, None, bytes_, consistent)
            costs.setdefault(name, Counter())[None] += cost
            if item:
                found[name].append(to_wire(projection(asked, table.items)(item)))
        left: dict[str, Any] = {}
        for name, key in reads[done:]:
            asked = {**request["RequestItems"][name], "Keys": []}
            left.setdefault(name, asked)["Keys"].append(key)
        return {"Responses": found, "UnprocessedKeys": left, **consumed_by_all(request, costs)}

    # ---- pages

    def _query(self, request: Any) -> Any:
        table, order = self._order(request)
        names, values = names_and_values(request)
        chosen = key_range(request["KeyConditionExpression"], names, values, order.keys)
        check_filter(request, order)
        positions = order.positions(chosen.partition)
        low, high = chosen.find(positions)
        forward = request.get("ScanIndexForward", True)
        if start := request.get("ExclusiveStartKey"):
            last = order.position(from_wire(start))
            if forward:
                low = max(low, bisect_right(positions, last))
            else:
                high = min(high, bisect_left(positions, last))
        walk = range(low, high) if forward else range(high - 1, low - 1, -1)
        entries = (order.at(chosen.partition, positions[number]) for number in walk)
        return self._page(table, order, entries, request)

    def _scan(self, request: Any) -> Any:
        table, order = self._order(request)
        segment, segments = request.get("Segment", 0), request.get("TotalSegments", 1)
        if segment >= segments:
            raise invalid("Segment must be less than TotalSegments")
        start = from_wire(request.get("ExclusiveStartKey", {}))
        return self._page(table, order, order.scan(segment, segments, start), request)

    def _page(self, table: Table, order: Order, walk: Iterator[Item], request: Any) -> Any:
        """One page of a query or a scan: it costs what it reads, not what a filter leaves of it."""
        names, values = names_and_values(request)
        text = request.get("FilterExpression")
        is_wanted = condition(text, names, values) if text else lambda item: True
        shown, counting = projection(request, order), request.get("Select") == "COUNT"
        limit = min(request.get("Limit", 2**63), self.page_items or 2**63)
        items, last, scanned, total, count = [], None, 0, 0, 0
        for item in walk:
            total += order.size(item)
            scanned += 1
            if is_wanted(item):
                count += 1
                if not counting:
                    items.append(to_wire(shown(item)))
            if scanned == limit or total >= PAGE:
                last = item  # DynamoDB does not look whether anything follows
                break
        index = request.get("IndexName")
        cost = self._read(table.name, index, total, request.get("ConsistentRead", False))
        answer: Item = {"Count": count, "ScannedCount": scanned}
        if not counting:
            answer["Items"] = items
        if last:
            answer["LastEvaluatedKey"] = to_wire({key: last[key] for key in order.all_keys})
        return {**answer, **consumed(request, table.name, {index: cost})}

    def _describe_table(self, request: Any) -> Any:
        table = self._table(request["TableName"])
        indexes = [
            {"IndexName": name, "ItemCount": sum(1 for _ in order)}
            for name, order in table.orders.items()
            if name
        ]
        described = {"TableName": table.name, "ItemCount": table.count}
        return {"Table": {**described, "GlobalSecondaryIndexes": indexes}}

    # ---- checks

    def _table(self, name: str, consistent: bool = True) -> Table:
        tables = self._tables if consistent or self._older is None else self._older
        if name not in tables:
            error = {"Code": "ResourceNotFoundException", "Message": f"no table {name}"}
            raise self.exceptions.ResourceNotFoundException({"Error": error}, "DynamoDB")
        return tables[name]

    def _order(self, request: Any) -> tuple[Table, Order]:
        consistent = request.get("ConsistentRead", False)
        table = self._table(request["TableName"], consistent)
        index = request.get("IndexName")
        if index and consistent:
            raise invalid("Consistent reads are not supported on global secondary indexes")
        if index not in table.orders:
            raise invalid(f"The table does not have the specified index: {index}")
        return table, table.orders[index]

    def _key(self, table: Table, key: Any) -> Place:
        plain = from_wire(key)
        if fault := table.fault(plain, is_key=True):
            raise invalid(fault)
        return table.place(plain)

    def _check_item(self, table: Table, item: Item) -> None:
        fault = table.fault(item)
        if not fault and size(item) > LARGEST_ITEM:
            fault = "Item size has exceeded the maximum allowed size"
        if fault:
            raise invalid(fault)

    def _read(self, table: str, index: str | None, size: int, consistent: bool) -> float:
        units = read_units(size, consistent)
        self.reads[table, index] += units  # type: ignore[assignment]
        return units
