"""S3 events as messages and as `PhotoEvent`, and strategies for keys and sequencers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from labelctl.contract import s3_events
from labelctl.contract.s3_events import PhotoEvent, parse_message

# Valid S3 keys: text of at most 1,024 bytes in UTF-8.
keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=1024).filter(
    lambda key: len(key.encode()) <= 1024
)
sequencers = st.text("0123456789abcdefABCDEF", min_size=1, max_size=32)


def message(*records: Any) -> str:
    return json.dumps({"Records": records})


def only(record: Any) -> PhotoEvent:
    [event] = parse_message(message(record))
    return event


def event(**changes: Any) -> PhotoEvent:
    values: dict[str, Any] = {
        "bucket": "photos",
        "key": "a.jpg",
        "kind": "created",
        "sequencer": s3_events.pad_sequencer("5F"),
        "version_id": "v1",
        "etag": "e1",
        "size": 12,
        "at": "2026-01-02T03:04:05.678Z",
    }
    return PhotoEvent(**{**values, **changes})
