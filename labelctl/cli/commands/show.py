"""`labelctl show`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._open_file import open_file
from labelctl.cli.commands.labels import (
    note_resolved_key,
    raise_unless_labelled,
    warn_if_truncated,
)
from labelctl.cli.options import ImageKey
from labelctl.cli.session import Session
from labelctl.cli.tables import Cell, Column, Table
from labelctl.cli.values import percent_option
from labelctl.errors import Command, PhotosFailedError
from labelctl.text import path_argument

if TYPE_CHECKING:
    from PIL import Image

    from labelctl.cli.terminal_image import Screen
    from labelctl.labels.results import Label, Photo

_MAX_SIDE = 2048
"""The longer side of a saved picture, in pixels: sharp on a screen, and small enough to send."""


def show(
    context: typer.Context,
    image: ImageKey,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="Output file, .png or .jpg. [default: KEY-labels.jpg or KEY-labels.png]",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the saved picture.")] = False,
    terminal: Annotated[
        bool,
        typer.Option(
            "--terminal",
            help="Show the picture in this terminal, and save it only with -o or --open.",
        ),
    ] = False,
    min_confidence: Annotated[
        float,
        percent_option("Draw labels with at least this confidence."),
    ] = 0,
) -> None:
    """Draw boxes and label names on a copy of a photo."""
    from labelctl import image_file
    from labelctl.labels import results
    from labelctl.photos import lookup
    from labelctl.render import pictures
    from labelctl.render.drawing import annotate, save

    session = Session.of(context)
    view = session.view
    screen = _screen(session) if terminal else None
    if file:
        save.check_target(file)
    stack, aws = session.stack, session.aws
    sent = lookup.resolve(aws.s3, stack.bucket, image)
    note_resolved_key(session, image, sent.key)
    with view.meter(f"Drawing {sent.key}"):
        photo = results.read(session.reader, sent)
        labels = [
            _confident_boxes(label, min_confidence)
            for label in photo.at_least(min_confidence).labels
        ]
        with _explaining_failure(photo):
            content = pictures.fetch(aws.s3, stack.bucket, sent)
        target = save.target(file, sent.key, image_file.is_png(content))
        keep = bool(file or open_ or not screen)
        if keep:
            save.check_target(target)
        with _explaining_failure(photo, f'The photo "{sent.key}" cannot be drawn: '):
            picture = pictures.decode(content, _MAX_SIDE)
        drawn = annotate.draw(picture, labels, _caption(photo))
        if keep:
            save.save(drawn, target, sent.key)
    if screen:
        _show_in_terminal(session, screen, picture, labels, _caption(photo))
    if keep:
        _print_result(session, photo, target, drawn)
    if open_:
        open_file(session, target)
    warn_if_truncated(session, photo)
    wait = Command("labels", path_argument(sent.key), "--wait")
    raise_unless_labelled(session, photo, ["`", wait, "`"])


def _confident_boxes(label: Label, min_confidence: float) -> Label:
    """The label with only those boxes that have at least this confidence."""
    boxes = tuple(box for box in label.boxes if box.confidence >= min_confidence)
    return replace(label, boxes=boxes)


@contextmanager
def _explaining_failure(photo: Photo, prefix: str = "") -> Iterator[None]:
    """Put `prefix` before the error's message; for a failed photo, give the recorded reason."""
    try:
        yield
    except PhotosFailedError as error:
        message = f"{prefix}{error.message}"
        if photo.status == "failed":
            message = f'The photo "{photo.image}" could not be labelled: {photo.reason}'
            end = "." if message.endswith(")") else ""
            message += f"{end} It cannot be shown either."
        raise PhotosFailedError(message, *error.hint_parts) from error


def _caption(photo: Photo) -> str:
    if photo.status == "failed":
        return f"Could not be labelled: {photo.reason}"
    return "Waiting to be labelled." if photo.status == "waiting" else ""


def _print_result(session: Session, photo: Photo, target: Path, drawn: Image.Image) -> None:
    value = {
        "image": photo.image,
        "status": photo.status,
        "file": str(target),
        "width": drawn.width,
        "height": drawn.height,
    }
    size = f"{drawn.width:,} x {drawn.height:,}"
    table = Table((Column("File"),), [(str(target),)])  # for `$(labelctl show a.jpg)`
    if session.view.mode == "table":
        columns = (
            Column("Photo", style="bold", is_key=True),
            Column("Saved as"),
            Column("Pixels", right=True),
        )
        table = Table(columns, [(photo.image, str(target), size)])
    session.view.show(value, table)


# ---- in the terminal


def _screen(session: Session) -> Screen:
    columns, rows = session.view.room_for_pictures()
    from labelctl.cli import terminal_image

    return terminal_image.detect(columns, rows)


def _show_in_terminal(
    session: Session, screen: Screen, picture: Image.Image, labels: list[Label], caption: str
) -> None:
    from labelctl.render.drawing import annotate

    small = annotate.scale_to_fit(picture, screen.size)
    if screen.fine:
        drawn = annotate.scale_to_fit(annotate.draw(small, labels, caption), screen.size)
        session.view.picture(screen.rendered(drawn))
        return
    session.view.picture(screen.rendered(annotate.draw_outlines(small, labels)))
    cells: list[Any] = [
        Cell(f"■ {names} {confidence:.0f} %", "#{:02x}{:02x}{:02x}".format(*color))
        for names, confidence, color in annotate.legend(labels)
    ]
    cells += [f"{label.name} {label.confidence:.0f} %" for label in labels if not label.boxes]
    session.view.flow(cells + ([Cell(caption, "yellow")] if caption else []))
