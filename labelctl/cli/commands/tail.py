"""`labelctl tail`."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.output import Cell
from labelctl.cli.session import Session
from labelctl.text import counted, printable

if TYPE_CHECKING:
    from labelctl.operations.function_log import Line

_STYLES = {"labelled": "green", "removed": "dim", "superseded": "dim"}


def tail(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(metavar="TIME", help="Begin so long ago: 90s, 10m, 2h, 1d.")
    ] = "10m",
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="Go on with what happens from now on.")
    ] = True,
) -> None:
    """Show what the function does, live, a line a photo.

    Ctrl-C ends it.
    """
    from labelctl.operations import function_log as core

    session = Session.of(context)
    begin = time.time() - core.seconds(since)
    stack = session.stack
    line = None
    for line in core.read(session.aws.logs, stack.log_group, begin, follow=follow):
        session.view.stream(asdict(line), _cells(line, session.view.mode == "plain"))
    if line is None:
        session.view.note(f"Nothing happened in the last {since}; --since looks further back.")


def _cells(line: Line, plain: bool) -> list[str | Cell]:
    took = "" if line.ms is None else str(line.ms)
    top = ", ".join(f"{name} {confidence:.0f}" for name, confidence in line.top)
    reason = line.reason if line.again_in is None else f"{line.reason} (again in {line.again_in} s)"
    if plain:
        count = "" if line.labels is None else str(line.labels)
        return [line.at, line.status, line.image or "", count, top or reason, took]
    if line.labels is None:
        what = reason
    else:
        what = counted(line.labels, "label") + (f": {top}" if top else "")
    return [
        Cell(f"{datetime.fromisoformat(line.at).astimezone():%H:%M:%S}", "dim"),
        Cell(f"{line.status:<9}", _STYLES.get(line.status, "red")),
        Cell(f"{printable(line.image or '-'):<20}", "bold"),
        what,
        Cell(f"{took}ms" if took else "", "dim"),
    ]
