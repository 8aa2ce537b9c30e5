"""`labelctl tail`."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl import times
from labelctl.cli.commands._photo import STYLES
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Cell, Column, Items, number

if TYPE_CHECKING:
    from labelctl.operations.function_log import LogEntry

COLUMNS = (
    Column("Status", width=9),
    Column("Photo", style="bold", width=20),
    Column("Time", style="dim"),
    Column("Duration", style="dim", right=True, width=6),
    Column("Labels", right=True, width=3),
    Column("Top labels or reason"),
)


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
        session.view.stream(asdict(line), COLUMNS, _row(line))
    if line is None:
        session.view.note(f"No events in the last {since}. Use --since to go further back.")


def _row(line: LogEntry) -> tuple[AnyCell, ...]:
    style = STYLES.get(line.status, "red")
    reason = line.reason
    if line.again_in is not None:
        reason += f" (retry in {line.again_in} s)"
    top = Items([f"{name} {confidence:.0f}" for name, confidence in line.top])
    return (
        Cell(line.status.replace("_", " "), style, plain=line.status),
        Cell(line.image or "-", plain=line.image or ""),
        Cell(times.local_clock(line.at), plain=line.at),
        Cell("" if line.ms is None else f"{line.ms / 1000:,.1f} s", plain=_text(line.ms)),
        number(line.labels),
        top if line.top else Cell(reason, style),
    )


def _text(value: int | None) -> str:
    return "" if value is None else str(value)
