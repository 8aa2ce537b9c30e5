"""What DynamoDB's calls have in common: checks of a request, projections, consumed capacity."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import botocore.session
from botocore.errorfactory import ClientExceptionsFactory
from botocore.exceptions import ClientError, ParamValidationError
from botocore.validate import ParamValidator

from tests.fakes.expressions import path_of, value_at
from tests.fakes.ordered_table import Item, Order
from tests.fakes.wire import from_wire

_EXPRESSIONS = (
    "ConditionExpression",
    "FilterExpression",
    "KeyConditionExpression",
    "ProjectionExpression",
)


@cache
def _service() -> Any:
    return botocore.session.Session().get_service_model("dynamodb")


@cache
def exceptions() -> Any:
    """The classes that a boto3 client has as `exceptions`."""
    return ClientExceptionsFactory().create_client_exceptions(_service())


def invalid(message: str) -> ClientError:
    answer: Any = {
        "Error": {"Code": "ValidationException", "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    return ClientError(answer, "DynamoDB")


def validate(operation: str, request: Mapping[str, Any]) -> None:
    """Raise what boto3 raises for a wrong request, and what DynamoDB does for an unused placeholder."""
    report = _validator().validate(request, _input_of(operation))
    if report.has_errors():
        raise ParamValidationError(report=report.generate_report())
    if request.get("Limit", 1) < 1:
        raise invalid("Limit must be at least 1")
    for part in (request, *_batch_parts(operation, request)):
        used = {*re.findall(r"[#:]\w+", " ".join(part.get(name, "") for name in _EXPRESSIONS))}
        for kind in ("ExpressionAttributeNames", "ExpressionAttributeValues"):
            if kind in part and not part[kind]:
                raise invalid(f"{kind} must not be empty")
            if unused := {*part.get(kind, ())} - used:
                raise invalid(f"Value provided in {kind} unused in expressions: {unused}")


def _batch_parts(operation: str, request: Mapping[str, Any]) -> list[Any]:
    return [*request["RequestItems"].values()] if operation == "BatchGetItem" else []


@cache
def _validator() -> Any:
    return ParamValidator()


@cache
def _input_of(operation: str) -> Any:
    return _service().operation_model(operation).input_shape


def check_batch(places: Sequence[Any], most: int) -> None:
    """Raise what DynamoDB does for too many keys, none, or the same one twice."""
    if not 1 <= len(places) <= most:
        raise invalid("Too many items requested for the call")
    if len({*places}) < len(places):
        raise invalid("Provided list of item keys contains duplicates")


def check_filter(request: Any, order: Order) -> None:
    """Raise what DynamoDB does for a query's filter by a key of what is queried."""
    text = request.get("FilterExpression", "")
    names = request.get("ExpressionAttributeNames", {})
    tokens = {names.get(token, token) for token in re.findall(r"(?<![:.#\w])#?\w+", text)}
    if tokens & {*order.keys}:
        raise invalid("Filter Expression can only contain non-primary key attributes")


def names_and_values(request: Any) -> tuple[dict[str, str], Item]:
    """The placeholders of a request's expressions, with plain values."""
    names = request.get("ExpressionAttributeNames", {})
    return names, from_wire(request.get("ExpressionAttributeValues", {}))


def projection(request: Any, order: Order) -> Callable[[Item], Item]:
    """What a ProjectionExpression leaves of an item; paths lead into maps."""
    text = request.get("ProjectionExpression")
    if not text:
        return lambda item: item
    names = request.get("ExpressionAttributeNames", {})
    paths = [path_of(each, names) for each in text.split(",")]
    if order.projected is not None and (more := {path[0] for path in paths} - order.projected):
        raise invalid(f"Global secondary index does not project {more}")
    if all(len(path) == 1 for path in paths):
        return lambda item: {name: item[name] for [name] in paths if name in item}

    def shown(item: Item) -> Item:
        found: Item = {}
        for path in paths:
            if (value := value_at(item, path)) is not None:
                inner = found
                for name in path[:-1]:
                    inner = inner.setdefault(name, {})
                inner[path[-1]] = value
        return found

    return shown


def consumed(request: Any, table: str, costs: Mapping[str | None, float]) -> Item:
    """The part of an answer that states its cost, if it was asked for; the table's own under None."""
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    return {} if wanted == "NONE" else {"ConsumedCapacity": _capacity(wanted, table, costs)}


def consumed_by_all(request: Any, costs: Mapping[str, Mapping[str | None, float]]) -> Item:
    """The same for a batch, which may be of several tables."""
    wanted = request.get("ReturnConsumedCapacity", "NONE")
    if wanted == "NONE":
        return {}
    return {"ConsumedCapacity": [_capacity(wanted, name, cost) for name, cost in costs.items()]}


def _capacity(wanted: str, table: str, costs: Mapping[str | None, float]) -> Item:
    total: Item = {"TableName": table, "CapacityUnits": float(sum(costs.values()))}
    if wanted == "TOTAL":
        return total
    indexes = {name: {"CapacityUnits": float(units)} for name, units in costs.items() if name}
    own = {"Table": {"CapacityUnits": float(costs.get(None, 0))}}
    return {**total, **own, **({"GlobalSecondaryIndexes": indexes} if indexes else {})}
