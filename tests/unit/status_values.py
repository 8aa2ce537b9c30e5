"""The status of a pipeline without concerns."""

from __future__ import annotations

from datetime import UTC, datetime

from labelctl.aws.queues import QueueDepth
from labelctl.deploy.stack import Stack
from labelctl.operations import status
from tests.fakes.photos import LABELS, PHOTOS
from tests.unit.conftest import STACK_ID

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

STACK = Stack(
    name="labelctl",
    id=STACK_ID,
    status="CREATE_COMPLETE",
    reason="",
    parameters={},
    outputs={"PhotosBucket": "photos", "Table": PHOTOS, "LabelsTable": LABELS, "LogGroup": "group"},
    tags={},
    protected=True,
    created=datetime(2030, 1, 1, tzinfo=UTC),
    updated=None,
)
