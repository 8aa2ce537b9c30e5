"""`labelctl status`."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import typer

from labelctl import times
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column, Table, moment, number
from labelctl.text import span

if TYPE_CHECKING:
    from labelctl.deploy.stack import Stack
    from labelctl.operations.status import Status

_COLUMNS = (Column("", style="bold"), Column(""))
ERROR_COLUMNS = (
    Column("Group", in_title=True),
    Column("Status"),
    Column("Photo", style="bold", is_key=True),
    Column("Time"),
    Column("Reason", style="red"),
)


def status(context: typer.Context) -> None:
    """Show settings, photo counts, queues and recent errors."""
    from labelctl.operations import status as core

    session = Session.of(context)
    stack = session.stack
    with session.view.meter("Reading status") as meter:
        now = core.read(
            session.aws, stack, report=lambda done, total: meter.update(done, total=total)
        )
    session.view.show(_json(stack, now, session), *_tables(stack, now, session))
    numbers = (now.labelled, now.failed, now.queue, now.dead_letters, now.error_count)
    if session.options.verbose or None in numbers:
        for each in now.unknown:
            session.view.note(f"Unknown: {each}")
    if session.view.mode != "json":
        for concern in now.concerns:
            first, *others = concern.commands
            more = [part for command in others for part in (" && ", command)]
            session.view.warn(concern.message, "Next: ", first, *more)


def _tables(stack: Stack, now: Status, session: Session) -> list[Table]:
    settings = stack.settings
    failed_style = "red" if now.failed else ""
    queue, dead_letters = now.queue, now.dead_letters
    dead_style = "red" if dead_letters and dead_letters.depth else ""
    place = "local cloud" if session.options.local else session.aws.region or ""
    rows: list[tuple[str, str | Cell]] = [
        ("stack", f"{stack.name} ({place})"),
        ("state", stack.status),
        ("updated", moment(times.utc(stack.updated or stack.created))),
        ("labelled", _number(now.labelled, words=now.approximate.get("labelled", ""))),
        ("failed", _number(now.failed, failed_style, now.approximate.get("failed", ""))),
        ("waiting", _number(queue.depth if queue else None)),
        ("in progress", _number(queue.in_flight if queue else None)),
        *_waiting_since(now),
        ("dead letters", _number(dead_letters.depth if dead_letters else None, dead_style)),
        ("min confidence", f"{settings.min_confidence:g} %"),
        ("max labels", _number(settings.max_labels)),
        ("concurrency", f"{settings.concurrency}"),
        ("image properties", "yes" if settings.image_properties else "no"),
        ("log retention", f"{settings.log_retention} days"),
        ("alarm email", settings.alarm_email or "none"),
        ("alarm age", span(stack.alarm_age)),
        ("tags", ", ".join(f"{key}={value}" for key, value in sorted(stack.tags.items()))),
        ("bucket", stack.bucket),
        ("table", stack.table),
        ("function", stack.outputs.get("Function", "")),
    ]
    errors = Table(
        columns=ERROR_COLUMNS,
        rows=[
            ("error", line.status.replace("_", " "), line.image or "", moment(line.at), line.reason)
            for line in now.errors
        ],
        title="Recent function errors",
    )
    return [Table(columns=_COLUMNS, rows=rows), errors]


def _number(value: int | None, style: str = "", words: str = "") -> Cell:
    """A number, after `words` such as "about"."""
    if value is None:
        return Cell("unknown")
    cell = number(value, style)
    return replace(cell, text=f"{words} {cell.text}".lstrip())


def _waiting_since(now: Status) -> list[tuple[str, Cell]]:
    since = now.waiting_since
    return [("waiting since", moment(times.utc(since)))] if since else []


def _json(stack: Stack, now: Status, session: Session) -> dict[str, Any]:
    return {
        "stack": stack.name,
        "stack_id": stack.id,
        "region": session.aws.region,
        "status": stack.status,
        "updated_at": times.utc(stack.updated or stack.created),
        "settings": stack.settings.as_json(),
        "photos": {
            "labelled": now.labelled,
            "failed": now.failed,
            "approximate": sorted(now.approximate),
            "waiting": now.queue.depth if now.queue else None,
            "waiting_since": times.utc(now.waiting_since) if now.waiting_since else None,
        },
        "queue": asdict(now.queue) if now.queue else None,
        "dead_letters": asdict(now.dead_letters) if now.dead_letters else None,
        "errors": None if now.error_count is None else [asdict(line) for line in now.errors],
        "warnings": [
            {
                "kind": concern.kind,
                "message": concern.message,
                "command": " && ".join(map(session.view.command_line, concern.commands)),
            }
            for concern in now.concerns
        ],
        "outputs": dict(stack.outputs),
    }
