"""A DynamoDB table in memory with its global secondary indexes, in the order of their keys."""

from __future__ import annotations

import zlib
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from tests.fakes.capacity import index_write, size, table_write

Item = dict[str, Any]
Place = tuple[Any, ...]
"""The values of the table's keys."""

_TYPES = {"S": str, "N": Decimal, "B": bytes}
_LONGEST = (2048, 1024)  # bytes of a partition key and of a sort key ["Constraints"]
_HASHES = 2**32


class Order:
    """The table, or one of its indexes: partitions by one attribute, each in the order of another.

    A position in a partition is (sort key, *place), so that entries with equal sort keys have an
    order too; without a sort key it is the place. A partition is sorted when it is first queried.
    """

    def __init__(
        self, keys: tuple[str, ...], table_keys: tuple[str, ...], projected: set[str] | None
    ) -> None:
        self.keys = keys
        self.all_keys = tuple(dict.fromkeys((*keys, *table_keys)))
        self.projected = projected
        self._table_keys = table_keys
        self._partition, self._sort = keys[0], (keys[1] if len(keys) > 1 else None)
        self._entries: dict[Any, dict[Place, Item]] = {}
        self._positions: dict[Any, list[Place]] = {}
        self._sizes: dict[Place, int] = {}
        self._scan_order: list[tuple[int, Any]] | None = None

    def entry(self, item: Item | None) -> Item | None:
        """What is stored here of an item; None for an item without the keys."""
        if item is None or any(key not in item for key in self.keys):
            return None
        if self.projected is None:
            return item
        return {name: value for name, value in item.items() if name in self.projected}

    def replace(self, place: Place, old: Item | None, new: Item | None) -> None:
        """Put the entry `new` where `old` was; None: no entry."""
        if old is not None:
            partition = old[self._partition]
            del self._entries[partition][place]
            self._sizes.pop(place, None)
            if positions := self._positions.get(partition):
                del positions[bisect_left(positions, self.position(old))]
            if not self._entries[partition]:
                del self._entries[partition]
                self._positions.pop(partition, None)
        if new is not None:
            partition = new[self._partition]
            if partition not in self._entries:
                self._entries[partition] = {}
                self._scan_order = None
            self._entries[partition][place] = new
            if partition in self._positions:
                insort(self._positions[partition], self.position(new))

    def position(self, entry: Mapping[str, Any]) -> Place:
        place = tuple(entry[key] for key in self._table_keys)
        return (entry[self._sort], *place) if self._sort else place

    def positions(self, partition: Any) -> list[Place]:
        """The positions of a partition's entries, in their order."""
        if partition not in self._entries:
            return []
        if partition not in self._positions:
            entries = self._entries[partition].values()
            self._positions[partition] = sorted(map(self.position, entries))
        return self._positions[partition]

    def at(self, partition: Any, position: Place) -> Item:
        return self._entries[partition][position[1:] if self._sort else position]

    def get(self, place: Place) -> Item | None:
        """The item at a place of the table."""
        return self._entries.get(place[0], {}).get(place)

    def size(self, entry: Item) -> int:
        place = tuple(entry[key] for key in self._table_keys)
        if place not in self._sizes:
            self._sizes[place] = size(entry)
        return self._sizes[place]

    def scan(self, segment: int, segments: int, start: Mapping[str, Any] | None) -> Iterator[Item]:
        """The entries of one of so many segments, by the hash of their partition, after `start`."""
        if self._scan_order is None:
            self._scan_order = sorted((_hash(name), name) for name in self._entries)
        order = self._scan_order
        low = bisect_left(order, segment * _HASHES // segments, key=_first)
        high = bisect_left(order, (segment + 1) * _HASHES // segments, key=_first)
        first = start[self._partition] if start else None
        if first is not None:
            low = bisect_left(order, (_hash(first), first))
        for _, partition in order[low:high]:
            positions = self.positions(partition)
            begin = 0
            if start and partition == first:
                begin = bisect_right(positions, self.position(start))
            for position in positions[begin:]:
                yield self.at(partition, position)

    def __iter__(self) -> Iterator[Item]:
        for partition in sorted(self._entries):
            for position in self.positions(partition):
                yield self.at(partition, position)


class Table:
    """A table as a template's `Properties` describe it. Items are plain values.

    `orders` has its indexes by their names, and the table itself under None.
    """

    def __init__(self, name: str, properties: Mapping[str, Any]) -> None:
        self.name = name
        self.keys = _keys(properties)
        self.items = Order(self.keys, self.keys, None)
        self.orders: dict[str | None, Order] = {None: self.items}
        self.count = 0
        for index in properties.get("GlobalSecondaryIndexes", ()):
            keys, projection = _keys(index), index["Projection"]
            shown = {*keys, *self.keys, *projection.get("NonKeyAttributes", ())}
            is_all = projection["ProjectionType"] == "ALL"
            self.orders[index["IndexName"]] = Order(keys, self.keys, None if is_all else shown)
        self._types = {
            each["AttributeName"]: _TYPES[each["AttributeType"]]
            for each in properties["AttributeDefinitions"]
        }

    def place(self, item: Mapping[str, Any]) -> Place:
        return tuple(item[key] for key in self.keys)

    def get(self, place: Place) -> Item | None:
        return self.items.get(place)

    def replace(self, place: Place, new: Item | None) -> None:
        """Put an item at a place, or remove the one that is there."""
        old = self.get(place)
        self.count += (new is not None) - (old is not None)
        for order in self.orders.values():
            order.replace(place, order.entry(old), order.entry(new))

    def cost(self, place: Place, new: Item | None) -> dict[str | None, int]:
        """Write units of `replace`, by index; those of the table itself under None."""
        old = self.get(place)
        costs: dict[str | None, int] = {
            name: index_write(order.entry(old), order.entry(new), order.all_keys)
            for name, order in self.orders.items()
        }
        return {**costs, None: table_write(old, new)}

    def fault(self, item: Mapping[str, Any], is_key: bool = False) -> str | None:
        """What DynamoDB would not accept about an item, or about a key."""
        if not {*self.keys} <= {*item} or (is_key and len(item) > len(self.keys)):
            return "The provided key element does not match the schema"
        for order in self.orders.values():
            for key, longest in zip(order.keys, _LONGEST, strict=False):
                value = item.get(key)
                if value is None and key not in item:
                    continue
                if not isinstance(value, self._types[key]):
                    return f"Type mismatch for key {key}"
                if isinstance(value, str) and not 1 <= len(value.encode()) <= longest:
                    return f"The key attribute {key} must have 1 to {longest} bytes"
        return None


def _keys(schema: Mapping[str, Any]) -> tuple[str, ...]:
    keys = sorted(schema["KeySchema"], key=lambda each: str(each["KeyType"]))  # HASH, RANGE
    return tuple(each["AttributeName"] for each in keys)


def _hash(partition: Any) -> int:
    return zlib.crc32(str(partition).encode())


def _first(pair: tuple[int, Any]) -> int:
    return pair[0]
