"""`labelctl demo`: runs the whole pipeline on the local cloud and prints each command."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl import paths
from labelctl.cli.commands._photo import state, summary
from labelctl.cli.options import options_of
from labelctl.cli.session import Session
from labelctl.cli.tables import Column, Table
from labelctl.errors import (
    Command,
    FilesSkippedError,
    LocalCloudError,
    PhotosFailedError,
    UsageError,
)
from labelctl.text import path_argument

if TYPE_CHECKING:
    from labelctl.labels.results import Photo

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Photos in scikit-image's package data, in the public domain or CC0."""

_SHOWN_LABELS = 3  # per photo


def demo(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[PATH]...",
            help="Your photos. [default: four bundled samples]",
            readable=False,  # an unreadable file must not stop the others
        ),
    ] = None,
) -> None:
    """Run the whole pipeline locally on sample photos.

    Deploys the pipeline, uploads photos, shows their labels and builds a gallery. Prints the command
    for each step. Needs no AWS account.
    """
    from labelctl.cli.commands import deploy, gallery, upload
    from labelctl.deploy.stack import Settings
    from labelctl.local.folder import data_home

    options = options_of(context)
    options.local = True
    session = Session.of(context)
    view = session.view
    photos = paths or _sample_photos()
    prefix = "" if paths else "demo/"  # so that the samples replace no photo of the user
    done: list[Photo] = []
    not_sent: list[dict[str, Any]] = []
    failure: PhotosFailedError | FilesSkippedError | None = None

    view.command(Command("deploy"))
    deploy.execute(session, Settings(), yes=False)
    option = ["--prefix", prefix] if prefix else []
    view.command(Command("upload", "--wait", *option, *map(_argument, photos)))
    try:
        upload.execute(session, photos, prefix, wait=True, show=done.append, not_sent=not_sent)
    except (PhotosFailedError, FilesSkippedError) as error:  # show the other photos first
        failure = error
    done.sort(key=lambda photo: photo.image)
    best = _best(done)
    if view.mode != "json":
        view.show(None, _table(done))
        _show_picture(context, session, best)
    page = gallery.build_gallery(session, data_home() / "gallery", prefix)
    if view.mode == "json":
        photos_json = [photo.as_json() for photo in done]
        view.show(
            {"photos": photos_json, "not_sent": not_sent, "gallery": str(page) if page else None}
        )
    elif page:
        view.note(f"Gallery: {page}")
    for command in _next_commands(best):
        view.command(command, lead="Next: ")
    if failure:
        raise failure


def _sample_photos() -> list[Path]:
    # `find_spec` because importing scikit-image takes longer than labelling its photos.
    package = importlib.util.find_spec("skimage")
    folder = Path(package.origin).parent / "data" if package and package.origin else None
    photos = [folder / name for name in PHOTOGRAPHS] if folder else []
    installed = [photo for photo in photos if photo.is_file()]
    if not installed:
        raise LocalCloudError(
            "The sample photos are not installed.",
            "Run `pip install 'labelctl[local]'`, or use your own: ",
            Command("demo", "a.jpg", "b.png"),
        )
    return installed


def _argument(path: Path) -> str:
    """The path as a command's argument, relative to the current folder where possible."""
    here = paths.absolute(Path())
    return path_argument(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _table(photos: list[Photo]) -> Table:
    rows = [
        [state(photo.status), photo.image, summary(photo, _SHOWN_LABELS, parents=True)]
        for photo in photos
    ]
    return Table(
        (Column("State"), Column("Photo", style="bold", is_key=True), Column("Top labels")), rows
    )


def _best(photos: list[Photo]) -> Photo | None:
    """The first photo with boxes, else the first with labels."""
    labelled = [photo for photo in photos if photo.status == "labelled" and photo.labels]
    boxed = [photo for photo in labelled if any(label.boxes for label in photo.labels)]
    return next(iter(boxed or labelled), None)


def _show_picture(context: typer.Context, session: Session, photo: Photo | None) -> None:
    """Show the photo with its boxes if the terminal can show pictures."""
    from labelctl.cli.commands import show

    if photo is None:
        return
    try:
        session.view.room_for_pictures()
    except UsageError:
        return
    session.view.command(Command("show", "--terminal", path_argument(photo.image)))
    show.show(context, image=photo.image, file=None, open_=False, terminal=True, min_confidence=0)


def _next_commands(best: Photo | None) -> Iterator[Command]:
    if best:
        yield Command("labels", path_argument(best.image))
        yield Command("search", path_argument(best.specific_labels[0].name))
    else:
        yield Command("status")
        yield Command("failures")
    yield Command("destroy")
