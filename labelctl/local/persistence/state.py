"""Captures the emulator's state as bytes that its own loader reads, and restores it at startup.

ministack saves its state only when it stops gracefully, with deep copies and a slow encoder. This
module captures the state in milliseconds while ministack runs, so that every change can be saved
before it is confirmed. Two properties keep the captured state consistent:

- The capture runs on the event loop, as do ministack's request handlers, so no handler is interrupted.
- Queues are captured before tables. If a message is no longer in the captured queue, its items are in
  the captured table; if it still is, it is only delivered again.

The JSON of each item is cached as long as the table holds the same object: ministack replaces items and
never modifies them in place.

This module uses private functions of ministack 1.5.33 (pinned exactly).
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from labelctl.local.persistence import addresses

logger = logging.getLogger("labelctl.state")

# Services whose stores can be encoded directly, without the deep copy that `get_state` makes.
_PLAIN_STORES = {
    "sqs": ("queues", "queue_name_to_url"),
    "cloudwatch_logs": (
        "log_groups",
        "destinations",
        "resource_policies",
        "log_group_policies",
        "metric_filters",
        "queries",
        "log_records",
        "delivery_sources",
        "delivery_destinations",
        "deliveries",
    ),
    # Deleted stacks stay in these stores with all their events.
    "cloudformation": ("stacks", "stack_events", "exports", "change_sets"),
}
_LOCKS = {"sqs": "_queues_lock", "cloudwatch_logs": "_log_events_lock"}
_TABLE_STORES = (
    "tags",
    "ttl_settings",
    "pitr_settings",
    "kinesis_destinations",
    "contributor_insights",
    "backups",
    "resource_policies",
    "exports",
    "imports",
)
_DATA = ("sqs", "dynamodb", "s3")  # in this order: queues before tables
_ATTEMPTS = 50

# The reason given for a stack whose operation was interrupted. This cannot happen on AWS; the states
# set below allow a new deployment or a deletion.
_INTERRUPTED = "The local cloud was stopped during this operation."


class Capture:
    """Captures the state. Call it on the event loop."""

    def __init__(self) -> None:
        self._items: dict[Any, dict[str, dict[str, tuple[Any, str]]]] = {}

    def __call__(self, everything: bool) -> dict[str, bytes]:
        """{file name: bytes} for queues, tables and buckets; with `everything`, for all services."""
        import ministack.app as app

        saving = app._build_persistence_save_dict()
        names = [name for name in _DATA if name in saving]
        if everything:
            names += [name for name in saving if name not in _DATA]
        captured = {}
        for name in names:
            text = _encode_with_retries(lambda name=name: self._encoded(name, saving[name]))
            if text is not None:
                captured[f"{name}.json"] = text.encode()
        return captured

    def _encoded(self, name: str, get_state: Any) -> str | None:
        from ministack.core.persistence import _state_format_version

        module = _service(name)
        if name == "dynamodb":
            payload = self._tables(module)
        elif name in _PLAIN_STORES:
            with getattr(module, _LOCKS[name]) if name in _LOCKS else nullcontext():
                payload = _dumps({key: getattr(module, f"_{key}") for key in _PLAIN_STORES[name]})
        else:
            state = get_state()
            if state is None:
                return None
            payload = _dumps(state)
        version = _state_format_version(name)
        return f'{{"__ministack_format__": {version}, "payload": {payload}}}'

    def _tables(self, dynamodb: Any) -> str:
        with dynamodb._lock:
            cache = {}
            texts = []
            for scoped, table in dynamodb._tables._data.items():
                cache[scoped], items = _items(table["items"], self._items.get(scoped, {}))
                derived = (dynamodb._INDEX_MEMBERS, "items")
                head = _dumps({key: val for key, val in table.items() if key not in derived})
                key = json.dumps(f"{scoped[0]}\x00{scoped[1]}\x00{scoped[2]!r}")
                texts.append(f'{key}: {head[:-1]}, "items": {items}}}')
            self._items = cache
            others = _dumps({key: getattr(dynamodb, f"_{key}") for key in _TABLE_STORES})
        tables = f'{{"__account_region_scoped__": true, "data": {{{", ".join(texts)}}}}}'
        return f'{{"tables": {tables}, {others[1:]}'


def _items(
    partitions: dict[str, dict[str, Any]], known: dict[str, dict[str, tuple[Any, str]]]
) -> tuple[dict[str, dict[str, tuple[Any, str]]], str]:
    """The cache for the next capture, and the items as JSON. `known` is the previous cache."""
    cache = {}
    texts = []
    for partition, items in partitions.items():
        before = known.get(partition, {})
        now = {}
        for sort, item in items.items():
            entry = before.get(sort)
            if entry is None or entry[0] is not item:
                entry = (item, f"{json.dumps(sort)}: {_dumps(item)}")
            now[sort] = entry
        cache[partition] = now
        inner = ", ".join([entry[1] for entry in now.values()])
        texts.append(f"{json.dumps(partition)}: {{{inner}}}")
    return cache, f"{{{', '.join(texts)}}}"


def _dumps(value: Any) -> str:
    from ministack.core.persistence import _json_default

    return json.dumps(value, default=_json_default)


def _encode_with_retries(encode: Any) -> Any:
    """Encode, and try again if a background thread adds a key to the store during the iteration."""
    for _ in range(_ATTEMPTS):
        try:
            return encode()
        except RuntimeError as error:
            if "changed size" not in str(error):
                raise
    return encode()


def _service(state_name: str) -> Any:
    import ministack.app as app

    return app._get_module(app._state_map[state_name])


def restore(folder: Path) -> bool:
    """Load the saved state of every service from a snapshot's folder.

    Messages that a Lambda worker had received return to their queue immediately, as that worker is
    gone. Stack operations in progress are marked as failed. Returns whether the emulator's address has
    changed: if so, all of the state has changed and should be saved. Raises RuntimeError if a state
    cannot be read (ministack itself would start with an empty one).
    """
    import ministack.app as app
    from ministack.core import persistence

    persistence.STATE_DIR = str(folder)  # where `load_state` reads
    poller = _service("lambda") if _has(folder, "lambda") else None
    if poller:
        poller._poller_started = True  # prevents it from polling before queues are loaded
    states = {name: _loaded(folder, name) for name in app._state_map if _has(folder, name)}
    before = addresses.of_queues(states.get("sqs") or {})
    now = _service("sqs")._CANONICAL_NETLOC
    for name, state in states.items():
        if state:
            moved = addresses.replace(name, state, before, now)
            _service(name).load_persisted_state(moved)
    if poller:
        _return_deliveries(poller)
        poller._poller_started = False
        if poller._esms.has_any():
            poller._ensure_poller()
    if _has(folder, "cloudformation"):
        _fail_interrupted_stacks()
    return bool(before - {now})


def _has(folder: Path, name: str) -> bool:
    return (folder / f"{name}.json").exists()


def _loaded(folder: Path, name: str) -> Any:
    from ministack.core import persistence

    state = persistence.load_state(name)
    if state is None:
        raise RuntimeError(f"{folder / name}.json cannot be read by this version of ministack")
    return state


def _return_deliveries(lambda_svc: Any) -> None:
    sources = {mapping.get("EventSourceArn") for mapping in lambda_svc._esms._data.values()}
    now = time.time()
    for queue in _service("sqs")._queues._data.values():
        if queue["attributes"].get("QueueArn") not in sources:
            continue  # received by clients, which may still delete messages
        for message in queue["messages"]:
            if message["receive_count"] and message["visible_at"] > now:
                message["visible_at"] = now
                message["receipt_handle"] = None


def _fail_interrupted_stacks() -> None:
    from ministack.core.responses import request_scope
    from ministack.services import cloudformation
    from ministack.services.cloudformation.stacks import _add_event

    for (account, region, _), stack in list(cloudformation._stacks._data.items()):
        status = stack.get("StackStatus", "")
        if not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS":
            continue
        kind = status.removesuffix("_IN_PROGRESS")
        after = kind.removesuffix("_CLEANUP") if kind.endswith("_CLEANUP") else f"{kind}_FAILED"
        stack["StackStatus"], stack["StackStatusReason"] = after, _INTERRUPTED
        name, identity = stack["StackName"], stack["StackId"]
        with request_scope(account, region):
            _add_event(
                identity, name, name, "AWS::CloudFormation::Stack", after, _INTERRUPTED, identity
            )
