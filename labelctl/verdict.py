"""What can be amiss with a photo, judged from how it stands in the bucket and in the table.

Pure: it asks nobody, and knows nothing of what may still be under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from labelctl import contract, results
from labelctl.words import counted

if TYPE_CHECKING:
    from labelctl.contract import PhotoEvent
    from labelctl.inventory import There
    from labelctl.rows import Stored

Kind = Literal["missing", "dead_letter", "outdated", "incomplete", "orphaned", "leftovers"]

KINDS: tuple[Kind, ...] = (
    *("missing", "dead_letter", "outdated", "incomplete", "orphaned", "leftovers"),
)

OF_ROWS = ("incomplete", "leftovers")
"""The kinds that only the label rows show, not the header alone."""


@dataclass(frozen=True)
class Finding:
    """One thing that is amiss, and the sequencer of the request that mends it ("": none does).

    missing: a photo without a result, and nothing that will bring one; dead_letter: one whose message
    was given up; outdated: the result is of another version than the one in the bucket; incomplete:
    not all of its labels are stored; orphaned: something is stored of a photo that is gone; leftovers:
    rows that belong to no result, which no reader sees.
    """

    kind: Kind
    image: str
    detail: str
    sequencer: str
    repaired: bool = False


def judge(there: There, stored: Stored) -> Finding | None:
    """What is amiss with a photo that stands so; nothing where it has its result, and only that."""
    if not there.exists:
        return _judge_gone(stored)
    header = stored.header
    again = contract.next_sequencer(stored.sequencer)
    if header is None:
        detail = "It has no result, and nothing is waiting for it."
        return Finding("missing", stored.image, detail, again)
    if header.removed:
        detail = "It is stored as removed, and nothing is waiting for it."
        return Finding("missing", stored.image, detail, again)
    if not results.answers(header, results.Awaited(stored.image, there.version_id, there.etag)):
        detail = "Its result is of another version than the one in the bucket."
        return Finding("outdated", stored.image, detail, again)
    if stored.own != header.labels:
        detail = f"{stored.own:,} of its {counted(header.labels, 'label')} are stored."
        return Finding("incomplete", stored.image, detail, again)
    if stored.others:
        detail = f"{counted(stored.others, 'row')} beside its own."
        # A request that is not newer than the header only sweeps, and so costs no call.
        if stored.sequencer <= header.sequencer:
            again = header.sequencer
        return Finding("leftovers", stored.image, *_swept(stored, detail, again))
    return None


def leads_to(event: PhotoEvent, there: There) -> bool:
    """Whether the function, working on the event, would see to it that the photo has its result.

    It looks at how the photo lies in the bucket only if the event is a request, or tells of a version
    that was removed: the one before it may show again. Otherwise it goes by what the event says.
    """
    if event.kind in ("requested", "version_removed"):
        return True
    if event.kind == "removed" or not there.exists:
        return event.kind == "removed" and not there.exists
    if event.version_id and there.version_id:
        return event.version_id == there.version_id
    return event.etag == there.etag


def _judge_gone(stored: Stored) -> Finding | None:
    again = contract.next_sequencer(stored.sequencer)
    if stored.versions:
        detail = f"It is gone, but {counted(sum(stored.versions.values()), 'row')} of it stayed."
        return Finding("orphaned", stored.image, *_swept(stored, detail, again))
    if stored.header and not stored.header.removed:
        detail = "It is gone, but its result stayed."
        return Finding("orphaned", stored.image, detail, again)
    return None


def _swept(stored: Stored, detail: str, sequencer: str) -> tuple[str, str]:
    """The function sweeps away what it may have written, and nothing else."""
    if stored.foreign is None:
        return detail, sequencer
    return f'{detail} The function never wrote "{stored.foreign}": remove it by hand.', ""
