"""`labelctl images`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from labelctl.cli.options import Prefix, check_prefix
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labelctl.labels.images import Image
    from labelctl.labels.tables import Reader

_STYLES = {"labelled": "green", "failed": "red", "pending": "yellow"}
_NONE = {
    "labelled": "No photo is labelled",
    "failed": "No photo has failed",
    "pending": "No photo is waiting",
}


def _state(value: str | None) -> str | None:
    if value is not None and value not in _STYLES:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(_STYLES)}.")
    return value


def images(
    context: typer.Context,
    status: Annotated[
        str | None,
        typer.Option(callback=_state, metavar="|".join(_STYLES), help="Only photos in this state."),
    ] = None,
    prefix: Prefix = "",
    limit: Annotated[int, typer.Option(min=1, metavar="COUNT", help="At most so many.")] = 100,
) -> None:
    """List photos, their state and their surest labels.

    By name; with --status labelled or failed, and no --prefix, the latest first.
    """
    check_prefix(prefix)
    session = Session.of(context)
    view, reader = session.view, session.reader
    some: list[Image] = []
    with view.meter("Reading") as meter:
        for image in islice(_chosen(session, reader, status, prefix, limit + 1), limit + 1):
            some.append(image)
            meter.update(len(some))
    told, more = some[:limit], len(some) > limit
    view.show(
        {"images": [each.as_json() for each in told], "more": more},
        _table(told, _nothing(session, status, prefix), view.mode == "plain"),
    )
    if more:
        view.note("… and more: --limit COUNT shows them.")
    if session.options.verbose:
        view.note(f"Read: {reader.spent}.")


def _chosen(
    session: Session, reader: Reader, status: str | None, prefix: str, limit: int
) -> Iterator[Image]:
    from labelctl.labels import images as core

    if status in core.INDEXED and not prefix:
        return core.by_status(reader, str(status), limit)
    s3, bucket = session.aws.s3, session.stack.bucket
    return core.by_key(s3, bucket, reader, prefix, status, limit)


def _table(images: list[Image], empty: str, plain: bool) -> Table:
    columns = ("Photo", "State", "Labels", "Surest")
    return Table(
        columns=[Column(name, right=name == "Labels") for name in columns],
        rows=[_plain_row(each) if plain else _row(each) for each in images],
        empty=empty,
    )


def _row(image: Image) -> list[str | Cell]:
    surest: str | Cell = ", ".join(image.top)
    if image.reason:
        surest = Cell(image.reason, "red")
    count = "" if image.label_count is None else f"{image.label_count:,}"
    state = Cell(image.status, _STYLES[image.status])
    return [Cell(image.image, "bold"), state, count, surest]


def _plain_row(image: Image) -> list[str | Cell]:
    count = "" if image.label_count is None else str(image.label_count)
    return [image.image, image.status, image.at, count, image.reason or ", ".join(image.top)]


def _nothing(session: Session, status: str | None, prefix: str) -> str:
    if status:
        where = f' under "{prefix}"' if prefix else ""
        return f"{_NONE[status]}{where}."
    if prefix:
        return f'There is no photo whose key begins with "{prefix}".'
    return f"There are no photos yet. Next: {session.command('upload PATH')}"
