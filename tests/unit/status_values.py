"""The status of a pipeline without concerns."""

from __future__ import annotations

from labelctl.aws.queues import QueueDepth
from labelctl.operations import status

NOTHING = QueueDepth(0, 0, 0)
FINE = status.Status(
    labelled=0,
    failed=0,
    queue=NOTHING,
    dead_letters=NOTHING,
    errors=(),
    error_count=0,
    waiting_since=None,
    has_notifications=True,
)
