"""Hooks into the emulator for changes that happen without a request.

ministack sends S3 notifications from threads, receives and deletes messages for Lambda in another
thread, and saves its state itself when it stops. `install` wraps or replaces these few functions, so
that no notification is lost, the gateway learns of changes made without a request, and only the
gateway decides what is saved and which Lambda code is deleted. ministack is pinned exactly, and a test
checks that each of these functions exists.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labelctl.local.persistence import state, torn_objects
from labelctl.local.persistence.journal import Event, Journal

_PARTS = {"account", "region", "about", "options"}
JOURNAL = (
    "journal.json"  # in a snapshot: the number of the first journal file that it does not cover
)


class Notifications:
    """Delivers S3 notifications after writing them to the journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    def send(self, event: Event, *, written: bool = False) -> None:
        """Deliver the event in a new thread, for its account and region."""
        ticket = self.journal.begin(event, written=written)

        def deliver() -> None:
            from ministack.core.responses import request_scope
            from ministack.services import s3

            try:
                with request_scope(event["account"], event["region"]):
                    s3._fire_s3_event(*event["about"], **event["options"])
            finally:
                self.journal.end(ticket)

        threading.Thread(target=deliver, daemon=True).start()

    def resend(self, saved: Path) -> None:
        """Repair partly written objects and resend the notifications that the snapshot lacks."""
        covered = saved / JOURNAL
        number = json.loads(covered.read_bytes()) if covered.exists() else 0
        events = [event for event in self.journal.since(number) if event.keys() >= _PARTS]
        torn_objects.repair(events)
        for event in events:
            self.send(event, written=True)


def install(
    saved: Path, blobs: Path, notifications: Notifications, mark: Callable[..., None]
) -> None:
    """Install the hooks, before the emulator starts. They call `mark` after each change."""
    import ministack.app as app
    from ministack.core.responses import get_account_id, get_region
    from ministack.services import lambda_svc, s3, sqs

    def fire(
        bucket_name: str,
        key: str,
        event_name: str,
        size: int = 0,
        etag: str = "",
        deletion_type: str | None = None,
        **options: Any,
    ) -> None:
        if bucket_name not in s3._bucket_notifications:
            return
        options["sequencer"] = s3._next_event_sequencer(event_name)
        about = [bucket_name, key, event_name, size, etag, deletion_type]
        notifications.send(
            {
                "account": get_account_id(),
                "region": get_region(),
                "about": about,
                "options": options,
            }
        )

    receive, delete = sqs._receive_messages_for_esm, sqs._delete_messages_for_esm

    def receive_and_mark(*args: Any) -> Any:
        messages = receive(*args)
        if messages:
            mark()
        return messages

    def delete_and_mark(*args: Any) -> None:
        delete(*args)
        mark()

    def load() -> None:
        if state.restore(saved):
            mark(rest=True)
        notifications.resend(saved)

    s3._fire_s3_event_async = fire
    sqs._receive_messages_for_esm = receive_and_mark
    sqs._delete_messages_for_esm = delete_and_mark
    lambda_svc.CODE_BLOB_DIR = str(blobs)
    lambda_svc._prune_orphan_code_blobs = lambda _: None
    app._load_persisted_state = load
    app.save_all = lambda _: None
