"""What the emulator knows, as bytes for its own loader; and back, after a restart.

ministack writes its state only when it stops gracefully, with deep copies and a slow encoder. Here it
is captured while it runs, in milliseconds, so that every change can be saved before it is answered.
Two things make that right. Capturing happens on the event loop, where ministack's request handlers
run too, so none of them is caught half-way. And the queues are captured before the tables: a message
that is gone from the captured queue has left its rows in the captured table, and a message that is
still there is merely delivered again. What an item looks like as JSON is remembered for as long as
the table holds that very object, since ministack replaces items and never changes one in place.

These are private workings of ministack 1.5.33 (pinned exactly). Nothing here decides when to save.
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

# Services whose stores can be encoded as they stand, without the deep copy that `get_state` makes.
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
    # Stacks that are gone stay listed, with all their events: this only ever grows.
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

# What becomes of a stack whose operation died with the emulator. AWS never loses one, so this has no
# model there; these states let it be deployed again or deleted.
_INTERRUPTED = "The local cloud was stopped during this operation."


class Capture:
    """Call it, on the event loop, for {file name: bytes} of what is to be saved."""

    def __init__(self) -> None:
        self._items: dict[Any, dict[str, dict[str, tuple[Any, str]]]] = {}

    def __call__(self, everything: bool) -> dict[str, bytes]:
        """Queues, tables and buckets; the other services too if `everything`."""
        import ministack.app as app

        saving = app._build_persistence_save_dict()
        names = [name for name in _DATA if name in saving]
        if everything:
            names += [name for name in saving if name not in _DATA]
        captured = {}
        for name in names:
            text = _retried(lambda name=name: self._encoded(name, saving[name]))
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
            seen = {}
            texts = []
            for scoped, table in dynamodb._tables._data.items():
                seen[scoped], items = _items(table["items"], self._items.get(scoped, {}))
                derived = (dynamodb._INDEX_MEMBERS, "items")
                head = _dumps({key: val for key, val in table.items() if key not in derived})
                key = json.dumps(f"{scoped[0]}\x00{scoped[1]}\x00{scoped[2]!r}")
                texts.append(f'{key}: {head[:-1]}, "items": {items}}}')
            self._items = seen
            others = _dumps({key: getattr(dynamodb, f"_{key}") for key in _TABLE_STORES})
        tables = f'{{"__account_region_scoped__": true, "data": {{{", ".join(texts)}}}}}'
        return f'{{"tables": {tables}, {others[1:]}'


def _items(
    partitions: dict[str, dict[str, Any]], known: dict[str, dict[str, tuple[Any, str]]]
) -> tuple[dict[str, dict[str, tuple[Any, str]]], str]:
    """The items as JSON, and what is remembered of each for the next time."""
    seen = {}
    texts = []
    for partition, items in partitions.items():
        before = known.get(partition, {})
        now = {}
        for sort, item in items.items():
            entry = before.get(sort)
            if entry is None or entry[0] is not item:
                entry = (item, f"{json.dumps(sort)}: {_dumps(item)}")
            now[sort] = entry
        seen[partition] = now
        inner = ", ".join([entry[1] for entry in now.values()])
        texts.append(f"{json.dumps(partition)}: {{{inner}}}")
    return seen, f"{{{', '.join(texts)}}}"


def _dumps(value: Any) -> str:
    from ministack.core.persistence import _json_default

    return json.dumps(value, default=_json_default)


def _retried(encode: Any) -> Any:
    """Background threads may add a key to a store while it is walked; then walk it again."""
    for _ in range(_ATTEMPTS):
        try:
            return encode()
        except RuntimeError as problem:
            if "changed size" not in str(problem):
                raise
    return encode()


def _service(state_name: str) -> Any:
    import ministack.app as app

    return app._get_module(app._state_map[state_name])


def restore(folder: Path) -> bool:
    """Load every service's saved state; raises when one cannot be (ministack would start empty).

    What had been given to a Lambda worker goes back to its queue at once: that worker is dead.
    Stack operations that were under way have failed. Returns whether the emulator's address was
    another before: then all of the state has changed, and should be saved.
    """
    import ministack.app as app
    from ministack.core import persistence

    persistence.STATE_DIR = str(folder)  # the one that `load_state` reads
    poller = _service("lambda") if _has(folder, "lambda") else None
    if poller:
        poller._poller_started = True  # keep it from polling queues that are not loaded yet
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
            continue  # received by a client, which may still live and delete it
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
