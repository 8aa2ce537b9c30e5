"""`labelctl images`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._photo import state
from labelctl.cli.commands._prefix import note_similar_prefix
from labelctl.cli.options import Limit, Prefix, check_prefix, no_photos
from labelctl.cli.session import Session
from labelctl.cli.tables import AnyCell, Cell, Column, moment, number
from labelctl.cli.values import choice_option

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labelctl.errors import Command
    from labelctl.labels.images import Image
    from labelctl.labels.reader import Reader

_STATES = ("labelled", "failed", "waiting")
COLUMNS = (
    Column("State"),
    Column("Photo", style="bold", is_key=True),
    Column("Time", in_wide_windows=True),
    Column("Labels", right=True),
    Column("Top labels or reason"),
)
_PREDICATES = {"labelled": "is labelled", "failed": "has failed", "waiting": "is waiting"}


def images(
    context: typer.Context,
    status: Annotated[
        str | None,
        choice_option(_STATES, help="Only photos in this state."),
    ] = None,
    prefix: Prefix = "",
    limit: Limit = 100,
) -> None:
    """List photos with their state and top labels.

    Sorted by key. With --status labelled or failed and without --prefix: latest first.
    """
    check_prefix(prefix)
    session = Session.of(context)
    view, reader = session.view, session.reader
    in_json: list[dict[str, Any]] = []  # one value, complete at the end
    shown, more = 0, False
    with view.long_table(COLUMNS) as show, view.meter("Reading") as meter:
        for image in islice(_images(session, reader, status, prefix, limit + 1), limit + 1):
            if shown == limit:
                more = True
                break
            shown += 1
            session.names.add(keys=[image.image])
            if view.mode == "json":
                in_json.append(image.as_json())
            else:
                show(None, _row(image))
            meter.update(shown)
    view.show({"images": in_json, "more": more})
    if not shown and view.mode != "json":
        view.note(*_empty_message(status, prefix))
        if not status:
            note_similar_prefix(session, prefix)
    if more:
        view.note("More results: raise --limit.")
    if session.options.verbose:
        view.note(f"Read: {reader.spent}.")


def _images(
    session: Session, reader: Reader, status: str | None, prefix: str, limit: int
) -> Iterator[Image]:
    from labelctl.labels import images as core

    if status in core.INDEXED and not prefix:
        return core.by_status(reader, str(status), limit)
    s3, bucket = session.aws.s3, session.stack.bucket
    return core.by_key(s3, bucket, reader, prefix, status, limit)


def _row(image: Image) -> list[AnyCell]:
    top: AnyCell = Cell(image.reason, "red") if image.reason else ", ".join(image.top)
    time = moment(image.at, "dim")
    return [state(image.status), image.image, time, number(image.label_count), top]


def _empty_message(status: str | None, prefix: str) -> Sequence[str | Command]:
    if status:
        where = f' under "{prefix}"' if prefix else ""
        return (f"No photo{where} {_PREDICATES[status]}.",)
    return no_photos(prefix)
