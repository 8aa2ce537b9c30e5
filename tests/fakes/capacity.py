"""Sizes of items and the capacity that DynamoDB charges for, by AWS's Developer Guide.

This is deliberately not `labelctl.contract.schema.size_of`: a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

Item = Mapping[str, Any]
"""An item as plain values, with Decimal for numbers."""

KB = 1024


def size(item: Item) -> int:
    """An item's size in bytes: names and values. ["DynamoDB item sizes and formats"]"""
    return sum(len(name.encode()) + _value_size(value) for name, value in item.items())


def _value_size(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case None | bool():
            return 1
        case Decimal() | int():
            # One byte per two significant digits, and one more.
            return -(-len(Decimal(value).normalize().as_tuple().digits) // 2) + 1
        case dict():
            # 3 bytes for a list or a map, and one for each element.
            return 3 + sum(1 + len(n.encode()) + _value_size(each) for n, each in value.items())
        case list():
            return 3 + sum(1 + _value_size(each) for each in value)
        case set():
            return sum(map(_value_size, value))
        case _:  # binary
            return len(value)


def read_units(size: int, consistent: bool = False) -> float:
    """Read units for bytes that are read together: one for 4 KB, or half of it if not consistent.

    What finds nothing costs as much as what finds 4 KB. ["DynamoDB read and write operations"]
    """
    return max(1, -(-size // (4 * KB))) * (1 if consistent else 0.5)


def write_units(size: int) -> int:
    """Write units for one item: one for 1 KB, at least one. ["DynamoDB read and write operations"]"""
    return max(1, -(-size // KB))


def table_write(old: Item | None, new: Item | None) -> int:
    """Write units of the table for replacing `old` by `new`; None: there is none.

    "PutItem: … DynamoDB considers the size of the item as it appears before and after"; a delete costs
    by the size of the deleted item, and one unit if there was none.
    """
    return write_units(max(size(old or {}), size(new or {})))


def index_write(old: Item | None, new: Item | None, keys: tuple[str, ...]) -> int:
    """Write units of an index with these `keys`, where its entry `old` becomes `new`; None: no entry.

    An entry that appears or disappears is one write, a changed one is one, or two if its key
    changes (a delete and a put); an unchanged one is none. ["Write capacity units" in "Using global
    secondary indexes"] The 100 bytes of overhead per entry in "Storage considerations" count for
    storage, not for writes.
    """
    if old == new:
        return 0
    if old is None or new is None:
        return write_units(size(old or new or {}))
    if all(old[key] == new[key] for key in keys):
        return write_units(max(size(old), size(new)))
    return write_units(size(old)) + write_units(size(new))
