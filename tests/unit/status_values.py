"""The status of a pipeline without concerns."""

from __future__ import annotations

from labelctl.aws.queues import Queue
from labelctl.operations import status

NOTHING = Queue(0, 0, 0)
FINE = status.Status(
    labelled=0,
    failed=0,
    queue=NOTHING,
    dead_letters=NOTHING,
    troubles=(),
    trouble_count=0,
    waiting_since=None,
    takes_photos=True,
)
