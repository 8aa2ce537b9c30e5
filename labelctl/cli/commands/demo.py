"""`labelctl demo`: the whole pipeline on the local cloud, command by command."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from labelctl.cli.options import options_of
from labelctl.cli.output import Cell, Column, Table
from labelctl.cli.session import Session
from labelctl.errors import LocalCloudError, PhotosFailedError, UsageError
from labelctl.text import quoted

if TYPE_CHECKING:
    from labelctl.labels.results import Label, Photo

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
"""Photographs in scikit-image's package data; all in the public domain or CC0."""

_COLORS = "Colors and Visual Composition"
_MOST = 3  # things named in a photo's line


def demo(
    context: typer.Context,
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Your photos. Default: four sample photos."),
    ] = None,
) -> None:
    """Run the whole pipeline locally on sample photos.

    Deploys, uploads, shows what is recognised, and makes a gallery; prints the commands that it
    stands for. It needs no AWS account.
    """
    from labelctl.cli.commands import deploy, gallery, upload
    from labelctl.deploy.stack import Settings
    from labelctl.local.folder import data_home

    options = options_of(context)
    options.local = True
    session = Session.of(context)
    view = session.view
    photos = paths or _photographs()
    prefix = "" if paths else "demo/"  # no photo of the user's is to be replaced
    done: list[Photo] = []
    not_sent: list[dict[str, Any]] = []
    failure: PhotosFailedError | None = None

    view.command(session.command("deploy"))
    deploy.carry_out(session, Settings(), yes=False)
    words = f"--prefix {prefix} " if prefix else ""
    view.command(session.command(f"upload --wait {words}{' '.join(map(_quoted, photos))}"))
    try:
        upload.send(session, photos, prefix, wait=True, show=done.append, not_sent=not_sent)
    except PhotosFailedError as error:  # the others are worth seeing
        failure = error
    done.sort(key=lambda photo: photo.image)
    best = _best(done)
    if view.mode != "json":
        view.show(None, _table(done))
        _show(context, session, best)
    page = gallery.make(session, data_home() / "gallery", prefix)
    if view.mode == "json":
        photos_json = [photo.as_json() for photo in done]
        view.show(
            {"photos": photos_json, "not_sent": not_sent, "gallery": str(page) if page else None}
        )
    elif page:
        view.note(f"Gallery: {page}")
    for words in _next(best):
        view.command(session.command(words), lead="Next: ")
    if failure:
        raise failure


def _photographs() -> list[Path]:
    # Found, not imported: importing scikit-image takes longer than labelling its photographs.
    found = importlib.util.find_spec("skimage")
    folder = Path(found.origin).parent / "data" if found and found.origin else None
    photos = [folder / name for name in PHOTOGRAPHS] if folder else []
    there = [photo for photo in photos if photo.is_file()]
    if not there:
        raise LocalCloudError(
            "The demo's photographs are not installed.",
            "Install them with the local cloud, pip install 'labelctl[local]', "
            "or name photos of yours: labelctl demo a.jpg b.png",
        )
    return there


def _quoted(path: Path) -> str:
    here = Path.cwd()
    return quoted(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _table(photos: list[Photo]) -> Table:
    rows = [
        [
            photo.image,
            Cell(photo.reason or "", "red")
            if photo.status == "failed"
            else ", ".join(list(_named(photo))[:_MOST]) or "nothing recognised",
        ]
        for photo in photos
    ]
    return Table((Column("Photo", style="bold"), Column("Recognised")), rows)


def _named(photo: Photo) -> Iterator[str]:
    """The photo's most specific labels, such as "Cat 93 % (Animal, Mammal, Pet)"."""
    for label in _specific(photo):
        kinds = f" ({', '.join(label.parents)})" if label.parents else ""
        yield f"{label.name} {label.confidence:.0f} %{kinds}"


def _specific(photo: Photo) -> list[Label]:
    """Labels that no other one is a kind of; colours only where nothing else is known."""
    general = {parent for label in photo.labels for parent in label.parents}
    found = [label for label in photo.labels if label.name not in general]
    return [label for label in found if _COLORS not in label.categories] or found


def _best(photos: list[Photo]) -> Photo | None:
    """The photo that has most to show: boxes, else labels."""
    labelled = [photo for photo in photos if photo.status == "labelled" and photo.labels]
    boxed = [photo for photo in labelled if any(label.boxes for label in photo.labels)]
    return next(iter(boxed or labelled), None)


def _show(context: typer.Context, session: Session, photo: Photo | None) -> None:
    """The photo with its boxes, on a terminal that can show it."""
    from labelctl.cli.commands import show

    if photo is None:
        return
    try:
        session.view.room_for_pictures()
    except UsageError:
        return
    session.view.command(session.command(f"show --terminal {quoted(photo.image)}"))
    show.show(context, image=photo.image, file=None, open_=False, terminal=True, min_confidence=0)


def _next(best: Photo | None) -> Iterator[str]:
    if best:
        yield f"labels {quoted(best.image)}"
        yield f"search {quoted(_specific(best)[0].name)}"
    else:
        yield "status"
        yield "failures"
    yield "destroy"
