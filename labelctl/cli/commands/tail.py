"""`labelctl tail`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl import times
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.operations.function_log import LogEntry

_STYLES = {"labelled": "green", "removed": "dim", "superseded": "dim"}


def tail(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Start from this long ago (90s, 10m, 2h, 1d).")
    ] = "10m",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Keep following new events.")
    ] = True,
) -> None:
    """Follow the function's log, one line per photo.

    Press Ctrl-C to stop.
    """
    from labelctl.operations import function_log as core

    session = Session.of(context)
    start = time.time() - times.parse_duration(since)
    stack = session.stack
    line = None
    for line in core.read_log(session.aws.logs, stack.log_group, start, follow=follow):
        session.view.stream(asdict(line), _cells(line, session.view.mode == "plain"))
    if line is None:
        session.view.note(f"No events in the last {since}. Use --since to go further back.")


def _cells(line: LogEntry, plain: bool) -> list[str | Cell]:
    duration = "" if line.ms is None else str(line.ms)
    top = ", ".join(f"{name} {confidence:.0f}" for name, confidence in line.top)
    reason = line.reason
    if line.again_in is not None:
        reason += f" (retry in {line.again_in} s)"
    if plain:
        count = "" if line.labels is None else str(line.labels)
        return [line.at, line.status, line.image or "", count, top or reason, duration]
    if line.labels is None:
        outcome = reason
    else:
        outcome = counted(line.labels, "label") + (f": {top}" if top else "")
    return [
        Cell(times.local_clock(line.at), "dim"),
        Cell(f"{line.status.replace('_', ' '):<9}", _STYLES.get(line.status, "red")),
        Cell(f"{printable(line.image or '-'):<20}", "bold"),
        outcome,
        Cell(f"{duration} ms" if duration else "", "dim"),
    ]
