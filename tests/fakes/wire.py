"""Items as DynamoDB's API writes them, {"S": "text"}, and as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

Item = dict[str, Any]

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize


def to_wire(item: Mapping[str, Any]) -> Item:
    """An item in the API's form. Numbers lose trailing zeros, as in DynamoDB."""
    return {name: _wire(value) for name, value in item.items()}


def from_wire(item: Mapping[str, Any]) -> Item:
    """An item as plain values, with Decimal for numbers."""
    return {name: _plain(*value.items()) for name, value in item.items()}


def _wire(value: Any) -> Any:
    # boto3's own serializer takes several times as long.
    if isinstance(value, str):
        return {"S": value}
    if isinstance(value, Mapping):
        return {"M": to_wire(value)}
    if isinstance(value, list):
        return {"L": [_wire(each) for each in value]}
    if isinstance(value, Decimal):
        return {"N": f"{value.normalize():f}"}
    return _serialize(value)


def _plain(typed: tuple[str, Any]) -> Any:
    match typed:
        case ("S" | "BOOL", value):
            return value
        case ("N", value):
            return Decimal(value)
        case ("M", value):
            return from_wire(value)
        case ("L", value):
            return [_plain(*each.items()) for each in value]
    other: Any = dict([typed])
    return _deserialize(other)
