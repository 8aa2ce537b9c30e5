"""`labelctl status`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from labelctl import times
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.text import span

if TYPE_CHECKING:
    from labelctl.deploy.stack import Stack
    from labelctl.operations.status import Status


def status(context: typer.Context) -> None:
    """Show settings, photo counts, queues and recent errors."""
    from labelctl.operations import status as core

    session = Session.of(context)
    stack = session.stack
    with session.view.meter("Reading status"):
        now = core.read(session.aws, stack)
    session.view.show(_json(stack, now, session), *_tables(stack, now, session))
    if session.options.verbose:
        for each in now.unknown:
            session.view.note(f"Unknown: {each}")
    if session.view.mode != "json":
        for concern in now.concerns:
            first, *others = concern.commands
            more = [part for command in others for part in (" && ", command)]
            session.view.warn(concern.message, "Next: ", first, *more)


def _tables(stack: Stack, now: Status, session: Session) -> list[Table]:
    settings = stack.settings
    plain = session.view.mode == "plain"
    failed_style = "red" if now.failed else ""
    dead_style = "red" if now.dead_letters.depth else ""
    place = "local cloud" if session.options.local else session.aws.region or ""
    rows: list[tuple[str, str | Cell]] = [
        ("stack", f"{stack.name} ({place})"),
        ("state", f"{stack.status}, {times.local_minute(stack.updated or stack.created)}"),
        ("labelled", f"{now.labelled:,}"),
        ("failed", Cell(f"{now.failed:,}", failed_style)),
        ("waiting", f"{now.queue.depth:,}"),
        ("in progress", f"{now.queue.in_flight:,}"),
        *_waiting_since(now),
        ("dead letters", Cell(f"{now.dead_letters.depth:,}", dead_style)),
        ("min confidence", f"{settings.min_confidence:g} %"),
        ("max labels", f"{settings.max_labels:,}"),
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
        columns=(Column("Time"), Column("Photo"), Column("Error", style="red")),
        rows=[
            (
                f"error {line.at}" if plain else times.local_minute(line.at),
                line.image or "",
                f"{line.status.replace('_', ' ')}: {line.reason}",
            )
            for line in now.errors
        ],
        title="Recent function errors",
    )
    return [Table(columns=(Column("", style="bold"), Column("")), rows=rows), errors]


def _waiting_since(now: Status) -> list[tuple[str, str]]:
    since = now.waiting_since
    return [("waiting since", times.local_minute(since))] if since else []


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
            "waiting": now.queue.depth,
            "waiting_since": times.utc(now.waiting_since) if now.waiting_since else None,
        },
        "queue": asdict(now.queue),
        "dead_letters": asdict(now.dead_letters),
        "errors": [asdict(line) for line in now.errors],
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
