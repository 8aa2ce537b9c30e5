"""Items of the tables as the function stores them. Other programs, and people, may change them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NoReturn

from labelctl.aws.dynamodb import deserialize
from labelctl.contract import schema
from labelctl.errors import Command, DamagedItemError

_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("image", "status", "sequencer", "attempt", "version_id", "etag"), str),
    **dict.fromkeys(("uploaded_at", "done_at", "error", "reason", "model_version"), str),
    **dict.fromkeys(("labels", "details", "left_out"), dict),
    **dict.fromkeys(("top", "categories", "parents", "aliases"), list),
    **dict.fromkeys(("label", "rank", "name"), str),
    "label_count": Decimal,
}
"""The types of attributes (see `contract.schema`)."""

_STATES = (schema.LABELLED, schema.FAILED, schema.REMOVED)
_DETAILS = ("categories", "parents", "aliases", "boxes")
_INVALID = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class StoredItem(dict[str, Any]):
    """An item whose attributes have the right types. A missing one raises DamagedItemError."""

    def __missing__(self, name: str) -> NoReturn:
        raise _damaged(self.get("image"), self.get("label"), f'it has no "{name}"')


def stored_item(raw: Mapping[str, Any]) -> StoredItem:
    """Return an item from the form of the API. Raises DamagedItemError."""
    item = StoredItem(deserialize(raw))
    for name, value in item.items():
        try:
            _check(item, name, value)
        except _INVALID:
            image, label = item.get("image"), item.get("label")
            raise _damaged(image, label, f'its "{name}" is invalid') from None
    return item


def damaged_photo(raw: Mapping[str, Any]) -> DamagedItemError:
    """The error for a photo's item, in the form of the API, that could not be read."""
    return _damaged(raw.get("image", {}).get("S"), None, "an attribute is missing or invalid")


def _check(item: StoredItem, name: str, value: Any) -> None:
    """Raise one of `_INVALID` for a value that the function does not store."""
    if name in _TYPES and type(value) is not _TYPES[name]:
        raise TypeError
    if name in ("uploaded_at", "done_at"):
        if item.get("status") != schema.REMOVED:  # which nobody is shown
            datetime.fromisoformat(value)
    elif name == "status":
        _STATES.index(value)
    elif isinstance(value, list):
        "".join(value)
    elif name == "rank" and item.get("label") != schema.VOCABULARY:
        schema.confidence_of(value)
    elif name in ("labels", "left_out"):
        sum(map(abs, value.values()))
    elif name == "details":
        for details in value.values():
            for relation in _DETAILS:
                iter(details.get(relation, ()))


def _damaged(image: Any, label: Any, what: str) -> DamagedItemError:
    if label is not None:
        return DamagedItemError(
            f'The item of the label "{label}" in the labels table is damaged: {what}.',
            "Delete it in the DynamoDB console, and restore the index: ",
            Command("verify", "--index", "--repair"),
        )
    return DamagedItemError(
        f'The item of "{image}" in the table of photos is damaged: {what}.',
        "Delete it in the DynamoDB console, and label the photo again: ",
        Command("verify", "--repair"),
    )
