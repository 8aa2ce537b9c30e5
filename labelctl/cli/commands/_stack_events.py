"""What CloudFormation does, told as it comes; for the commands that change a stack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labelctl.cli.output import Cell
from labelctl.cli.session import Session

if TYPE_CHECKING:
    from labelctl.deploy.change_sets import Progress


def follow(session: Session, events: Iterable[int | Progress], words: str) -> int:
    """Tell each resource's progress, and how many objects were deleted; returns that number.

    On a terminal a spinner shows `words` and what is under way; each end of something is a line.
    """
    deleted = 0
    busy: set[str] = set()
    try:
        with session.view.meter(words) as meter:
            for event in events:
                if isinstance(event, int):
                    deleted += event
                    meter.update(deleted, words="versions of objects deleted")
                    continue
                if event.status.endswith("_IN_PROGRESS"):
                    busy.add(event.name)
                else:
                    busy.discard(event.name)
                    session.view.step(*_cells(event))
                meter.update(deleted, words=", ".join(sorted(busy)[:3]))
    except KeyboardInterrupt:
        session.view.note(
            "Interrupted. What CloudFormation has begun goes on by itself; "
            "run the command again to see it through."
        )
        raise
    return deleted


def _cells(event: Progress) -> list[str | Cell]:
    style = "red" if event.failed else "green" if event.status.endswith("COMPLETE") else ""
    cells: list[str | Cell] = [
        Cell(f"{event.at.astimezone():%H:%M:%S}", "dim"),
        Cell(f"{event.status:<15}", style),
        f"{event.name:<18}",
        Cell(event.type, "dim"),
    ]
    return [*cells, Cell(event.reason, "red")] if event.failed else cells
