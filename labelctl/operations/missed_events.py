"""Requesting photos while a command waits, because S3 may have sent no events for them.

For some minutes after a bucket's notifications were configured, S3 may send no events for new objects,
and does not send them later. [S3 User Guide, "Using Amazon SQS, Amazon SNS, and Lambda": changes of the
configuration typically take effect after five minutes]
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from labelctl.aws import queues
from labelctl.contract import s3_events
from labelctl.operations import reprocess
from labelctl.operations.reprocess import ReprocessRequest
from labelctl.photos.versions import RESULT_ATTRIBUTES, ObjectVersion, is_result_of

if TYPE_CHECKING:
    from labelctl.aws.clients import Aws
    from labelctl.deploy.stack import Stack
    from labelctl.labels.reader import Reader

YOUNG = 30 * 60.0
"""Seconds after a deploy in which events may be missing: well beyond the few minutes S3 needs."""

SILENCE = 60.0
"""Seconds without progress before photos are requested."""


def request_photos(
    aws: Aws,
    stack: Stack,
    reader: Reader,
    photos: Sequence[ObjectVersion],
    *,
    clock: Callable[[], float] = time.time,
) -> int:
    """Request the photos that have no result, if their events seem to be missing; returns their number.

    Events seem to be missing if the stack was deployed less than YOUNG ago and its queue is empty. The
    events may still arrive: the function then finds the result, and does not call Rekognition again.
    `clock` returns seconds since 1970. Raises RefusedError if SQS rejects a message.
    """
    deployed = (stack.updated or stack.created).timestamp()
    if clock() - deployed > YOUNG or queues.depth(aws.sqs, stack.queue).depth:
        return 0
    keys = (photo.key for photo in photos)
    items = reader.photos(keys, *RESULT_ATTRIBUTES, consistent=True)
    requests = [
        ReprocessRequest(photo.key, s3_events.next_sequencer(item["sequencer"] if item else ""))
        for photo in photos
        if not ((item := items.get(photo.key)) and is_result_of(item, photo))
    ]
    now = s3_events.format_time(datetime.fromtimestamp(clock(), UTC))
    return len([*reprocess.send(aws.sqs, stack.queue, stack.bucket, requests, now)])
