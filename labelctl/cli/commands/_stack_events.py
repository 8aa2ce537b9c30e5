"""Print CloudFormation's progress, for the commands that change a stack."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from labelctl import times
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column
from labelctl.errors import LabelctlError

if TYPE_CHECKING:
    from labelctl.deploy.stack_events import StackEvent


_COLUMNS = (
    Column("Status", width=15),
    Column("Resource", width=18),
    Column("Time", style="dim"),
    Column("Type or reason"),
)
_CONTINUES = "CloudFormation continues what it has started. Run the same command to resume."


def follow(session: Session, events: Iterable[int | StackEvent], message: str) -> int:
    """Print each stack event, and return how many object versions were deleted.

    `events` yields stack events, and numbers of versions deleted since the last one. On a terminal
    a spinner shows `message` and the resources in progress. Each finished resource is a line.
    """
    deleted = 0
    in_progress: set[str] = set()
    started = False
    try:
        with session.view.meter(message) as meter:
            for event in events:
                started = True
                if isinstance(event, int):
                    deleted += event
                    meter.step("Emptying the bucket")
                    meter.update(deleted, detail="object versions deleted")
                    continue
                meter.step(message)
                if event.status.endswith("_IN_PROGRESS"):
                    in_progress.add(event.name)
                else:
                    in_progress.discard(event.name)
                    session.view.step(_COLUMNS, *_row(event))
                meter.update(0, detail=", ".join(sorted(in_progress)[:3]))
    except KeyboardInterrupt:
        session.view.note(f"Interrupted. {_CONTINUES}")
        raise
    except LabelctlError:
        raise
    except Exception:  # such as credentials that have expired
        if started:
            session.view.note(_CONTINUES)
        raise
    return deleted


def _row(event: StackEvent) -> tuple[Cell, str, Cell, Cell]:
    style = "red" if event.failed else "green" if event.status.endswith("COMPLETE") else ""
    about = Cell(event.reason, "red") if event.failed else Cell(event.type, "dim")
    return Cell(event.status, style), event.name, Cell(times.local_clock(event.at)), about
