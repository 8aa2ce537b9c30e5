"""`labelctl show`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.commands._open_file import open_file
from labelctl.cli.commands.labels import raise_unless_labelled, tell_which, warn_if_truncated
from labelctl.cli.options import ImageKey
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.errors import PhotosFailedError
from labelctl.text import quoted

if TYPE_CHECKING:
    from PIL import Image

    from labelctl.cli.terminal_image import Screen
    from labelctl.labels.results import Label, Photo

_LONGEST = 2048
"""Pixels a side that a saved picture has at the most: sharp on a screen, and small enough to send."""


def show(
    context: typer.Context,
    image: ImageKey,
    file: Annotated[
        Path | None,
        typer.Option(
            "-o",
            metavar="FILE",
            help="Where to save it, as .png or .jpg. [default: KEY-labels.jpg or .png, here]",
        ),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the saved picture.")] = False,
    terminal: Annotated[
        bool,
        typer.Option(
            "--terminal", help="Show it in this terminal; saved only with -o or --open as well."
        ),
    ] = False,
    min_confidence: Annotated[
        float,
        typer.Option(
            min=0, max=100, metavar="PERCENT", help="Draw labels of at least this confidence."
        ),
    ] = 0,
) -> None:
    """Draw a photo's labels on it: boxes with their names."""
    from labelctl.labels import results
    from labelctl.photos import versions
    from labelctl.render import pictures
    from labelctl.render.drawing import annotate, save

    session = Session.of(context)
    view = session.view
    screen = _screen(session) if terminal else None
    if file:
        save.check(file)
    stack, aws = session.stack, session.aws
    sent = versions.resolve(aws.s3, stack.bucket, image)
    tell_which(session, image, sent.key)
    with view.meter(f"Drawing {sent.key}"):
        photo = results.read(session.reader, sent)
        labels = [_sure(label, min_confidence) for label in photo.at_least(min_confidence).labels]
        with _telling(photo):
            content = pictures.get(aws.s3, stack.bucket, sent)
        target = save.target(file, sent.key, pictures.is_png(content))
        keep = bool(file or open_ or not screen)
        if keep:
            save.check(target)
        with _telling(photo, f'The photo "{sent.key}" cannot be drawn: '):
            picture = pictures.upright(content, _LONGEST)
        drawn = annotate.draw(picture, labels, _note(photo))
        if keep:
            save.save(drawn, target)
    if screen:
        _show_here(session, screen, picture, labels, _note(photo))
    if keep:
        _tell(session, photo, target, drawn)
    if open_:
        open_file(session, target)
    warn_if_truncated(session, photo)
    raise_unless_labelled(session, photo, f"`labelctl labels {quoted(sent.key)} --wait`")


def _sure(label: Label, confidence: float) -> Label:
    """The label without the boxes that are less sure than it is."""
    return replace(label, boxes=tuple(box for box in label.boxes if box.confidence >= confidence))


@contextmanager
def _telling(photo: Photo, instead: str = "") -> Iterator[None]:
    """Of a photo that failed and cannot be shown either, the reason is told that `labels` tells."""
    try:
        yield
    except PhotosFailedError as error:
        message = f"{instead}{error.message}"
        if photo.status == "failed":
            message = f'The photo "{photo.image}" could not be labelled: {photo.reason}'
            message += " Its picture cannot be shown, either."
        raise PhotosFailedError(message, error.hint) from error


def _note(photo: Photo) -> str:
    if photo.status == "failed":
        return f"Could not be labelled: {photo.reason}"
    return "Waiting to be labelled." if photo.status == "pending" else ""


def _tell(session: Session, photo: Photo, target: Path, drawn: Image.Image) -> None:
    told = {"image": photo.image, "status": photo.status, "file": str(target)}
    value = {**told, "width": drawn.width, "height": drawn.height}
    size = f"{drawn.width:,} x {drawn.height:,}"
    plain = session.view.mode == "plain"
    columns = (Column("Photo", style="bold"), Column("Saved as"), Column("Pixels", right=True))
    rows = [(str(target),)] if plain else [(photo.image, str(target), size)]
    session.view.show(value, Table(columns=columns, rows=rows))


# ---- in the terminal


def _screen(session: Session) -> Screen:
    columns, rows = session.view.room_for_pictures()
    from labelctl.cli import terminal_image

    return terminal_image.look(columns, rows)


def _show_here(
    session: Session, screen: Screen, picture: Image.Image, labels: list[Label], note: str
) -> None:
    from labelctl.render.drawing import annotate

    small = annotate.fitted(picture, screen.size)
    if screen.fine:
        drawn = annotate.fitted(annotate.draw(small, labels, note), screen.size)
        session.view.picture(screen.rendered(drawn))
        return
    session.view.picture(screen.rendered(annotate.sketch(small, labels)))
    cells: list[Any] = [
        Cell(f"■ {names} {confidence:.0f} %", "#{:02x}{:02x}{:02x}".format(*color))
        for names, confidence, color in annotate.legend(labels)
    ]
    cells += [f"{label.name} {label.confidence:.0f} %" for label in labels if not label.boxes]
    session.view.flow(cells + ([Cell(note, "yellow")] if note else []))
